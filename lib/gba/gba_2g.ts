/**
 * GBA with a SIM: the derivations of TS 33.220 Annex I alone. The layout of their input follows the general rule of Annex B, a
 * length behind every parameter; one deployed implementation leaves the lengths out, and is not followed.
 *
 * @module
 */

import { toUtf8 } from "../bytes/mod.ts";
import { kdf3gpp, type SecretBytes, secretConcat, secretSlice } from "../crypto/mod.ts";

/** A GSM triplet. */
export interface GsmTriplet {
  /** 16 bytes. */
  readonly rand: Uint8Array;
  /** 4 bytes. */
  readonly sres: SecretBytes;
  /** 8 bytes. */
  readonly kc: SecretBytes;
}

/** The password of the Digest on Ub: 16 bytes, the caller's. TS 33.220 I.5. */
export function derive2gResponse(triplet: GsmTriplet): SecretBytes {
  using key = baseKey(triplet);
  using response = kdf3gpp(key, FC, toUtf8("3gpp-gba-res"), triplet.sres);
  return secretSlice(response, 0, 16);
}

/** Ks: 32 bytes, the caller's. `ksInput` is the BSF's 16 random bytes from the nonce. TS 33.220 I.5. */
export function derive2gKs(triplet: GsmTriplet, ksInput: Uint8Array): SecretBytes {
  if (ksInput.length !== 16) throw new RangeError("Ks-input is 16 bytes");
  using key = baseKey(triplet);
  return kdf3gpp(key, FC, ksInput, toUtf8("3gpp-gba-ks"), triplet.sres);
}

function baseKey({ rand, sres, kc }: GsmTriplet): SecretBytes {
  if (rand.length !== 16 || sres.byteLength !== 4 || kc.byteLength !== 8) {
    throw new RangeError("RAND, SRES and Kc are 16, 4 and 8 bytes");
  }
  return secretConcat(kc, kc, rand);
}

/** TS 33.220 B.1. */
const FC = 0x01;
