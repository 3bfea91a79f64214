/** An AEAD on a kernel of ours for records up to some length, which then allocate nothing, and on another cipher beyond. @module */

import type { RawAead } from "./aead.ts";
import { type KeyShelf, shelfFor } from "./key_shelf.ts";
import { secretRoom } from "./secret.ts";

/** What a kernel wants of a key, where it lies: `count` words from `at` on. */
export interface ExpandedKey {
  readonly words: Int32Array;
  readonly at: number;
  readonly count: number;
}

/** One way to compute an AEAD. Keeps nothing between calls, so all keys share one. */
export interface AeadKernel {
  /** Bytes. */
  readonly tagLength: number;
  /** How many bytes of additional data it takes. */
  readonly aadRoom: number;
  /** How many bytes of text it takes, the tag not counted. */
  readonly textRoom: number;
  /** How many words `expand` writes for a key of `keyLength` bytes. */
  expandedWords(keyLength: number): number;
  /** Writes what `seal` and `open` want of `key` to where `into` says. */
  expand(key: Uint8Array, into: ExpandedKey): void;
  /** As {@link RawAead.seal}, for what has room. Allocates nothing. */
  seal(key: ExpandedKey, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array): void;
  /** As {@link RawAead.open}, for what has room; writes nothing to `out` where the tag is wrong. Allocates nothing. */
  open(key: ExpandedKey, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out: Uint8Array): boolean;
  /** Wipes what a call that threw left behind, which would stay and spoil the next: at the end of the stack any call may throw. */
  forget(): void;
}

/** A cipher on a kernel, the same for all its keys of one length. */
export interface KernelCipher {
  readonly kernel: AeadKernel;
  /** Bytes. */
  readonly keyLength: number;
  /** Bytes of text up to which the kernel is used. */
  readonly until: number;
  /** The cipher beyond, keyed with a copy of `key`. */
  readonly beyond: (key: Uint8Array) => RawAead;
  /** Bytes of the longest text. What does not count in 32 bits with a sign would be an object, made each time it is read; no record comes near. */
  readonly longest?: number;
}

/** What is as `kernel` and beyond as the runtime's own; where it has none, on the kernel as far as that goes, and then as `last`. */
export function kernelCipher(
  kernel: Omit<KernelCipher, "beyond">,
  native: (key: Uint8Array) => RawAead | undefined,
  last: (key: Uint8Array) => RawAead,
): KernelCipher {
  const alone = { ...kernel, until: Infinity, beyond: last };
  return { ...kernel, beyond: (key) => native(key) ?? new KernelAead(alone, key) };
}

/** One keyed AEAD. The cipher for longer records is made when the first comes: most devices never send one. */
export class KernelAead implements RawAead, ExpandedKey {
  at: number;
  readonly #cipher: KernelCipher;
  /** What the kernel wants of the key, and behind it the key. */
  readonly #shelf: KeyShelf;
  #long: RawAead | undefined;

  /** Copies `key`. */
  constructor(cipher: KernelCipher, key: Uint8Array) {
    this.#cipher = cipher;
    this.#shelf = shelfFor(this.count + cipher.keyLength / 4);
    this.at = this.#shelf.take();
    try {
      cipher.kernel.expand(key, this);
    } catch (error) {
      cipher.kernel.forget();
      this.#shelf.give(this.at);
      throw error;
    }
    this.#key.set(key);
  }

  get words(): Int32Array {
    return this.#shelf.words;
  }

  get count(): number {
    const { kernel, keyLength } = this.#cipher;
    return kernel.expandedWords(keyLength);
  }

  get longest(): number {
    return this.#cipher.longest ?? 2 ** 31 - 1;
  }

  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array): void {
    const { kernel } = this.#cipher;
    if (!this.#isShort(plaintext.length, aad)) {
      this.#longer().seal(nonce, aad, plaintext, out);
      return;
    }
    try {
      kernel.seal(this, nonce, aad, plaintext, out);
    } catch (error) {
      kernel.forget();
      throw error;
    }
  }

  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out: Uint8Array): boolean {
    const { kernel } = this.#cipher;
    if (!this.#isShort(sealed.length - kernel.tagLength, aad)) return this.#longer().open(nonce, aad, sealed, out);
    try {
      return kernel.open(this, nonce, aad, sealed, out);
    } catch (error) {
      kernel.forget();
      throw error;
    }
  }

  dispose(): void {
    // Once: the place may be another's by the second time.
    if (this.at < 0) return;
    this.#shelf.give(this.at);
    this.at = -1;
    this.#long?.dispose();
    this.#long = undefined;
  }

  #isShort(length: number, aad: Uint8Array): boolean {
    const { kernel, until } = this.#cipher;
    return length <= until && length <= kernel.textRoom && aad.length <= kernel.aadRoom;
  }

  /** The key as it was given. */
  get #key(): Uint8Array {
    return new Uint8Array(this.words.buffer, 4 * (this.at + this.count), this.#cipher.keyLength);
  }

  #longer(): RawAead {
    if (this.#long === undefined) {
      const key = secretRoom(this.#cipher.keyLength);
      key.set(this.#key);
      this.#long = this.#cipher.beyond(key);
      key.fill(0);
    }
    return this.#long;
  }
}

/** The words of `key`, to where a kernel has its own; byte for byte, since the machine that wrote them reads them. */
export function copyWords({ words, at, count }: ExpandedKey, to: Int32Array): void {
  for (let i = 0; i < count; i++) to[i] = words[at + i]!;
}
