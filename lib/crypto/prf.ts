/** The pseudorandom function of TLS 1.2 (RFC 5246 5): P_hash over label and seed. @module */

import { toUtf8 } from "../bytes/mod.ts";
import { createHmac } from "./hmac.ts";
import { type SecretBytes, secretOwning, secretRoom, wipe } from "./secret.ts";

/** `length` bytes of PRF(secret, label, seed). RFC 5246 5. */
export function prf(
  hash: "sha-256" | "sha-384",
  secret: SecretBytes,
  label: string,
  seed: Uint8Array,
  length: number,
): SecretBytes {
  return secretOwning(expand(hash, secret, label, seed, length));
}

/** As {@link prf}, for what is about to be shown to the peer: verify_data (RFC 5246 7.4.9). */
export function prfPublic(
  hash: "sha-256" | "sha-384",
  secret: SecretBytes,
  label: string,
  seed: Uint8Array,
  length: number,
): Uint8Array {
  return expand(hash, secret, label, seed, length);
}

function expand(
  hash: "sha-256" | "sha-384",
  secret: SecretBytes,
  label: string,
  seed: Uint8Array,
  length: number,
): Uint8Array {
  using hmac = createHmac(hash, secret);
  const name = toUtf8(label);
  const out = secretRoom(length);
  // A(1) = HMAC(label + seed), A(i) = HMAC(A(i-1)); each block is HMAC(A(i) + label + seed).
  const a = secretRoom(hmac.length);
  const block = secretRoom(hmac.length);
  hmac.update(name).update(seed).finishInto(a);
  for (let at = 0; at < length; at += block.length) {
    hmac.update(a).update(name).update(seed).finishInto(block);
    out.set(block.subarray(0, Math.min(block.length, length - at)), at);
    hmac.signInto(a, a);
  }
  wipe(a, block);
  return out;
}
