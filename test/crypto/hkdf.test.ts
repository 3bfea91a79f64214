// HKDF by RFC 5869 Appendix A, and what it refuses.
import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "../../lib/bytes/mod.ts";
import { hashLength, type HashName, hkdfExpand, hkdfExtract, secretFrom } from "../../lib/crypto/mod.ts";
import { expose } from "../../lib/crypto/secret.ts";
import { bytesOf, eachFlip, pattern, readVectors } from "./cases.ts";

type Row = [
  clause: string,
  hash: HashName,
  ikm: string,
  salt: string,
  info: string,
  length: number,
  prk: string,
  okm: string,
];
const { tests } = readVectors<{ tests: Row[] }>("crypto/hkdf.json");

test("RFC 5869 A.1 to A.7: each pseudorandom key and each output", () => {
  assert.deepEqual(tests.map(([clause]) => clause), ["A.1", "A.2", "A.3", "A.4", "A.5", "A.6", "A.7"]);
  for (const [clause, hash, ikm, salt, info, length, prk, okm] of tests) {
    using extracted = hkdfExtract(hash, bytesOf(salt), secretFrom(bytesOf(ikm)));
    assert.equal(toHex(expose(extracted)), prk, clause);
    using expanded = hkdfExpand(hash, extracted, bytesOf(info), length);
    assert.equal(toHex(expose(expanded)), okm, clause);
  }
});

test("RFC 5869 A.7: no salt is a salt of zeros as long as the hash", () => {
  const [, hash, ikm, , , , prk] = tests[6]!;
  using extracted = hkdfExtract(hash, new Uint8Array(hashLength(hash)), secretFrom(bytesOf(ikm)));
  assert.equal(toHex(expose(extracted)), prk);
});

test("another output for each flipped bit of salt, input and info", () => {
  const [, hash, ikm, salt, info, length, , okm] = tests[0]!;
  const [input, salted, context] = [bytesOf(ikm), bytesOf(salt), bytesOf(info)];
  const output = () => toHex(expose(hkdfExpand(hash, hkdfExtract(hash, salted, secretFrom(input)), context, length)));
  assert.equal(output(), okm);
  for (const bytes of [input, salted, context]) eachFlip(bytes, () => assert.notEqual(output(), okm));
});

test("a shorter output is the beginning of a longer one, at every length", () => {
  using prk = secretFrom(pattern(32));
  const whole = toHex(expose(hkdfExpand("sha-256", prk, pattern(5), 100)));
  for (let length = 0; length <= 100; length++) {
    assert.equal(toHex(expose(hkdfExpand("sha-256", prk, pattern(5), length))), whole.slice(0, 2 * length));
  }
});

test("RFC 5869 2.3: 255 blocks are the most, and a key shorter than the hash is refused", () => {
  for (const hash of ["sha-256", "sha-1", "sha-384"] as const) {
    const size = hashLength(hash);
    using prk = secretFrom(pattern(size));
    assert.equal(hkdfExpand(hash, prk, new Uint8Array(0), 255 * size).byteLength, 255 * size);
    for (const length of [255 * size + 1, -1, 1.5, NaN, Infinity]) {
      assert.throws(() => hkdfExpand(hash, prk, new Uint8Array(0), length), RangeError, `${length}`);
    }
    assert.throws(() => hkdfExpand(hash, secretFrom(pattern(size - 1)), new Uint8Array(0), 16), RangeError);
    assert.throws(() => hkdfExpand(hash, secretFrom(new Uint8Array(0)), new Uint8Array(0), 16), RangeError);
  }
});
