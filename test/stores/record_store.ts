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

/** The version of a write that was expected to succeed. */
async function written(writing: Promise<number | undefined>): Promise<number> {
  const version = await writing;
  assert.ok(version !== undefined && Number.isSafeInteger(version) && version > 0, "written");
  return version;
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

  check("each write has a version of its own, and the last value is read", async (store) => {
    const versions = [0];
    for (const value of [1, 2, 3]) {
      const version = await written(store.put("a", bytes(value), { expected: versions.at(-1)! }));
      assert.deepEqual(await store.get("a"), { value: bytes(value), version });
      versions.push(version);
    }
    assert.equal(new Set(versions).size, 4);
  });

  check("a write over another version than the one named changes nothing", async (store) => {
    const first = await written(store.put("a", bytes(1), { expected: 0 }));
    const version = await written(store.put("a", bytes(2), { expected: first }));
    for (const expected of [0, first, version + 1]) {
      assert.equal(await store.put("a", bytes(9), { expected }), undefined);
      assert.equal(await store.delete("a", { expected }), false);
    }
    assert.deepEqual(await store.get("a"), { value: bytes(2), version });
  });

  check("a record that was deleted is gone, and its key can be written anew", async (store) => {
    const first = await written(store.put("a", bytes(1), { expected: 0 }));
    assert.equal(await store.delete("a", { expected: first }), true);
    assert.equal(await store.get("a"), undefined);
    assert.equal(await store.delete("a", { expected: first }), false);
    await written(store.put("a", bytes(2), { expected: 0 }));
  });

  check(
    "who waits with the version of a record that is gone does not hit the one in its place",
    async (store, clock) => {
      const deleted = await written(store.put("a", bytes(1), { expected: 0 }));
      await store.delete("a", { expected: deleted });
      const expired = await written(store.put("a", bytes(2), { expected: 0, ttlSeconds: 1 }));
      await clock.advance(1000);
      const version = await written(store.put("a", bytes(3), { expected: 0 }));
      for (const expected of [deleted, expired]) {
        assert.equal(await store.put("a", bytes(9), { expected }), undefined);
        assert.equal(await store.delete("a", { expected }), false);
      }
      assert.deepEqual(await store.get("a"), { value: bytes(3), version });
    },
  );

  check("of many writers over one version one wins", async (store) => {
    const expected = await written(store.put("a", bytes(0), { expected: 0 }));
    const versions = await Promise.all(
      Array.from({ length: 20 }, (_, i) => store.put("a", bytes(i + 1), { expected })),
    );
    const won = versions.findIndex((version) => version !== undefined);
    assert.equal(versions.filter((version) => version !== undefined).length, 1);
    assert.deepEqual(await store.get("a"), { value: bytes(won + 1), version: versions[won]! });
  });

  check("a value is the store's own: neither the writer's array nor a reader's reaches it", async (store) => {
    const value = bytes(1, 2);
    const writing = store.put("a", value, { expected: 0 });
    value[0] = 9;
    await writing;
    (await store.get("a"))!.value[1] = 9;
    assert.deepEqual((await store.get("a"))?.value, bytes(1, 2));
  });

  check("a key that is empty, longer than 200 characters or not printable is misuse", async (store) => {
    for (const key of ["", "x".repeat(201), "a\n", "\x7f", "ü"]) {
      await assert.rejects(async () => await store.put(key, bytes(1), { expected: 0 }), RangeError);
      await assert.rejects(async () => await store.reserve(key, 1), RangeError);
    }
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
    const fits = fc.boolean();
    const step = fc.oneof(
      fc.record({ kind: fc.constant("get" as const), key }),
      fc.record({ kind: fc.constant("put" as const), key, fits, value: fc.uint8Array({ maxLength: 4 }) }),
      fc.record({ kind: fc.constant("delete" as const), key, fits }),
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
            const expected = s.fits ? old?.version ?? 0 : 2 ** 40;
            const version = await store.put(name, s.value, { expected });
            assert.equal(version !== undefined, s.fits);
            if (version !== undefined) model.set(s.key, { value: s.value, version });
          } else {
            const expected = s.fits && old ? old.version : 2 ** 40;
            assert.equal(await store.delete(name, { expected }), s.fits && old !== undefined);
            if (s.fits) model.delete(s.key);
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
    assert.deepEqual((await store.get("a"))?.value, bytes(1));
    await clock.advance(1);
    assert.equal(await store.get("a"), undefined);
  });

  check(
    "an expired record is in nobody's way: it is neither overwritten nor deleted by its version",
    async (store, clock) => {
      const expected = await written(store.put("a", bytes(1), { expected: 0, ttlSeconds: 1 }));
      await clock.advance(1000);
      assert.equal(await store.put("a", bytes(2), { expected }), undefined);
      assert.equal(await store.delete("a", { expected }), false);
      await written(store.put("a", bytes(3), { expected: 0 }));
    },
  );

  check("a later write sets the time anew, or takes the limit off", async (store, clock) => {
    const a = await written(store.put("a", bytes(1), { expected: 0, ttlSeconds: 1 }));
    await written(store.put("a", bytes(2), { expected: a, ttlSeconds: 10 }));
    const b = await written(store.put("b", bytes(1), { expected: 0, ttlSeconds: 1 }));
    await written(store.put("b", bytes(2), { expected: b }));
    await clock.advance(9_000);
    assert.deepEqual((await store.get("a"))?.value, bytes(2));
    await clock.advance(1_000);
    assert.equal(await store.get("a"), undefined);
    assert.deepEqual((await store.get("b"))?.value, bytes(2));
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

  check(
    "a counter that nobody needs for longer than it says starts anew then, and not before",
    async (store, clock) => {
      assert.equal(await store.reserve("n", 5, { atLeast: 100, ttlSeconds: 10 }), 100);
      await clock.advance(9_999);
      assert.equal(await store.reserve("n", 5, { ttlSeconds: 10 }), 105);
      await clock.advance(9_999);
      assert.equal(await store.reserve("n", 5, { ttlSeconds: 20 }), 110);
      await clock.advance(20_000);
      assert.equal(await store.reserve("n", 5, { ttlSeconds: 20 }), 0);
      assert.equal(await store.reserve("n", 5), 5);
      await clock.advance(1_000_000_000);
      assert.equal(await store.reserve("n", 5), 10);
    },
  );

  check("a counter and a record of one name know nothing of each other", async (store) => {
    await store.reserve("a", 3);
    assert.equal(await store.get("a"), undefined);
    await store.delete("a", { expected: await written(store.put("a", bytes(1), { expected: 0 })) });
    assert.equal(await store.reserve("a", 1), 3);
  });

  check("a block of no numbers, or less, is misuse", async (store) => {
    for (const count of [0, -1, 1.5, Number.NaN, Infinity]) {
      await assert.rejects(async () => await store.reserve("n", count), RangeError);
    }
    assert.equal(await store.reserve("n", 1), 0);
  });

  check("numbers that could not be told apart are never handed out", async (store) => {
    const last = Number.MAX_SAFE_INTEGER - 1;
    assert.equal(await store.reserve("n", 1, { atLeast: last }), last);
    await assert.rejects(store.reserve("n", 1), { name: "SeccfError", code: "exhausted" });
    await assert.rejects(store.reserve("n", 1), { name: "SeccfError", code: "exhausted" });
  });
}
