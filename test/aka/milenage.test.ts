import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { inspect } from "node:util";
import { type AkaAlgorithm, akaAlgorithm, milenage } from "../../lib/aka/mod.ts";
import { fromHex, toHex } from "../../lib/bytes/mod.ts";
import { assertBytes, assertSecret, flips, type MilenageSet, secretHex, vectors, withCode } from "./vectors.ts";

const { sets } = vectors<{ sets: MilenageSet[] }>("milenage");
const first = sets[0]!;

function assertSet(algorithm: AkaAlgorithm, set: MilenageSet): void {
  const [rand, sqn, amf] = [fromHex(set.RAND), fromHex(set.SQN), fromHex(set.AMF)];
  const name = (output: string) => `${output} of set ${set.set}`;
  assertBytes(algorithm.f1(rand, sqn, amf), set.f1, name("f1"));
  assertBytes(algorithm.f1Star(rand, sqn, amf), set.f1star, name("f1*"));
  const { res, ck, ik, ak } = algorithm.f2345(rand);
  assertSecret(res, set.f2, name("f2"));
  assertSecret(ck, set.f3, name("f3"));
  assertSecret(ik, set.f4, name("f4"));
  assertBytes(ak, set.f5, name("f5"));
  if (set.f5star) assertBytes(algorithm.f5Star(rand), set.f5star, name("f5*"));
}

test("Milenage gives every output of the 20 sets of TS 35.207 and 35.208, from OPc", () => {
  assert.equal(sets.length, 20);
  for (const set of sets) {
    using algorithm = milenage({ k: secretHex(set.K), opc: secretHex(set.OPc) });
    assertSet(algorithm, set);
  }
});

test("Milenage gives every output of the 20 sets of TS 35.207 and 35.208, from OP", () => {
  for (const set of sets) {
    using algorithm = akaAlgorithm({ k: secretHex(set.K), op: secretHex(set.OP) });
    assert.equal(algorithm.name, "milenage");
    assertSet(algorithm, set);
  }
});

test("another bit of K, OPc, RAND, SQN or AMF gives another MAC-A and MAC-S", () => {
  const fields = { K: first.K, OPc: first.OPc, RAND: first.RAND, SQN: first.SQN, AMF: first.AMF };
  for (const field of Object.keys(fields) as (keyof typeof fields)[]) {
    for (const flipped of flips(fromHex(fields[field]))) {
      const set = { ...fields, [field]: toHex(flipped) };
      using algorithm = milenage({ k: secretHex(set.K), opc: secretHex(set.OPc) });
      const input = [fromHex(set.RAND), fromHex(set.SQN), fromHex(set.AMF)] as const;
      assert.notEqual(toHex(algorithm.f1(...input)), first.f1);
      assert.notEqual(toHex(algorithm.f1Star(...input)), first.f1star);
    }
  }
});

test("a key or an input of a wrong length is refused", () => {
  const k = secretHex(first.K);
  const opc = secretHex(first.OPc);
  assert.throws(() => milenage({ k: secretHex("00".repeat(15)), opc }), RangeError);
  assert.throws(() => milenage({ k: secretHex("00".repeat(32)), opc }), RangeError);
  assert.throws(() => milenage({ k, opc: secretHex("00".repeat(17)) }), RangeError);
  assert.throws(() => milenage({ k, op: secretHex("") }), RangeError);
  using algorithm = milenage({ k, opc });
  const [rand, sqn, amf] = [fromHex(first.RAND), fromHex(first.SQN), fromHex(first.AMF)];
  assert.throws(() => algorithm.f1(rand.subarray(1), sqn, amf), RangeError);
  assert.throws(() => algorithm.f1(rand, sqn.subarray(1), amf), RangeError);
  assert.throws(() => algorithm.f1Star(rand, sqn, new Uint8Array(3)), RangeError);
  assert.throws(() => algorithm.f2345(new Uint8Array(17)), RangeError);
  assert.throws(() => algorithm.f5Star(new Uint8Array(0)), RangeError);
});

test("inputs are left as they were, also views of a larger buffer", () => {
  const whole = Buffer.from(first.RAND + first.SQN + first.AMF, "hex");
  const before = whole.toString("hex");
  using algorithm = milenage({ k: secretHex(first.K), op: secretHex(first.OP) });
  const rand = whole.subarray(0, 16);
  assertBytes(algorithm.f1(rand, whole.subarray(16, 22), whole.subarray(22)), first.f1, "f1");
  algorithm.f2345(rand);
  algorithm.f5Star(rand);
  assert.equal(whole.toString("hex"), before);
});

test("a disposed Milenage refuses, its credentials stay the owner's, and it prints no secret", () => {
  const k = secretHex(first.K);
  const opc = secretHex(first.OPc);
  const algorithm = milenage({ k, opc });
  const shown = inspect(algorithm, { depth: 9, showHidden: true }) + JSON.stringify(algorithm) + String(algorithm);
  for (const secret of [first.K, first.OPc]) {
    assert.ok(!shown.includes(secret) && !shown.includes([...fromHex(secret)].slice(0, 6).join(", ")));
  }
  algorithm[Symbol.dispose]();
  assert.throws(() => algorithm.f2345(fromHex(first.RAND)), withCode("state"));
  assertSecret(k, first.K, "K");
  assertSecret(opc, first.OPc, "OPc");
});
