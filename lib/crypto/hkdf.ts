/** HKDF (RFC 5869), and its labelled form in TLS 1.3 (RFC 8446 7.1) and DTLS 1.3 (RFC 9147 5.9). @module */

import { toUtf8 } from "../bytes/mod.ts";
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

/**
 * HKDF-Expand-Label of RFC 8446 7.1. `label` comes with its prefix, `tls13 key` or `dtls13key` (RFC 9147 5.9), 7 to 255
 * bytes; `context` is at most 255 bytes; otherwise RangeError, as in {@link hkdfExpand}.
 */
export function hkdfExpandLabel(
  hash: HashName,
  secret: SecretBytes,
  label: string,
  context: Uint8Array,
  length: number,
): SecretBytes {
  const name = toUtf8(label);
  if (name.length < 7 || name.length > 255) throw new RangeError(`a label of ${name.length} bytes, 7 to 255`);
  if (context.length > 255) throw new RangeError(`a context of ${context.length} bytes, at most 255`);
  // struct { uint16 length; opaque label<7..255>; opaque context<0..255>; } HkdfLabel
  const info = new Uint8Array(4 + name.length + context.length);
  info[0] = length >>> 8;
  info[1] = length;
  info[2] = name.length;
  info.set(name, 3);
  info[3 + name.length] = context.length;
  info.set(context, 4 + name.length);
  return hkdfExpand(hash, secret, info, length);
}
