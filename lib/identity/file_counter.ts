/** A number that only grows, kept where an old copy of the identity file does not bring it back. @module */

import { Reader, Writer } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";
import type { Wait } from "../platform.ts";
import type { RecordStore } from "../store.ts";

/** A counter outside of the file: in a card, a TPM, a Key Manager. It tells an old copy that was put back. */
export interface MonotonicCounter {
  /** Never less than any number that `advance` resolved for; 0 before the first. */
  value(options?: Wait): Promise<number>;
  /** Resolves when the counter will not be seen below `to` again. */
  advance(to: number, options?: Wait): Promise<void>;
}

/** A counter as one record of a store, which has to be another than the disk that the file is on. `key` as the store wants it. */
export function storedCounter(store: RecordStore, key: string): MonotonicCounter {
  const read = async (options: Wait) => {
    const record = await store.get(key, options);
    return { value: record ? decode(record.value) : 0, version: record?.version ?? 0 };
  };
  return {
    async value(options = {}) {
      return (await read(options)).value;
    },
    async advance(to, options = {}) {
      for (;;) {
        const { value, version } = await read(options);
        if (value >= to) return;
        const record = new Writer().u32(Math.floor(to / 2 ** 32)).u32(to % 2 ** 32).done();
        // Another writer may have been first; he may also have gone further.
        if (await store.put(key, record, { ...options, expected: version }) !== undefined) return;
      }
    },
  };
}

function decode(record: Uint8Array): number {
  const reader = new Reader(record);
  const value = reader.u32() * 2 ** 32 + reader.u32();
  reader.end();
  if (!Number.isSafeInteger(value)) throw new SeccfError("malformed", "not a counter");
  return value;
}
