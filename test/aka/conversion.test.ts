import assert from "node:assert/strict";
import { test } from "node:test";
import { c1, c2, c3, c4, c5, kc128 } from "../../lib/aka/mod.ts";
import { fromHex } from "../../lib/bytes/mod.ts";
import { type AkaVectors, assertBytes, assertSecret, secretHex, vectors } from "./vectors.ts";

const v = vectors<AkaVectors>("aka");

test("c1 to c5 of TS 33.102 turn the vector of Milenage set 1 into GSM's and back", () => {
  const rand = fromHex(v.RAND!);
  assertBytes(c1(rand), v.RAND!, "RAND");
  assertSecret(c2(secretHex(v.RES!)), v.c2_SRES!, "SRES");
  const kc = c3(secretHex(v.CK!), secretHex(v.IK!));
  assertSecret(kc, v.c3_Kc!, "Kc");
  assertSecret(c4(kc), v.c4_CK!, "CK");
  assertSecret(c5(kc), v.c5_IK!, "IK");
});

test("SRES and Kc are those that GSM-Milenage gives for set 1 (TS 55.205)", () => {
  assertSecret(c2(secretHex("a54211d5e3ba50bf")), "46f8416a", "SRES");
  const kc = c3(secretHex("b40ba9a3c58b2a05bbf0d987b21bf8cb"), secretHex("f769bcd751044604127672711c6d3441"));
  assertSecret(kc, "eae4be823af9a08b", "Kc");
});

test("c2 folds a RES of any length from 4 to 16 bytes behind which it puts zeros", () => {
  assertSecret(c2(secretHex("01020304")), "01020304", "4 bytes");
  assertSecret(c2(secretHex("0102030410")), "11020304", "5 bytes");
  assertSecret(c2(secretHex("01020304102030400102030410203040")), "00000000", "16 bytes");
  assert.throws(() => c2(secretHex("010203")), RangeError);
  assert.throws(() => c2(secretHex("00".repeat(17))), RangeError);
});

test("Kc128 is the first half of KDF(CK || IK) with FC 32", () => {
  assertSecret(kc128(secretHex(v.CK!), secretHex(v.IK!)), v.Kc128!, "Kc128");
});

test("keys of another length are refused, and c1 copies", () => {
  const [short, good] = [secretHex("00".repeat(15)), secretHex("00".repeat(16))];
  assert.throws(() => c3(short, good), RangeError);
  assert.throws(() => c3(good, short), RangeError);
  assert.throws(() => kc128(short, good), RangeError);
  assert.throws(() => c4(good), RangeError);
  assert.throws(() => c5(good), RangeError);
  assert.throws(() => c1(new Uint8Array(15)), RangeError);
  const rand = fromHex(v.RAND!);
  c1(rand).fill(0);
  assertBytes(rand, v.RAND!, "RAND");
});
