/** AUTS: how a USIM tells the home environment the highest SQN it accepted (TS 33.102 6.3.3, 6.3.5). @module */

import { concat, equal } from "../bytes/mod.ts";
import { wipe } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { AkaAlgorithm } from "./algorithm.ts";
import { requireLength, xor } from "./octets.ts";
import { sqnFromBytes, sqnToBytes } from "./sequence.ts";

/** MAC-S is computed over an AMF of zeros, so that AUTS need not carry it (TS 33.102 6.3.3). */
const NO_AMF = new Uint8Array(2);

/** AUTS, 14 bytes: SQN_MS xor AK* || MAC-S, for the RAND whose AUTN was too old. */
export function makeAuts(algorithm: AkaAlgorithm, rand: Uint8Array, sqnMs: number): Uint8Array {
  const sqn = sqnToBytes(sqnMs);
  const mac = algorithm.f1Star(rand, sqn, NO_AMF);
  requireLength("MAC-S", mac, 8);
  const ak = algorithm.f5Star(rand);
  const auts = concat(xor(sqn, ak), mac);
  wipe(ak, sqn);
  return auts;
}

/** SQN_MS from an AUTS for this RAND; `undefined` when MAC-S is wrong. Throws `malformed` unless AUTS is 14 bytes. */
export function openAuts(algorithm: AkaAlgorithm, rand: Uint8Array, auts: Uint8Array): number | undefined {
  if (auts.length !== 14) throw new SeccfError("malformed", "AUTS is 14 bytes", { clause: "TS 33.102 6.3.3" });
  const ak = algorithm.f5Star(rand);
  const sqn = xor(auts.subarray(0, 6), ak);
  const mac = algorithm.f1Star(rand, sqn, NO_AMF);
  const authentic = equal(mac, auts.subarray(6));
  const sqnMs = sqnFromBytes(sqn);
  wipe(ak, sqn, mac);
  return authentic ? sqnMs : undefined;
}
