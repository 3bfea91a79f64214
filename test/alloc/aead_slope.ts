// Run as its own process by aead.test.ts.
import { createAead, secretFrom } from "../../lib/crypto/mod.ts";
import { type Operation, printSlopes } from "./slope.ts";

const nonce = new Uint8Array(12);
const aad = new Uint8Array(13);
const out = new Uint8Array(4200);
const operations: Record<string, Operation> = {};
for (
  const [name, cipher, keyLength, sizes] of [
    ["AES-128-GCM", "aes-gcm", 16, [0, 64, 768]],
    ["AES-256-GCM", "aes-gcm", 32, [512]],
    ["ChaCha20-Poly1305", "chacha20-poly1305", 32, [16, 64, 4096]],
  ] as const
) {
  const aead = createAead({ cipher }, secretFrom(new Uint8Array(keyLength)));
  for (const size of sizes) {
    const plaintext = new Uint8Array(size);
    const sealed = new Uint8Array(size + 16);
    aead.sealInto(nonce, aad, plaintext, sealed);
    const count = 300;
    const seal = () => aead.sealInto(nonce, aad, plaintext, out);
    operations[`${name} seal ${size}`] = { run: seal, expected: size + 16, count };
    operations[`${name} open ${size}`] = { run: () => aead.openInto(nonce, aad, sealed, out), expected: size, count };
    if (size !== 64) continue;
    const forged = sealed.slice();
    forged[3]! ^= 1;
    operations[`${name} refuse ${size}`] = { run: () => aead.openInto(nonce, aad, forged, out), expected: -1, count };
  }
  // Records of a device differ in length from one to the next.
  let next = 0;
  const lengths = Array.from({ length: 64 }, (_, i) => new Uint8Array(16 + 7 * i));
  const change = () => aead.sealInto(nonce, aad, lengths[next++ & 63]!, out) > 0;
  operations[`${name} seal changing lengths`] = { run: change, expected: true, count: 320 };
}

await printSlopes(operations);
