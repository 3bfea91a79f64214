/** What every {@link RecordStore} must do, as tests that each kind of store runs on itself. @module */

import test from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import type { RecordStore, StoredRecord } from "../../lib/store.ts";
import { VirtualClock } from "../support/virtual.ts";

/** An empty store whose expiry runs on `clock`. */
export type OpenStore = (clock: VirtualClock) => Promise<RecordStore>;

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);

/** Registers the tests of a store of this `kind`; each opens a store of its own. */
export function testRecordStore(kind: string, open: OpenStore): void {
  const check = (title: string, body: (store: RecordStore, clock: VirtualClock) => Promise<void>): void => {
    test(`${kind} store: ${title}`, async () => {
      const clock = new VirtualClock();
      await using store = await open(clock);
      await body(store, clock);
    });
  };
  testVersions(check);
  testExpiry(check);
  testCounters(check);
}

type Check = (title: string, body: (store: RecordStore, clock: VirtualClock) => Promise<void>) => void;

function testVersions(check: Check): void {
  check("what was never written is not there", async (store) => {
    assert.equal(await store.get("a"), undefined);
    assert.equal(await store.delete("a", { expected: 1 }), false);
    assert.equal(await store.delete("a", { expected: 0 }), false);
    assert.equal(await store.put("a", bytes(1), { expected: 1 }), undefined);
    assert.equal(await store.get("a"), undefined);
  });

  check("a first write has version 1, each other one more, and the last value is read", async (store) => {
    for (const version of [1, 2, 3]) {
      assert.equal(await store.put("a", bytes(version), { expected: version - 1 }), version);
      assert.deepEqual(await store.get("a"), { value: bytes(version), version });
    }
  });

  check("a write over another version than the one named changes nothing", async (store) => {
    await store.put("a", bytes(1), { expected: 0 });
    await store.put("a", bytes(2), { expected: 1 });
    for (const expected of [0, 1, 3]) assert.equal(await store.put("a", bytes(9), { expected }), undefined);
    for (const expected of [0, 1, 3]) assert.equal(await store.delete("a", { expected }), false);
    assert.deepEqual(await store.get("a"), { value: bytes(2), version: 2 });
  });

  check("a record that was deleted is gone, and its key can be written anew", async (store) => {
    await store.put("a", bytes(1), { expected: 0 });
    assert.equal(await store.delete("a", { expected: 1 }), true);
    assert.equal(await store.get("a"), undefined);
    assert.equal(await store.delete("a", { expected: 1 }), false);
    assert.equal(await store.put("a", bytes(2), { expected: 0 }), 1);
  });

  check("of many writers over one version one wins", async (store) => {
    await store.put("a", bytes(0), { expected: 0 });
    const writes = Array.from({ length: 20 }, (_, i) => store.put("a", bytes(i + 1), { expected: 1 }));
    const versions = await Promise.all(writes);
    assert.deepEqual(versions.filter((version) => version !== undefined), [2]);
    assert.deepEqual((await store.get("a"))?.value, bytes(versions.indexOf(2) + 1));
  });

  check("a value is the store's own: neither the writer's array nor a reader's reaches it", async (store) => {
    const value = bytes(1, 2);
    const writing = store.put("a", value, { expected: 0 });
    value[0] = 9;
    await writing;
    (await store.get("a"))!.value[1] = 9;
    assert.deepEqual(await store.get("a"), { value: bytes(1, 2), version: 1 });
  });

  check("keys are told apart in every printable character, values may be empty or large", async (store) => {
    const keys = ["a", "A", "a ", "a%", "a_", "a*", "a'", 'a"', "a\\", "a;--", "a/b", "a:b", "~".repeat(200)];
    for (const [i, key] of keys.entries()) await store.put(key, bytes(i), { expected: 0 });
    for (const [i, key] of keys.entries()) assert.deepEqual((await store.get(key))?.value, bytes(i), key);
    const large = new Uint8Array(100_000).fill(7);
    await store.put("large", large, { expected: 0 });
    await store.put("empty", bytes(), { expected: 0 });
    assert.deepEqual((await store.get("large"))?.value, large);
    assert.deepEqual((await store.get("empty"))?.value, bytes());
  });

  check("any order of reads, writes and deletes does what a map would", async (store) => {
    const key = fc.constantFrom("a", "b", "c");
    const expected = fc.integer({ min: 0, max: 3 });
    const step = fc.oneof(
      fc.record({ kind: fc.constant("get" as const), key }),
      fc.record({ kind: fc.constant("put" as const), key, expected, value: fc.uint8Array({ maxLength: 4 }) }),
      fc.record({ kind: fc.constant("delete" as const), key, expected }),
    );
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const model = new Map<string, StoredRecord>();
        const prefix = `run ${run++} `;
        for (const s of steps) {
          const old = model.get(s.key);
          const name = prefix + s.key;
          if (s.kind === "get") assert.deepEqual(await store.get(name), old);
          else if (s.kind === "put") {
            const good = (old?.version ?? 0) === s.expected;
            const { expected } = s;
            if (good) model.set(s.key, { value: s.value, version: expected + 1 });
            assert.equal(await store.put(name, s.value, { expected }), good ? expected + 1 : undefined);
          } else {
            const good = old !== undefined && old.version === s.expected;
            if (good) model.delete(s.key);
            assert.equal(await store.delete(name, { expected: s.expected }), good);
          }
        }
      }),
      { seed: 1, numRuns: 50 },
    );
  });
}

function testExpiry(check: Check): void {
  check("a record is there until its time is over, and not after", async (store, clock) => {
    await store.put("a", bytes(1), { expected: 0, ttlSeconds: 10 });
    await clock.advance(9_999);
    assert.deepEqual(await store.get("a"), { value: bytes(1), version: 1 });
    await clock.advance(1);
    assert.equal(await store.get("a"), undefined);
  });

  check(
    "an expired record is in nobody's way: it is neither overwritten nor deleted by its version",
    async (store, clock) => {
      await store.put("a", bytes(1), { expected: 0, ttlSeconds: 1 });
      await clock.advance(1000);
      assert.equal(await store.put("a", bytes(2), { expected: 1 }), undefined);
      assert.equal(await store.delete("a", { expected: 1 }), false);
      assert.equal(await store.put("a", bytes(3), { expected: 0 }), 1);
    },
  );

  check("a later write sets the time anew, or takes the limit off", async (store, clock) => {
    await store.put("a", bytes(1), { expected: 0, ttlSeconds: 1 });
    await store.put("a", bytes(2), { expected: 1, ttlSeconds: 10 });
    await store.put("b", bytes(1), { expected: 0, ttlSeconds: 1 });
    await store.put("b", bytes(2), { expected: 1 });
    await clock.advance(9_000);
    assert.equal((await store.get("a"))?.version, 2);
    await clock.advance(1_000);
    assert.equal(await store.get("a"), undefined);
    assert.equal((await store.get("b"))?.version, 2);
  });

  check("a wall clock that jumps does not make a record live longer", async (store, clock) => {
    await store.put("a", bytes(1), { expected: 0, ttlSeconds: 10 });
    clock.setWall(0);
    await clock.advance(10_000);
    assert.equal(await store.get("a"), undefined);
  });
}

function testCounters(check: Check): void {
  check("numbers begin at 0 and no block overlaps another", async (store) => {
    assert.equal(await store.reserve("n", 10), 0);
    assert.equal(await store.reserve("n", 1), 10);
    assert.equal(await store.reserve("n", 5), 11);
    assert.equal(await store.reserve("m", 5), 0);
  });

  check("blocks that are asked for at once are apart", async (store) => {
    const counts = Array.from({ length: 20 }, (_, i) => i + 1);
    const firsts = await Promise.all(counts.map((count) => store.reserve("n", count)));
    const numbers = firsts.flatMap((first, i) => Array.from({ length: counts[i]! }, (_, j) => first + j));
    assert.equal(new Set(numbers).size, numbers.length);
  });

  check("a counter jumps ahead when told to and never back", async (store) => {
    assert.equal(await store.reserve("n", 1, { atLeast: 100 }), 100);
    assert.equal(await store.reserve("n", 1, { atLeast: 50 }), 101);
    assert.equal(await store.reserve("n", 1), 102);
    assert.equal(await store.reserve("n", 1, { atLeast: 2 ** 48 - 1 }), 2 ** 48 - 1);
    assert.equal(await store.reserve("n", 1), 2 ** 48);
  });

  check("a counter and a record of one name know nothing of each other", async (store) => {
    await store.reserve("a", 3);
    assert.equal(await store.get("a"), undefined);
    await store.put("a", bytes(1), { expected: 0 });
    await store.delete("a", { expected: 1 });
    assert.equal(await store.reserve("a", 1), 3);
  });

  check("numbers that could not be told apart are never handed out", async (store) => {
    const last = Number.MAX_SAFE_INTEGER - 1;
    assert.equal(await store.reserve("n", 1, { atLeast: last }), last);
    await assert.rejects(store.reserve("n", 1), { name: "SeccfError", code: "exhausted" });
    await assert.rejects(store.reserve("n", 1), { name: "SeccfError", code: "exhausted" });
  });
}
