/** One connection to pcscd: a command, its answer, one after the other. @module */

import { deadline } from "../../../lib/deadline.ts";
import type { Clock } from "../../../lib/clock.ts";
import { wipe } from "../../../lib/crypto/mod.ts";
import { SeccfError } from "../../../lib/error.ts";
import type { ByteStream } from "../../../lib/link.ts";
import type { Wait } from "../../../lib/platform.ts";
import { Intake } from "../intake.ts";
import { ANSWER_LENGTH, COMMAND, encodeMessage, word, words } from "./message.ts";
import { resultError, SERVICE_STOPPED } from "./result.ts";

/** What {@link Daemon.open} takes. */
export interface DaemonOptions {
  /** Opens pcscd's socket. Throws `unreachable`. */
  readonly open: (options: Wait) => Promise<ByteStream>;
  readonly clock: Clock;
  /** For one command, its answer included. */
  readonly timeoutSeconds: number;
}

/** A client of pcscd. Commands are not to overlap: {@link Daemon.request} waits for its turn. */
export class Daemon implements AsyncDisposable {
  readonly #stream: ByteStream;
  readonly #intake: Intake;
  readonly #options: DaemonOptions;
  #last: Promise<unknown> = Promise.resolve();
  #broken: SeccfError | undefined;

  private constructor(stream: ByteStream, options: DaemonOptions) {
    this.#stream = stream;
    this.#intake = new Intake(stream);
    this.#options = options;
  }

  /** Connects and agrees on a version. Throws `unreachable`, `timeout`, `unsupported` for a version that is not spoken here. */
  static async open(options: DaemonOptions, wait: Wait = {}): Promise<Daemon> {
    const daemon = new Daemon(await options.open(wait), options);
    try {
      await daemon.#agree(4, wait);
      return daemon;
    } catch (error) {
      await daemon[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * Sends a message and lets `receive` take what answers it. What does not end well ends the connection: the answer may
   * still come, and what is asked next would take it for its own. Throws `closed`, `timeout`, or what `receive` throws.
   */
  async exchange<T>(
    message: Uint8Array,
    receive: (intake: Intake, wait: Wait) => Promise<T>,
    wait: Wait = {},
  ): Promise<T> {
    const { clock, timeoutSeconds } = this.#options;
    const mine = this.#last.then(async () => {
      wait.signal?.throwIfAborted();
      if (this.#broken) throw this.#broken;
      using limit = deadline({ clock, seconds: timeoutSeconds, reason: late, signal: wait.signal });
      try {
        await this.#stream.write(message, limit);
        return await receive(this.#intake, limit);
      } catch (error) {
        await this.#break(error);
        throw error;
      }
    }).finally(() => wipe(message));
    this.#last = mine.catch(() => undefined);
    return await mine;
  }

  /** Sends a message whose answer has `length` bytes. */
  async request(message: Uint8Array, length: number, wait?: Wait): Promise<Uint8Array> {
    return await this.exchange(message, (intake, limit) => intake.take(length, limit), wait);
  }

  /** Takes `length` bytes that come by themselves, whenever they come. */
  async take(length: number, wait?: Wait): Promise<Uint8Array> {
    return await this.#intake.take(length, wait);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#break();
  }

  /** Offers version 4:`minor`; what the other side has is taken if it is spoken here. */
  async #agree(minor: number, wait: Wait): Promise<void> {
    const length = ANSWER_LENGTH.version;
    const answer = await this.request(encodeMessage(COMMAND.version, words(4, minor, 0)), length, wait);
    const [major, theirs, result] = [word(answer, 0), word(answer, 1), word(answer, 2)];
    if (result === 0) return;
    if (result !== SERVICE_STOPPED) throw resultError(result, "version");
    if (minor !== 4 || major !== 4 || theirs !== 5) {
      throw new SeccfError("unsupported", `pcscd speaks version ${major}:${theirs} of its protocol`);
    }
    await this.#agree(theirs, wait);
  }

  async #break(cause?: unknown): Promise<void> {
    this.#broken ??= new SeccfError("closed", "the connection to pcscd is closed", { cause });
    await this.#stream[Symbol.asyncDispose]();
  }
}

function late(): SeccfError {
  return new SeccfError("timeout", "pcscd does not answer");
}
