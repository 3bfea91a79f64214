/** What a stranger is shown who names a subscriber that there is not: a challenge that looks like one. @module */

import { concat } from "../bytes/mod.ts";
import { secretRandom } from "../crypto/mod.ts";
import type { Random } from "../platform.ts";
import { requireLength } from "./octets.ts";
import type { AuthenticationVector } from "./vector.ts";

/** What {@link decoyVector} takes. */
export interface DecoyOptions {
  /** Seeded from a secret and the name asked for, it gives the same challenge to all who ask for that name. */
  readonly random: Random;
  /** 2 bytes, those of true subscribers, for AMF is sent in clear. Default zeros. */
  readonly amf?: Uint8Array;
  /** Bytes of XRES, 4 to 16. Default 8. */
  readonly resLength?: number;
}

/**
 * A vector without a subscriber: every field random but AMF, as the true ones look to who has no K. No module
 * accepts it, and nobody can answer it but by guessing XRES.
 */
export function decoyVector(options: DecoyOptions): AuthenticationVector {
  const { random, amf = new Uint8Array(2), resLength = 8 } = options;
  requireLength("AMF", amf, 2);
  const drawn = (length: number): Uint8Array => {
    const bytes = new Uint8Array(length);
    random(bytes);
    return bytes;
  };
  const rand = drawn(16);
  const autn = concat(drawn(6), amf, drawn(8));
  const xres = secretRandom(resLength, random);
  const ck = secretRandom(16, random);
  const ik = secretRandom(16, random);
  return {
    rand,
    autn,
    xres,
    ck,
    ik,
    [Symbol.dispose]() {
      for (const secret of [xres, ck, ik]) secret[Symbol.dispose]();
    },
  };
}
