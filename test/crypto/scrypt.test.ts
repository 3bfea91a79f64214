// scrypt by RFC 7914 12, and what it does not pay for.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { scryptCostFits, scryptKey, secretEqual, secretFrom } from "../../lib/crypto/mod.ts";
import { eachFlip, readVectors } from "./cases.ts";

type Row = [passphrase: string, salt: string, logN: number, r: number, p: number, length: number, key: string];
const { tests } = readVectors<{ tests: Row[] }>("crypto/scrypt.json");

test("RFC 7914 12: the keys that its bounds allow", () => {
  for (const [passphrase, salt, logN, r, p, length, key] of tests) {
    using made = scryptKey(secretFrom(toUtf8(passphrase)), toUtf8(salt), { logN, r, p }, length);
    assert.ok(secretEqual(made, fromHex(key)), passphrase);
  }
});

test("another key for each other passphrase, salt, cost and length", () => {
  const cost = { logN: 10, r: 1, p: 1 };
  const [passphrase, salt] = [toUtf8("password"), toUtf8("SodiumChloride")];
  using key = scryptKey(secretFrom(passphrase), salt, cost, 32);
  const same = (words: Uint8Array, salted: Uint8Array, other = cost): boolean =>
    secretEqual(scryptKey(secretFrom(words), salted, other, 32), key);
  eachFlip(passphrase, () => assert.ok(!same(passphrase, salt)));
  assert.ok(!same(passphrase, toUtf8("SodiumChlorid_")));
  for (const other of [{ ...cost, logN: 11 }, { ...cost, r: 2 }, { ...cost, p: 2 }]) {
    assert.ok(!same(passphrase, salt, other));
  }
});

test("a cost outside of its bounds is misuse, and nothing is computed", () => {
  const words = secretFrom(toUtf8("password"));
  const salt = new Uint8Array(16);
  for (
    const [logN, r, p] of [[9, 8, 1], [21, 1, 1], [20, 2, 1], [17, 9, 1], [15, 16, 16], [14.5, 8, 1], [14, 0, 1], [
      14,
      8,
      17,
    ], [NaN, 8, 1]] as const
  ) {
    assert.equal(scryptCostFits({ logN, r, p }), false);
    assert.throws(() => scryptKey(words, salt, { logN, r, p }, 32), RangeError);
  }
  assert.ok(scryptCostFits({ logN: 17, r: 8, p: 1 }));
});
