/** HKDF (RFC 5869). @module */

import { hashLength, type HashName } from "./hash.ts";
import { createHmac, hmacSecret } from "./hmac.ts";
import { type SecretBytes, secretFrom, secretOwning, secretRoom, wipe } from "./secret.ts";

/** PRK = HMAC(salt, IKM), as long as the hash; an empty salt counts as zeros of that length. RFC 5869 2.2. */
export function hkdfExtract(hash: HashName, salt: Uint8Array, ikm: SecretBytes): SecretBytes {
  using key = secretFrom(salt);
  return hmacSecret(hash, key, ikm);
}

/** `length` bytes, at most 255 times the hash, from a PRK at least as long as the hash; otherwise RangeError. RFC 5869 2.3. */
export function hkdfExpand(hash: HashName, prk: SecretBytes, info: Uint8Array, length: number): SecretBytes {
  const size = hashLength(hash);
  if (prk.byteLength < size) throw new RangeError(`a PRK of ${prk.byteLength} bytes, at least ${size}`);
  if (!Number.isInteger(length) || length < 0 || length > 255 * size) {
    throw new RangeError(`${length} bytes, at most ${255 * size}`);
  }
  using hmac = createHmac(hash, prk);
  const out = secretRoom(length);
  const block = secretRoom(size);
  const counter = new Uint8Array(1);
  for (let at = 0; at < length; at += size) {
    counter[0] = at / size + 1;
    if (at > 0) hmac.update(block);
    hmac.update(info).update(counter).finishInto(block);
    out.set(block.subarray(0, Math.min(size, length - at)), at);
  }
  wipe(block);
  return secretOwning(out);
}
