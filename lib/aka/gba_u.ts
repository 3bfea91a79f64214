/**
 * What GBA_U changes in a vector, so that only a UICC in its GBA context can answer (TS 33.220 5.3.2): AUTN becomes
 * AUTN*, and RES is changed. Both rules are from memory, no text that states them was within reach: hence a switch.
 *
 * @module
 */

import { digest, type SecretBytes, secretFrom, wipe } from "../crypto/mod.ts";
// One bit of RES is turned over, which no operation of the crypto room does.
import { expose } from "../crypto/secret.ts";
import { concat } from "../bytes/mod.ts";
import { xor } from "./octets.ts";

/** Which of the two rules of GBA_U are followed. The UICC and the Key Manager must agree. */
export interface GbaUProfile {
  /** `"sha1-ik"`: MAC* = MAC xor the first 8 bytes of SHA-1(IK). `"plain"`: AUTN as in GBA_ME. */
  readonly autn: "sha1-ik" | "plain";
  /** `"last-bit"`: the least significant bit of RES and XRES is turned over. `"plain"`: as in GBA_ME. */
  readonly res: "last-bit" | "plain";
}

/** Both rules as remembered from TS 33.220 5.3.2, unconfirmed by any card or text. */
export const gbaUFromMemory: GbaUProfile = { autn: "sha1-ik", res: "last-bit" };

/** AUTN* from AUTN, or AUTN from AUTN*: the rule is its own inverse. 16 bytes in and out. */
export function switchAutn(autn: Uint8Array, ik: SecretBytes, profile: GbaUProfile): Uint8Array {
  if (profile.autn === "plain") return new Uint8Array(autn);
  const mask = digest("sha-1", ik);
  const switched = concat(autn.subarray(0, 8), xor(autn.subarray(8), mask));
  wipe(mask);
  return switched;
}

/** RES as GBA_U shows it: a new secret, `res` stays the caller's. */
export function switchRes(res: SecretBytes, profile: GbaUProfile): SecretBytes {
  const bytes = expose(res).slice();
  if (profile.res === "last-bit") bytes[bytes.length - 1]! ^= 1;
  const switched = secretFrom(bytes);
  wipe(bytes);
  return switched;
}
