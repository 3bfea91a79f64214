// Keccak-f[1600] by the permutations of TUAK's test sets.
import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, toHex } from "../../lib/bytes/mod.ts";
import { keccakF1600 } from "../../lib/crypto/mod.ts";
import { bytesOf, pattern, readVectors } from "./cases.ts";

const { tests } = readVectors<{ tests: [set: number, before: string, after: string][] }>("crypto/keccak.json");

test("TS 35.232: the six permutations, in place, also at an odd place in a larger array", () => {
  assert.equal(tests.length, 6);
  for (const [set, before, after] of tests) {
    const state = bytesOf(before);
    keccakF1600(state);
    assert.equal(toHex(state), after, `set ${set}`);
    const around = concat(pattern(3), bytesOf(before), pattern(5));
    keccakF1600(around.subarray(3, 203), 24);
    assert.equal(toHex(around), toHex(pattern(3)) + after + toHex(pattern(5)), `set ${set}`);
  }
});

test("the zero state becomes the first state of the Keccak team's known answers, and a flipped bit another", () => {
  // KeccakF-1600-IntermediateValues.txt of the Keccak reference: lanes 0 and 1 after the first permutation.
  const state = new Uint8Array(200);
  keccakF1600(state);
  assert.equal(toHex(state.subarray(0, 16)), "e7dde140798f25f18a47c033f9ccd584");
  const other = new Uint8Array(200);
  other[199] = 0x80;
  keccakF1600(other);
  assert.notDeepEqual(other, state);
});

test("one permutation is SHA3-256 of a short message (FIPS 202 6.1)", () => {
  const state = new Uint8Array(200);
  state.set(new TextEncoder().encode("abc"));
  state[3] = 0x06;
  state[135] = 0x80;
  keccakF1600(state);
  // NIST's example value for SHA3-256.
  assert.equal(toHex(state.subarray(0, 32)), "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532");
});

test("a state of another length is a RangeError", () => {
  for (const length of [0, 199, 201, 400]) assert.throws(() => keccakF1600(new Uint8Array(length)), RangeError);
});
