/**
 * AES-CCM (RFC 3610, NIST SP 800-38C) of our own, since Deno and Bun have none: on the kernel in WebAssembly, or without
 * it in JavaScript. The block of the MAC and the block of the key stream go through AES as one pair, so CCM costs one
 * pass a block; nothing is allocated, and no memory is read at a secret index.
 *
 * @module
 */

import type { RawAead } from "./aead.ts";
import { Aes, loadWord, storeWord } from "./aes.ts";
import { aesKernel, CcmKernel } from "./aes_kernel.ts";
import { KernelAead, type KernelCipher, kernelCipher } from "./kernel_aead.ts";
import { createNativeAead } from "./native_aead.ts";

const NAMES = { 16: "aes-128-ccm", 24: "aes-192-ccm", 32: "aes-256-ccm" } as const;

/**
 * Up to how many bytes of text ours is used where there is a native one, on Node. Measured there (Xeon with AES-NI, TLS
 * records, 128 bits): 0.6 us against 2.7 at 64 bytes, 2.5 against 3 at 512, 4.6 against 3.6 at 1024; ours allocates
 * nothing, the native one some 700 bytes a record and more outside the heap.
 */
const UNTIL = 512;

/** CCM keyed with a copy of `key`, 16, 24 or 32 bytes: ours, but where the runtime has one, that for longer records. */
export function createCcm(key: Uint8Array, nonceLength: number, tagLength: number): RawAead {
  const kind = 1000 * key.length + 20 * nonceLength + tagLength;
  const made = ciphers.get(kind) ?? cipherOf(key.length, nonceLength, tagLength);
  ciphers.set(kind, made);
  return made.kernel ? new KernelAead(made, key) : made.beyond(key);
}

/** By lengths. */
const ciphers = new Map<number, Cipher>();

type Cipher = KernelCipher | { readonly kernel?: undefined; readonly beyond: KernelCipher["beyond"] };

function cipherOf(keyLength: number, nonceLength: number, tagLength: number): Cipher {
  const name = NAMES[keyLength as keyof typeof NAMES];
  const native = (key: Uint8Array) => createNativeAead(name, key, tagLength);
  const last = (key: Uint8Array) => new Ccm(key, nonceLength, tagLength);
  const aes = aesKernel();
  if (aes === undefined) return { beyond: (key) => native(key) ?? last(key) };
  const kernel = new CcmKernel(aes, tagLength);
  return kernelCipher({ kernel, keyLength, until: UNTIL, longest: longestFor(nonceLength) }, native, last);
}

/** The longest plaintext whose length fits into the L bytes beside the nonce. RFC 3610 2. */
function longestFor(nonceLength: number): number {
  return Math.min(2 ** (8 * (15 - nonceLength)) - 1, LONGEST);
}

/** One keyed CCM with a nonce of 15 - L bytes; lengths are checked by its caller. */
export class Ccm implements RawAead {
  readonly longest: number;
  readonly #aes: Aes;
  readonly #tagLength: number;
  /** L of RFC 3610: how many bytes the length field and the counter have. */
  readonly #lengthBytes: number;
  /** A_0 of RFC 3610 2.3: flags, nonce and a counter of 0. */
  readonly #counter: Int32Array = new Int32Array(4);
  readonly #block: Uint8Array = new Uint8Array(16);

  constructor(key: Uint8Array, nonceLength: number, tagLength: number) {
    this.#aes = new Aes(key);
    this.#lengthBytes = 15 - nonceLength;
    this.#tagLength = tagLength;
    this.longest = longestFor(nonceLength);
  }

  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array): void {
    const length = plaintext.length;
    const whole = length & ~15;
    this.#begin(nonce, aad, length);
    for (let at = 0; at < whole; at += 16) this.#sealBlock(plaintext, at, out, at, at + 16 < length ? at / 16 + 2 : 0);
    if (whole < length) {
      const block = this.#block.fill(0);
      for (let i = whole; i < length; i++) block[i - whole] = plaintext[i]!;
      this.#sealBlock(block, 0, block, 0, 0);
      for (let i = whole; i < length; i++) out[i] = block[i - whole]!;
    }
    const tag = this.#finish();
    for (let i = 0; i < this.#tagLength; i++) out[length + i] = tag[i]!;
    tag.fill(0);
  }

  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out: Uint8Array): boolean {
    const length = sealed.length - this.#tagLength;
    const whole = length & ~15;
    this.#begin(nonce, aad, length);
    for (let at = 0; at < whole; at += 16) this.#openBlock(sealed, at, out, at + 16 < length ? at / 16 + 2 : 0);
    if (whole < length) this.#openRest(sealed, whole, length, out);
    const tag = this.#finish();
    let difference = 0;
    for (let i = 0; i < this.#tagLength; i++) difference |= sealed[length + i]! ^ tag[i]!;
    // The right tag for a forged record would be worth something to whoever forged it.
    tag.fill(0);
    return difference === 0;
  }

  dispose(): void {
    this.#aes[Symbol.dispose]();
    this.#block.fill(0);
  }

  /** Leaves the MAC over B_0 and the additional data in the first lane, and the first key stream needed in the second. */
  #begin(nonce: Uint8Array, aad: Uint8Array, length: number): void {
    const block = this.#block.fill(0);
    const counter = this.#counter;
    const pair = this.#aes.pair;
    block[0] = this.#lengthBytes - 1;
    for (let i = 0; i < nonce.length; i++) block[1 + i] = nonce[i]!;
    for (let i = 0; i < 4; i++) counter[i] = loadWord(block, 4 * i);
    block[0]! |= (aad.length > 0 ? 0x40 : 0) | (((this.#tagLength - 2) / 2) << 3);
    // A length field of more than four bytes has zeros in front: `longest` sees to that.
    for (let i = 0; i < this.#lengthBytes && i < 4; i++) block[15 - i] = length >>> (8 * i);
    for (let i = 0; i < 4; i++) pair[2 * i] = loadWord(block, 4 * i);
    const first = length > 0 ? 1 : 0;
    if (aad.length === 0) return this.#step(first);
    this.#aes.encrypt();
    this.#authenticate(aad, first);
  }

  /** The additional data behind its length, RFC 3610 2.2. */
  #authenticate(aad: Uint8Array, first: number): void {
    const pair = this.#aes.pair;
    const length = aad.length;
    let at: number;
    if (length < 0xff00) {
      pair[0]! ^= (length >>> 8) | ((length & 0xff) << 8);
      at = 2;
    } else {
      pair[0]! ^= 0xfeff | ((length >>> 24) << 16) | (((length >>> 16) & 0xff) << 24);
      pair[2]! ^= ((length >>> 8) & 0xff) | ((length & 0xff) << 8);
      at = 6;
    }
    for (let i = 0; i < length; i++) {
      if (at === 16) {
        this.#aes.encrypt();
        at = 0;
      }
      pair[(at >> 2) << 1]! ^= aad[i]! << (8 * (at & 3));
      at++;
    }
    this.#step(first);
  }

  #sealBlock(from: Uint8Array, at: number, to: Uint8Array, toAt: number, next: number): void {
    const pair = this.#aes.pair;
    for (let i = 0; i < 4; i++) {
      const word = loadWord(from, at + 4 * i);
      storeWord(to, toAt + 4 * i, word ^ pair[2 * i + 1]!);
      pair[2 * i]! ^= word;
    }
    this.#step(next);
  }

  #openBlock(from: Uint8Array, at: number, to: Uint8Array, next: number): void {
    const pair = this.#aes.pair;
    for (let i = 0; i < 4; i++) {
      const word = loadWord(from, at + 4 * i) ^ pair[2 * i + 1]!;
      storeWord(to, at + 4 * i, word);
      pair[2 * i]! ^= word;
    }
    this.#step(next);
  }

  /** The last bytes that fill no block: behind them the MAC sees zeros, not key stream. */
  #openRest(sealed: Uint8Array, start: number, end: number, out: Uint8Array): void {
    const pair = this.#aes.pair;
    for (let i = start; i < end; i++) {
      const lane = ((i - start) >> 2) << 1;
      const shift = 8 * (i & 3);
      const byte = (sealed[i]! ^ (pair[lane + 1]! >>> shift)) & 0xff;
      out[i] = byte;
      pair[lane]! ^= byte << shift;
    }
    this.#step(0);
  }

  /** The MAC's next block in the first lane, S_counter in the second. */
  #step(counter: number): void {
    const pair = this.#aes.pair;
    const base = this.#counter;
    pair[1] = base[0]!;
    pair[3] = base[1]!;
    pair[5] = base[2]!;
    pair[7] = base[3]! | (counter << 24) | ((counter & 0xff00) << 8) | ((counter >>> 8) & 0xff00) | (counter >>> 24);
    this.#aes.encrypt();
  }

  /** The MAC under S_0 (RFC 3610 2.3), in a block that the caller wipes. */
  #finish(): Uint8Array {
    const pair = this.#aes.pair;
    for (let i = 0; i < 4; i++) storeWord(this.#block, 4 * i, pair[2 * i]! ^ pair[2 * i + 1]!);
    pair.fill(0);
    return this.#block;
  }
}

/** What counts in 32 bits with a sign: no record comes near. */
const LONGEST = 2 ** 31 - 1;
