import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { toHex } from "../../lib/bytes/mod.ts";
import { aesBlock, secretFrom } from "../../lib/crypto/mod.ts";
import { bytesOf, pattern, readVectors, secretPattern } from "./cases.ts";

const vectors = readVectors<{ block: { rows: [string, string, string, string][] } }>("crypto/aes.json");

test("AES encrypts the blocks of FIPS 197 and NIST SP 800-38A F.1", () => {
  assert.equal(vectors.block.rows.length, 7);
  for (const [name, key, plaintext, ciphertext] of vectors.block.rows) {
    using cipher = aesBlock(secretFrom(bytesOf(key)));
    const input = bytesOf(plaintext);
    const out = new Uint8Array(input.length);
    for (let at = 0; at < input.length; at += 16) cipher.encryptInto(input.subarray(at), out.subarray(at));
    assert.equal(toHex(out), ciphertext, name);
    assert.equal(toHex(input), plaintext, `${name}: the input is not changed`);
  }
});

test("AES encrypts a block in place, and touches nothing behind it", () => {
  using cipher = aesBlock(secretFrom(bytesOf("000102030405060708090a0b0c0d0e0f")));
  const block = bytesOf("00112233445566778899aabbccddeeffa5a5");
  cipher.encryptInto(block, block);
  assert.equal(toHex(block), "69c4e0d86a7b0430d8cdb78070b4c55aa5a5"); // FIPS 197 C.1
});

test("AES agrees with node:crypto for every length of key and any block", () => {
  for (const length of [16, 24, 32]) {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: length, maxLength: length }),
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        (key, block) => {
          using cipher = aesBlock(secretFrom(key));
          const out = new Uint8Array(16);
          cipher.encryptInto(block, out);
          assert.equal(toHex(out), toHex(blockOfNode(key, block)));
        },
      ),
      { seed: 197, numRuns: 100 },
    );
  }
});

test("AES refuses keys of other lengths and short blocks, before anything is written", () => {
  for (const length of [0, 8, 15, 17, 20, 31, 33, 64]) {
    assert.throws(() => aesBlock(secretPattern(length)), RangeError, `${length}`);
  }
  using cipher = aesBlock(secretPattern(16));
  const out = pattern(15);
  assert.throws(() => cipher.encryptInto(new Uint8Array(16), out), RangeError);
  assert.throws(() => cipher.encryptInto(new Uint8Array(15), new Uint8Array(16)), RangeError);
  assert.deepEqual(out, pattern(15));
});

test("AES keeps its own copy of the key and throws state once disposed", () => {
  const key = secretPattern(16);
  const cipher = aesBlock(key);
  const before = new Uint8Array(16);
  const after = new Uint8Array(16);
  cipher.encryptInto(before, before);
  key[Symbol.dispose]();
  cipher.encryptInto(after, after);
  assert.deepEqual(after, before);
  cipher[Symbol.dispose]();
  cipher[Symbol.dispose]();
  assert.throws(() => cipher.encryptInto(after, after), { name: "SeccfError", code: "state" });
});

function blockOfNode(key: Uint8Array, block: Uint8Array): Uint8Array {
  return createCipheriv(`aes-${8 * key.length}-ecb`, key, null).setAutoPadding(false).update(block);
}
