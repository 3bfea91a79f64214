// Every implementation of AES-GCM and ChaCha20-Poly1305 that this runtime has, each alone, not as the door would choose.
import { gcm } from "@noble/ciphers/aes.js";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import type { RawAead } from "../../lib/crypto/aead.ts";
import { aesKernel } from "../../lib/crypto/aes_kernel.ts";
import { chachaKernel } from "../../lib/crypto/chacha_kernel.ts";
import { type AeadKernel, KernelAead } from "../../lib/crypto/kernel_aead.ts";
import { createNativeAead } from "../../lib/crypto/native_aead.ts";
import { NobleAead } from "../../lib/crypto/noble_aead.ts";

export type CipherName = "aes-gcm" | "chacha20-poly1305";

/** The kernel alone: what it has no room for fails the test. */
export function kernelAlone(kernel: AeadKernel, key: Uint8Array): RawAead {
  const beyond = () => {
    throw new Error("beyond the kernel");
  };
  return new KernelAead({ kernel, keyLength: key.length, until: Infinity, beyond }, key);
}

/** Keyed with `key`, by name; `native` is missing where the runtime has none for this key. */
export function implementations(cipher: CipherName, key: Uint8Array): Map<string, RawAead> {
  const kernel = cipher === "aes-gcm" ? aesKernel()! : chachaKernel()!;
  const name = cipher === "aes-gcm" ? `aes-${8 * key.length as 128 | 192 | 256}-gcm` as const : cipher;
  const native = createNativeAead(name, key, 16);
  return new Map([
    ["kernel", kernelAlone(kernel, key)],
    ...(native === undefined ? [] : [["native", native] as const]),
    ["noble", new NobleAead(cipher === "aes-gcm" ? gcm : chacha20poly1305, key)],
  ]);
}

/** Every cipher with every length of key. */
export const keyed: readonly (readonly [cipher: CipherName, keyLength: number])[] = [
  ["aes-gcm", 16],
  ["aes-gcm", 24],
  ["aes-gcm", 32],
  ["chacha20-poly1305", 32],
];
