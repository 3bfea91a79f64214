// The KDF of TS 33.220 B.2 over the sets of its uses, and the string S that it hashes.
import assert from "node:assert/strict";
import * as crypto from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { toHex } from "../../lib/bytes/mod.ts";
import { kdf3gpp, secretFrom } from "../../lib/crypto/mod.ts";
import { expose } from "../../lib/crypto/secret.ts";
import { bytesOf, eachFlip, pattern, readVectors } from "./cases.ts";

type Row = [source: string, key: string, fc: number, parameters: string[], derived: string];
const { tests } = readVectors<{ tests: Row[] }>("crypto/kdf3gpp.json");

test("Ks_NAF, Ks_int_NAF, GBA_Digest's password and AKMA's keys are derived, from public and from secret parameters", () => {
  assert.equal(tests.length, 13);
  for (const [source, key, code, parameters, derived] of tests) {
    const bytes = parameters.map(bytesOf);
    assert.equal(toHex(expose(kdf3gpp(secretFrom(bytesOf(key)), code, ...bytes))), derived, source);
    assert.equal(toHex(expose(kdf3gpp(secretFrom(bytesOf(key)), code, ...bytes.map(secretFrom)))), derived, source);
  }
});

test("another key for each flipped bit of key and parameters, another FC, a parameter more or less, and another order", () => {
  const [, keyHex, code, parameters, derived] = tests[0]!;
  const key = bytesOf(keyHex);
  const bytes = parameters.map(bytesOf);
  const make = (number = code, list = bytes) => toHex(expose(kdf3gpp(secretFrom(key), number, ...list)));
  assert.equal(make(), derived);
  for (const flipped of [key, ...bytes]) eachFlip(flipped, () => assert.notEqual(make(), derived));
  assert.notEqual(make(code + 1), derived);
  assert.notEqual(make(code, bytes.slice(1)), derived);
  assert.notEqual(make(code, [...bytes, new Uint8Array(0)]), derived);
  assert.notEqual(make(code, bytes.toReversed()), derived);
});

test("S is FC and each parameter before its length in two octets, so that no two lists of parameters make one S", () => {
  const property = fc.property(
    fc.uint8Array({ maxLength: 40 }),
    fc.integer({ min: 0, max: 0xfe }),
    fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 4 }),
    (key, code, parameters) => {
      const s = crypto.createHmac("sha256", key).update(Uint8Array.of(code));
      for (const parameter of parameters) {
        s.update(parameter).update(Uint8Array.of(parameter.length >> 8, parameter.length));
      }
      assert.equal(toHex(expose(kdf3gpp(secretFrom(key), code, ...parameters))), s.digest("hex"));
    },
  );
  fc.assert(property, { numRuns: 100, seed: 33220 });
});

test("an FC that is no single octet, FF which announces a second, and a parameter past 65535 bytes are refused", () => {
  const key = secretFrom(pattern(32));
  for (const code of [-1, 0xff, 0x100, 0xff01, 1.5, NaN]) {
    assert.throws(() => kdf3gpp(key, code), RangeError, `${code}`);
  }
  assert.equal(kdf3gpp(key, 0xfe, new Uint8Array(65535)).byteLength, 32);
  assert.throws(() => kdf3gpp(key, 1, new Uint8Array(65536)), RangeError);
});
