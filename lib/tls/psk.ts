/** Pre-shared keys as they come from the driver, and the one that stands for none. @module */

import { equal } from "../bytes/mod.ts";
import { type SecretBytes, secretRandom } from "../crypto/mod.ts";
import type { Random } from "../platform.ts";
import { MAX_KEY } from "./limits.ts";

/** RangeError unless `key` has 1 to 512 bytes. */
export function checkKey(key: SecretBytes): void {
  if (key.byteLength < 1 || key.byteLength > MAX_KEY) throw new RangeError(`a pre-shared key is 1 to ${MAX_KEY} bytes`);
}

/**
 * A key that nobody has, of the length of GBA's: what a server goes on with when it knows none, so that the peer sees
 * what a wrong key shows (RFC 4279 2). Keys of up to 30 bytes save two hash blocks a handshake against it (RFC 2104 2),
 * which is under a microsecond; all else is the same work.
 */
export function decoyKey(random: Random): SecretBytes {
  return secretRandom(DECOY_LENGTH, random);
}

/** Whether `identity` is one of `own`. */
export function isOwn(identity: Uint8Array, own: readonly Uint8Array[]): boolean {
  return own.some((each) => equal(each, identity));
}

const DECOY_LENGTH = 32;
