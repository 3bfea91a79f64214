/** Keccak-f[1600] (FIPS 202 3.3): the permutation under TUAK (TS 35.231). @module */

import { keccakP } from "@noble/hashes/sha3.js";

/** Permutes the 200 bytes of `state` in place, lanes little-endian (FIPS 202 3.1.2); RangeError for another length. */
export function keccakF1600(state: Uint8Array, rounds: 24 = 24): void {
  if (state.length !== 200) throw new RangeError("the state of Keccak-f[1600] is 200 bytes");
  const view = new DataView(state.buffer, state.byteOffset, 200);
  const words = new Uint32Array(50);
  for (let i = 0; i < 50; i++) words[i] = view.getUint32(4 * i, true);
  keccakP(words, rounds);
  for (let i = 0; i < 50; i++) view.setUint32(4 * i, words[i]!, true);
  words.fill(0);
}
