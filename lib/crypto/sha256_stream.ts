/** HMAC-SHA-256 of a message in parts, from midstates, on a kernel. @module */

import { secretRoom, wipe } from "./secret.ts";
import type { Sha256Kernel } from "./sha256_kernel.ts";

/** One message at a time: `begin`, `update` as often as needed, `finishInto`. Its memory is its own, and wiped after each. */
export class Sha256Stream {
  readonly #kernel: Sha256Kernel;
  readonly #room: Uint8Array = secretRoom(96);
  readonly #block: Uint8Array = this.#room.subarray(0, 64);
  readonly #state: Int32Array = new Int32Array(this.#room.buffer, 64, 8);
  /** Bytes so far; the key's block counts. 0: not begun. */
  #total = 0;

  constructor(kernel: Sha256Kernel) {
    this.#kernel = kernel;
  }

  /** Whether a message is in progress. */
  get begun(): boolean {
    return this.#total > 0;
  }

  /** Starts from the first 8 words of `midstates`. */
  begin(midstates: Int32Array): void {
    for (let i = 0; i < 8; i++) this.#state[i] = midstates[i]!;
    this.#total = 64;
  }

  update(bytes: Uint8Array): void {
    const block = this.#block;
    let at = 0;
    let held = this.#total & 63;
    this.#total += bytes.length;
    if (held > 0) {
      for (; held < 64 && at < bytes.length; at++) block[held++] = bytes[at]!;
      if (held < 64) return;
      this.#kernel.compress(this.#state, block, 0, 1);
    }
    const whole = (bytes.length - at) >>> 6;
    if (whole > 0) this.#kernel.compress(this.#state, bytes, at, whole);
    at += 64 * whole;
    for (held = 0; at < bytes.length; at++) block[held++] = bytes[at]!;
  }

  /** Writes the tag of 32 bytes, with the last 8 words of `midstates`, and ends. */
  finishInto(midstates: Int32Array, out: Uint8Array): void {
    this.#pad(this.#total);
    this.#words(this.#block);
    this.#outer(midstates, out);
  }

  /** As {@link Sha256Stream.finishInto}, for an inner digest that was made elsewhere. */
  closeInto(midstates: Int32Array, digest: Uint8Array, out: Uint8Array): void {
    this.#block.set(digest);
    this.#outer(midstates, out);
  }

  /** Forgets a message in progress. */
  wipe(): void {
    this.#total = 0;
    wipe(this.#room);
  }

  /** The outer message is its key's block and the inner digest, which the block now begins with. */
  #outer(midstates: Int32Array, out: Uint8Array): void {
    for (let i = 0; i < 8; i++) this.#state[i] = midstates[8 + i]!;
    this.#pad(64 + 32);
    this.#words(out);
    this.wipe();
  }

  /** FIPS 180-4 5.1.1. */
  #pad(total: number): void {
    const block = this.#block;
    let held = total & 63;
    block[held++] = 0x80;
    if (held > 56) {
      block.fill(0, held);
      this.#kernel.compress(this.#state, block, 0, 1);
      held = 0;
    }
    block.fill(0, held);
    // Bits in 64; a number holds 53.
    for (let i = 63, rest = total * 8; i >= 56; i--, rest = Math.floor(rest / 256)) block[i] = rest;
    this.#kernel.compress(this.#state, block, 0, 1);
  }

  #words(out: Uint8Array): void {
    for (let i = 0; i < 8; i++) {
      const word = this.#state[i]!;
      out[4 * i] = word >>> 24;
      out[4 * i + 1] = word >>> 16;
      out[4 * i + 2] = word >>> 8;
      out[4 * i + 3] = word;
    }
  }
}
