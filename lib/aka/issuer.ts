/**
 * The home environment's sequence numbers (TS 33.102 Annex C.1.1.1, C.3.2: not time-based). A number is reserved in
 * the store before it is used, so none is issued twice, whatever crashes and however many processes share the store.
 *
 * @module
 */

import { SeccfError } from "../error.ts";
import type { Wait } from "../platform.ts";
import type { RecordStore } from "../store.ts";
import { joinSqn, type SequenceProfile, slotsOf, splitSqn, SQN_LIMIT } from "./sequence.ts";

/** What a {@link SequenceIssuer} takes. */
export interface IssuerOptions extends SequenceProfile {
  /** Keeps one counter a subscriber. */
  readonly store: RecordStore;
  /**
   * Numbers that one reservation takes, 1 to the number of IND's values. Default 1: a write to the store for each
   * vector. With more, what a process has left over when it ends is skipped.
   */
  readonly blockSize?: number;
}

/** Processes hold at most this many subscribers' blocks; the rest of one that is dropped is skipped. */
const BLOCKS_HELD = 1024;

/**
 * Issues SQNs. Behind each counter of the store stands N = generation * 2^43 + SEQ (for an IND of 5 bits): N only
 * ever grows, and the rare resynchronisation that must take SEQ down does so by starting the next generation.
 * IND is SEQ's remainder, so that numbers of different processes, used out of order, meet different slots.
 */
export class SequenceIssuer {
  readonly #store: RecordStore;
  readonly #blockSize: number;
  readonly #indBits: number;
  readonly #slots: number;
  readonly #delta: number;
  readonly #blocks = new Map<string, { next: number; readonly end: number }>();

  /** RangeError for a block size or an IND that makes no sense. */
  constructor(options: IssuerOptions) {
    this.#store = options.store;
    this.#indBits = options.indBits ?? 5;
    this.#slots = slotsOf(this.#indBits);
    this.#delta = options.delta ?? 2 ** 28;
    this.#blockSize = options.blockSize ?? 1;
    if (!Number.isInteger(this.#blockSize) || this.#blockSize < 1 || this.#blockSize > this.#slots) {
      throw new RangeError("a block has 1 to as many numbers as IND has values");
    }
  }

  /** The next SQN of this counter. Throws what the store throws. */
  async next(counter: string, options: Wait = {}): Promise<number> {
    const block = this.#blocks.get(counter);
    if (!block) return this.#sqn(await this.#reserve(counter, 1, options));
    if (block.next + 1 >= block.end) this.#blocks.delete(counter);
    return this.#sqn(block.next++);
  }

  /**
   * The next SQN after a USIM reported `sqnMs` (6.3.5, C.3): the next in order if the USIM will take it, else the
   * one after `sqnMs`. Throws `exhausted` when the USIM's numbers have run out.
   */
  async resync(counter: string, sqnMs: number, options: Wait = {}): Promise<number> {
    const limit = SQN_LIMIT / this.#slots;
    const highest = splitSqn(sqnMs, this.#indBits).seq;
    if (highest + 1 >= limit) {
      throw new SeccfError("exhausted", "no sequence number is left", { clause: "TS 33.102 C.2.1" });
    }
    let atLeast = 1;
    for (let attempt = 0; attempt < RESYNC_ATTEMPTS; attempt++) {
      const n = await this.#reserve(counter, atLeast, options);
      const seq = n % limit;
      if (seq > highest && seq - highest <= this.#delta) return this.#sqn(n);
      atLeast = n - seq + (seq > highest ? limit : 0) + highest + 1;
      if (!Number.isSafeInteger(atLeast + this.#slots)) break;
    }
    throw new SeccfError("exhausted", "no sequence number could be brought into range", { clause: "TS 33.102 6.3.5" });
  }

  /**
   * Takes a block, keeps all but its first number in place of what was left of an older one, which may lie below
   * numbers issued elsewhere since, and returns that first. SEQ 0 is no USIM's next: `atLeast` is never below 1.
   */
  async #reserve(counter: string, atLeast: number, wait: Wait): Promise<number> {
    const count = this.#blockSize;
    const first = await this.#store.reserve(counter, count, { ...wait, atLeast });
    if (count > 1) {
      const oldest = this.#blocks.keys().next();
      if (this.#blocks.size >= BLOCKS_HELD && !oldest.done) this.#blocks.delete(oldest.value);
      this.#blocks.set(counter, { next: first + 1, end: first + count });
    }
    return first;
  }

  #sqn(n: number): number {
    const seq = n % (SQN_LIMIT / this.#slots);
    return joinSqn(seq, seq % this.#slots, this.#indBits);
  }
}

/** One finds the number, one moves the counter; a third for a counter that another process moved meanwhile. */
const RESYNC_ATTEMPTS = 3;
