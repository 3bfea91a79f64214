/**
 * AES-GCM (NIST SP 800-38D) with nonces of 12 and tags of 16 bytes: our kernel's, which allocates nothing, and where the
 * runtime's is faster, that, which makes objects for every record; noble's where there is neither.
 *
 * @module
 */

import { gcm } from "@noble/ciphers/aes.js";
import type { RawAead } from "./aead.ts";
import { aesKernel } from "./aes_kernel.ts";
import { KernelAead, type KernelCipher, kernelCipher } from "./kernel_aead.ts";
import { nativeRuntime } from "./native.ts";
import { createNativeAead } from "./native_aead.ts";
import { NobleAead } from "./noble_aead.ts";

const NAMES = { 16: "aes-128-gcm", 24: "aes-192-gcm", 32: "aes-256-gcm" } as const;
type KeyLength = keyof typeof NAMES;

/**
 * Up to how many bytes of text ours is used where the runtime has one. Measured (Xeon with AES-NI and its vector forms,
 * 128 bits): ours 0.45 us at 64 bytes, 2.5 at 768, 3.3 at 1024, 49 at 16384; Node 2.3, 2.4, 2.5 and 6; Bun 0.5, 0.6, 0.6
 * and 2; Deno 2.8, 6, 7 and 70. With 256 bits ours takes 1.25 times as long, theirs the same.
 */
const UNTIL: Readonly<Record<typeof nativeRuntime, (keyLength: number) => number>> = {
  node: (keyLength) => keyLength === 16 ? 768 : 512,
  deno: () => Infinity,
  bun: () => 64,
};

/** GCM keyed with a copy of `key`, 16, 24 or 32 bytes. */
export function createGcm(key: Uint8Array): RawAead {
  const kernel = aesKernel();
  if (kernel === undefined) return native(key) ?? last(key);
  const keyLength = key.length as KeyLength;
  const until = UNTIL[nativeRuntime](keyLength);
  return new KernelAead(ciphers[keyLength] ??= kernelCipher({ kernel, keyLength, until }, native, last), key);
}

const ciphers: { [length in KeyLength]?: KernelCipher } = {};

function native(key: Uint8Array): RawAead | undefined {
  return createNativeAead(NAMES[key.length as KeyLength], key, 16);
}

function last(key: Uint8Array): RawAead {
  return new NobleAead(gcm, key);
}
