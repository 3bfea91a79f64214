/** AES-GCM (NIST SP 800-38D) with nonces of 12 and tags of 16 bytes: the runtime's, else noble's. @module */

import { gcm } from "@noble/ciphers/aes.js";
import type { RawAead } from "./aead.ts";
import { createNativeAead } from "./native_aead.ts";
import { NobleAead } from "./noble_aead.ts";

const NAMES = { 16: "aes-128-gcm", 24: "aes-192-gcm", 32: "aes-256-gcm" } as const;

/** GCM keyed with a copy of `key`, 16, 24 or 32 bytes. */
export function createGcm(key: Uint8Array): RawAead {
  return createNativeAead(NAMES[key.length as keyof typeof NAMES], key, 16) ?? new NobleAead(gcm, key);
}
