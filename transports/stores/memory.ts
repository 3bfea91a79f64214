/** Records in this process alone: for tests, demos and a Key Manager that may forget. Nothing survives a restart. @module */

import { SeccfError } from "../../lib/error.ts";
import type { Clock } from "../../lib/clock.ts";
import type { RecordStore } from "../../lib/store.ts";

/** What {@link memoryStore} takes. */
export interface MemoryStoreOptions {
  /** What records expire by. */
  readonly clock: Clock;
  /** How many records it holds before `put` throws `exhausted`; so many counters, before those that nobody needs are looked for. Default 100,000. */
  readonly capacity?: number;
}

interface Entry {
  value: Uint8Array;
  version: number;
  /** On the monotonic clock; `Infinity` for one that does not expire. */
  expiresAt: number;
}

interface Counter {
  readonly next: number;
  /** As an entry's. */
  readonly expiresAt: number;
}

/** A {@link RecordStore} without durability. Expired records are gone at once, and swept when the store is full. */
export function memoryStore(options: MemoryStoreOptions): RecordStore {
  const { clock, capacity = 100_000 } = options;
  const entries = new Map<string, Entry>();
  const counters = new Map<string, Counter>();
  let lastVersion = 0;

  const live = (key: string): Entry | undefined => {
    const entry = entries.get(key);
    if (entry && entry.expiresAt <= clock.now()) {
      entries.delete(key);
      return undefined;
    }
    return entry;
  };

  return {
    get(key) {
      const entry = live(key);
      return Promise.resolve(entry && { value: entry.value.slice(), version: entry.version });
    },
    put(key, record, { expected, ttlSeconds }) {
      checkKey(key);
      const entry = live(key);
      if ((entry?.version ?? 0) !== expected) return Promise.resolve(undefined);
      if (!entry && entries.size >= capacity) {
        for (const [old, { expiresAt }] of entries) if (expiresAt <= clock.now()) entries.delete(old);
        if (entries.size >= capacity) return Promise.reject(new SeccfError("exhausted", "the store is full"));
      }
      const expiresAt = ttlSeconds === undefined ? Infinity : clock.now() + ttlSeconds * 1000;
      const version = ++lastVersion;
      entries.set(key, { value: record.slice(), version, expiresAt });
      return Promise.resolve(version);
    },
    delete(key, { expected }) {
      if (live(key)?.version !== expected) return Promise.resolve(false);
      return Promise.resolve(entries.delete(key));
    },
    reserve(counter, count, { atLeast = 0, ttlSeconds = Infinity } = {}) {
      checkKey(counter);
      if (!Number.isSafeInteger(count) || count < 1) throw new RangeError("a block is a positive number of numbers");
      const now = clock.now();
      const before = counters.get(counter);
      const first = Math.max(before && before.expiresAt > now ? before.next : 0, atLeast);
      if (!Number.isSafeInteger(first + count)) return Promise.reject(new SeccfError("exhausted", "no numbers left"));
      if (!before && counters.size >= capacity) {
        for (const [old, { expiresAt }] of counters) if (expiresAt <= now) counters.delete(old);
      }
      counters.set(counter, { next: first + count, expiresAt: now + ttlSeconds * 1000 });
      return Promise.resolve(first);
    },
    [Symbol.asyncDispose]() {
      entries.clear();
      return Promise.resolve();
    },
  };
}

/** RangeError unless `key` is one that every store takes: what works here must work on the others. */
function checkKey(key: string): void {
  if (!/^[\x20-\x7e]{1,200}$/.test(key)) throw new RangeError("a key is 1 to 200 printable ASCII characters");
}
