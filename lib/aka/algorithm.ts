/** The port of the AKA algorithm set: the seven functions of TS 33.102 that an operator may choose. @module */

import type { SecretBytes } from "../crypto/mod.ts";

/** f2, f3, f4 and f5 of one RAND. The caller owns the secrets, disposes them, and wipes `ak`. */
export interface AkaKeys {
  /** 4 to 16 bytes; 8 from Milenage. */
  readonly res: SecretBytes;
  /** 16 bytes; 32 only from a TUAK that was told so. */
  readonly ck: SecretBytes;
  /** 16 bytes; 32 only from a TUAK that was told so. */
  readonly ik: SecretBytes;
  /** 6 bytes that conceal the SQN. */
  readonly ak: Uint8Array;
}

/**
 * One subscriber's keyed algorithm set (TS 33.102 6.3). RAND is 16 bytes, SQN 6 and AMF 2, anything else is a
 * RangeError. Disposing wipes what it holds; a later use throws `state`.
 */
export interface AkaAlgorithm extends Disposable {
  /** Which set it is. */
  readonly name: "milenage" | "tuak";
  /** MAC-A. 8 bytes, but for a TUAK told otherwise. */
  f1(rand: Uint8Array, sqn: Uint8Array, amf: Uint8Array): Uint8Array;
  /** MAC-S, of a resynchronisation. As long as MAC-A. */
  f1Star(rand: Uint8Array, sqn: Uint8Array, amf: Uint8Array): Uint8Array;
  /** RES, CK, IK and AK. */
  f2345(rand: Uint8Array): AkaKeys;
  /** AK of a resynchronisation, 6 bytes: the caller wipes it. */
  f5Star(rand: Uint8Array): Uint8Array;
}
