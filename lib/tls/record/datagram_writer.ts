/** What goes out on datagrams: records of both epochs, gathered into as few datagrams as the path allows (RFC 6347 4.1). @module */

import { SeccfError } from "../../error.ts";
import { MAX_PLAINTEXT, MAX_RECORDS } from "../limits.ts";
import { CONTENT, DATAGRAM_HEADER_LENGTH, DTLS_1_2 } from "./content_type.ts";
import { DatagramHeader, type Epoch, writeNumber } from "./datagram_header.ts";
import type { Protection } from "./protection.ts";

/** The sending half of an association's record layer. */
export class DatagramWriter {
  /** Bytes of the longest datagram. */
  readonly #longest: number;
  /** The next number of each epoch: it never comes round. */
  readonly #numbers: [number, number];
  #protection: Protection | undefined;
  #header: DatagramHeader | undefined;
  #connectionId: Uint8Array = NOTHING;
  #buffer: Uint8Array = NOTHING;
  /** Where each datagram ends but the last, which ends at `#length`. */
  #ends: number[] = [];
  #length = 0;

  /** `first`: the number of the first record in epoch 0. */
  constructor(longest: number, first = 0) {
    this.#longest = longest;
    this.#numbers = [first, 0];
  }

  /** Epoch 1 is under `protection`, which is this writer's to dispose, and carries what the peer wants to receive by. */
  protect(protection: Protection, connectionId: Uint8Array): void {
    if (this.#protection) throw new SeccfError("state", "there is no second change of keys");
    this.#protection = protection;
    this.#connectionId = connectionId;
    this.#header = new DatagramHeader(connectionId);
  }

  /** Bytes of plaintext that one record in a datagram of its own can have. */
  most(epoch: Epoch): number {
    return this.#fitting(epoch, this.#longest);
  }

  /** Bytes of plaintext that fit into the datagram begun last; not above 0 where there is no room. */
  room(epoch: Epoch): number {
    return this.#fitting(epoch, this.#longest - (this.#length - this.#begin));
  }

  /** Adds one record, to the datagram begun last if it fits, at most `most(epoch)` bytes. Throws `exhausted`. */
  write(epoch: Epoch, type: number, plaintext: Uint8Array): void {
    if (plaintext.length > this.room(epoch)) this.seal();
    const connectionId = epoch === 1 ? this.#connectionId : NOTHING;
    const bodyAt = DATAGRAM_HEADER_LENGTH + connectionId.length;
    this.#reserve(bodyAt + this.#bodyLength(epoch, plaintext.length));
    const record = this.#buffer.subarray(this.#length);
    const number = this.#numbers[epoch];
    if (number >= MAX_RECORDS) throw new SeccfError("exhausted", "no record numbers are left under this key");
    this.#numbers[epoch]++;
    const length = this.#body(epoch, type, number, plaintext, record.subarray(bodyAt));
    record[0] = connectionId.length > 0 ? CONTENT.connectionId : type;
    record[1] = DTLS_1_2 >> 8;
    record[2] = DTLS_1_2 & 0xff;
    writeNumber(record, 3, epoch, number);
    record.set(connectionId, 11);
    record[bodyAt - 2] = length >> 8;
    record[bodyAt - 1] = length;
    this.#length += bodyAt + length;
  }

  /** One record in a datagram of its own, which is the caller's; `undefined` when no number is left. */
  apart(epoch: Epoch, type: number, plaintext: Uint8Array): Uint8Array | undefined {
    if (this.#numbers[epoch] >= MAX_RECORDS) return undefined;
    const buffer = this.#buffer;
    const ends = this.#ends;
    const length = this.#length;
    this.#buffer = NOTHING;
    this.#ends = [];
    this.#length = 0;
    this.write(epoch, type, plaintext);
    const [datagram] = this.take();
    this.#buffer = buffer;
    this.#ends = ends;
    this.#length = length;
    return datagram;
  }

  /** What is written next begins a datagram. */
  seal(): void {
    if (this.#length > this.#begin) this.#ends.push(this.#length);
  }

  /** The datagrams written since the last call: views that the next `write` overwrites. */
  take(): Uint8Array[] {
    if (this.#length === 0) return [];
    this.seal();
    const ends = this.#ends;
    this.#ends = [];
    this.#length = 0;
    return ends.map((end, i) => this.#buffer.subarray(i === 0 ? 0 : ends[i - 1], end));
  }

  /** Gives back a large buffer; views already taken stay as they are. */
  trim(): void {
    if (this.#length === 0 && this.#buffer.length > KEEP) this.#buffer = NOTHING;
  }

  /** Wipes the key. */
  [Symbol.dispose](): void {
    this.#protection?.[Symbol.dispose]();
  }

  get #begin(): number {
    return this.#ends.at(-1) ?? 0;
  }

  /** Writes what follows the record's header; with a Connection ID the type is inside, behind the content (RFC 9146 4). */
  #body(epoch: Epoch, type: number, number: number, plaintext: Uint8Array, out: Uint8Array): number {
    if (epoch === 0) {
      out.set(plaintext);
      return plaintext.length;
    }
    if (!this.#protection || !this.#header) throw new SeccfError("state", "there are no keys yet");
    const header = this.#header.of(type, number);
    if (this.#connectionId.length === 0) return this.#protection.sealInto(header, plaintext, out);
    const inner = new Uint8Array(plaintext.length + 1);
    inner.set(plaintext);
    inner[plaintext.length] = type;
    const length = this.#protection.sealInto(header, inner, out);
    inner.fill(0);
    return length;
  }

  #bodyLength(epoch: Epoch, plaintextLength: number): number {
    if (epoch === 0 || !this.#protection) return plaintextLength;
    return this.#protection.sealedLength(plaintextLength + (this.#connectionId.length > 0 ? 1 : 0));
  }

  #fitting(epoch: Epoch, room: number): number {
    const left = room - DATAGRAM_HEADER_LENGTH - (epoch === 1 ? this.#connectionId.length : 0);
    let most = left - this.#bodyLength(epoch, 0) - 1;
    // How much is padding depends on the length itself: at most a block is to be won back.
    while (most >= -1 && this.#bodyLength(epoch, most + 1) <= left) most++;
    return Math.min(most, MAX_PLAINTEXT - (epoch === 1 && this.#connectionId.length > 0 ? 1 : 0));
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (this.#buffer.length >= needed) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#length));
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);
/** A buffer up to this is kept between records: thousands of idle sessions have one each. */
const KEEP = 256;
