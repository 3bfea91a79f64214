import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { toHex } from "../../lib/bytes/mod.ts";
import { createCbc } from "../../lib/crypto/cbc.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { bytesOf, pattern, readVectors, secretPattern } from "./cases.ts";

const vectors = readVectors<{ cbc: { rows: [string, string, string, string, string][] } }>("crypto/aes.json");

test("CBC encrypts and decrypts the vectors of NIST SP 800-38A F.2 and RFC 3602, in place and apart", () => {
  assert.equal(vectors.cbc.rows.length, 7);
  for (const [name, key, iv, plaintext, ciphertext] of vectors.cbc.rows) {
    using cbc = createCbc(secretFrom(bytesOf(key)));
    const bytes = bytesOf(plaintext);
    const out = new Uint8Array(bytes.length);
    cbc.encryptInto(bytesOf(iv), bytes, out);
    assert.equal(toHex(out), ciphertext, name);
    assert.equal(toHex(bytes), plaintext, name);
    cbc.decryptInto(bytesOf(iv), out, bytes.fill(0));
    assert.equal(toHex(bytes), plaintext, name);
    cbc.encryptInto(bytesOf(iv), bytes, bytes);
    assert.equal(toHex(bytes), ciphertext, name);
    cbc.decryptInto(bytesOf(iv), bytes, bytes);
    assert.equal(toHex(bytes), plaintext, name);
  }
});

test("CBC gives back what was encrypted, for each length of key", () => {
  for (const length of [16, 24, 32]) {
    using cbc = createCbc(secretPattern(length));
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(40), (iv, blocks) => {
        const bytes = pattern(16 * blocks);
        cbc.encryptInto(iv, bytes, bytes);
        cbc.decryptInto(iv, bytes, bytes);
        assert.deepEqual(bytes, pattern(16 * blocks));
      }),
      { seed: 38, numRuns: 40 },
    );
  }
});

test("CBC refuses other keys, IVs, parts of blocks and too little room with RangeError, before anything is written", () => {
  for (const length of [0, 15, 17, 20, 31, 64]) assert.throws(() => createCbc(secretPattern(length)), RangeError);
  using cbc = createCbc(secretPattern(16));
  const out = pattern(31);
  for (const length of [0, 8, 12, 15, 17]) {
    assert.throws(() => cbc.encryptInto(new Uint8Array(length), new Uint8Array(16), out), RangeError);
    assert.throws(() => cbc.decryptInto(new Uint8Array(length), new Uint8Array(16), out), RangeError);
  }
  for (const length of [1, 15, 17, 32]) {
    assert.throws(() => cbc.encryptInto(new Uint8Array(16), new Uint8Array(length), out), RangeError);
    assert.throws(() => cbc.decryptInto(new Uint8Array(16), new Uint8Array(length), out), RangeError);
  }
  assert.deepEqual(out, pattern(31));
});

test("CBC throws state once disposed", () => {
  for (const length of [16, 24]) {
    const cbc = createCbc(secretPattern(length));
    cbc[Symbol.dispose]();
    cbc[Symbol.dispose]();
    const block = new Uint8Array(16);
    assert.throws(() => cbc.encryptInto(block, block, block), { name: "SeccfError", code: "state" });
    assert.throws(() => cbc.decryptInto(block, block, block), { name: "SeccfError", code: "state" });
  }
});
