/** Bytes on their way to a stream, one write at a time and in order. @module */

import type { ByteStream } from "../link.ts";

/** The writing side of a {@link ByteStream}. After the first failed write nothing more is written. */
export class Outbox {
  readonly #stream: ByteStream;
  readonly #onFailure: (error: unknown) => void;
  #tail: Promise<void> = Promise.resolve();
  #failed = false;
  #error: unknown;

  /** `onFailure` hears of the first failed write. */
  constructor(stream: ByteStream, onFailure: (error: unknown) => void) {
    this.#stream = stream;
    this.#onFailure = onFailure;
  }

  /** Takes a copy of `bytes` now and writes it when all before it is written; {@link Outbox.flushed} tells when. */
  put(bytes: Uint8Array): void {
    const copy = new Uint8Array(bytes);
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
    } catch (error) {
      this.#failed = true;
      this.#error = error;
      this.#onFailure(error);
    }
  }
}
