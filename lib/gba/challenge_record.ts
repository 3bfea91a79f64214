/** The one outstanding challenge of a subscriber, as the BSF stores it and shows it. @module */

import type { AuthenticationVector } from "../aka/mod.ts";
import { concat, fromUtf8, toBase64, toUtf8 } from "../bytes/mod.ts";
import type { Random } from "../platform.ts";
import { openRecord, type RecordPlace, sealRecord } from "./sealed_record.ts";

/** A vector that was given out, true or false. Disposing wipes its secrets. */
export interface Challenge extends AuthenticationVector {
  readonly impi: string;
  /** base64(RAND || AUTN): what the peer sees. RFC 3310 3.2. */
  readonly nonce: string;
  /** The period, a 32-bit count, in which it is given to all who ask. */
  readonly period: number;
  /** Made for a UICC in GBA_U. */
  readonly gbaU: boolean;
}

/** `vector`, whose secrets it takes over, as a challenge. */
export function challengeOf(
  vector: AuthenticationVector,
  { impi, period, gbaU }: Pick<Challenge, "impi" | "period" | "gbaU">,
): Challenge {
  return { ...vector, impi, period, gbaU, nonce: toBase64(concat(vector.rand, vector.autn)) };
}

/** The record, sealed for its place. */
export function sealChallenge(place: RecordPlace, challenge: Challenge, random: Random): Uint8Array {
  const { impi, period, gbaU, rand, autn, xres, ck, ik } = challenge;
  const terms = new Uint8Array(5);
  new DataView(terms.buffer).setUint32(0, period);
  terms[4] = gbaU ? 1 : 0;
  return sealRecord(place, [toUtf8(impi), terms, rand, autn, xres, ck, ik], random);
}

/** The challenge in a record, the caller's to dispose; `undefined` where none is sealed for this place. */
export function openChallenge(place: RecordPlace, sealed: Uint8Array): Challenge | undefined {
  const fields = openRecord(place, sealed, LAYOUT);
  if (!fields) return undefined;
  const [impi, terms, rand, autn, xres, ck, ik] = fields;
  const dispose = (): void => {
    for (const secret of [xres, ck, ik]) secret[Symbol.dispose]();
  };
  const vector = { rand, autn, xres, ck, ik, [Symbol.dispose]: dispose };
  const period = new DataView(terms.buffer, terms.byteOffset).getUint32(0);
  return challengeOf(vector, { impi: fromUtf8(impi), period, gbaU: terms[4] === 1 });
}

const LAYOUT = ["bytes", "bytes", "bytes", "bytes", "secret", "secret", "secret"] as const;
