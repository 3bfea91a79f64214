/** What goes out on datagrams: records of all epochs, gathered into as few datagrams as the path allows (RFC 6347 4.1, RFC 9147 4.3). @module */

import { SeccfError } from "../../error.ts";
import { keyOf } from "../key_of.ts";
import { MAX_PLAINTEXT } from "../limits.ts";
import type { Epoch } from "./datagram_header.ts";
import type { DurableNumbers } from "./durable_numbers.ts";
import type { EpochKeys } from "./epoch_keys.ts";
import { borrowPad, type Pad, returnPad, type Transmit, widerPad } from "./pad.ts";
import type { Protection } from "./protection.ts";
import { ClearSealer, type Sealer, Sealer12 } from "./sealer.ts";
import { UnifiedSealer } from "./unified_sealer.ts";

/** One epoch that is written. */
interface Line {
  readonly epoch: Epoch;
  sealer: Sealer;
  /** The next number: it never comes round. */
  next: number;
  /** Where the numbers come from instead. */
  durable?: DurableNumbers;
}

/** A datagram's bytes in the pad. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/** The sending half of an association's record layer. */
export class DatagramWriter {
  /** Bytes of the longest datagram. */
  readonly #longest: number;
  /** Oldest first. */
  #lines: Line[];
  /** What the peer wants to receive by in version 1.3. */
  #connectionId = "";
  /** Where datagrams are gathered, from the first record on until all are out. */
  #pad: Pad | undefined;
  /** Those before the one begun last, which is in hand; the next first. */
  #sealed: Span[] | undefined;
  #limit = MAX_PLAINTEXT;

  /** `first`: the number of the first record in epoch 0. */
  constructor(longest: number, first = 0) {
    this.#longest = longest;
    this.#lines = [{ epoch: 0, sealer: CLEAR, next: first }];
  }

  /** Epoch 1 is under `protection`, which is this writer's to dispose, and carries what the peer wants to receive by. */
  protect(protection: Protection, connectionId: Uint8Array): void {
    if (this.#newest > 0) throw new SeccfError("state", "there is no second change of keys");
    this.#lines = [...this.#lines, { epoch: 1, sealer: new Sealer12(protection, keyOf(connectionId)), next: 0 }];
  }

  /** Version 1.3: `epoch`, newer than all before it, is under `keys`, which are this writer's to dispose. */
  open(epoch: Epoch, keys: EpochKeys): void {
    if (this.#newest >= epoch) throw new SeccfError("state", "epochs do not come again");
    this.#lines = [...this.#lines, { epoch, sealer: new UnifiedSealer(keys, epoch, this.#connectionId), next: 0 }];
  }

  /** Version 1.3: all epochs under keys carry what the peer wants to receive by, from here on; nothing where it is empty. */
  address(connectionId: Uint8Array): void {
    this.#connectionId = keyOf(connectionId);
    for (const line of this.#lines) {
      if (line.sealer instanceof UnifiedSealer) line.sealer = line.sealer.renamed(this.#connectionId);
    }
  }

  /** From here on the newest epoch's numbers come from `numbers`, which are told what was used. */
  endure(numbers: DurableNumbers): void {
    const line = this.#line(this.#newest);
    if (line.durable) return;
    line.durable = numbers;
    numbers.startAbove(line.next);
  }

  /** Epochs before `epoch` are not written any more: wipes their keys. */
  forget(epoch: Epoch): void {
    for (const line of this.#lines) if (line.epoch < epoch) line.sealer[Symbol.dispose]();
    this.#lines = this.#lines.filter((line) => line.epoch >= epoch);
  }

  /** Records that were written in the newest epoch. A count. */
  get written(): number {
    const { durable, next } = this.#lines.at(-1)!;
    return durable?.next ?? next;
  }

  /** Bytes of plaintext that one record in a datagram of its own can have. */
  most(epoch: Epoch): number {
    return Math.min(fitting(this.#line(epoch).sealer, this.#longest), this.#mostIn(epoch));
  }

  /** Bytes of plaintext that fit into the datagram begun last; not above 0 where there is no room. */
  room(epoch: Epoch): number {
    const room = this.#longest - this.#begun;
    return Math.min(fitting(this.#line(epoch).sealer, room), this.#mostIn(epoch));
  }

  /** From now on no record has more than `length` bytes of content; those in the clear are not cut below 512. */
  limit(length: number): void {
    this.#limit = length;
  }

  /** What `limit` said last; 16384 before. */
  get longestContent(): number {
    return this.#limit;
  }

  /** Adds one record, to the datagram begun last if it fits, at most `most(epoch)` bytes, and returns its number. Throws `exhausted`. */
  write(epoch: Epoch, type: number, plaintext: Uint8Array): number {
    if (plaintext.length > this.room(epoch)) this.seal();
    const line = this.#line(epoch);
    if (isSpent(line)) throw new SeccfError("exhausted", "no record numbers are left under this key");
    // What is out is its receiver's no more: who never polls until `undefined` has no more memory held for it either.
    if (this.#pad && !this.isWaiting) this.#pad.used = this.#pad.at = 0;
    const pad = this.#pad = widerPad(this.#pad, line.sealer.lengthOf(plaintext.length), "out");
    const number = line.durable ? line.durable.take() : line.next++;
    pad.used += line.sealer.seal(pad, pad.used, type, number, plaintext);
    return number;
  }

  /** One record in a datagram of its own, which is the caller's; `undefined` when no number is left. */
  apart(epoch: Epoch, type: number, plaintext: Uint8Array): Uint8Array | undefined {
    const line = this.#line(epoch);
    if (isSpent(line)) return undefined;
    const pad = borrowPad(line.sealer.lengthOf(plaintext.length), "out");
    try {
      const number = line.durable ? line.durable.take() : line.next++;
      return pad.bytes.slice(0, line.sealer.seal(pad, 0, type, number, plaintext));
    } finally {
      // Also of what was to be sealed, where randomness fails.
      returnPad(pad);
    }
  }

  /** What is written next begins a datagram. */
  seal(): void {
    const pad = this.#pad;
    if (!pad || pad.used === pad.at) return;
    (this.#sealed ??= []).push({ from: pad.at, to: pad.used });
    pad.at = pad.used;
  }

  /** Whether a datagram is there to be sent. */
  get isWaiting(): boolean {
    return this.#begun > 0 || (this.#sealed?.length ?? 0) > 0;
  }

  /** The next datagram to be sent, until `undefined`: the same object for the same length, mostly; `write` and `trim` overwrite it. */
  poll(): Transmit | undefined {
    const pad = this.#pad;
    if (!pad || !this.isWaiting) return undefined;
    const sealed = this.#sealed?.shift();
    if (sealed) return pad.transmit(pad.view(sealed.from, sealed.to));
    const from = pad.at;
    pad.at = pad.used;
    return pad.transmit(pad.view(from, pad.used));
  }

  /** Gives back the memory of what is out. */
  trim(): void {
    if (!this.#pad || this.isWaiting) return;
    returnPad(this.#pad);
    this.#pad = this.#sealed = undefined;
  }

  /** Wipes the key. */
  [Symbol.dispose](): void {
    for (const { sealer } of this.#lines) sealer[Symbol.dispose]();
  }

  /** RFC 8449 4 limits what is protected; RFC 6066 4 all, but has no size below 512. */
  #mostIn(epoch: Epoch): number {
    return epoch === 0 ? Math.max(this.#limit, 512) : this.#limit;
  }

  get #newest(): Epoch {
    return this.#lines.at(-1)!.epoch;
  }

  #line(epoch: Epoch): Line {
    const lines = this.#lines;
    for (let i = lines.length - 1; i >= 0; i--) if (lines[i]!.epoch === epoch) return lines[i]!;
    throw new SeccfError("state", "there are no keys yet, or no more");
  }

  /** Bytes of the datagram begun last. */
  get #begun(): number {
    return this.#pad ? this.#pad.used - this.#pad.at : 0;
  }
}

function isSpent({ durable, next, sealer }: Line): boolean {
  return durable ? durable.left === 0 || !sealer.hasNumber(durable.next) : !sealer.hasNumber(next);
}

/** Bytes of content for which a record is not longer than `room`; not above 0 where there is none. */
function fitting(sealer: Sealer, room: number): number {
  const overhead = sealer.lengthOf(0);
  let most = room - overhead - 1;
  // How much is padding depends on the length itself: at most a block is to be won back.
  while (most >= -1 && sealer.lengthOf(most + 1) <= room) most++;
  return Math.min(most, MAX_PLAINTEXT - sealer.inside);
}

/** It keeps nothing: all share it. */
const CLEAR = new ClearSealer();
