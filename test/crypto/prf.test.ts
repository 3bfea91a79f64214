// The PRF of TLS 1.2 by published vectors, and by what other programs' handshakes made with it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { digest, prf, prfPublic, secretFrom } from "../../lib/crypto/mod.ts";
import { expose } from "../../lib/crypto/secret.ts";
import { bytesOf, eachFlip, pattern, readVectors } from "./cases.ts";

type Hash = "sha-256" | "sha-384";
const { tests } = readVectors<{ tests: [hash: Hash, secret: string, label: string, seed: string, output: string][] }>(
  "crypto/prf.json",
);

test("the IETF TLS list's vectors for P_SHA256 and P_SHA384, as secret and as public bytes", () => {
  assert.deepEqual(tests.map(([hash]) => hash), ["sha-256", "sha-384"]);
  for (const [hash, secret, label, seed, output] of tests) {
    const key = secretFrom(bytesOf(secret));
    assert.equal(toHex(expose(prf(hash, key, label, bytesOf(seed), output.length / 2))), output, hash);
    assert.equal(toHex(prfPublic(hash, key, label, bytesOf(seed), output.length / 2)), output, hash);
  }
});

test("a shorter output is the beginning of a longer one, at every length", () => {
  for (const [hash, secret, label, seed, output] of tests) {
    const key = secretFrom(bytesOf(secret));
    for (let length = 0; length <= output.length / 2; length++) {
      assert.equal(toHex(prfPublic(hash, key, label, bytesOf(seed), length)), output.slice(0, 2 * length));
    }
  }
});

test("another output for each flipped bit of secret and seed, for another label and for the other hash", () => {
  const [, secretHex, label, seedHex, output] = tests[0]!;
  const secret = bytesOf(secretHex);
  const seed = bytesOf(seedHex);
  const make = (hash: Hash = "sha-256", word = label) => toHex(prfPublic(hash, secretFrom(secret), word, seed, 12));
  assert.equal(make(), output.slice(0, 24));
  for (const bytes of [secret, seed]) eachFlip(bytes, () => assert.notEqual(make(), output.slice(0, 24)));
  assert.notEqual(make("sha-384"), output.slice(0, 24));
  assert.notEqual(make("sha-256", "Test label"), output.slice(0, 24));
});

test("label and seed are one string: RFC 5246 5 joins them without a mark between", () => {
  const key = secretFrom(pattern(16));
  const joined = toHex(prfPublic("sha-256", key, "", concat(toUtf8("key expansion"), pattern(64)), 40));
  assert.equal(toHex(prfPublic("sha-256", key, "key expansion", pattern(64), 40)), joined);
});

test("an empty secret is allowed, and a secret longer than a block too", () => {
  for (const length of [0, 64, 65, 200]) {
    assert.equal(prf("sha-256", secretFrom(pattern(length)), "x", pattern(3), 48).byteLength, 48);
  }
});

type Trace = [
  name: string,
  suite: number,
  clientRandom: string,
  serverRandom: string,
  extendedMasterSecret: boolean,
  handshake: string,
  masterSecret: string,
];

test("the master secrets of OpenSSL's and mbedTLS's handshakes come from their PSK (RFC 4279 2, RFC 7627 4)", () => {
  const traces = readVectors<{ tests: Trace[] }>("tls/psk_master_secret.json").tests;
  assert.deepEqual(traces.map(([, suite]) => suite), [0x00a8, 0xc0a8, 0x008c, 0x00ae, 0xc0a8]);
  const psk = bytesOf("0102030405060708090a0b0c0d0e0f10");
  const length = Uint8Array.of(0, psk.length);
  const premaster = secretFrom(concat(length, new Uint8Array(psk.length), length, psk));
  for (const [name, , , , extended, handshake, masterSecret] of traces) {
    assert.ok(extended, name);
    const messages = bytesOf(handshake);
    const derive = () =>
      toHex(expose(prf("sha-256", premaster, "extended master secret", digest("sha-256", messages), 48)));
    assert.equal(derive(), masterSecret, name);
    messages[messages.length - 1]! ^= 1;
    assert.notEqual(derive(), masterSecret, name);
  }
});
