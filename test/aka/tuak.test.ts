import assert from "node:assert/strict";
import { test } from "node:test";
import { akaAlgorithm, tuak, type TuakCredentials } from "../../lib/aka/mod.ts";
import { fromHex, toHex } from "../../lib/bytes/mod.ts";
import { assertBytes, assertSecret, flips, secretHex, vectors, withCode } from "./vectors.ts";

interface TuakSet {
  readonly clause: "6" | "7";
  readonly set: number;
  readonly iterations: number;
  readonly K: string;
  readonly RAND: string;
  readonly TOP: string;
  readonly TOPc?: string;
  readonly [name: string]: string | number | undefined;
}

const { sets } = vectors<{ sets: TuakSet[] }>("tuak");
const macs = sets.filter(({ clause }) => clause === "6");
const keys = sets.filter(({ clause }) => clause === "7");

/** The lengths of a set are in bits. */
function credentials(set: TuakSet): TuakCredentials {
  const bytes = (name: string): number | undefined => set[name] === undefined ? undefined : Number(set[name]) / 8;
  return {
    algorithm: "tuak",
    k: secretHex(set.K),
    top: secretHex(set.TOP),
    iterations: set.iterations,
    macLength: (bytes("LEN_MAC") ?? 8) as 8,
    resLength: (bytes("LEN_RES") ?? 8) as 8,
    ckLength: (bytes("LEN_CK") ?? 16) as 16,
    ikLength: (bytes("LEN_IK") ?? 16) as 16,
  };
}

test("TUAK gives f1 and f1* of the 6 sets of TS 35.232 clause 6, from TOP and from TOPc", () => {
  assert.equal(macs.length, 6);
  for (const set of macs) {
    const { top: _, ...rest } = credentials(set) as TuakCredentials & { top: unknown };
    for (const given of [credentials(set), { ...rest, topc: secretHex(set.TOPc!) }]) {
      using algorithm = akaAlgorithm(given);
      const input = [fromHex(set.RAND), fromHex(String(set.SQN)), fromHex(String(set.AMF))] as const;
      assertBytes(algorithm.f1(...input), String(set.f1), `f1 of set ${set.set}`);
      assertBytes(algorithm.f1Star(...input), String(set.f1star), `f1* of set ${set.set}`);
    }
  }
});

test("TUAK gives f2 to f5 and f5* of the 6 sets of TS 35.232 clause 7", () => {
  assert.equal(keys.length, 6);
  for (const set of keys) {
    using algorithm = tuak(credentials(set));
    const rand = fromHex(set.RAND);
    const { res, ck, ik, ak } = algorithm.f2345(rand);
    assertSecret(res, String(set.f2), `f2 of set ${set.set}`);
    assertSecret(ck, String(set.f3), `f3 of set ${set.set}`);
    assertSecret(ik, String(set.f4), `f4 of set ${set.set}`);
    assertBytes(ak, String(set.f5), `f5 of set ${set.set}`);
    assertBytes(algorithm.f5Star(rand), String(set.f5star), `f5* of set ${set.set}`);
  }
});

test("another bit of any input, or another number of iterations, gives another MAC", () => {
  const set = macs[0]!;
  const fields = { K: set.K, TOP: set.TOP, RAND: set.RAND, SQN: String(set.SQN), AMF: String(set.AMF) };
  for (const field of Object.keys(fields) as (keyof typeof fields)[]) {
    for (const flipped of flips(fromHex(fields[field]))) {
      const turned = { ...set, ...fields, [field]: toHex(flipped) };
      using algorithm = tuak(credentials(turned));
      const mac = algorithm.f1(fromHex(turned.RAND), fromHex(turned.SQN), fromHex(turned.AMF));
      assert.notEqual(toHex(mac), set.f1);
    }
  }
  using twice = tuak({ ...credentials(set), iterations: 2 });
  assert.notEqual(toHex(twice.f1(fromHex(set.RAND), fromHex(fields.SQN), fromHex(fields.AMF))), set.f1);
});

test("a key, an input or a count that TUAK does not have is refused, and a disposed one refuses", () => {
  const set = macs[0]!;
  const good = credentials(set);
  assert.throws(() => tuak({ ...good, k: secretHex("00".repeat(24)) }), RangeError);
  assert.throws(() => tuak({ ...good, top: secretHex("00".repeat(16)) }), RangeError);
  assert.throws(() => tuak({ ...good, iterations: 0 }), RangeError);
  assert.throws(() => tuak({ ...good, iterations: 1.5 }), RangeError);
  const algorithm = tuak(good);
  assert.throws(() => algorithm.f1(new Uint8Array(15), new Uint8Array(6), new Uint8Array(2)), RangeError);
  assert.throws(() => algorithm.f1(new Uint8Array(16), new Uint8Array(5), new Uint8Array(2)), RangeError);
  assert.throws(() => algorithm.f2345(new Uint8Array(17)), RangeError);
  algorithm[Symbol.dispose]();
  assert.throws(() => algorithm.f5Star(fromHex(set.RAND)), withCode("state"));
});
