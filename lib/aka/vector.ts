/** Authentication vectors and tokens of AKA (TS 33.102 6.3): made by the home environment, checked by the USIM. @module */

import { concat, equal } from "../bytes/mod.ts";
import { type SecretBytes, wipe } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { AkaAlgorithm, AkaKeys } from "./algorithm.ts";
import { type GbaUProfile, switchAutn, switchRes } from "./gba_u.ts";
import { requireLength, xor } from "./octets.ts";
import { sqnFromBytes, sqnToBytes } from "./sequence.ts";

/** What the home environment gives out for one authentication. Disposing wipes XRES, CK and IK. */
export interface AuthenticationVector extends Disposable {
  /** 16 bytes. */
  readonly rand: Uint8Array;
  /** 16 bytes; AUTN* when it was asked for GBA_U. */
  readonly autn: Uint8Array;
  /** What the module must answer, 4 to 16 bytes; as GBA_U changes it when it was asked for GBA_U. */
  readonly xres: SecretBytes;
  /** 16 bytes. */
  readonly ck: SecretBytes;
  /** 16 bytes. */
  readonly ik: SecretBytes;
}

/** The three fields of an AUTN, views of it. */
export interface Autn {
  /** SQN xor AK, 6 bytes. */
  readonly concealedSqn: Uint8Array;
  /** 2 bytes. */
  readonly amf: Uint8Array;
  /** MAC-A, or MAC* in GBA_U, 8 bytes. */
  readonly mac: Uint8Array;
}

/** The fields of an AUTN of 16 bytes; throws `malformed` at another length. */
export function parseAutn(autn: Uint8Array): Autn {
  if (autn.length !== 16) {
    throw new SeccfError("malformed", "AUTN is 16 bytes", { clause: "TS 33.102 6.3.2" });
  }
  return { concealedSqn: autn.subarray(0, 6), amf: autn.subarray(6, 8), mac: autn.subarray(8) };
}

/** What {@link makeVector} needs besides the subscriber's algorithm. */
export interface VectorInput {
  /** 16 unpredictable bytes. */
  readonly rand: Uint8Array;
  /** 48 bits, never used before. */
  readonly sqn: number;
  /** 2 bytes. */
  readonly amf: Uint8Array;
  /** Present: a vector for a UICC in GBA_U, by these rules. */
  readonly gbaU?: GbaUProfile;
}

/** One vector (TS 33.102 6.3.2): AUTN = SQN xor AK || AMF || MAC-A. Needs a MAC of 8 bytes, else RangeError. */
export function makeVector(algorithm: AkaAlgorithm, input: VectorInput): AuthenticationVector {
  const { rand, amf, gbaU } = input;
  const sqn = sqnToBytes(input.sqn);
  const mac = algorithm.f1(rand, sqn, amf);
  requireLength("MAC-A", mac, 8);
  const { res, ck, ik, ak } = algorithm.f2345(rand);
  const plain = concat(xor(sqn, ak), amf, mac);
  wipe(ak, sqn);
  const autn = gbaU ? switchAutn(plain, ik, gbaU) : plain;
  const xres = gbaU ? switchRes(res, gbaU) : res;
  if (xres !== res) res[Symbol.dispose]();
  return {
    rand: new Uint8Array(rand),
    autn,
    xres,
    ck,
    ik,
    [Symbol.dispose]() {
      for (const secret of [xres, ck, ik]) secret[Symbol.dispose]();
    },
  };
}

/** A challenge whose MAC is right. Freshness is the caller's to judge, before anything else is used. */
export interface VerifiedChallenge extends Disposable {
  /** 48 bits: SEQ and IND. */
  readonly sqn: number;
  /** 4 to 16 bytes. */
  readonly res: SecretBytes;
  /** 16 bytes. */
  readonly ck: SecretBytes;
  /** 16 bytes. */
  readonly ik: SecretBytes;
}

/**
 * The USIM's check of a challenge (TS 33.102 6.3.3): `undefined` when the MAC is wrong. In GBA_U, RES is already
 * changed. RAND of another length than 16 is a RangeError, AUTN `malformed`.
 */
export function verifyChallenge(
  algorithm: AkaAlgorithm,
  challenge: { readonly rand: Uint8Array; readonly autn: Uint8Array },
  gbaU?: GbaUProfile,
): VerifiedChallenge | undefined {
  parseAutn(challenge.autn);
  const keys = algorithm.f2345(challenge.rand);
  const autn = gbaU ? switchAutn(challenge.autn, keys.ik, gbaU) : challenge.autn;
  const { concealedSqn, amf, mac } = parseAutn(autn);
  const sqn = xor(concealedSqn, keys.ak);
  const expected = algorithm.f1(challenge.rand, sqn, amf);
  const authentic = equal(mac, expected);
  const number = sqnFromBytes(sqn);
  wipe(expected, sqn, keys.ak);
  if (!authentic) {
    disposeKeys(keys);
    return undefined;
  }
  const res = gbaU ? switchRes(keys.res, gbaU) : keys.res;
  if (res !== keys.res) keys.res[Symbol.dispose]();
  const held = { ...keys, res };
  return { sqn: number, res, ck: keys.ck, ik: keys.ik, [Symbol.dispose]: () => disposeKeys(held) };
}

function disposeKeys(keys: Pick<AkaKeys, "res" | "ck" | "ik">): void {
  for (const secret of [keys.res, keys.ck, keys.ik]) secret[Symbol.dispose]();
}
