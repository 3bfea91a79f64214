/** Bytes of a stream, taken in pieces of known length or in lines. @module */

import { unlessAborted } from "../../lib/deadline.ts";
import { wipe } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import type { ByteStream } from "../../lib/link.ts";
import type { Wait } from "../../lib/platform.ts";

/** What has come and was not taken yet. Card answers pass through here: what was taken is wiped behind it. */
export class Intake {
  readonly #pieces: AsyncIterator<Uint8Array, undefined>;
  #piece: Uint8Array = new Uint8Array(0);
  /** Of a read that was given up: it goes on, and whoever reads next takes it over. */
  #reading: Promise<IteratorResult<Uint8Array, undefined>> | undefined;

  constructor(stream: ByteStream) {
    this.#pieces = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array, undefined>;
  }

  /** The next `length` bytes, the caller's. Throws `closed` when the stream ends before, or what the stream throws. */
  async take(length: number, { signal }: Wait = {}): Promise<Uint8Array> {
    const out = new Uint8Array(length);
    let at = 0;
    while (at < length) {
      if (this.#piece.length === 0) this.#piece = await this.#next(signal);
      const part = this.#piece.subarray(0, length - at);
      out.set(part, at);
      at += part.length;
      this.#piece = this.#piece.subarray(part.length);
      wipe(part);
    }
    return out;
  }

  /** The next line that is not empty, ended by CR or LF; the caller's. Throws `too-large` past `limit` bytes, else as {@link Intake.take}. */
  async line(limit: number, { signal }: Wait = {}): Promise<Uint8Array> {
    const out = new Uint8Array(limit);
    for (let at = 0;;) {
      if (this.#piece.length === 0) this.#piece = await this.#next(signal);
      const byte = this.#piece[0]!;
      this.#piece[0] = 0;
      this.#piece = this.#piece.subarray(1);
      if (byte !== CR && byte !== LF) {
        if (at === limit) throw new SeccfError("too-large", `a line of more than ${limit} bytes`);
        out[at++] = byte;
      } else if (at > 0) {
        const line = out.slice(0, at);
        wipe(out);
        return line;
      }
    }
  }

  /** Drops what has come, or the next that comes. */
  async skip({ signal }: Wait = {}): Promise<void> {
    if (this.#piece.length === 0) this.#piece = await this.#next(signal);
    wipe(this.#piece);
    this.#piece = new Uint8Array(0);
  }

  async #next(signal: AbortSignal | undefined): Promise<Uint8Array> {
    const reading = this.#reading ??= this.#pieces.next();
    const result = await unlessAborted(reading, signal);
    this.#reading = undefined;
    if (result.done) throw new SeccfError("closed", "the other side ended the connection");
    return result.value;
  }
}

const CR = 0x0d;
const LF = 0x0a;
