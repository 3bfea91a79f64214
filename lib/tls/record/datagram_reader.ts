/**
 * What comes in on datagrams: whole records, checked and opened. Nothing here ends an association: what does not belong
 * to it, does not open or was there before is dropped without a word (RFC 6347 4.1.2.7).
 *
 * @module
 */

import { SeccfError } from "../../error.ts";
import { equal } from "../../bytes/mod.ts";
import { MAX_EARLY_RECORDS, MAX_HELD, MAX_PLAINTEXT } from "../limits.ts";
import { CONTENT, DATAGRAM_HEADER_LENGTH, DTLS_1_0, DTLS_1_2 } from "./content_type.ts";
import { DatagramHeader, type Epoch } from "./datagram_header.ts";
import type { Protection } from "./protection.ts";
import { ReplayWindow } from "./replay_window.ts";

/** One record as it stands in a datagram. Views. */
export interface RawRecord {
  readonly type: number;
  readonly version: number;
  readonly epoch: number;
  /** 0 to 2^48 - 1. */
  readonly number: number;
  /** Empty unless `type` is tls12_cid. */
  readonly connectionId: Uint8Array;
  readonly body: Uint8Array;
  /** With its header. */
  readonly whole: Uint8Array;
}

/** One record, opened; views that stay until the next `push`. */
export interface DatagramRecord {
  readonly type: number;
  readonly payload: Uint8Array;
}

/**
 * The record at `at`, or `undefined` where there is none that ends within the datagram: what follows can not be found
 * either. Records of type tls12_cid have a Connection ID of `connectionIdLength` bytes.
 */
export function recordAt(datagram: Uint8Array, at: number, connectionIdLength: number): RawRecord | undefined {
  const type = datagram[at]!;
  const idLength = type === CONTENT.connectionId ? connectionIdLength : 0;
  const bodyAt = at + DATAGRAM_HEADER_LENGTH + idLength;
  if (bodyAt > datagram.length) return undefined;
  const u16 = (i: number): number => (datagram[i]! << 8) | datagram[i + 1]!;
  const end = bodyAt + u16(bodyAt - 2);
  if (end > datagram.length) return undefined;
  return {
    type,
    version: u16(at + 1),
    epoch: u16(at + 3),
    number: u16(at + 5) * 0x100000000 + u16(at + 7) * 0x10000 + u16(at + 9),
    connectionId: datagram.subarray(at + 11, at + 11 + idLength),
    body: datagram.subarray(bodyAt, end),
    whole: datagram.subarray(at, end),
  };
}

/** The receiving half of an association's record layer. */
export class DatagramReader {
  /** What this end wants to receive by, whether it comes to that or not. */
  readonly #ownId: Uint8Array;
  #protection: Protection | undefined;
  #header: DatagramHeader | undefined;
  /** Whether epoch 1 comes with the Connection ID. */
  #byId = false;
  readonly #window = new ReplayWindow();
  /** Copies of records of epoch 1 that came before its keys. */
  #early: Uint8Array[] = [];
  #earlyLength = 0;
  #datagram: Uint8Array = NOTHING;
  #at = 0;
  #plaintext: Uint8Array = NOTHING;
  #plaintextLength = 0;
  #unopened = 0;

  constructor(ownId: Uint8Array) {
    this.#ownId = ownId;
  }

  /** The highest number that a record of epoch 1 had which opened; -1 before the first. */
  get newest(): number {
    return this.#window.highest;
  }

  /** Which epoch is read. */
  get epoch(): Epoch {
    return this.#protection ? 1 : 0;
  }

  /** Fresh records of epoch 1 that the key did not open. A count. */
  get unopened(): number {
    return this.#unopened;
  }

  /** Records that wait for their key. A count. */
  get held(): number {
    return this.#early.length;
  }

  /** From here on epoch 1 is read, under `protection`, which is this reader's to dispose, and epoch 0 no more. */
  protect(protection: Protection, connectionId: Uint8Array): void {
    if (this.#protection) throw new SeccfError("state", "there is no second change of keys");
    this.#protection = protection;
    this.#byId = connectionId.length > 0;
    this.#header = new DatagramHeader(connectionId);
  }

  /** Takes one datagram, which must stay as it is until `next` finds no more. Payloads handed out before are overwritten. */
  push(datagram: Uint8Array): void {
    this.#datagram = datagram;
    this.#at = 0;
    this.#plaintextLength = 0;
  }

  /** The next record that means something: one that waited for its key, or one of the datagram. */
  next(): DatagramRecord | undefined {
    while (this.#protection && this.#early.length > 0) {
      const bytes = this.#early.shift()!;
      const record = recordAt(bytes, 0, this.#ownId.length);
      const opened = record && this.#open(record);
      if (opened) return opened;
    }
    while (this.#at < this.#datagram.length) {
      const record = recordAt(this.#datagram, this.#at, this.#ownId.length);
      if (!record) break;
      this.#at += record.whole.length;
      const read = this.#read(record);
      if (read) return read;
    }
    this.#datagram = NOTHING;
    return undefined;
  }

  /** Gives back a large buffer; payloads already handed out stay as they are. */
  trim(): void {
    if (this.#plaintext.length > KEEP) this.#plaintext = NOTHING;
  }

  /** Wipes the key and what waits. */
  [Symbol.dispose](): void {
    this.#protection?.[Symbol.dispose]();
    this.#early = [];
    this.#datagram = NOTHING;
    this.#plaintext = NOTHING;
  }

  #read(record: RawRecord): DatagramRecord | undefined {
    if (record.epoch === 0 && !this.#protection) return readClear(record);
    if (record.epoch !== 1) return undefined;
    if (this.#protection) return this.#open(record);
    this.#keep(record);
    return undefined;
  }

  /** RFC 6347 4.2.4 lets the key's records come before the key; how many is ours to say. */
  #keep({ whole }: RawRecord): void {
    if (this.#early.length >= MAX_EARLY_RECORDS || this.#earlyLength + whole.length > MAX_HELD) return;
    this.#earlyLength += whole.length;
    this.#early.push(new Uint8Array(whole));
  }

  #open(record: RawRecord): DatagramRecord | undefined {
    const { type, number, body } = record;
    const isById = type === CONTENT.connectionId;
    // RFC 9146 3: once there is a Connection ID, nothing comes without.
    if (record.version !== DTLS_1_2 || isById !== this.#byId) return undefined;
    if (isById && !equal(record.connectionId, this.#ownId)) return undefined;
    if (!this.#window.isFresh(number) || !this.#protection || !this.#header) return undefined;
    if (body.length > MAX_PLAINTEXT + this.#protection.overhead) return undefined;
    const out = this.#room(body.length);
    const length = this.#protection.openInto(this.#header.of(type, number), body, out);
    if (length < 0) {
      this.#unopened++;
      return undefined;
    }
    this.#window.use(number);
    this.#plaintextLength += length;
    // RFC 9146 5: the limit is the inner plaintext's, padding and all.
    if (length > MAX_PLAINTEXT) return undefined;
    const payload = out.subarray(0, length);
    return isById ? unwrap(payload) : { type, payload };
  }

  #room(length: number): Uint8Array {
    if (this.#plaintext.length - this.#plaintextLength < length) {
      this.#plaintext = new Uint8Array(length + this.#datagram.length - this.#at);
      this.#plaintextLength = 0;
    }
    return this.#plaintext.subarray(this.#plaintextLength);
  }
}

function readClear({ type, version, body }: RawRecord): DatagramRecord | undefined {
  const known = type === CONTENT.handshake || type === CONTENT.alert || type === CONTENT.changeCipherSpec;
  // RFC 6347 4.2.1: hellos carry the version 1.0 as long as no other is agreed.
  if (!known || (version !== DTLS_1_2 && version !== DTLS_1_0)) return undefined;
  return { type, payload: body };
}

/** RFC 9146 4: content, its type, and any number of zeros. */
function unwrap(inner: Uint8Array): DatagramRecord | undefined {
  let end = inner.length - 1;
  while (end >= 0 && inner[end] === 0) end--;
  return end < 0 ? undefined : { type: inner[end]!, payload: inner.subarray(0, end) };
}

const NOTHING: Uint8Array = new Uint8Array(0);
/** As the writer's. */
const KEEP = 256;
