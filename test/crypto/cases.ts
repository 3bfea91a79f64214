// What the tests of ciphers share: reading vector files, bytes in patterns, every flip of a bit.
import { readFileSync } from "node:fs";
import { type AeadSpec, secretFrom } from "../../lib/crypto/mod.ts";
import { fromHex } from "../../lib/bytes/mod.ts";

/** A file under test/vectors. */
export function readVectors<Shape>(path: string): Shape {
  return JSON.parse(readFileSync(new URL(`../vectors/${path}`, import.meta.url), "utf8"));
}

/** Hexadecimal digits, or `256*0011` for a repetition. */
export function bytesOf(text: string): Uint8Array {
  const [times, digits] = text.includes("*") ? text.split("*") as [string, string] : ["1", text];
  const once = fromHex(digits);
  const all = new Uint8Array(once.length * Number(times));
  for (let at = 0; at < all.length; at += once.length) all.set(once, at);
  return all;
}

/** Bytes that are neither equal nor in order. */
export function pattern(length: number, start = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (start + 37 * i + (i >> 3)) & 0xff);
}

/** Calls `visit` with each single bit of `bytes` flipped in place, and puts it back. */
export function eachFlip(bytes: Uint8Array, visit: (bit: number) => void): void {
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    visit(bit);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
  }
}

/** Every kind of AEAD with every length of key that the door offers. */
export const everyAead: readonly { readonly name: string; readonly spec: AeadSpec; readonly keyLength: number }[] = [
  ...[16, 24, 32].map((keyLength) => ({
    name: `aes-gcm ${keyLength}`,
    spec: { cipher: "aes-gcm" } as const,
    keyLength,
  })),
  ...[16, 24, 32].flatMap((keyLength) =>
    ([7, 12, 13] as const).flatMap((nonceLength) =>
      ([8, 16] as const).map((tagLength) => ({
        name: `aes-ccm ${keyLength} nonce ${nonceLength} tag ${tagLength}`,
        spec: { cipher: "aes-ccm", nonceLength, tagLength } as const,
        keyLength,
      }))
    )
  ),
  { name: "chacha20-poly1305", spec: { cipher: "chacha20-poly1305" }, keyLength: 32 },
];

/** A secret of a pattern. */
export function secretPattern(length: number): ReturnType<typeof secretFrom> {
  return secretFrom(pattern(length, 200));
}
