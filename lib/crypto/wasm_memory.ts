/** What our WebAssembly modules share: how one is made, and how bytes come out of its memory without an object a call. @module */

import { fromBase64 } from "../bytes/mod.ts";
import { nativeBase64 } from "./native.ts";

/** The exports of a module in base64; undefined where the runtime has no WebAssembly, or lacks an instruction of it. */
export function instantiate<Exports>(module: string): Exports | undefined {
  try {
    const bytes = nativeBase64(module) ?? fromBase64(module) as Uint8Array<ArrayBuffer>;
    // The modules are ours: their exports are what scripts/ gives them.
    return new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as unknown as Exports;
  } catch {
    // No WebAssembly (a runtime without JIT), no SIMD (an old processor), or forbidden by policy.
    return undefined;
  }
}

/** Bytes of the pieces in which a text is copied out, from the largest: each begins at a multiple of its length. */
const PIECES = [8192, 1024, 128] as const;

/** A part of a module's memory, which never grows. */
export class WasmMemory {
  /** All of it. */
  readonly bytes: Uint8Array;
  /** Views of the pieces, made when first needed: making them anew for each call would allocate. */
  readonly #pieces: (Uint8Array | undefined)[][] = PIECES.map(() => []);

  constructor(buffer: ArrayBuffer, at: number, length: number) {
    this.bytes = new Uint8Array(buffer, at, length);
  }

  /** Copies the first `length` bytes to `out`. */
  copyOut(length: number, out: Uint8Array): void {
    const { bytes } = this;
    let at = 0;
    for (let size = 0; size < PIECES.length; size++) {
      const piece = PIECES[size]!;
      const views = this.#pieces[size]!;
      for (; at + piece <= length; at += piece) {
        out.set(views[at / piece] ??= bytes.subarray(at, at + piece), at);
      }
    }
    for (; at < length; at++) out[at] = bytes[at]!;
  }
}
