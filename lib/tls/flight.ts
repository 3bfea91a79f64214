/** One flight: what was said last, kept until it is answered, and when to say it again (RFC 6347 4.2.4). @module */

import { encodeFragment, FRAGMENT_HEADER_LENGTH } from "./handshake/fragment.ts";
import { CONTENT } from "./record/content_type.ts";
import type { Epoch } from "./record/datagram_header.ts";
import type { DatagramWriter } from "./record/datagram_writer.ts";

/** A message, or where `type` is undefined ChangeCipherSpec. */
interface Item {
  readonly epoch: Epoch;
  readonly type?: number;
  readonly messageSeq: number;
  readonly body: Uint8Array;
}

/** Messages keep their message_seq whenever they are sent; records are new each time. */
export class Flight {
  readonly #initial: number;
  #interval: number;
  #items: Item[] = [];
  #sentAt = -Infinity;
  #dueAt: number | undefined;

  /** `initial`: milliseconds until it is said again, the first time. */
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

  /** The last flight was answered: what is added from here on is the next. */
  begin(): void {
    this.#items = [];
    this.#interval = this.#initial;
    this.#dueAt = undefined;
  }

  /** Adds a copy of a message. */
  add(epoch: Epoch, type: number, messageSeq: number, body: Uint8Array): void {
    this.#items.push({ epoch, type, messageSeq, body: new Uint8Array(body) });
  }

  /** Adds ChangeCipherSpec, the last word of epoch 0. */
  addChangeCipherSpec(): void {
    this.#items.push({ epoch: 0, messageSeq: 0, body: Uint8Array.of(1) });
  }

  /** Says it for the first time. `awaitsAnswer`: the peer has to say something then. */
  send(writer: DatagramWriter, now: number, awaitsAnswer: boolean): void {
    this.#write(writer, now);
    this.#dueAt = awaitsAnswer ? now + this.#interval : undefined;
  }

  /** The timer: says it again and waits twice as long. */
  repeat(writer: DatagramWriter, now: number): void {
    this.#interval = Math.min(2 * this.#interval, Math.max(LONGEST_INTERVAL, this.#initial));
    this.send(writer, now, true);
  }

  /**
   * The peer repeats its own last words, so ours were lost: says them again, but not to each of many repetitions
   * that the network, or somebody else, may have made of one.
   */
  answerRepetition(writer: DatagramWriter, now: number): void {
    if (now - this.#sentAt < this.#initial * AGAIN_AFTER) return;
    this.send(writer, now, this.#dueAt !== undefined);
  }

  /** The answer has begun: nothing is to be repeated by the timer. */
  settle(): void {
    this.#dueAt = undefined;
  }

  /** Forgets it. */
  clear(): void {
    this.begin();
  }

  #write(writer: DatagramWriter, now: number): void {
    this.#sentAt = now;
    writer.seal();
    for (const item of this.#items) {
      if (item.type === undefined) writer.write(item.epoch, CONTENT.changeCipherSpec, item.body);
      else this.#writeMessage(writer, item.type, item);
    }
    writer.seal();
  }

  #writeMessage(writer: DatagramWriter, type: number, { epoch, messageSeq, body }: Item): void {
    const length = body.length;
    let offset = 0;
    do {
      let room = writer.room(epoch) - FRAGMENT_HEADER_LENGTH;
      // A message that fits into a datagram is not cut; and no piece is so short that it is all header.
      if (room < length - offset) {
        const fresh = writer.most(epoch) - FRAGMENT_HEADER_LENGTH;
        if (fresh >= length - offset || room < SHORTEST_PIECE) {
          writer.seal();
          room = fresh;
        }
      }
      const piece = body.subarray(offset, offset + Math.max(room, 1));
      writer.write(epoch, CONTENT.handshake, encodeFragment({ type, length, messageSeq, offset, body: piece }));
      offset += piece.length;
    } while (offset < length);
  }
}

/** RFC 6347 4.2.4.1: milliseconds. */
const LONGEST_INTERVAL = 60_000;
/** Of the first interval. */
const AGAIN_AFTER = 0.25;
/** Bytes of a message. */
const SHORTEST_PIECE = 32;
