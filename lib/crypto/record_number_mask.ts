/**
 * What hides record numbers on the wire: a mask made of a sample of the ciphertext (RFC 9147 4.2.3), the same as QUIC's
 * header protection (RFC 9001 5.4.3 and 5.4.4).
 *
 * @module
 */

import { SeccfError } from "../error.ts";
import type { AeadSpec } from "./aead.ts";
import { aesBlock, type BlockCipher, loadWord } from "./aes.ts";
import { expose, type SecretBytes } from "./secret.ts";

/** One keyed mask. Disposing wipes the key; a later use throws `state`. */
export interface RecordNumberMask extends Disposable {
  /**
   * Fills `out`, at most 16 bytes (a record number's are 1 or 2), with the mask that the first 16 bytes of `sample` make;
   * RangeError where `sample` is shorter or `out` longer. `out` may lie over `sample`. Allocates nothing.
   */
  maskInto(sample: Uint8Array, out: Uint8Array): void;
}

/** The mask of an AEAD's kind, AES or ChaCha20, keyed with a copy of `key`: 16, 24 or 32 bytes for AES, 32 for ChaCha20, otherwise RangeError. */
export function createRecordNumberMask(spec: AeadSpec, key: SecretBytes): RecordNumberMask {
  return spec.cipher === "chacha20-poly1305" ? new ChaChaMask(expose(key)) : new AesMask(aesBlock(key));
}

/** AES-ECB(sn_key, sample). */
class AesMask implements RecordNumberMask {
  readonly #aes: BlockCipher;
  readonly #block: Uint8Array = new Uint8Array(16);

  constructor(aes: BlockCipher) {
    this.#aes = aes;
  }

  maskInto(sample: Uint8Array, out: Uint8Array): void {
    check(sample, out);
    this.#aes.encryptInto(sample, this.#block);
    for (let i = 0; i < out.length; i++) out[i] = this.#block[i]!;
  }

  [Symbol.dispose](): void {
    this.#aes[Symbol.dispose]();
    this.#block.fill(0);
  }
}

/**
 * ChaCha20 (RFC 8439 2.3) with the sample's first four bytes as the counter and the others as the nonce. Not noble's,
 * which throws at a counter of 2^32 - 1: the sample is whatever a stranger sends.
 */
class ChaChaMask implements RecordNumberMask {
  #disposed = false;
  /** The constants "expand 32-byte k", then the key: the state's words 0 to 11. */
  readonly #start: Int32Array = Int32Array.of(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, 0, 0, 0, 0, 0, 0, 0, 0);
  readonly #state: Int32Array = new Int32Array(16);

  constructor(key: Uint8Array) {
    if (key.length !== 32) throw new RangeError(`a key of ${key.length} bytes, of ChaCha20 it is 32`);
    for (let i = 0; i < 8; i++) this.#start[4 + i] = loadWord(key, 4 * i);
  }

  maskInto(sample: Uint8Array, out: Uint8Array): void {
    if (this.#disposed) throw new SeccfError("state", "the mask was disposed");
    check(sample, out);
    const x = this.#state;
    x.set(this.#start);
    for (let i = 0; i < 4; i++) x[12 + i] = loadWord(sample, 4 * i);
    for (let round = 0; round < 20; round += 2) {
      for (let i = 0; i < 4; i++) quarter(x, i, 4 + i, 8 + i, 12 + i);
      for (let i = 0; i < 4; i++) quarter(x, i, 4 + ((i + 1) & 3), 8 + ((i + 2) & 3), 12 + ((i + 3) & 3));
    }
    // The mask ends within the first four words, to which the constants are added.
    for (let i = 0; i < out.length; i++) out[i] = (x[i >> 2]! + this.#start[i >> 2]!) >>> (8 * (i & 3));
    x.fill(0);
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#start.fill(0);
  }
}

/** RFC 8439 2.1. */
function quarter(x: Int32Array, a: number, b: number, c: number, d: number): void {
  x[a] = x[a]! + x[b]!;
  x[d] = turn(x[d]! ^ x[a]!, 16);
  x[c] = x[c]! + x[d]!;
  x[b] = turn(x[b]! ^ x[c]!, 12);
  x[a] = x[a]! + x[b]!;
  x[d] = turn(x[d]! ^ x[a]!, 8);
  x[c] = x[c]! + x[d]!;
  x[b] = turn(x[b]! ^ x[c]!, 7);
}

function turn(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function check(sample: Uint8Array, out: Uint8Array): void {
  if (sample.length < 16) throw new RangeError(`a sample of ${sample.length} bytes, at least 16`);
  if (out.length > 16) throw new RangeError(`a mask of ${out.length} bytes, at most 16`);
}
