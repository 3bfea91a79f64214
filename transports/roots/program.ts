/**
 * The programs that stand between this process and a token: started without a shell, watched by a clock, bounded in what
 * they may write, ended by their own process id. A secret goes in by standard input and comes out by standard output;
 * never by the command line or the environment, which other processes of the machine may read.
 *
 * @module
 */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import process from "node:process";
import { concat } from "../../lib/bytes/mod.ts";
import type { Clock } from "../../lib/clock.ts";
import { wipe } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import type { Wait } from "../../lib/platform.ts";

/** How a program is run. */
export interface ProgramOptions extends Wait {
  readonly clock: Clock;
  /** How long it may take altogether; then it is killed, and what waits for it throws `timeout`. */
  readonly timeoutSeconds: number;
  /** Added to this process's environment: names of files and devices, never a secret. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** How a program ended. */
export interface Ending {
  /** `null` when a signal ended it. */
  readonly code: number | null;
  /** All that it wrote on standard output and was not read: the caller's to wipe. */
  readonly output: Uint8Array;
  /** The beginning of what it wrote on standard error. */
  readonly complaint: string;
}

/**
 * A running program. What waits for it throws `identity-unavailable` when it can not be started, ends early or writes
 * more than it may, `timeout`, or the reason of the aborted signal; it is killed then, and whenever it is left.
 */
export class Program implements AsyncDisposable {
  readonly #name: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #gone: Promise<void>;
  readonly #release: () => void;
  #output: Uint8Array[] = [];
  #size = 0;
  #complaint = "";
  #left = false;
  #closed = false;
  #code: number | null = null;
  #failure: { readonly reason: unknown } | undefined;
  #wake = (): void => {};

  /** Starts `command`: the program, found on the path where it names no folder, and its words. */
  constructor(command: readonly string[], { clock, timeoutSeconds, signal, environment }: ProgramOptions) {
    signal?.throwIfAborted();
    const [name = "", ...words] = command;
    this.#name = name;
    // The C locale: what these tools complain of is read.
    const env = { ...process.env, ...environment, LC_ALL: "C" };
    try {
      this.#child = spawn(name, words, { stdio: "pipe", env });
    } catch (cause) {
      throw new SeccfError("identity-unavailable", `${name} does not start`, { cause });
    }
    this.#gone = this.#watch();
    const late = () => this.#fail(new SeccfError("timeout", `${name} took more than ${timeoutSeconds} s`));
    const alarm = clock.alarm(clock.now() + timeoutSeconds * 1000, late);
    const abort = () => this.#fail(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    this.#release = () => {
      alarm[Symbol.dispose]();
      signal?.removeEventListener("abort", abort);
    };
  }

  /** Hands `bytes` to its standard input and returns when they have left this process. A program that reads no more shows when it is read from. */
  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.#child.stdin.write(bytes, () => resolve());
      // Not every runtime tells what was still to be written that nobody reads it any more.
      this.#gone.then(resolve);
    });
  }

  /** The next `length` bytes of its standard output: the caller's to wipe. */
  async read(length: number): Promise<Uint8Array> {
    while (this.#size < length) {
      if (this.#failure) throw this.#failure.reason;
      if (this.#closed) throw this.#early();
      await this.#change();
    }
    const all = concat(...this.#output);
    wipe(...this.#output);
    const bytes = all.slice(0, length);
    this.#output = [all.slice(length)];
    this.#size -= length;
    wipe(all);
    return bytes;
  }

  /** Ends its standard input and waits until it has ended too. */
  async finish(): Promise<Ending> {
    this.#child.stdin.end();
    while (!this.#closed && !this.#failure) await this.#change();
    if (this.#failure) throw this.#failure.reason;
    const output = concat(...this.#output);
    this.#forget();
    return { code: this.#code, output, complaint: this.#complaint };
  }

  /** Kills it where it still runs, and returns when it is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#release();
    this.#kill();
    await this.#gone;
    // A child of its own may hold on to the pipes.
    for (const stream of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) stream.destroy();
    this.#forget();
  }

  /** Resolves when the process is gone, or never was. */
  #watch(): Promise<void> {
    const child = this.#child;
    child.stdout.on("data", (bytes: Uint8Array) => this.#keep(bytes));
    child.stderr.on("data", (bytes: Uint8Array) => {
      if (this.#complaint.length < MOST_COMPLAINT) this.#complaint += new TextDecoder().decode(bytes);
    });
    // It may end before it has read everything; that it ended is told by its end.
    child.stdin.on("error", () => {});
    return new Promise((resolve) => {
      child.once("error", (cause) => {
        if (child.pid === undefined) this.#left = true;
        this.#fail(new SeccfError("identity-unavailable", `${this.#name} does not start`, { cause }));
        resolve();
      });
      child.once("exit", () => {
        this.#left = true;
        resolve();
      });
      child.once("close", (code) => {
        this.#closed = true;
        this.#code = code;
        this.#wake();
      });
    });
  }

  #keep(bytes: Uint8Array): void {
    this.#size += bytes.length;
    if (this.#failure || this.#size > MOST_OUTPUT) {
      wipe(bytes);
      this.#fail(new SeccfError("identity-unavailable", `${this.#name} writes more than ${MOST_OUTPUT} bytes`));
      return;
    }
    this.#output.push(bytes);
    this.#wake();
  }

  #fail(reason: unknown): void {
    if (this.#failure || this.#closed) return;
    this.#failure = { reason };
    this.#kill();
    this.#wake();
  }

  /** By the one id, and only while it is certain to be this process's: a number is given out again. */
  #kill(): void {
    if (this.#left || this.#child.pid === undefined) return;
    try {
      process.kill(this.#child.pid, "SIGKILL");
    } catch {
      // It ended in this moment.
    }
  }

  #forget(): void {
    wipe(...this.#output);
    this.#output = [];
    this.#size = 0;
  }

  #early(): SeccfError {
    const cause = this.#complaint === "" ? undefined : new Error(this.#complaint.slice(0, MOST_COMPLAINT));
    return new SeccfError("identity-unavailable", `${this.#name} ended in the middle, with ${this.#code}`, { cause });
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake = resolve);
  }
}

/** Runs `command` to its end with `input` on its standard input. Throws as {@link Program} does; any exit code is the caller's to judge. */
export async function run(command: readonly string[], options: ProgramOptions, input?: Uint8Array): Promise<Ending> {
  await using program = new Program(command, options);
  if (input) await program.write(input);
  return await program.finish();
}

/** Far more than any token answers. */
const MOST_OUTPUT = 65536;
const MOST_COMPLAINT = 4096;
