/** An AEAD on a kernel of ours for records up to some length, which then allocate nothing, and on another cipher beyond. @module */

import type { RawAead } from "./aead.ts";
import { secretRoom, wipe } from "./secret.ts";

/** One way to compute an AEAD. Keeps nothing between calls, so all keys share one. */
export interface AeadKernel {
  /** Bytes. */
  readonly tagLength: number;
  /** How many bytes of additional data it takes. */
  readonly aadRoom: number;
  /** How many bytes of text it takes, the tag not counted. */
  readonly textRoom: number;
  /** How many bytes `expandInto` writes for a key of `keyLength` bytes. */
  expandedLength(keyLength: number): number;
  /** Writes what `seal` and `open` want of `key`. */
  expandInto(key: Uint8Array, expanded: Uint8Array): void;
  /** As {@link RawAead.seal}, for what has room. Allocates nothing. */
  seal(expanded: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array): void;
  /** As {@link RawAead.open}, for what has room; writes nothing to `out` where the tag is wrong. Allocates nothing. */
  open(expanded: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out: Uint8Array): boolean;
  /** Wipes what a call that threw left behind, which would stay and spoil the next: at the end of the stack any call may throw. */
  forget(): void;
}

/** One keyed AEAD. The cipher for longer records is made when the first comes: most devices never send one. */
export class KernelAead implements RawAead {
  /** What counts in 32 bits with a sign, as no record does: a larger number would be an object, made each time it is read. */
  readonly longest: number;
  readonly #kernel: AeadKernel;
  /** Bytes of text up to which the kernel is used. */
  readonly #until: number;
  readonly #beyond: (key: Uint8Array) => RawAead;
  /** What the kernel wants of the key; in the same memory behind it lies the key. */
  readonly #expanded: Uint8Array;
  #long: RawAead | undefined;

  constructor(
    kernel: AeadKernel,
    key: Uint8Array,
    until: number,
    beyond: (key: Uint8Array) => RawAead,
    longest: number = 2 ** 31 - 1,
  ) {
    this.longest = longest;
    const length = kernel.expandedLength(key.length);
    const room = secretRoom(length + key.length);
    this.#kernel = kernel;
    this.#until = until < kernel.textRoom ? until : kernel.textRoom;
    this.#beyond = beyond;
    this.#expanded = room.subarray(0, length);
    try {
      kernel.expandInto(key, this.#expanded);
    } catch (error) {
      kernel.forget();
      throw error;
    }
    room.set(key, length);
  }

  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array): void {
    if (plaintext.length <= this.#until && aad.length <= this.#kernel.aadRoom) {
      try {
        this.#kernel.seal(this.#expanded, nonce, aad, plaintext, out);
      } catch (error) {
        this.#kernel.forget();
        throw error;
      }
    } else {
      this.#longer().seal(nonce, aad, plaintext, out);
    }
  }

  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out: Uint8Array): boolean {
    if (sealed.length - this.#kernel.tagLength <= this.#until && aad.length <= this.#kernel.aadRoom) {
      try {
        return this.#kernel.open(this.#expanded, nonce, aad, sealed, out);
      } catch (error) {
        this.#kernel.forget();
        throw error;
      }
    }
    return this.#longer().open(nonce, aad, sealed, out);
  }

  dispose(): void {
    wipe(new Uint8Array(this.#expanded.buffer));
    this.#long?.dispose();
    this.#long = undefined;
  }

  #longer(): RawAead {
    const { buffer, length } = this.#expanded;
    return this.#long ??= this.#beyond(new Uint8Array(buffer, length));
  }
}
