// Digests by their documents' examples, and the hasher's order of calls. The runtime's and noble's must not differ.
import assert from "node:assert/strict";
import * as crypto from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { SeccfError } from "../../lib/error.ts";
import { toHex } from "../../lib/bytes/mod.ts";
import { createHasher, digest, hashLength, type HashName, secretFrom } from "../../lib/crypto/mod.ts";
import { blockLength, nobleHasher } from "../../lib/crypto/hash.ts";
import { bytesOf, pattern, readVectors } from "./cases.ts";

type Row = [source: string, hash: HashName, message: string, digest: string];
const { tests } = readVectors<{ tests: Row[] }>("crypto/hash.json");
const names: readonly HashName[] = ["md5", "sha-1", "sha-256", "sha-384", "sha-512", "sha-512-256"];
const openssl = { "md5": "md5", "sha-1": "sha1", "sha-256": "sha256", "sha-384": "sha384", "sha-512": "sha512" };
const isState = (error: unknown) => error instanceof SeccfError && error.code === "state";

test("every digest of RFC 1321 A.5, RFC 6234 8.5 and NIST's examples is made, natively and by noble", () => {
  assert.deepEqual([...new Set(tests.map(([, hash]) => hash))].sort(), [...names].sort());
  for (const [source, hash, message, expected] of tests) {
    assert.equal(toHex(digest(hash, bytesOf(message))), expected, `${source} ${hash}`);
    assert.equal(toHex(nobleHasher(hash).update(bytesOf(message)).digest()), expected, `${source} ${hash}`);
  }
});

test("lengths of digests and blocks are those of FIPS 180-4 figure 1 and RFC 1321", () => {
  assert.deepEqual(names.map(hashLength), [16, 20, 32, 48, 64, 32]);
  assert.deepEqual(names.map(blockLength), [64, 64, 64, 128, 128, 128]);
  for (const hash of names) assert.equal(createHasher(hash).length, hashLength(hash));
});

test("digests of all lengths from 0 to 300 are those of node:crypto, natively and by noble", () => {
  for (const [hash, name] of Object.entries(openssl) as [HashName, string][]) {
    for (let length = 0; length <= 300; length++) {
      const expected = crypto.createHash(name).update(pattern(length)).digest("hex");
      assert.equal(toHex(digest(hash, pattern(length))), expected, `${hash} ${length}`);
      if (length % 7 === 0) assert.equal(toHex(nobleHasher(hash).update(pattern(length)).digest()), expected);
    }
  }
});

test("any division of a message into parts and clones has one digest", () => {
  const property = fc.property(
    fc.constantFrom(...names),
    fc.array(fc.uint8Array({ maxLength: 90 }), { maxLength: 5 }),
    (hash, parts) => {
      const whole = toHex(digest(hash, ...parts));
      for (const start of [createHasher, nobleHasher]) {
        let hasher = start(hash);
        for (const part of parts) {
          const clone = hasher.clone();
          hasher.update(pattern(40));
          hasher = clone.update(part);
        }
        assert.equal(toHex(hasher.digest()), whole);
      }
      assert.equal(toHex(digest(hash, ...parts.map(secretFrom))), whole);
    },
  );
  fc.assert(property, { numRuns: 60, seed: 180 });
});

test("a digest is a Uint8Array of its own, and is written where it is asked for and nowhere else", () => {
  for (const hash of names) {
    const length = hashLength(hash);
    const made = digest(hash, pattern(9));
    assert.equal(Object.getPrototypeOf(made), Uint8Array.prototype);
    const out = new Uint8Array(length + 2).fill(0xee);
    assert.equal(createHasher(hash).update(pattern(9)).digestInto(out), length);
    assert.equal(toHex(out), toHex(made) + "eeee");
  }
});

test("a hasher ends with its digest: later calls throw state", () => {
  for (const start of [createHasher, nobleHasher]) {
    const hasher = start("sha-256");
    hasher.digest();
    for (const use of [() => hasher.digest(), () => hasher.update(pattern(1)), () => hasher.clone()]) {
      assert.throws(use, isState);
    }
    assert.throws(() => hasher.digestInto(new Uint8Array(32)), isState);
  }
});

test("too little room is a RangeError and the hasher goes on; so is an unknown name", () => {
  const hasher = createHasher("sha-384").update(pattern(5));
  assert.throws(() => hasher.digestInto(new Uint8Array(47)), RangeError);
  assert.equal(toHex(hasher.digest()), toHex(digest("sha-384", pattern(5))));
  for (const name of ["sha256", "SHA-256", "toString", "__proto__", ""]) {
    assert.throws(() => createHasher(name as HashName), RangeError, name);
    assert.throws(() => hashLength(name as HashName), RangeError, name);
  }
});
