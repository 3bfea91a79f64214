/** The port of everything durable: a key manager's records, subscribers' sequence numbers, blocks of record numbers. @module */

import type { Wait } from "./platform.ts";

/** A value and the version that a later write must name. */
export interface StoredRecord {
  /** As it was written. The bytes belong to the reader. */
  readonly value: Uint8Array;
  /**
   * A positive integer that no other write of this key ever had or will have, deleted and expired records included: who waits
   * with an old one can not hit a new record in its place.
   */
  readonly version: number;
}

/** Durable, atomic, shared records. Values arrive sealed. Keys are printable ASCII, at most 200 bytes. */
export interface RecordStore extends AsyncDisposable {
  /** The record of `key`; `undefined` if there is none, or none any more. The bytes belong to the caller. */
  get(key: string, options?: Wait): Promise<StoredRecord | undefined>;
  /** Writes only over version `expected` (0: must not exist) and returns the new version, or `undefined` if another was first. */
  put(
    key: string,
    record: Uint8Array,
    options: Wait & { readonly expected: number; readonly ttlSeconds?: number },
  ): Promise<number | undefined>;
  /** Removes only version `expected`; false if another was first. */
  delete(key: string, options: Wait & { readonly expected: number }): Promise<boolean>;
  /**
   * The first of `count` consecutive numbers, never handed out before and not below `atLeast`, even after a crash. Starts at 0.
   * With `ttlSeconds` nobody needs the counter so long after its last use: a store may forget it then, and it starts anew.
   */
  reserve(
    counter: string,
    count: number,
    options?: Wait & { readonly atLeast?: number; readonly ttlSeconds?: number },
  ): Promise<number>;
}
