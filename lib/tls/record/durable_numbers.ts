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
 * In version 1.3 each epoch has numbers from 0 on. What is sent in one comes from a counter of its own; what comes in the
 * epochs before the one that is on record is delivered at once, since nobody who starts again reads those. A record has
 * 16 bits of its number alone, so blocks are small as long as little is said: whoever starts again and again, and is heard
 * by nobody, must not run away from what the peer can follow (RFC 9147 4.2.2).
 *
 * @module
 */

import { MAX_HELD_LENGTH, MAX_HELD_RECORDS, MAX_RECORDS } from "../limits.ts";
import type { Claim } from "../engine.ts";
import { CONTENT } from "./content_type.ts";
import type { Epoch } from "./datagram_header.ts";
import type { DatagramRecord } from "./datagram_record.ts";

/** Numbers from `first` up to, but without, `end`. */
interface Block {
  next: number;
  readonly end: number;
}

/** Version 1.3: in which epochs a session is. */
export interface EpochPair {
  readonly sent: Epoch;
  readonly received: Epoch;
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
  /** Copies of records that wait for the ceiling to rise, by epoch and number: a record that is said again takes no other's place. */
  #held: Map<string, Uint8Array> | undefined;
  #heldLength = 0;
  /** How far the ceiling is to stand above the newest number. */
  #step = 1;
  #raisedAt = -Infinity;
  #heardAt = -Infinity;
  #now: number;
  #claim: Claim | undefined;
  #isFirst = true;
  /** Version 1.3: the epoch of the blocks. */
  #sentEpoch: Epoch | undefined;
  /** The newest epoch of which the peer's key vouches for a record. */
  #receivedEpoch: Epoch;
  /** That of the ceiling, and of the one that is claimed. */
  #ceilingEpoch: Epoch;
  #claimedEpoch: Epoch;
  /** Grows with every record that is newer than all before it. */
  #heard = 0;
  /** The epoch that this side goes on to, and what is to be done when it has numbers there. */
  #renewal: { readonly epoch: Epoch; readonly begin: () => void } | undefined;
  /** What has to wait until all that there is by now is on record; and what waits for the present claim. */
  #waiting: (() => void)[] = [];
  #claimed: (() => void)[] = [];
  /** Numbers that are claimed next. */
  #block: number;
  #blockedAt = -Infinity;

  /** `above`: numbers of this side from here on are free. `newest`: the peer's highest, -1 for none; `epochs`: both in these, in version 1.3. */
  constructor(above: number, newest: number, now: number, epochs?: EpochPair) {
    this.#above = above;
    this.#newest = newest;
    this.#now = now;
    this.#sentEpoch = epochs?.sent;
    this.#receivedEpoch = this.#ceilingEpoch = this.#claimedEpoch = epochs?.received ?? 1;
    this.#block = epochs ? LEAST_BLOCK : BLOCK;
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

  /** Grows with every record that the peer's key vouches for and that is newer than all before it, delivered or not. */
  get heard(): number {
    return this.#heard;
  }

  /** Version 1.3: the epoch of this side's numbers. */
  get sentEpoch(): Epoch | undefined {
    return this.#sentEpoch;
  }

  /** The epoch of {@link newest}. */
  get receivedEpoch(): Epoch {
    return this.#receivedEpoch;
  }

  /** The peer's epochs before it are not read by who starts again. */
  get ceilingEpoch(): Epoch {
    return this.#ceilingEpoch;
  }

  /** The same as the present claim has it. */
  get claimedEpoch(): Epoch {
    return this.#claimedEpoch;
  }

  /** The number that is taken next. */
  get next(): number {
    return this.#blocks[0]?.next ?? this.#above;
  }

  /** The time of what happens now. */
  get now(): number {
    return this.#now;
  }

  /** Whether nothing of this session is on record by this process. */
  get isFirst(): boolean {
    return this.#isFirst;
  }

  /** When the ceiling comes down, unless the peer is heard before. */
  get dueAt(): number | undefined {
    const isHigh = this.#isBelow && this.#ceiling > this.#newest + 1 && this.#claim === undefined;
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
  hears(number: number, epoch: Epoch = 1): boolean {
    if (number >= LAST) return false;
    this.#heardAt = this.#now;
    if (epoch < this.#receivedEpoch || (epoch === this.#receivedEpoch && number <= this.#newest)) return true;
    this.#receivedEpoch = epoch;
    this.#newest = number;
    this.#heard++;
    return true;
  }

  /** Whether the record with `number`, which the key has opened and nobody has seen, may be delivered now; else it is held, `whole`. */
  admits(number: number, whole: Uint8Array, epoch: Epoch = 1): boolean {
    // Nothing could be put on record that stands above the last one.
    if (!this.hears(number, epoch)) return false;
    if (epoch < this.#ceilingEpoch || (epoch === this.#ceilingEpoch && number < this.#ceiling)) return true;
    const isLong = this.#heldLength > 0 && this.#heldLength + whole.length > MAX_HELD_LENGTH;
    const held = this.#held ??= new Map();
    const key = `${epoch}:${number}`;
    if (isLong || held.size >= MAX_HELD_RECORDS || held.has(key)) return false;
    held.set(key, new Uint8Array(whole));
    this.#heldLength += whole.length;
    return false;
  }

  /** Does `act` when all that there is by now is on record. */
  after(act: () => void): void {
    this.#waiting.push(act);
  }

  /** Version 1.3: this side goes on to `epoch`. `begin` is called when there are numbers in it, and all from then on are of it. */
  renew(epoch: Epoch, begin: () => void): void {
    this.#renewal = { epoch, begin };
  }

  /** What has to be on record before more can be sent or delivered; the same until it is granted. */
  get claim(): Claim | undefined {
    this.#claim ??= this.#want();
    return this.#claim;
  }

  /** What was claimed is on record: `first` is the first of the numbers. Returns what was held and may be read again. */
  grant(first: number): Uint8Array[] {
    const { count, ceiling, epoch } = this.#claim!;
    this.#claim = undefined;
    this.#isFirst = false;
    const renewal = epoch === this.#sentEpoch ? undefined : this.#renewal;
    if (renewal) this.#beginEpoch(renewal.epoch);
    if (count > 0) {
      const end = Math.min(first + count, MAX_RECORDS);
      if (first < end) this.#blocks.push({ next: first, end });
      this.#above = Math.max(this.#above, end);
    }
    this.#ceiling = ceiling;
    this.#ceilingEpoch = this.#claimedEpoch;
    const held = [...this.#held?.values() ?? []];
    this.#held = undefined;
    this.#heldLength = 0;
    renewal?.begin();
    for (const act of this.#claimed.splice(0)) act();
    return held;
  }

  /** Forgets what waits. */
  clear(): void {
    this.#held = undefined;
    this.#heldLength = 0;
    this.#blocks = [];
    this.#waiting = [];
    this.#claimed = [];
    this.#renewal = undefined;
  }

  /** Whether the ceiling stands in the epoch in which the peer is. */
  get #isBelow(): boolean {
    return this.#receivedEpoch === this.#ceilingEpoch;
  }

  /** What is left of the epoch before is never used. */
  #beginEpoch(epoch: Epoch): void {
    this.#renewal = undefined;
    this.#sentEpoch = epoch;
    this.#blocks = [];
    this.#above = 0;
  }

  #want(): Claim | undefined {
    const renewal = this.#renewal;
    const isLow = renewal !== undefined || (this.left < this.#block / 2 && this.#above < MAX_RECORDS);
    const isSilent = this.dueAt !== undefined && this.dueAt <= this.#now;
    const isNear = this.#ceiling - this.#newest - 1 < this.#step / 2;
    const mayStand = this.#step > 1 && this.#ceiling > 0 && (!this.#isBelow || isNear);
    const mustRise = (!this.#isBelow || this.#newest >= this.#ceiling) && this.#held !== undefined;
    const isWaiting = this.#waiting.length > 0;
    if (!this.#isFirst && !isLow && !isSilent && !mayStand && !mustRise && !isWaiting) return undefined;
    if (isSilent) this.#comeDown();
    else if (mustRise || mayStand) this.#choosePace();
    const isRising = this.#isFirst || mustRise || mayStand;
    const least = this.#isBelow ? this.#ceiling : 0;
    const ceiling = isRising ? Math.min(Math.max(least, this.#newest + this.#step), LAST) : this.#ceiling;
    this.#claimedEpoch = isRising ? this.#receivedEpoch : this.#ceilingEpoch;
    this.#claimed = this.#waiting.splice(0);
    const epoch = renewal?.epoch ?? this.#sentEpoch;
    const count = isLow ? this.#chooseBlock() : 0;
    return { count, above: renewal ? 0 : this.#above, ceiling, ...(epoch !== undefined && { epoch }) };
  }

  /** In version 1.3 twice as many each time that they are used up within a second. */
  #chooseBlock(): number {
    if (this.#sentEpoch === undefined) return BLOCK;
    const isFast = this.#now - this.#blockedAt < SILENT_AFTER;
    this.#block = isFast ? Math.min(2 * this.#block, BLOCK) : LEAST_BLOCK;
    this.#blockedAt = this.#now;
    return this.#block;
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

/**
 * Whether `record`, which stands sealed as `whole`, may be delivered now. What is said of a path (RFC 9853) may at any time: it
 * is worth something only with the address that it came from, and its cookie to this process alone.
 */
export function admits(durable: DurableNumbers, { type, epoch, number }: DatagramRecord, whole: Uint8Array): boolean {
  const isOfPath = type === CONTENT.returnRoutability;
  return isOfPath ? durable.hears(number, epoch) : durable.admits(number, whole, epoch);
}

/** Sent numbers that are granted at a time: half of them are left when the next are claimed. A count. */
const BLOCK = 1024;
/** The same in version 1.3 where little is said: a crash loses at most these, and the peer follows over 32768. A count. */
const LEAST_BLOCK = 64;
/** How many of the peer's records one claim covers at most. A count. */
const MOST_AHEAD = 64;
/** Milliseconds. */
const SILENT_AFTER = 1000;
/** The highest number that there is. */
const LAST = MAX_RECORDS - 1;
