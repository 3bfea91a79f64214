/** The AES block (FIPS 197), forward direction, on an expanded key: Milenage and CCM need no other. @module */

import { SeccfError } from "../error.ts";
import { aesRounds, encryptPair, expandKey } from "./aes_slices.ts";
import { expose, type SecretBytes } from "./secret.ts";

/** One keyed block cipher of 16-byte blocks. Disposing wipes the expanded key; a later use throws `state`. */
export interface BlockCipher extends Disposable {
  /** Encrypts the first 16 bytes of `block` into the first 16 of `out`, which may be `block` itself; RangeError where one is shorter. */
  encryptInto(block: Uint8Array, out: Uint8Array): void;
}

/** AES with a key of 16, 24 or 32 bytes, otherwise RangeError. Allocates nothing per block, reads no table. FIPS 197. */
export function aesBlock(key: SecretBytes): BlockCipher {
  return new Aes(expose(key));
}

/** AES for the modes of this room. */
export class Aes implements BlockCipher {
  /** Two blocks of four words, interleaved, earlier bytes in lower bits: what {@link Aes.encrypt} works on. */
  readonly pair: Int32Array = new Int32Array(8);
  readonly #schedule: Int32Array;
  #rounds: number;

  constructor(key: Uint8Array) {
    this.#rounds = aesRounds(key);
    this.#schedule = expandKey(key);
  }

  /** Encrypts both blocks of `pair` in place. */
  encrypt(): void {
    if (this.#rounds === 0) throw new SeccfError("state", "the cipher was disposed");
    encryptPair(this.#schedule, this.#rounds, this.pair);
  }

  encryptInto(block: Uint8Array, out: Uint8Array): void {
    if (block.length < 16 || out.length < 16) throw new RangeError("an AES block is 16 bytes");
    const pair = this.pair;
    for (let i = 0; i < 4; i++) pair[2 * i] = loadWord(block, 4 * i);
    this.encrypt();
    for (let i = 0; i < 4; i++) storeWord(out, 4 * i, pair[2 * i]!);
    pair.fill(0);
  }

  [Symbol.dispose](): void {
    this.#rounds = 0;
    this.#schedule.fill(0);
    this.pair.fill(0);
  }
}

/** Four bytes, the earlier in the lower bits. */
export function loadWord(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

/** The reverse of {@link loadWord}. */
export function storeWord(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word;
  bytes[at + 1] = word >>> 8;
  bytes[at + 2] = word >>> 16;
  bytes[at + 3] = word >>> 24;
}
