/**
 * ChaCha20-Poly1305 in WebAssembly (scripts/build_chacha.ts). The kernel keeps nothing between calls and calls nobody,
 * so all keys share one; behind its constants its memory is zero again when a call returns.
 *
 * @module
 */

import {
  AAD_AT,
  AAD_ROOM,
  CHACHA_MODULE,
  KEY_AT,
  NONCE_AT,
  TEXT_AT,
  TEXT_ROOM,
  TEXT_SLACK,
  ZEROS_AT,
} from "./chacha_wasm.ts";
import { type AeadKernel, copyWords, type ExpandedKey } from "./kernel_aead.ts";
import { instantiate, WasmMemory } from "./wasm_memory.ts";

/** What the module of {@link CHACHA_MODULE} exports for use. */
export interface ChaChaExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  seal(aadLength: number, length: number): void;
  open(aadLength: number, length: number): number;
}

/** The kernel, made at the first call; undefined where there is no WebAssembly, or none with relaxed SIMD. */
export function chachaKernel(): ChaChaKernel | undefined {
  if (made === undefined) {
    const exports = instantiate<ChaChaExports>(CHACHA_MODULE);
    made = exports === undefined ? null : new ChaChaKernel(exports);
  }
  return made ?? undefined;
}

let made: ChaChaKernel | null | undefined;

/** Bytes. */
const KEY = 32;
const NONCE = 12;
const TAG = 16;

/** The kernel on an instance of the module. */
export class ChaChaKernel implements AeadKernel {
  readonly tagLength: number = TAG;
  readonly aadRoom: number = AAD_ROOM;
  readonly textRoom: number = TEXT_ROOM;
  readonly #exports: ChaChaExports;
  readonly #key: Int32Array;
  readonly #nonce: Uint8Array;
  readonly #aad: Uint8Array;
  readonly #text: WasmMemory;
  readonly #zeros: Uint8Array;

  constructor(exports: ChaChaExports) {
    const { buffer } = exports.memory;
    this.#exports = exports;
    this.#key = new Int32Array(buffer, KEY_AT, KEY / 4);
    this.#nonce = new Uint8Array(buffer, NONCE_AT, NONCE);
    this.#aad = new Uint8Array(buffer, AAD_AT, AAD_ROOM);
    this.#text = new WasmMemory(buffer, TEXT_AT, TEXT_ROOM + TEXT_SLACK);
    this.#zeros = new Uint8Array(buffer, ZEROS_AT);
  }

  /** The key as it is. */
  expandedWords(keyLength: number): number {
    return keyLength / 4;
  }

  expand(key: Uint8Array, { words, at }: ExpandedKey): void {
    new Uint8Array(words.buffer, 4 * at, key.length).set(key);
  }

  seal(key: ExpandedKey, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array): void {
    const { length } = plaintext;
    this.#write(key, nonce, aad, plaintext);
    this.#exports.seal(aad.length, length);
    this.#text.copyOut(length + TAG, out);
    this.#text.bytes.fill(0, 0, length + TEXT_SLACK);
  }

  open(key: ExpandedKey, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out: Uint8Array): boolean {
    const length = sealed.length - TAG;
    this.#write(key, nonce, aad, sealed);
    const wrong = this.#exports.open(aad.length, length);
    if (wrong === 0) this.#text.copyOut(length, out);
    this.#text.bytes.fill(0, 0, length + TEXT_SLACK);
    return wrong === 0;
  }

  forget(): void {
    this.#zeros.fill(0);
  }

  #write(key: ExpandedKey, nonce: Uint8Array, aad: Uint8Array, text: Uint8Array): void {
    // Before anything is written: half of it would stay, and the padding relies on zeros.
    if (aad.length > AAD_ROOM || text.length > TEXT_ROOM + TAG) throw new RangeError("too long for the kernel");
    this.#aad.set(aad);
    this.#text.bytes.set(text);
    copyWords(key, this.#key);
    for (let i = 0; i < NONCE; i++) this.#nonce[i] = nonce[i]!;
  }
}
