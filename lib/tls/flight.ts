/**
 * One flight: what was said last, kept until it is answered or acknowledged, and when to say it again (RFC 6347 4.2.4,
 * RFC 9147 5.8, 7.2).
 *
 * @module
 */

import { encodeFragment, FRAGMENT_HEADER_LENGTH } from "./handshake/fragment.ts";
import type { RecordNumber } from "./record/ack.ts";
import { CONTENT } from "./record/content_type.ts";
import type { Epoch } from "./record/datagram_header.ts";
import type { DatagramWriter } from "./record/datagram_writer.ts";
import { RoundTrip } from "./round_trip.ts";
import type { Said } from "./saved_session13.ts";

/** Bytes of a message's body, `from` up to `to`; of an empty one there is still something to say. */
interface Piece {
  readonly from: number;
  readonly to: number;
}

/** A message, or where `type` is undefined ChangeCipherSpec. */
interface Item {
  readonly epoch: Epoch;
  readonly type?: number;
  readonly messageSeq: number;
  readonly body: Uint8Array;
  /** What the peer is not known to have, in order. */
  missing: readonly Piece[];
}

/** Messages keep their message_seq and epoch whenever they are sent; records are new each time. */
export class Flight {
  readonly #initial: number;
  #interval: number;
  /** Once it was measured. */
  #roundTrip: RoundTrip | undefined;
  #items: Item[] = [];
  /** What was in which record, where the peer acknowledges records. */
  #sent: Map<string, Piece & { readonly item: Item }> | undefined;
  #sentAt = -Infinity;
  #dueAt: number | undefined;
  #repetitions = 0;
  /** Whether an ACK had something of it said again. */
  #isAcknowledged = false;
  /** When it was said, each time, by the number of its first record; undefined once its answer has begun. */
  #said: { readonly number: number; readonly at: number }[] | undefined;

  /** `initial`: milliseconds until it is said again, the first time, where no round trip is known. */
  constructor(initial: number) {
    this.#initial = initial;
    this.#interval = initial;
  }

  /** When to call `repeat`; undefined while no answer is awaited. */
  get dueAt(): number | undefined {
    return this.#dueAt;
  }

  /** Whether there is anything to say again. */
  get isKept(): boolean {
    return this.#items.length > 0;
  }

  /** The messages of `epoch` that the peer is not known to have, whole. */
  messagesIn(epoch: Epoch): Said[] {
    return this.#items.flatMap(({ type, messageSeq, body, epoch: its }) =>
      type === undefined || its !== epoch ? [] : [{ type, messageSeq, body }]
    );
  }

  /** How often the timer had it said again. A count. */
  get repetitions(): number {
    return this.#repetitions;
  }

  /** From here on the peer acknowledges records (RFC 9147 7). */
  track(): void {
    this.#sent ??= new Map();
  }

  /** The last flight was answered: what is added from here on is the next. */
  begin(): void {
    this.#items = [];
    this.#sent?.clear();
    this.#said = undefined;
    this.#interval = this.#roundTrip?.intervalUpTo(this.#initial) ?? this.#initial;
    this.#dueAt = undefined;
    this.#repetitions = 0;
    this.#isAcknowledged = false;
  }

  /** Adds a copy of a message. */
  add(epoch: Epoch, type: number, messageSeq: number, body: Uint8Array): void {
    const missing = [{ from: 0, to: body.length }];
    this.#items.push({ epoch, type, messageSeq, body: new Uint8Array(body), missing });
  }

  /** Adds ChangeCipherSpec, the last word of epoch 0. */
  addChangeCipherSpec(): void {
    this.#items.push({ epoch: 0, messageSeq: 0, body: Uint8Array.of(1), missing: [{ from: 0, to: 1 }] });
  }

  /** Says it for the first time. `awaitsAnswer`: the peer has to say something then. */
  send(writer: DatagramWriter, now: number, awaitsAnswer: boolean): void {
    if (awaitsAnswer) this.#said = [];
    this.#say(writer, now, awaitsAnswer);
  }

  /** The timer: says again what is missing, and waits twice as long. */
  repeat(writer: DatagramWriter, now: number): void {
    this.#repetitions++;
    this.#interval = Math.min(2 * this.#interval, Math.max(LONGEST_INTERVAL, this.#initial));
    this.#say(writer, now, true);
  }

  /**
   * The first of its answer came. Which of several times it was said is answered, nobody can tell (RFC 6298 3), but for an
   * answer that has the record number of what it answers: `mirrored`.
   */
  heard(now: number, mirrored?: number): void {
    const said = this.#said?.length === 1 ? this.#said[0] : this.#said?.find(({ number }) => number === mirrored);
    this.#said = undefined;
    if (!said) return;
    this.#roundTrip ??= new RoundTrip();
    this.#roundTrip.measured(now - said.at);
  }

  /**
   * The peer repeats its own last words, so ours were lost: says them again, but not to each of many repetitions
   * that the network, or somebody else, may have made of one.
   */
  answerRepetition(writer: DatagramWriter, now: number): void {
    if (now - this.#sentAt < this.#initial * AGAIN_AFTER) return;
    this.#say(writer, now, this.#dueAt !== undefined);
  }

  /**
   * The peer has what was in `records`. When it has all, the flight is over; else what is missing is said again (RFC
   * 9147 7.2), at once the first time, and later where it was not said a moment ago.
   */
  acknowledge(records: readonly RecordNumber[], writer: DatagramWriter, now: number): void {
    for (const record of records) this.#forget(record);
    this.#items = this.#items.filter(({ missing }) => missing.length > 0);
    if (!this.isKept) {
      this.begin();
      return;
    }
    if (this.#dueAt === undefined) return;
    if (this.#isAcknowledged) this.answerRepetition(writer, now);
    else this.#say(writer, now, true);
    this.#isAcknowledged = true;
  }

  /** Much else is said meanwhile that may be worth nothing without it: says it beside that, and the timer goes on. */
  urge(writer: DatagramWriter, now: number): void {
    if (this.#dueAt !== undefined && now - this.#sentAt >= this.#initial * AGAIN_AFTER) this.#write(writer, now);
  }

  /** It can not be said again now: the timer goes on as if it had been. */
  postpone(now: number): void {
    this.#dueAt = now + this.#interval;
  }

  /** The answer has begun: nothing is to be repeated by the timer. */
  settle(): void {
    this.#dueAt = undefined;
  }

  /** Forgets it. */
  clear(): void {
    this.begin();
  }

  #say(writer: DatagramWriter, now: number, awaitsAnswer: boolean): void {
    const number = this.#write(writer, now);
    this.#dueAt = awaitsAnswer ? now + this.#interval : undefined;
    if (this.#said && this.#said.length < MOST_SAID) this.#said.push({ number, at: now });
  }

  #forget({ epoch, number }: RecordNumber): void {
    const key = keyOf(epoch, number);
    const sent = this.#sent?.get(key);
    if (!sent) return;
    this.#sent?.delete(key);
    sent.item.missing = without(sent.item.missing, sent);
  }

  /** Returns the number of its first record. */
  #write(writer: DatagramWriter, now: number): number {
    this.#sentAt = now;
    const numbers: number[] = [];
    writer.seal();
    for (const item of this.#items) {
      if (item.type === undefined) numbers.push(writer.write(item.epoch, CONTENT.changeCipherSpec, item.body));
      else for (const piece of item.missing) numbers.push(this.#writePiece(writer, item.type, item, piece));
    }
    writer.seal();
    return numbers[0] ?? -1;
  }

  /** Returns the number of its first record. */
  #writePiece(writer: DatagramWriter, type: number, item: Item, { from, to }: Piece): number {
    const { epoch, messageSeq, body } = item;
    const length = body.length;
    let offset = from;
    let first: number | undefined;
    do {
      let room = writer.room(epoch) - FRAGMENT_HEADER_LENGTH;
      // A message that fits into a datagram is not cut; and no piece is so short that it is all header.
      if (room < to - offset) {
        const fresh = writer.most(epoch) - FRAGMENT_HEADER_LENGTH;
        if (fresh >= to - offset || room < SHORTEST_PIECE) {
          writer.seal();
          room = fresh;
        }
      }
      const end = Math.min(to, offset + Math.max(room, 1));
      const fragment = encodeFragment({ type, length, messageSeq, offset, body: body.subarray(offset, end) });
      const number = writer.write(epoch, CONTENT.handshake, fragment);
      this.#track(keyOf(epoch, number), { item, from: offset, to: end });
      first ??= number;
      offset = end;
    } while (offset < to);
    return first;
  }

  /** The newest alone: a peer that never acknowledges, and has it said again and again, must not fill the memory. */
  #track(key: string, said: Piece & { readonly item: Item }): void {
    const sent = this.#sent;
    sent?.set(key, said);
    if (!sent || sent.size <= MOST_TRACKED) return;
    for (const oldest of sent.keys()) {
      sent.delete(oldest);
      return;
    }
  }
}

/** `pieces` less what `known` covers. */
function without(pieces: readonly Piece[], known: Piece): Piece[] {
  return pieces.flatMap((piece) => {
    if (known.from <= piece.from && piece.to <= known.to) return [];
    if (known.to <= piece.from || piece.to <= known.from) return [piece];
    const left = { from: piece.from, to: known.from };
    const right = { from: known.to, to: piece.to };
    return [left, right].filter(({ from, to }) => from < to);
  });
}

function keyOf(epoch: Epoch, number: number): string {
  return `${epoch}:${number}`;
}

/** RFC 6347 4.2.4.1, RFC 9147 5.8.2: milliseconds. */
const LONGEST_INTERVAL = 60_000;
/** Of the first interval. */
const AGAIN_AFTER = 0.25;
/** Bytes of a message. */
const SHORTEST_PIECE = 32;
/** How many times of saying it are told apart. A count. */
const MOST_SAID = 8;
/** Records. The longest flight has some fifty pieces on the shortest path. */
const MOST_TRACKED = 256;
