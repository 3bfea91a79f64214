// Rows of bench/seal.ts: AES-GCM and ChaCha20-Poly1305 alone, a record of TLS 1.2 with 13 bytes of additional data, beside
// node:crypto with a KeyObject and with the key's bytes, and noble.
import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from "node:crypto";
import { gcm } from "@noble/ciphers/aes.js";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { type AeadSpec, createAead, secretFrom } from "../../lib/crypto/mod.ts";
import type { Contender, Group } from "../harness.ts";

const CIPHERS = [
  ["aes-128-gcm", { cipher: "aes-gcm" }, 16, gcm],
  ["aes-256-gcm", { cipher: "aes-gcm" }, 32, gcm],
  ["chacha20-poly1305", { cipher: "chacha20-poly1305" }, 32, chacha20poly1305],
] as const satisfies readonly (readonly [string, AeadSpec, number, unknown])[];
const OPTIONS = { authTagLength: 16 };

/** Sealing and opening at 64, 1024 and 16384 bytes. */
export function aeadGroups(): Group[] {
  return CIPHERS.flatMap(([name, spec, keyLength, noble]) =>
    [64, 1024, 16384].flatMap((size) => {
      const key = Uint8Array.from({ length: keyLength }, (_, i) => i * 5);
      const [nonce, aad] = [new Uint8Array(12).fill(1), new Uint8Array(13).fill(2)];
      const plaintext = Uint8Array.from({ length: size }, (_, i) => i * 7);
      const sealed = new Uint8Array(size + 16);
      const out = new Uint8Array(size + 16);
      const ours = createAead(spec, secretFrom(key));
      ours.sealInto(nonce, aad, plaintext, sealed);
      // One type for all: their overloads go by name.
      const cipher = name as "chacha20-poly1305";
      const nodeSeal = (key: KeyObject | Uint8Array) => () => {
        const sealer = createCipheriv(cipher, key, nonce, OPTIONS).setAAD(aad, { plaintextLength: size });
        out.set(sealer.update(plaintext));
        sealer.final();
        out.set(sealer.getAuthTag(), size);
      };
      const nodeOpen = (key: KeyObject | Uint8Array) => () => {
        const opener = createDecipheriv(cipher, key, nonce, OPTIONS).setAAD(aad, { plaintextLength: size });
        opener.setAuthTag(sealed.subarray(size));
        out.set(opener.update(sealed.subarray(0, size)));
        opener.final();
      };
      const object = createSecretKey(key);
      return [
        group(`${name} seal ${size}`, size, [
          ["ours", () => ours.sealInto(nonce, aad, plaintext, out)],
          ["node:crypto, KeyObject", nodeSeal(object)],
          ["node:crypto, bytes", nodeSeal(key)],
          ["noble", () => out.set(noble(key, nonce, aad).encrypt(plaintext))],
        ], () => Buffer.compare(out, sealed) === 0),
        group(`${name} open ${size}`, size, [
          ["ours", () => ours.openInto(nonce, aad, sealed, out)],
          ["node:crypto, KeyObject", nodeOpen(object)],
          ["node:crypto, bytes", nodeOpen(key)],
          ["noble", () => out.set(noble(key, nonce, aad).decrypt(sealed))],
        ], () => Buffer.compare(out.subarray(0, size), plaintext) === 0),
      ];

      /** Looks first whether each makes the same bytes; without a call where this runtime has none. */
      function group(name: string, bytes: number, all: [string, () => unknown][], right: () => boolean): Group {
        const contenders = all.map(([name, call]): Contender => {
          out.fill(0);
          try {
            call();
          } catch {
            return { name, call: undefined };
          }
          if (!right()) throw new Error(`${name} makes other bytes`);
          return { name, call };
        });
        return { name, bytes, contenders };
      }
    })
  );
}
