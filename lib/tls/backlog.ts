/** Bytes that came and are not yet used: read in place while they last, copied only when they must wait. @module */

import { KEEP_BUFFER } from "./limits.ts";

/** A queue of bytes. What `push` is given stays the caller's: `settle` must come before the caller may touch it again. */
export class Backlog {
  /** Either the caller's bytes or `#own`. */
  #source: Uint8Array = NOTHING;
  #at = 0;
  #end = 0;
  #own: Uint8Array = NOTHING;

  /** How many bytes wait. */
  get size(): number {
    return this.#end - this.#at;
  }

  /** Adds `bytes` at the end. */
  push(bytes: Uint8Array): void {
    if (this.size === 0) {
      this.#source = bytes;
      this.#at = 0;
      this.#end = bytes.length;
    } else if (bytes.length > 0) {
      this.#keep(bytes.length);
      this.#own.set(bytes, this.#end);
      this.#end += bytes.length;
    }
  }

  /** The byte `offset` places on; `offset` is below `size`. */
  at(offset: number): number {
    // The caller has compared with `size`.
    return this.#source[this.#at + offset]!;
  }

  /** A view of the next `length` bytes, at most `size`, which are used up; valid until the next `push` or `settle`. */
  take(length: number): Uint8Array {
    const view = this.#source.subarray(this.#at, this.#at + length);
    this.#at += length;
    return view;
  }

  /** Copies the next `length` bytes, at most `size`, to `at` in `out`; they are used up. */
  takeInto(out: Uint8Array, at: number, length: number): void {
    // A view is an object: for few bytes it costs more than they do.
    if (length > SHORT) out.set(this.take(length), at);
    else for (let i = 0; i < length; i++) out[at + i] = this.#source[this.#at++]!;
  }

  /** Copies what waits, so that nothing of the caller's is held any longer. */
  settle(): void {
    if (this.size > 0) {
      this.#keep(0);
      return;
    }
    this.#source = NOTHING;
    this.#at = 0;
    this.#end = 0;
    if (this.#own.length > KEEP_BUFFER) this.#own = NOTHING;
  }

  /** Forgets everything. */
  clear(): void {
    this.#own.fill(0);
    this.#own = NOTHING;
    this.#source = NOTHING;
    this.#at = 0;
    this.#end = 0;
  }

  /** Moves what waits to the beginning of `#own`, with room for `more` behind it. */
  #keep(more: number): void {
    const waiting = this.#source.subarray(this.#at, this.#end);
    const needed = waiting.length + more;
    if (this.#own.length < needed) {
      const larger = new Uint8Array(roomFor(needed));
      larger.set(waiting);
      this.#own = larger;
    } else if (this.#source !== this.#own || this.#at > 0) {
      this.#own.set(waiting);
    }
    this.#source = this.#own;
    this.#at = 0;
    this.#end = waiting.length;
  }
}

/** How large a buffer to make for `length` bytes: the next power of two where it will be kept, so that growing stays cheap. */
function roomFor(length: number): number {
  if (length > KEEP_BUFFER) return length;
  let room = 64;
  while (room < length) room *= 2;
  return room;
}

const NOTHING: Uint8Array = new Uint8Array(0);
/** Bytes. */
const SHORT = 256;
