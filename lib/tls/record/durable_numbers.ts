/**
 * Record numbers that outlive their process. What is sent takes its number from blocks that were put on record before, so
 * that no restore, however late and however often, meets a number that was used. What is received is delivered only below
 * a *ceiling* that was put on record before: who starts again refuses everything below it (RFC 6347 4.1.2.6 across
 * restarts).
 *
 * The price of the ceiling is paid after a crash alone: what the peer says next and stands below it is lost, as datagrams
 * may be. So the ceiling is only as far ahead as the peer is fast. One that says something now and then has each record
 * put on record by itself, and loses nothing; one that says a lot has 64 at once, and when it has been silent for a
 * second the ceiling comes down again.
 *
 * @module
 */

import { MAX_HELD_LENGTH, MAX_HELD_RECORDS, MAX_RECORDS } from "../limits.ts";
import type { Claim } from "../engine.ts";

/** Numbers from `first` up to, but without, `end`. */
interface Block {
  next: number;
  readonly end: number;
}

/** Both directions of one session, from its beginning or its restore on. */
export class DurableNumbers {
  /** The block in use, and the one after it. */
  #blocks: Block[] = [];
  /** Above every number that this session is known to have used or been granted. */
  #above: number;
  /** The peer's numbers below it may be delivered. */
  #ceiling = 0;
  /** The highest of the peer's numbers that its key vouches for; -1 before the first. */
  #newest: number;
  /** Copies of records that wait for the ceiling to rise, by number: a record that is said again takes no other's place. */
  #held: Map<number, Uint8Array> | undefined;
  #heldLength = 0;
  /** How far the ceiling is to stand above the newest number. */
  #step = 1;
  #raisedAt = -Infinity;
  #heardAt = -Infinity;
  #now: number;
  #claim: Claim | undefined;
  #isFirst = true;

  /** `above`: numbers of this side from here on are free. `newest`: the peer's highest, -1 for none. */
  constructor(above: number, newest: number, now: number) {
    this.#above = above;
    this.#newest = newest;
    this.#now = now;
  }

  /** How many records can be sent. */
  get left(): number {
    return this.#blocks.reduce((sum, { next, end }) => sum + end - next, 0);
  }

  /** Above every number that may have been used. */
  get above(): number {
    return this.#above;
  }

  /** The highest of the peer's numbers that its key vouches for, delivered or not; -1 before the first. */
  get newest(): number {
    return this.#newest;
  }

  /** Whether nothing of this session is on record by this process. */
  get isFirst(): boolean {
    return this.#isFirst;
  }

  /** When the ceiling comes down, unless the peer is heard before. */
  get dueAt(): number | undefined {
    const isHigh = this.#ceiling > this.#newest + 1 && this.#claim === undefined;
    return isHigh ? this.#heardAt + SILENT_AFTER : undefined;
  }

  /** The time of what happens next. */
  tell(now: number): void {
    this.#now = now;
  }

  /** Numbers of this side below `number` were used. */
  startAbove(number: number): void {
    this.#above = Math.max(this.#above, number);
  }

  /** The number of the next record, only to be called while some are left. */
  take(): number {
    const block = this.#blocks[0]!;
    const number = block.next++;
    if (block.next === block.end) this.#blocks.shift();
    return number;
  }

  /** The record with `number`, which the key has opened and nobody has seen, is used now whatever is on record. */
  hears(number: number): boolean {
    if (number >= LAST) return false;
    this.#newest = Math.max(this.#newest, number);
    this.#heardAt = this.#now;
    return true;
  }

  /** Whether the record with `number`, which the key has opened and nobody has seen, may be delivered now; else it is held, `whole`. */
  admits(number: number, whole: Uint8Array): boolean {
    // Nothing could be put on record that stands above the last one.
    if (!this.hears(number)) return false;
    if (number < this.#ceiling) return true;
    const isLong = this.#heldLength > 0 && this.#heldLength + whole.length > MAX_HELD_LENGTH;
    const held = this.#held ??= new Map();
    if (isLong || held.size >= MAX_HELD_RECORDS || held.has(number)) return false;
    held.set(number, new Uint8Array(whole));
    this.#heldLength += whole.length;
    return false;
  }

  /** What has to be on record before more can be sent or delivered; the same until it is granted. */
  get claim(): Claim | undefined {
    this.#claim ??= this.#want();
    return this.#claim;
  }

  /** What was claimed is on record: `first` is the first of the numbers. Returns what was held and may be read again. */
  grant(first: number): Uint8Array[] {
    const { count, ceiling } = this.#claim!;
    this.#claim = undefined;
    this.#isFirst = false;
    if (count > 0) {
      const end = Math.min(first + count, MAX_RECORDS);
      if (first < end) this.#blocks.push({ next: first, end });
      this.#above = Math.max(this.#above, end);
    }
    this.#ceiling = ceiling;
    const held = [...this.#held?.values() ?? []];
    this.#held = undefined;
    this.#heldLength = 0;
    return held;
  }

  /** Forgets what waits. */
  clear(): void {
    this.#held = undefined;
    this.#heldLength = 0;
    this.#blocks = [];
  }

  #want(): Claim | undefined {
    const isLow = this.left < BLOCK / 2 && this.#above < MAX_RECORDS;
    const isSilent = this.dueAt !== undefined && this.dueAt <= this.#now;
    const mayStand = this.#step > 1 && this.#ceiling - this.#newest - 1 < this.#step / 2 && this.#ceiling > 0;
    const mustRise = this.#newest >= this.#ceiling && this.#held !== undefined;
    if (!this.#isFirst && !isLow && !isSilent && !mayStand && !mustRise) return undefined;
    if (isSilent) this.#comeDown();
    else if (mustRise || mayStand) this.#choosePace();
    const isRising = this.#isFirst || mustRise || mayStand;
    const ceiling = isRising ? Math.min(Math.max(this.#ceiling, this.#newest + this.#step), LAST) : this.#ceiling;
    return { count: isLow ? BLOCK : 0, above: this.#above, ceiling };
  }

  /** Twice as far each time that the peer comes up to the ceiling within a second. */
  #choosePace(): void {
    const isFast = this.#now - this.#raisedAt < SILENT_AFTER;
    this.#step = isFast ? Math.min(2 * this.#step, MOST_AHEAD) : 1;
    this.#raisedAt = this.#now;
  }

  /** At once, since what is on record may be lower before this side hears of it. */
  #comeDown(): void {
    this.#step = 1;
    this.#ceiling = this.#newest + 1;
  }
}

/** Sent numbers that are granted at a time: half of them are left when the next are claimed. A count. */
const BLOCK = 1024;
/** How many of the peer's records one claim covers at most. A count. */
const MOST_AHEAD = 64;
/** Milliseconds. */
const SILENT_AFTER = 1000;
/** The highest number that there is. */
const LAST = MAX_RECORDS - 1;
