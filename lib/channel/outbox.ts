/** Bytes on their way to a stream, one write at a time and in order. @module */

import { SeccfError } from "../error.ts";
import type { ByteStream } from "../link.ts";

/**
 * The writing side of a {@link ByteStream}. After the first failed write nothing more is written. Who sends data waits
 * for each piece to be taken; what an engine answers nobody waits for, and a peer that asks much and reads nothing is one
 * more failure.
 */
export class Outbox {
  readonly #stream: ByteStream;
  readonly #onFailure: (error: unknown) => void;
  #tail: Promise<void> = Promise.resolve();
  /** Bytes that the stream has not taken yet. */
  #held = 0;
  #failed = false;
  #error: unknown;

  /** `onFailure` hears of the first failed write, or of `exhausted`, never within a call. */
  constructor(stream: ByteStream, onFailure: (error: unknown) => void) {
    this.#stream = stream;
    this.#onFailure = onFailure;
  }

  /** Takes a copy of `bytes` now and writes it when all before it is written; {@link Outbox.flushed} tells when. */
  put(bytes: Uint8Array): void {
    if (this.#failed) return;
    if (this.#held > 0 && this.#held + bytes.length > MOST) {
      this.#fail(new SeccfError("exhausted", "the peer does not read what it is answered"));
      return;
    }
    const copy = new Uint8Array(bytes);
    this.#held += copy.length;
    this.#tail = this.#tail.then(() => this.#write(copy));
  }

  /** Resolves when the stream has taken everything put until now; rejects as the write that failed. */
  async flushed(): Promise<void> {
    await this.#tail;
    if (this.#failed) throw this.#error;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    if (this.#failed) return;
    try {
      await this.#stream.write(bytes);
      this.#held -= bytes.length;
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#error = error;
    void Promise.resolve().then(() => this.#onFailure(error));
  }
}

/** Bytes: a piece of data in the smallest records that there are, and as much of answers. */
const MOST = 65_536;
