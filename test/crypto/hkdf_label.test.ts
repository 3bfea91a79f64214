// HKDF-Expand-Label by the traces of RFC 8448 and the keys of RFC 9001, and what it refuses.
import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "../../lib/bytes/mod.ts";
import { digest, type HashName, hkdfExpandLabel, secretFrom } from "../../lib/crypto/mod.ts";
import { expose } from "../../lib/crypto/secret.ts";
import { bytesOf, eachFlip, pattern, readVectors } from "./cases.ts";

type Row = [
  source: string,
  hash: HashName,
  secret: string,
  label: string,
  context: string,
  length: number,
  output: string,
];
const { tests } = readVectors<{ tests: Row[] }>("crypto/hkdf_label.json");

function derive(hash: HashName, secret: Uint8Array, label: string, context: Uint8Array, length: number): string {
  using key = secretFrom(secret);
  using output = hkdfExpandLabel(hash, key, label, context, length);
  return toHex(expose(output));
}

test("RFC 8448 3 and 4, RFC 9001 A.1 and A.5, and OpenSSL's for SHA-384 and DTLS: each output", () => {
  assert.equal(tests.length, 40);
  for (const [source, hash, secret, label, context, length, output] of tests) {
    assert.equal(output.length, 2 * length);
    assert.equal(derive(hash, bytesOf(secret), label, bytesOf(context), length), output, `${source} ${label}`);
  }
});

test("another output for each flipped bit of secret and context, for another label, prefix and length", () => {
  const [, hash, secret, label, context, length, output] = tests[1]!;
  const [key, transcript] = [bytesOf(secret), bytesOf(context)];
  assert.equal(derive(hash, key, label, transcript, length), output);
  for (const bytes of [key, transcript]) {
    eachFlip(bytes, () => assert.notEqual(derive(hash, key, label, transcript, length), output));
  }
  for (const other of ["tls13 s hs traffic", "dtls13c hs traffic", "tls13 c hs traffid", "tls13 c hs traffic "]) {
    assert.notEqual(derive(hash, key, other, transcript, length), output, other);
  }
  // The length is part of what is hashed: no output is the beginning of another.
  assert.ok(!output.startsWith(derive(hash, key, label, transcript, 16)));
  assert.notEqual(derive(hash, key, label, digest("sha-256"), length), output);
});

test("where label ends and context begins is hashed too", () => {
  const secret = pattern(32);
  const joined = derive("sha-256", secret, "tls13 ab", new Uint8Array(0), 32);
  assert.notEqual(derive("sha-256", secret, "tls13 a", new TextEncoder().encode("b"), 32), joined);
});

test("RFC 8446 7.1: labels of 7 to 255 bytes, contexts of up to 255, and lengths that HKDF has", () => {
  using secret = secretFrom(pattern(32));
  const at = (label: string, context: number, length: number) => () =>
    hkdfExpandLabel("sha-256", secret, label, pattern(context), length);
  for (const run of [at("tls13 k", 0, 16), at("k".repeat(255), 255, 255 * 32), at("tls13 é", 0, 0)]) {
    assert.doesNotThrow(run);
  }
  for (
    const run of [
      ...[at("tls13 ", 0, 16), at("", 0, 16), at("k".repeat(256), 0, 16), at(`${"k".repeat(254)}é`, 0, 16)],
      ...[at("tls13 key", 256, 16), at("tls13 key", 0, 255 * 32 + 1), at("tls13 key", 0, 65536 + 16)],
      ...[at("tls13 key", 0, -1), at("tls13 key", 0, 1.5), at("tls13 key", 0, NaN)],
    ]
  ) assert.throws(run, RangeError);
  using short = secretFrom(pattern(31));
  assert.throws(() => hkdfExpandLabel("sha-256", short, "tls13 key", pattern(0), 16), RangeError);
});
