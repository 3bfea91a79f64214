/**
 * What computes SHA-256 under a keyed state: WebAssembly with SIMD, or a plain loop. A kernel keeps nothing between
 * calls and calls nobody, so all keyed states share one; its memory is zero again when a call returns.
 *
 * @module
 */

import { compressBlocks } from "./sha256_loop.ts";
import { MESSAGE_AT, SHA256_MODULE, STATES_AT } from "./sha256_wasm.ts";
import { instantiate } from "./wasm_memory.ts";

/** One way to compute. States are words of FIPS 180-4 6.2 as signed integers. */
export interface Sha256Kernel {
  /** Bytes of the longest message that `tag` takes; -1 where there is no `tag`. */
  readonly room: number;
  /** Compresses `count` blocks of 64 bytes from `bytes[start]` on into the 8 words of `state`. */
  compress(state: Int32Array, bytes: Uint8Array, start: number, count: number): void;
  /** Writes the 32 bytes of HMAC's tag. `midstates` are the 8 words after the inner key block and those after the outer. Allocates nothing. */
  tag(midstates: Int32Array, message: Uint8Array, out: Uint8Array): void;
}

/** The kernel in plain JavaScript. */
export const loopKernel: Sha256Kernel = {
  room: -1,
  compress: compressBlocks,
  tag() {
    throw new TypeError("the loop has no tag");
  },
};

/** What the module of {@link SHA256_MODULE} exports. */
export interface Sha256Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  compress(state: number, block: number, count: number): void;
  tag(length: number): void;
}

/** The kernel in WebAssembly, made at the first call; undefined where there is none, or none with SIMD. */
export function wasmKernel(): Sha256Kernel | undefined {
  if (made === undefined) {
    const exports = instantiate<Sha256Exports>(SHA256_MODULE);
    made = exports === undefined ? null : new WasmKernel(exports);
  }
  return made ?? undefined;
}

let made: Sha256Kernel | null | undefined;

/** The kernel on an instance of the module. */
export class WasmKernel implements Sha256Kernel {
  readonly room: number;
  readonly #exports: Sha256Exports;
  /** Views of the module's memory, which never grows: making them anew for each call would allocate. */
  readonly #states: Int32Array;
  readonly #tag: Uint8Array;
  readonly #message: Uint8Array;

  constructor(exports: Sha256Exports) {
    const { buffer } = exports.memory;
    this.#exports = exports;
    this.#states = new Int32Array(buffer, STATES_AT, 16);
    this.#tag = new Uint8Array(buffer, STATES_AT, 32);
    this.#message = new Uint8Array(buffer, MESSAGE_AT);
    // Whole blocks, and one left for the padding.
    this.room = (this.#message.length & -64) - 64;
  }

  compress(state: Int32Array, bytes: Uint8Array, start: number, count: number): void {
    for (let at = start, left = count; left > 0;) {
      const blocks = Math.min(left, this.room >> 6);
      if (blocks === 1) {
        for (let i = 0; i < 64; i++) this.#message[i] = bytes[at + i]!;
      } else {
        this.#message.set(bytes.subarray(at, at + 64 * blocks));
      }
      const states = this.#states;
      for (let i = 0; i < 8; i++) states[i] = state[i]!;
      this.#exports.compress(STATES_AT, MESSAGE_AT, blocks);
      for (let i = 0; i < 8; i++) {
        state[i] = states[i]!;
        states[i] = 0;
      }
      at += 64 * blocks;
      left -= blocks;
    }
  }

  tag(midstates: Int32Array, message: Uint8Array, out: Uint8Array): void {
    // First what may throw: a message too long must not leave a midstate behind.
    this.#message.set(message);
    const states = this.#states;
    states.set(midstates);
    this.#exports.tag(message.length);
    out.set(this.#tag);
    // A tag may be a key (hmacSecret).
    for (let i = 0; i < 8; i++) states[i] = 0;
  }
}
