// Numbers reserved ahead: never twice, whatever crashes. DESIGN 4.5.
import test from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { type NumberSource, reservedNumbers, volatileNumbers } from "../../lib/association/numbers.ts";
import { SeccfError } from "../../lib/error.ts";
import type { RecordStore } from "../../lib/store.ts";
import { stoppingStore, world } from "./sealer_setup.ts";

/** Whatever can be had without waiting. */
function drain(numbers: NumberSource): number[] {
  const got: number[] = [];
  for (;;) {
    try {
      got.push(numbers.next());
    } catch (error) {
      assert.ok(error instanceof SeccfError && error.code === "exhausted");
      return got;
    }
  }
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

/** A store whose `reserve` answers when told to. */
function slowStore(first: (atLeast: number, count: number) => number) {
  const waiting: (() => void)[] = [];
  const asked: number[] = [];
  const store = {
    reserve: (_counter: string, count: number, { atLeast = 0 } = {}) => {
      asked.push(atLeast);
      return new Promise<number>((resolve) => waiting.push(() => resolve(first(atLeast, count))));
    },
  } as Pick<RecordStore, "reserve"> as RecordStore;
  return { store, waiting, asked };
}

test("nothing is given before a block is reserved, and then each number once", async () => {
  const { store } = world();
  const numbers = reservedNumbers({ store, counter: "c", blockSize: 4 });
  assert.throws(() => numbers.next(), { code: "exhausted" });
  await numbers.ready();
  assert.deepEqual(drain(numbers), range(0, 4));
  await numbers.ready();
  assert.deepEqual(drain(numbers), range(4, 8));
});

test("the next block is asked for when half of the last is used, once, and nobody waits for it", async () => {
  let next = 0;
  const { store, waiting, asked } = slowStore((_, count) => (next += count) - count);
  const numbers = reservedNumbers({ store, counter: "c", blockSize: 4 });
  const ready = numbers.ready();
  waiting.shift()!();
  await ready;
  assert.equal(numbers.next(), 0);
  assert.equal(asked.length, 1);
  assert.equal(numbers.next(), 1);
  assert.equal(asked.length, 2);
  assert.equal(numbers.next(), 2);
  assert.equal(asked.length, 2, "one visit to the store at a time");
  waiting.shift()!();
  await numbers.ready();
  assert.equal(numbers.next(), 3);
  await new Promise<void>((resolve) => setImmediate(resolve));
  assert.equal(numbers.next(), 4, "without having waited");
});

test("a store that falls back to an older copy is told to jump ahead", async () => {
  const { store, waiting, asked } = slowStore((atLeast) => Math.max(atLeast, 100));
  const numbers = reservedNumbers({ store, counter: "c", blockSize: 4 });
  const given: number[] = [];
  for (let block = 0; block < 3; block++) {
    const ready = numbers.ready();
    waiting.shift()?.();
    await ready;
    given.push(...drain(numbers));
    waiting.shift()?.();
  }
  assert.deepEqual(asked.slice(0, 3), [0, 104, 108]);
  assert.equal(new Set(given).size, given.length);
});

test("a store that gives a number twice is not used", async () => {
  const { store, waiting } = slowStore(() => 0);
  const numbers = reservedNumbers({ store, counter: "c", blockSize: 4 });
  const ready = numbers.ready();
  waiting.shift()!();
  await ready;
  assert.deepEqual(drain(numbers), range(0, 4));
  const again = numbers.ready();
  waiting.shift()!();
  await assert.rejects(again, { code: "state" });
  assert.throws(() => numbers.next(), { code: "exhausted" });
});

test("the limit is the last number, in the middle of a block too, and then it is over for good", async () => {
  for (const limit of [0, 1, 3, 4, 5]) {
    const { store } = world();
    const numbers = reservedNumbers({ store, counter: "c", blockSize: 4, limit });
    const given: number[] = [];
    for (let i = 0; i < 3; i++) {
      await numbers.ready().catch((error) => assert.equal(error.code, "exhausted"));
      given.push(...drain(numbers));
    }
    assert.deepEqual(given, range(0, limit + 1));
    await assert.rejects(numbers.ready(), { code: "exhausted", clause: "RFC 8613 7.2.1" });
    const after = reservedNumbers({ store, counter: "c", blockSize: 4, limit });
    await assert.rejects(after.ready(), { code: "exhausted" });
  }
});

test("a failing store is told to who waits, and asked again at the next need", async () => {
  const { store } = world();
  let broken = true;
  const failing = {
    ...store,
    reserve: (...args: Parameters<RecordStore["reserve"]>) =>
      broken ? Promise.reject(new SeccfError("unreachable", "gone")) : store.reserve(...args),
  };
  const numbers = reservedNumbers({ store: failing, counter: "c", blockSize: 4 });
  await assert.rejects(numbers.ready(), { code: "unreachable" });
  assert.throws(() => numbers.next(), { code: "exhausted" });
  broken = false;
  await numbers.ready().catch(() => numbers.ready());
  assert.equal(numbers.next(), 0);
});

test("waiting can be given up, and what was asked for serves the next", async () => {
  const { store, waiting } = slowStore(() => 0);
  const numbers = reservedNumbers({ store, counter: "c" });
  const controller = new AbortController();
  const ready = numbers.ready({ signal: controller.signal });
  controller.abort(new Error("enough"));
  await assert.rejects(ready, { message: "enough" });
  await assert.rejects(numbers.ready({ signal: controller.signal }), { message: "enough" });
  const later = numbers.ready();
  waiting.shift()!();
  await later;
  assert.equal(numbers.next(), 0);
  assert.equal(waiting.length, 0);
});

test("killed at every visit to the store, before or after its effect, no number repeats", async () => {
  for (const when of ["before", "after"] as const) {
    const { store } = world();
    const given: number[] = [];
    for (let at = 1; at <= 6; at++) {
      // A life: it takes what it can until the store stops, and then nothing of it is left.
      const numbers = reservedNumbers({ store: stoppingStore(store, at, when), counter: "c", blockSize: 8 });
      for (let i = 0; i < 30; i++) {
        await numbers.ready().catch(() => {});
        try {
          given.push(numbers.next());
        } catch (error) {
          assert.equal((error as SeccfError).code, "exhausted");
        }
      }
    }
    assert.ok(given.length > 60);
    assert.equal(new Set(given).size, given.length);
  }
});

test("two processes that share a counter share no number", async () => {
  const { store } = world();
  const twins = [1, 2].map(() => reservedNumbers({ store, counter: "c", blockSize: 3 }));
  const given: number[] = [];
  for (let i = 0; i < 40; i++) {
    const numbers = twins[i % 2]!;
    await numbers.ready();
    given.push(numbers.next());
  }
  assert.equal(new Set(given).size, 40);
});

test("property: across lives, block sizes and lost answers, numbers are given once and rise within a life", async () => {
  const life = fc.record({
    blockSize: fc.integer({ min: 1, max: 9 }),
    take: fc.nat(25),
    stopAt: fc.integer({ min: 1, max: 8 }),
    when: fc.constantFrom("before" as const, "after" as const),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 6 }), async (lives) => {
      const { store } = world();
      const given = new Set<number>();
      for (const { blockSize, take, stopAt, when } of lives) {
        const numbers = reservedNumbers({ store: stoppingStore(store, stopAt, when), counter: "c", blockSize });
        let last = -1;
        for (let i = 0; i < take; i++) {
          await numbers.ready().catch(() => {});
          for (const number of drain(numbers)) {
            assert.ok(!given.has(number) && number > last);
            given.add(number);
            last = number;
          }
        }
      }
    }),
    { numRuns: 60, seed: 45 },
  );
});

test("volatile numbers count from 0 to their limit", async () => {
  const numbers = volatileNumbers({ limit: 2 });
  await numbers.ready();
  assert.deepEqual(drain(numbers), [0, 1, 2]);
  await assert.rejects(numbers.ready(), { code: "exhausted" });
});

test("a block of no numbers is misuse", () => {
  for (const blockSize of [0, -1, 0.5, NaN]) {
    assert.throws(() => reservedNumbers({ store: world().store, counter: "c", blockSize }), RangeError);
  }
});
