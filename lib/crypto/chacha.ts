/** ChaCha20-Poly1305 (RFC 8439) with nonces of 12 and tags of 16 bytes: the runtime's, else (Bun) noble's. @module */

import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import type { RawAead } from "./aead.ts";
import { createNativeAead } from "./native_aead.ts";
import { NobleAead } from "./noble_aead.ts";

/** ChaCha20-Poly1305 keyed with a copy of `key`, 32 bytes. */
export function createChaCha(key: Uint8Array): RawAead {
  return createNativeAead("chacha20-poly1305", key, 16) ?? new NobleAead(chacha20poly1305, key);
}
