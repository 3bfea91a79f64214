// What the door chooses by length and runtime is here tried alone: our kernel, the runtime's cipher, noble's, each on
// every vector, and against each other.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { toHex } from "../../lib/bytes/mod.ts";
import type { RawAead } from "../../lib/crypto/aead.ts";
import { bytesOf, eachFlip, pattern, readVectors } from "./cases.ts";
import { type CipherName, implementations, keyed } from "./implementations.ts";

type Published = [name: string, key: string, nonce: string, aad: string, plaintext: string, sealed: string];
type Wycheproof = [
  id: number,
  key: string,
  iv: string,
  aad: string,
  msg: string,
  ct: string,
  tag: string,
  result: "valid" | "invalid",
];

test("each implementation is there where it is expected: Deno has no AES-192-GCM, Bun no ChaCha20-Poly1305", () => {
  for (const [cipher, keyLength] of keyed) {
    const missing = ("Deno" in globalThis && keyLength === 24) || ("Bun" in globalThis && cipher !== "aes-gcm");
    const names = [...implementations(cipher, pattern(keyLength)).keys()];
    assert.deepEqual(names, missing ? ["kernel", "noble"] : ["kernel", "native", "noble"], `${cipher} ${keyLength}`);
  }
});

for (const [cipher, count] of [["aes-gcm", 12], ["chacha20-poly1305", 1]] as const) {
  test(`every implementation of ${cipher} seals and opens the published vectors, and refuses each with a bit flipped`, () => {
    const { rows } = readVectors<Record<CipherName, { rows: Published[] }>>("crypto/aead.json")[cipher];
    assert.equal(rows.length, count);
    for (const [name, key, nonce, aad, plaintext, sealed] of rows) {
      for (const [who, raw] of implementations(cipher, bytesOf(key))) {
        const parts = [bytesOf(nonce), bytesOf(aad), bytesOf(sealed)] as const;
        assert.equal(toHex(seal(raw, parts[0], parts[1], bytesOf(plaintext))), sealed, `${who}: ${name}`);
        assert.equal(toHex(open(raw, ...parts)!), plaintext, `${who}: ${name}`);
        for (const part of [parts[0], parts[1].subarray(0, 32), parts[2].subarray(-48)]) {
          eachFlip(part, (bit) => assert.equal(open(raw, ...parts), undefined, `${who}: ${name}, bit ${bit}`));
        }
      }
    }
  });
}

for (
  const [cipher, file, valid, invalid] of [
    ["aes-gcm", "aes_gcm", 116, 81],
    ["chacha20-poly1305", "chacha20_poly1305", 256, 60],
  ] as const
) {
  test(`every implementation of ${cipher} answers Wycheproof's tests with nonces of 12 and tags of 16 bytes`, () => {
    const counts: Record<string, number> = {};
    for (const row of readVectors<{ tests: Wycheproof[] }>(`wycheproof/${file}.json`).tests) {
      const [id, key, iv, aad, msg, ct, tag, result] = row;
      if (iv.length !== 24 || tag.length !== 32) continue;
      for (const [who, raw] of implementations(cipher, bytesOf(key))) {
        const opened = open(raw, bytesOf(iv), bytesOf(aad), bytesOf(ct + tag));
        assert.equal(opened && toHex(opened), result === "valid" ? msg : undefined, `${who} ${id}`);
        if (result === "valid") {
          assert.equal(toHex(seal(raw, bytesOf(iv), bytesOf(aad), bytesOf(msg))), ct + tag, `${who} ${id}`);
        }
        if (who !== "native") counts[`${who} ${result}`] = (counts[`${who} ${result}`] ?? 0) + 1;
      }
    }
    assert.deepEqual(counts, {
      ...{ "kernel valid": valid, "noble valid": valid },
      ...{ "kernel invalid": invalid, "noble invalid": invalid },
    });
  });
}

for (const [cipher, keyLength] of keyed) {
  test(`every implementation of ${cipher} with ${keyLength} bytes of key agrees at every length from 0 to 300`, () => {
    const [reference, ...others] = implementations(cipher, pattern(keyLength, 9)).values();
    const nonce = pattern(12, 7);
    for (let length = 0; length <= 300; length++) {
      const [aad, plaintext] = [pattern(length % 37, 5), pattern(length)];
      const sealed = seal(reference!, nonce, aad, plaintext);
      assert.deepEqual(open(reference!, nonce, aad, sealed), plaintext);
      for (const other of others) assert.deepEqual(seal(other, nonce, aad, plaintext), sealed, `${length}`);
    }
  });

  test(`every implementation of ${cipher} with ${keyLength} bytes of key agrees up to 2000 bytes, in place and apart`, () => {
    // Around the edges of blocks, and of the passes of several blocks that the kernels make.
    const edge = fc.tuple(fc.nat(31), fc.integer({ min: -2, max: 2 })).map(([n, off]) => Math.max(0, 64 * n + off));
    const property = fc.property(
      fc.uint8Array({ minLength: keyLength, maxLength: keyLength }),
      fc.uint8Array({ minLength: 12, maxLength: 12 }),
      fc.uint8Array({ maxLength: 256 }),
      fc.oneof(fc.nat(2000), edge),
      fc.nat(255),
      fc.nat(15),
      (key, nonce, aad, length, start, at) => {
        const plaintext = pattern(length, start);
        let expected: Uint8Array | undefined;
        for (const [who, raw] of implementations(cipher, key)) {
          const sealed = seal(raw, nonce, aad, plaintext);
          assert.deepEqual(sealed, expected ??= sealed, who);
          assert.deepEqual(open(raw, nonce, aad, sealed), plaintext, who);
          // Inside a larger buffer at any alignment; bytes before and behind must stay.
          const room = new Uint8Array(at + sealed.length + 5).fill(0xa5);
          const record = room.subarray(at, at + sealed.length);
          record.set(plaintext);
          raw.seal(nonce, aad, record.subarray(0, length), record);
          assert.deepEqual(record, sealed, who);
          assert.ok(raw.open(nonce, aad, record, record), who);
          assert.deepEqual(record.subarray(0, length), plaintext, who);
          assert.ok([...room.subarray(0, at), ...room.subarray(at + sealed.length)].every((byte) => byte === 0xa5));
          record.set(sealed);
          record[(start * 8191) % record.length]! ^= 1 << (start & 7);
          assert.ok(!raw.open(nonce, aad, record, new Uint8Array(length)), who);
        }
      },
    );
    fc.assert(property, { seed: 8439, numRuns: 200 });
  });
}

function seal(raw: RawAead, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const out = new Uint8Array(plaintext.length + 16);
  raw.seal(nonce, aad, plaintext, out);
  return out;
}

function open(raw: RawAead, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  const out = new Uint8Array(sealed.length - 16);
  return raw.open(nonce, aad, sealed, out) ? out : undefined;
}
