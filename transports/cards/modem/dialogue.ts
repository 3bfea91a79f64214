/** AT commands and what comes back: echo, answers, the end, and in between whatever the modem has to say by itself. @module */

import { fromUtf8, toUtf8 } from "../../../lib/bytes/mod.ts";
import type { Clock } from "../../../lib/clock.ts";
import { wipe } from "../../../lib/crypto/mod.ts";
import { deadline } from "../../../lib/deadline.ts";
import { SeccfError } from "../../../lib/error.ts";
import type { ByteStream } from "../../../lib/link.ts";
import type { Wait } from "../../../lib/platform.ts";
import { Intake } from "../intake.ts";
import { decodeFinal, type Final } from "./result.ts";

/** What {@link Dialogue} takes. */
export interface DialogueOptions {
  readonly clock: Clock;
  /** For one command, its answer included. */
  readonly timeoutSeconds: number;
}

/** A command's end, and the lines of its answer, which are the caller's to wipe. */
export interface Reply {
  readonly final: Final;
  readonly lines: readonly Uint8Array[];
}

/** One modem on one stream. A command whose end did not come ends the dialogue: what came later would answer another. */
export class Dialogue implements AsyncDisposable {
  readonly #stream: ByteStream;
  readonly #intake: Intake;
  readonly #options: DialogueOptions;
  #last: Promise<unknown> = Promise.resolve();
  #broken: SeccfError | undefined;

  constructor(stream: ByteStream, options: DialogueOptions) {
    this.#stream = stream;
    this.#intake = new Intake(stream);
    this.#options = options;
  }

  /** Lets the modem finish what it had to say to somebody else: waits until it was silent for `ms`. */
  async silence(ms: number, wait: Wait = {}): Promise<void> {
    const { clock } = this.#options;
    for (let pieces = 0; pieces < MOST_LINES; pieces++) {
      using limit = deadline({ clock, seconds: ms / 1000, reason: () => SILENT, signal: wait.signal });
      try {
        await this.#intake.skip(limit);
      } catch (error) {
        if (error === SILENT) return;
        throw error;
      }
    }
    throw new SeccfError("too-large", "the modem does not stop talking");
  }

  /**
   * Sends `command`, wiped then, and takes the lines whose beginning `accept` wants; all others are passed over. Throws
   * `timeout`, `closed`, `too-large`.
   */
  async ask(command: Uint8Array, accept: (line: string) => boolean, wait: Wait = {}): Promise<Reply> {
    const { clock, timeoutSeconds } = this.#options;
    const mine = this.#last.then(async () => {
      wait.signal?.throwIfAborted();
      if (this.#broken) throw this.#broken;
      using limit = deadline({ clock, seconds: timeoutSeconds, reason: late, signal: wait.signal });
      try {
        await this.#stream.write(command, limit);
        return await this.#listen(accept, limit);
      } catch (error) {
        this.#broken = new SeccfError("closed", "the dialogue with the modem is out of step", { cause: error });
        throw error;
      }
    }).finally(() => wipe(command));
    this.#last = mine.catch(() => undefined);
    return await mine;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#broken ??= new SeccfError("closed", "the dialogue with the modem was closed");
    await this.#stream[Symbol.asyncDispose]();
  }

  async #listen(accept: (line: string) => boolean, wait: Wait): Promise<Reply> {
    const lines: Uint8Array[] = [];
    try {
      for (let count = 0; count < MOST_LINES; count++) {
        const line = await this.#intake.line(LONGEST_LINE, wait);
        // The head is enough to tell lines apart; the rest may be keys, which a string would keep.
        const head = textOf(line.subarray(0, HEAD));
        const final = line.length <= HEAD ? decodeFinal(head) : undefined;
        if (final) return { final, lines: lines.splice(0) };
        if (accept(head)) lines.push(line);
        else wipe(line);
      }
    } finally {
      wipe(...lines);
    }
    throw new SeccfError("too-large", "the modem does not come to an end of its answer");
  }
}

/** `AT` and what follows, with the end of the line; the parts are wiped. */
export function atCommand(...parts: readonly (string | Uint8Array)[]): Uint8Array {
  const bytes = ["AT", ...parts, "\r"].map((part) => typeof part === "string" ? toUtf8(part) : part);
  const out = new Uint8Array(bytes.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of bytes) {
    out.set(part, at);
    at += part.length;
  }
  wipe(...bytes);
  return out;
}

/** For people's eyes and for comparing: bytes that are no text become `?`. */
function textOf(bytes: Uint8Array): string {
  return fromUtf8(bytes.map((byte) => byte >= 0x20 && byte < 0x7f ? byte : 0x3f));
}

function late(): SeccfError {
  return new SeccfError("timeout", "the modem does not answer");
}

const SILENT = Symbol();
/** Until the end of one answer, unsolicited lines included. */
const MOST_LINES = 64;
/** An answer of 258 bytes in hexadecimal digits with its head; EF_DIR by +CUAD. */
const LONGEST_LINE = 4096;
const HEAD = 80;
