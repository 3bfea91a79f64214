/**
 * AES-GCM and AES-CCM in WebAssembly (scripts/build_aes.ts). The kernel keeps nothing between calls and calls nobody, so all keys
 * share one; behind its tables its memory is zero again when a call returns.
 *
 * @module
 */

import {
  AAD_AT,
  AAD_ROOM,
  AES_MODULE,
  FIRST_BLOCK_AT,
  KEYS_AT,
  NONCE_AT,
  TEXT_AT,
  TEXT_ROOM,
  ZEROS_AT,
} from "./aes_wasm.ts";
import { type AeadKernel, copyWords, type ExpandedKey } from "./kernel_aead.ts";
import { instantiate, WasmMemory } from "./wasm_memory.ts";

/** What the module of {@link AES_MODULE} exports for use. */
export interface AesExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  expand(length: number): void;
  seal(aadLength: number, length: number, rounds: number): void;
  open(aadLength: number, length: number, rounds: number): number;
  ccm(aadBlocks: number, length: number, rounds: number, tagLength: number, opening: number): number;
}

/** The kernel, made at the first call; undefined where there is no WebAssembly, or none with relaxed SIMD. */
export function aesKernel(): AesKernel | undefined {
  if (made === undefined) {
    const exports = instantiate<AesExports>(AES_MODULE);
    made = exports === undefined ? null : new AesKernel(exports);
  }
  return made ?? undefined;
}

let made: AesKernel | null | undefined;

/** Bytes: a block, and a nonce of GCM. */
const BLOCK = 16;
const NONCE = 12;

/** The kernel on an instance of the module; by itself that of GCM. */
export class AesKernel implements AeadKernel {
  readonly tagLength: number = BLOCK;
  readonly aadRoom: number = AAD_ROOM;
  readonly textRoom: number = TEXT_ROOM;
  readonly #exports: AesExports;
  readonly #keys: Int32Array;
  /** Where a key is to be before it is expanded. */
  readonly #key: Uint8Array;
  readonly #counter: Uint8Array;
  readonly #firstBlock: Uint8Array;
  readonly #aad: Uint8Array;
  readonly #text: WasmMemory;
  readonly #zeros: Uint8Array;

  constructor(exports: AesExports) {
    const { buffer } = exports.memory;
    this.#exports = exports;
    this.#keys = new Int32Array(buffer, KEYS_AT, BLOCK / 4 * 16);
    this.#key = new Uint8Array(buffer, KEYS_AT + BLOCK, 32);
    this.#counter = new Uint8Array(buffer, NONCE_AT, BLOCK);
    this.#firstBlock = new Uint8Array(buffer, FIRST_BLOCK_AT, BLOCK);
    this.#aad = new Uint8Array(buffer, AAD_AT, AAD_ROOM);
    this.#text = new WasmMemory(buffer, TEXT_AT, TEXT_ROOM + 2 * BLOCK);
    this.#zeros = new Uint8Array(buffer, ZEROS_AT);
  }

  /** The hash key and the round keys, six more than the key has words and one before the first round. */
  expandedWords(keyLength: number): number {
    return keyLength + 32;
  }

  expand(key: Uint8Array, { words, at, count }: ExpandedKey): void {
    this.#key.set(key);
    this.#exports.expand(key.length);
    for (let i = 0; i < count; i++) words[at + i] = this.#keys[i]!;
    this.#keys.fill(0);
  }

  seal(key: ExpandedKey, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array): void {
    const { length } = plaintext;
    this.#write(key, nonce, aad, plaintext);
    this.#exports.seal(aad.length, length, roundsOf(key));
    this.#text.copyOut(length + BLOCK, out);
    this.#text.bytes.fill(0, 0, length + 2 * BLOCK);
  }

  open(key: ExpandedKey, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out: Uint8Array): boolean {
    const length = sealed.length - BLOCK;
    this.#write(key, nonce, aad, sealed);
    const wrong = this.#exports.open(aad.length, length, roundsOf(key));
    if (wrong === 0) this.#text.copyOut(length, out);
    this.#text.bytes.fill(0, 0, length + 2 * BLOCK);
    return wrong === 0;
  }

  /**
   * CCM with a nonce of 7, 12 or 13 bytes: seals `text` without a tag, or opens it with its tag, when `opening` is 1;
   * whether the tag was right. There must be room for two bytes more of additional data.
   */
  ccm(
    key: ExpandedKey,
    nonce: Uint8Array,
    aad: Uint8Array,
    text: Uint8Array,
    out: Uint8Array,
    tagLength: number,
    opening: 0 | 1,
  ): boolean {
    if (aad.length > AAD_ROOM - 2 || text.length > TEXT_ROOM) throw new RangeError("too long for the kernel");
    const length = text.length - opening * tagLength;
    let aadBlocks = 0;
    if (aad.length > 0) {
      // RFC 3610 2.2: the additional data behind their length.
      this.#aad[0] = aad.length >>> 8;
      this.#aad[1] = aad.length;
      this.#aad.set(aad, 2);
      aadBlocks = (aad.length + 17) >>> 4;
    }
    this.#text.bytes.set(text);
    copyWords(key, this.#keys);
    this.#counterBlocks(nonce, aad.length > 0 ? 0x40 : 0, length, tagLength);
    const wrong = this.#exports.ccm(aadBlocks, length, roundsOf(key), tagLength, opening);
    if (opening === 0) this.#text.copyOut(length + tagLength, out);
    else if (wrong === 0) this.#text.copyOut(length, out);
    this.#text.bytes.fill(0, 0, length + 2 * BLOCK);
    return wrong === 0;
  }

  /** B_0 and A_0, RFC 3610 2.2 and 2.3; the bytes between nonce and length are zero already. */
  #counterBlocks(nonce: Uint8Array, adata: number, length: number, tagLength: number): void {
    const first = this.#firstBlock;
    const counter = this.#counter;
    const lengthLess1 = 14 - nonce.length;
    first[0] = adata | (((tagLength - 2) / 2) << 3) | lengthLess1;
    counter[0] = lengthLess1;
    for (let i = 0; i < nonce.length; i++) first[1 + i] = counter[1 + i] = nonce[i]!;
    first[14] = length >>> 8;
    first[15] = length;
  }

  forget(): void {
    this.#zeros.fill(0);
  }

  #write(key: ExpandedKey, nonce: Uint8Array, aad: Uint8Array, text: Uint8Array): void {
    // Before anything is written: half of it would stay, and the padding relies on zeros.
    if (aad.length > AAD_ROOM || text.length > TEXT_ROOM + BLOCK) throw new RangeError("too long for the kernel");
    this.#aad.set(aad);
    this.#text.bytes.set(text);
    copyWords(key, this.#keys);
    for (let i = 0; i < NONCE; i++) this.#counter[i] = nonce[i]!;
  }
}

/** The hash key and the round key before the first round have no round. */
function roundsOf({ count }: ExpandedKey): number {
  return count / (BLOCK / 4) - 2;
}

/** CCM of certain lengths on the kernel. */
export class CcmKernel implements AeadKernel {
  readonly tagLength: number;
  readonly aadRoom: number = AAD_ROOM - 2;
  readonly textRoom: number = TEXT_ROOM - BLOCK;
  readonly #aes: AesKernel;

  constructor(aes: AesKernel, tagLength: number) {
    this.#aes = aes;
    this.tagLength = tagLength;
  }

  expandedWords(keyLength: number): number {
    return this.#aes.expandedWords(keyLength);
  }

  expand(key: Uint8Array, into: ExpandedKey): void {
    this.#aes.expand(key, into);
  }

  seal(key: ExpandedKey, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array): void {
    this.#aes.ccm(key, nonce, aad, plaintext, out, this.tagLength, 0);
  }

  open(key: ExpandedKey, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out: Uint8Array): boolean {
    return this.#aes.ccm(key, nonce, aad, sealed, out, this.tagLength, 1);
  }

  forget(): void {
    this.#aes.forget();
  }
}
