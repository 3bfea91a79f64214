/** Numbers that are never given twice: Partial IVs and record numbers, from blocks reserved ahead (DESIGN 4.5). @module */

import { unlessAborted } from "../deadline.ts";
import { SeccfError } from "../error.ts";
import type { Wait } from "../platform.ts";
import type { RecordStore } from "../store.ts";

/** Gives each number once, in rising order. */
export interface NumberSource {
  /** The next number. Throws `exhausted` when the next block is not there yet, or no number is left at all. */
  next(): number;
  /** Resolves when `next()` can give one; rejects with what the store threw, or with `exhausted` at the end of all numbers. */
  ready(options?: Wait): Promise<void>;
}

/** Numbers of this process alone. Sound only under a key or a context that is made new at every start. */
export function volatileNumbers(options: { readonly limit?: number } = {}): NumberSource {
  const { limit = Number.MAX_SAFE_INTEGER - 1 } = options;
  let next = 0;
  return {
    next() {
      if (next > limit) throw noneLeft();
      return next++;
    },
    ready() {
      return next > limit ? Promise.reject(noneLeft()) : Promise.resolve();
    },
  };
}

/** What {@link reservedNumbers} takes. */
export interface ReservedNumbersOptions {
  readonly store: RecordStore;
  /** The counter's name: printable ASCII, at most 200 bytes. */
  readonly counter: string;
  /** How many numbers one visit to the store reserves, and a crash wastes at most twice. Default 4096. */
  readonly blockSize?: number;
  /** The last number that may be given. Default 2^53 - 2. */
  readonly limit?: number;
}

/**
 * Numbers out of blocks that the store has durably given away before the first of a block is used: whatever crashes, and
 * whenever, nothing repeats and at most two blocks are wasted. A new block is asked for, in the background, when half of
 * the last is used. A store that has fallen back to an older copy of itself is told to jump ahead of what was seen here;
 * one that gives a number twice all the same is not used (`state`).
 */
export function reservedNumbers(options: ReservedNumbersOptions): NumberSource {
  return new ReservedNumbers(options);
}

class ReservedNumbers implements NumberSource {
  readonly #store: RecordStore;
  readonly #counter: string;
  readonly #blockSize: number;
  readonly #limit: number;
  #next = 0;
  #end = 0;
  /** The block after this one; empty when both are equal. */
  #spareNext = 0;
  #spareEnd = 0;
  /** Above everything the store ever gave here. */
  #seen = 0;
  #refill: Promise<void> | undefined;

  constructor({ store, counter, blockSize = 4096, limit = Number.MAX_SAFE_INTEGER - 1 }: ReservedNumbersOptions) {
    if (!Number.isSafeInteger(blockSize) || blockSize < 1) throw new RangeError("a block has at least one number");
    this.#store = store;
    this.#counter = counter;
    this.#blockSize = blockSize;
    this.#limit = limit;
  }

  next(): number {
    if (this.#next === this.#end) this.#turnToSpare();
    if (this.#next === this.#end) {
      if (this.#seen > this.#limit) throw noneLeft();
      this.#startRefill();
      throw new SeccfError("exhausted", "the next block of numbers is not reserved yet: await ready()");
    }
    const number = this.#next++;
    if (this.#spareNext === this.#spareEnd && 2 * (this.#end - this.#next) <= this.#blockSize) this.#startRefill();
    return number;
  }

  async ready({ signal }: Wait = {}): Promise<void> {
    while (this.#next === this.#end && this.#spareNext === this.#spareEnd) {
      signal?.throwIfAborted();
      if (this.#seen > this.#limit) throw noneLeft();
      this.#startRefill();
      await unlessAborted(this.#refill!, signal);
    }
  }

  #turnToSpare(): void {
    this.#next = this.#spareNext;
    this.#end = this.#spareEnd;
    this.#spareNext = this.#spareEnd = 0;
  }

  /** One visit to the store at a time. A failure is told to whoever waits in `ready()`; else the next need tries again. */
  #startRefill(): void {
    if (this.#refill || this.#seen > this.#limit) return;
    this.#refill = this.#reserve().finally(() => {
      this.#refill = undefined;
    });
    this.#refill.catch(() => {});
  }

  async #reserve(): Promise<void> {
    const first = await this.#store.reserve(this.#counter, this.#blockSize, { atLeast: this.#seen });
    if (!Number.isSafeInteger(first) || first < this.#seen) {
      throw new SeccfError("state", "the store gave a number twice");
    }
    this.#seen = first + this.#blockSize;
    this.#spareNext = first;
    this.#spareEnd = Math.max(first, Math.min(this.#seen, this.#limit + 1));
  }
}

function noneLeft(): SeccfError {
  return new SeccfError("exhausted", "no numbers are left", { clause: "RFC 8613 7.2.1" });
}
