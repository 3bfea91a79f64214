import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { joinSqn, SequenceArray, splitSqn, SQN_LIMIT, sqnFromBytes, sqnToBytes } from "../../lib/aka/mod.ts";
import { fromHex } from "../../lib/bytes/mod.ts";
import { assertBytes } from "./vectors.ts";

/** An array that has accepted these pairs of SEQ and IND. */
function arrayAt(pairs: readonly (readonly [seq: number, ind: number])[], profile = {}): SequenceArray {
  const state = new Array<number>(32).fill(0);
  for (const [seq, ind] of pairs) state[ind] = seq;
  return new SequenceArray(profile, state);
}

test("SQN is SEQ || IND in 6 bytes: Milenage set 1's ff9bb4d0b607 is SEQ 7fcdda685b0, IND 7", () => {
  const sqn = sqnFromBytes(fromHex("ff9bb4d0b607"));
  assert.deepEqual(splitSqn(sqn), { seq: 0x7fcdda685b0, ind: 7 });
  assert.equal(joinSqn(0x7fcdda685b0, 7), sqn);
  assertBytes(sqnToBytes(sqn), "ff9bb4d0b607", "SQN");
  assertBytes(sqnToBytes(SQN_LIMIT - 1), "ffffffffffff", "the largest");
  assert.deepEqual(splitSqn(sqn, 0), { seq: sqn, ind: 0 });
});

test("numbers that are no SQN, and divisions that there are not, are refused", () => {
  for (const sqn of [-1, SQN_LIMIT, 0.5, NaN]) assert.throws(() => sqnToBytes(sqn), RangeError);
  assert.throws(() => sqnFromBytes(new Uint8Array(7)), RangeError);
  for (const bits of [-1, 17, 1.5]) assert.throws(() => splitSqn(0, bits), RangeError);
  for (const state of [[], [0], new Array<number>(32).fill(-1), new Array<number>(32).fill(2 ** 43)]) {
    assert.throws(() => new SequenceArray({}, state), RangeError);
  }
});

test("bytes and numbers of SQN are two forms of one thing", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (bytes) => {
      assert.deepEqual(sqnToBytes(sqnFromBytes(bytes)), bytes);
    }),
    { seed: 1, numRuns: 200 },
  );
});

test("a fresh array takes SEQ 1 and not SEQ 0, in every slot (TS 33.102 C.2.2)", () => {
  for (let ind = 0; ind < 32; ind++) {
    const array = new SequenceArray();
    assert.equal(array.accept(joinSqn(0, ind)), false);
    assert.equal(array.accept(joinSqn(1, ind)), true);
    assert.equal(array.accept(joinSqn(1, ind)), false);
  }
});

test("in a slot an equal or lower SEQ is stale, the next one fresh", () => {
  const array = arrayAt([[100, 3]]);
  assert.equal(array.isFresh(joinSqn(99, 3)), false);
  assert.equal(array.isFresh(joinSqn(100, 3)), false);
  assert.equal(array.isFresh(joinSqn(101, 3)), true);
});

test("slots are independent: numbers of other slots may come out of order", () => {
  const array = arrayAt([[100, 3], [90, 4]]);
  assert.equal(array.accept(joinSqn(91, 4)), true);
  assert.equal(array.accept(joinSqn(1, 5)), true);
  assert.equal(array.accept(joinSqn(100, 6)), true);
  assert.equal(array.accept(joinSqn(91, 4)), false);
});

test("SEQ may pass the highest of the array by delta and no more (C.2.1), in whichever slot", () => {
  const array = arrayAt([[1000, 3]]);
  for (const ind of [0, 3, 31]) {
    assert.equal(array.isFresh(joinSqn(1000 + 2 ** 28, ind)), true);
    assert.equal(array.isFresh(joinSqn(1000 + 2 ** 28 + 1, ind)), false);
  }
  const narrow = arrayAt([[1000, 3]], { delta: 1 });
  assert.equal(narrow.isFresh(joinSqn(1001, 3)), true);
  assert.equal(narrow.isFresh(joinSqn(1002, 3)), false);
});

test("with an age limit L, the highest SEQ may pass a new one by less than L (C.2.2)", () => {
  const array = arrayAt([[1000, 3]], { ageLimit: 10 });
  assert.equal(array.isFresh(joinSqn(991, 4)), true);
  assert.equal(array.isFresh(joinSqn(990, 4)), false);
  assert.equal(arrayAt([[1000, 3]]).isFresh(joinSqn(1, 4)), true);
});

test("SQN_MS is the highest number accepted anywhere, 0 before the first", () => {
  assert.equal(new SequenceArray().highest, 0);
  assert.equal(arrayAt([[5, 1], [9, 2], [7, 30]]).highest, joinSqn(9, 2));
  const array = new SequenceArray();
  array.accept(joinSqn(4, 31));
  array.accept(joinSqn(3, 0));
  assert.equal(array.highest, joinSqn(4, 31));
});

test("what is refused changes nothing, and a stored state goes on where it was", () => {
  const array = arrayAt([[100, 3]]);
  array.accept(joinSqn(100, 3));
  array.accept(joinSqn(100 + 2 ** 28 + 1, 4));
  assert.deepEqual(array.state, arrayAt([[100, 3]]).state);
  const again = new SequenceArray({}, array.state);
  assert.equal(again.isFresh(joinSqn(100, 3)), false);
  assert.equal(again.accept(joinSqn(101, 3)), true);
  assert.equal(array.isFresh(joinSqn(101, 3)), true);
});

test("no number is accepted twice, whatever comes in whatever order, across restarts", () => {
  const number = fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 3 }), fc.boolean());
  fc.assert(
    fc.property(fc.array(number, { maxLength: 120 }), (numbers) => {
      const profile = { indBits: 2, delta: 12, ageLimit: 9 };
      let array = new SequenceArray(profile);
      const accepted = new Set<number>();
      for (const [seq, ind, restart] of numbers) {
        if (restart) array = new SequenceArray(profile, array.state);
        const sqn = joinSqn(seq, ind, 2);
        if (!array.accept(sqn)) continue;
        assert.ok(!accepted.has(sqn));
        accepted.add(sqn);
      }
      assert.equal(array.highest >> 2, Math.max(0, ...[...accepted].map((sqn) => sqn >> 2)));
    }),
    { seed: 2, numRuns: 200 },
  );
});
