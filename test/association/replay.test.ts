// The replay window of one context. RFC 8613 7.4, RFC 6347 4.1.2.6.
import test from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { fromHex, toHex } from "../../lib/bytes/mod.ts";
import { ReplayWindow, WINDOW_SIZE } from "../../lib/association/replay.ts";

function take(window: ReplayWindow, number: number): boolean {
  try {
    window.check(number);
  } catch (error) {
    assert.equal((error as { code?: string }).code, "replayed");
    return false;
  }
  window.accept(number);
  return true;
}

test("the second delivery of a number is refused, and so is what is older than the window [SEC_CF-1.4]", () => {
  const window = new ReplayWindow();
  assert.ok(take(window, 100));
  assert.ok(!take(window, 100));
  assert.ok(take(window, 100 - WINDOW_SIZE + 1), "the oldest number in the window");
  assert.ok(!take(window, 100 - WINDOW_SIZE + 1));
  assert.ok(!take(window, 100 - WINDOW_SIZE), "one below");
  assert.ok(take(window, 101));
  assert.ok(!take(window, 101 - WINDOW_SIZE), "seen, and now one below");
  assert.ok(take(window, 101 - WINDOW_SIZE + 1), "never seen, and now the oldest");
  assert.ok(take(window, 99));
});

test("every distance of a jump keeps exactly what is still in the window", () => {
  for (const jump of [1, 2, 31, 32, 33, 63, 64, 65, 1000]) {
    const window = new ReplayWindow();
    for (const number of [1000, 999, 990, 969, 968, 967, 940, 937]) assert.ok(take(window, number));
    assert.ok(take(window, 1000 + jump));
    for (let number = 930; number <= 1000 + jump; number++) {
      const seen = [1000, 999, 990, 969, 968, 967, 940, 937, 1000 + jump].includes(number);
      const old = number <= 1000 + jump - WINDOW_SIZE;
      assert.equal(take(window, number), !seen && !old, `${number} after ${jump}`);
    }
  }
});

test("the first number may be any, up to the last Partial IV", () => {
  for (const first of [0, 1, 63, 64, 2 ** 31, 2 ** 32, 2 ** 40 - 1]) {
    const window = new ReplayWindow();
    assert.ok(take(window, first));
    assert.ok(!take(window, first));
    if (first > 0) assert.ok(take(window, first - 1));
  }
});

test("a check alone changes nothing", () => {
  const window = new ReplayWindow();
  window.check(1_000_000);
  assert.ok(take(window, 0));
});

test("what is below a floor is refused whether it was seen or not", () => {
  const window = new ReplayWindow();
  assert.ok(take(window, 10));
  window.refuseBelow(12);
  window.refuseBelow(5);
  for (const number of [9, 10, 11]) assert.ok(!take(window, number));
  assert.ok(take(window, 12));
});

test("a window goes on from its state, bit by bit", () => {
  const window = new ReplayWindow();
  for (const number of [70, 71, 73, 40, 12]) take(window, number);
  const state = window.state();
  assert.equal(state.next, 74);
  // 73 is bit 0, 71 bit 2, 70 bit 3, 40 bit 33, 12 bit 61.
  assert.equal(toHex(state.seen), "200000020000000d");
  const again = new ReplayWindow(state);
  for (let number = 0; number <= 73; number++) {
    const seen = [70, 71, 73, 40, 12].includes(number);
    assert.equal(take(again, number), !seen && number > 73 - WINDOW_SIZE, String(number));
  }
});

test("a state that is none is refused", () => {
  const seen = new Uint8Array(8);
  for (
    const state of [
      { next: -1, seen, from: 0 },
      { next: 0.5, seen, from: 0 },
      { next: 0, seen: fromHex("00"), from: 0 },
      { next: 0, seen, from: NaN },
    ]
  ) assert.throws(() => new ReplayWindow(state), { code: "malformed" });
});

test("property: agrees with a set and a maximum, across saved states", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("near" as const), by: fc.integer({ min: -80, max: 80 }) }),
    fc.record({ kind: fc.constant("save" as const) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      let window = new ReplayWindow();
      const seen = new Set<number>();
      let top = 1000;
      for (const each of steps) {
        if (each.kind === "save") {
          window = new ReplayWindow(window.state());
          continue;
        }
        const number = top + each.by;
        const highest = Math.max(-1, ...seen);
        const good = !seen.has(number) && number > highest - WINDOW_SIZE;
        assert.equal(take(window, number), good);
        if (good) seen.add(number);
        top = Math.max(top, number);
      }
    }),
    { numRuns: 300, seed: 64 },
  );
});
