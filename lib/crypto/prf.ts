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
  const size = hmac.length;
  const name = toUtf8(label);
  const out = secretRoom(length);
  // A(i) before label and seed, in one memory: each HMAC is one call. Behind them the block.
  const work = secretRoom(size + name.length + seed.length + size);
  const message = work.subarray(0, work.length - size);
  const a = message.subarray(0, size);
  const first = message.subarray(size);
  const block = work.subarray(message.length);
  first.set(name);
  first.set(seed, name.length);
  // A(1) = HMAC(label + seed), A(i) = HMAC(A(i-1)); each block is HMAC(A(i) + label + seed).
  for (let at = 0; at < length; at += size) {
    hmac.signInto(at === 0 ? first : a, a);
    hmac.signInto(message, block);
    out.set(block.subarray(0, Math.min(size, length - at)), at);
  }
  wipe(work);
  return out;
}
