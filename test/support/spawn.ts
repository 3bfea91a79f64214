/** Other processes for tests: the `seccf` command under the runtime that runs the test, and foreign programs. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

/** A process that a test started, and stops by its own id when it leaves the scope. */
export class Running implements AsyncDisposable {
  readonly exit: Promise<Exit>;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #written: { out: Uint8Array[]; err: Uint8Array[] } = { out: [], err: [] };
  readonly #watchers = new Set<() => void>();
  #ended: Exit | undefined;

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    child.stdout.on("data", (bytes: Uint8Array) => this.#keep("out", bytes));
    child.stderr.on("data", (bytes: Uint8Array) => this.#keep("err", bytes));
    // A process that ends before it has read everything is no failure of the one that writes.
    child.stdin.on("error", () => {});
    this.exit = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => {
        this.#ended = { code, signal };
        for (const watch of this.#watchers) watch();
        resolve(this.#ended);
      });
    });
    this.exit.catch(() => {});
  }

  get out(): Uint8Array {
    return Buffer.concat(this.#written.out);
  }

  get outText(): string {
    return new TextDecoder().decode(this.out);
  }

  get errText(): string {
    return new TextDecoder().decode(Buffer.concat(this.#written.err));
  }

  /** Writes to its standard input. */
  write(bytes: Uint8Array | string): void {
    this.#child.stdin.write(bytes);
  }

  /** Ends its standard input. */
  endInput(): void {
    this.#child.stdin.end();
  }

  /** Sends it a signal, to its own process id alone. */
  signal(name: "SIGINT" | "SIGTERM" | "SIGKILL"): void {
    // Not the child's own kill(): Deno then reports this signal whatever the process made of it.
    if (this.#child.pid !== undefined) process.kill(this.#child.pid, name);
  }

  /** Waits until it has written what `pattern` matches, on either stream; fails with all it wrote if it ends before. */
  async until(pattern: RegExp): Promise<RegExpMatchArray> {
    for (;;) {
      const match = pattern.exec(this.outText) ?? pattern.exec(this.errText);
      if (match) return match;
      if (this.#ended) throw new Error(`ended without ${pattern}: ${this.outText}${this.errText}`);
      await new Promise<void>((resolve) => {
        const watch = () => {
          this.#watchers.delete(watch);
          resolve();
        };
        this.#watchers.add(watch);
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.signal("SIGKILL");
    await this.exit.catch(() => {});
  }

  #keep(stream: "out" | "err", bytes: Uint8Array): void {
    this.#written[stream].push(bytes);
    for (const watch of [...this.#watchers]) watch();
  }
}

/** Starts `file`, found on the path; `env` is added to this process's own. */
export function start(file: string, words: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
  return new Running(spawn(file, [...words], {
    stdio: "pipe",
    env: { ...process.env, ...env },
    // Only so that a test that waits in vain ends at all.
    timeout: 50_000,
    killSignal: "SIGKILL",
  }));
}

/** Starts a script of this repository, by its path from the root, under the runtime that runs the test. */
export function startScript(script: string, words: readonly string[], env?: Readonly<Record<string, string>>): Running {
  const path = fileURLToPath(new URL(`../../${script}`, import.meta.url));
  const flags = "Deno" in globalThis ? ["run", "--allow-all", "--no-check", "--quiet"] : [];
  return start(process.execPath, [...flags, path, ...words], env);
}

/** Starts `seccf` with `words`. */
export function startSeccf(words: readonly string[], env?: Readonly<Record<string, string>>): Running {
  return startScript("cli.ts", words, env);
}
