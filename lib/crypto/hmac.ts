/** HMAC (RFC 2104, FIPS 198-1) with a keyed state that is used again and again. @module */

import type { HashName } from "./hash.ts";
import { HashedHmac } from "./hmac_hashed.ts";
import { KernelHmac, OneShotHmac } from "./hmac_sha256.ts";
import { nativeCrypto, nativeSha256 } from "./native.ts";
import { expose, type SecretBytes, secretOwning, secretRoom } from "./secret.ts";
import { loopKernel, wasmKernel } from "./sha256_kernel.ts";

/** One key, many messages. `update` and `finishInto` authenticate one message in parts; `signInto` one in a piece, between parts too. */
export interface Hmac extends Disposable {
  /** Bytes of the tag. */
  readonly length: number;
  /**
   * Writes the tag of `message` and returns its length; RangeError where `out` is shorter. `out` may lie over `message`.
   * With SHA-256 it allocates nothing for messages of at most 2048 bytes, where there is WebAssembly; on Bun but for the
   * first of each length. Longer ones go to the runtime's hash, which allocates, and is faster for them.
   */
  signInto(message: Uint8Array, out: Uint8Array): number;
  /** Whether `tag` is the whole tag of `message`, in constant time; a shortened tag never is. */
  verify(message: Uint8Array, tag: Uint8Array): boolean;
  /** Adds a part to the message in progress. */
  update(part: Uint8Array | SecretBytes): this;
  /** Writes the tag of the parts, returns its length and begins the next message; RangeError where `out` is shorter. */
  finishInto(out: Uint8Array): number;
}

/** A state keyed with `key`, of any length, which is not kept. Disposing wipes; a later use throws `state`. */
export function createHmac(hash: HashName, key: SecretBytes): Hmac {
  return hash === "sha-256" ? createHmacSha256(expose(key)) : new HashedHmac(hash, expose(key));
}

/** The fastest for short messages that the runtime allows, as bench/hmac.ts measures it. */
function createHmacSha256(key: Uint8Array): Hmac {
  if (nativeSha256 !== undefined) return new OneShotHmac(nativeSha256, key);
  const kernel = wasmKernel();
  if (kernel !== undefined) return new KernelHmac(kernel, key);
  // V8 has no WebAssembly where it has no JIT, and then the runtime's hash is faster than a loop by ten times.
  return nativeCrypto !== undefined ? new HashedHmac("sha-256", key) : new KernelHmac(loopKernel, key);
}

/** The tag of `parts` as a secret, for keys made by HMAC. */
export function hmacSecret(
  hash: HashName,
  key: SecretBytes,
  ...parts: readonly (Uint8Array | SecretBytes)[]
): SecretBytes {
  using hmac = createHmac(hash, key);
  for (const part of parts) hmac.update(part);
  const out = secretRoom(hmac.length);
  hmac.finishInto(out);
  return secretOwning(out);
}
