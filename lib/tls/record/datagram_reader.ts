/**
 * What comes in on datagrams: whole records, checked and opened. Nothing here ends an association: what does not belong
 * to it, does not open or was there before is dropped without a word (RFC 6347 4.1.2.7, RFC 9147 4.5.2).
 *
 * @module
 */

import { SeccfError } from "../../error.ts";
import { equal } from "../../bytes/mod.ts";
import { MAX_EARLY_RECORDS, MAX_HELD, MAX_PLAINTEXT } from "../limits.ts";
import { CONTENT, DATAGRAM_HEADER_LENGTH, DTLS_1_0, DTLS_1_2 } from "./content_type.ts";
import { type Epoch, headerOf } from "./datagram_header.ts";
import type { DurableNumbers } from "./durable_numbers.ts";
import type { EpochKeys } from "./epoch_keys.ts";
import type { Protection } from "./protection.ts";
import { ReplayWindow, type WindowState } from "./replay_window.ts";
import { isUnified, unifiedAt, type UnifiedRecord } from "./unified_header.ts";
import { type Admission, isFor, type OpenedRecord, UnifiedReader } from "./unified_reader.ts";

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

/** A record that waits for its key. */
interface EarlyRecord {
  readonly bytes: Uint8Array;
  /** Whether it, or one before it in its datagram, says whom it is for. */
  readonly isIdentified: boolean;
}

/** One record, opened; views that stay until the next `push`. Nobody answers for what is in epoch 0. */
export type DatagramRecord = OpenedRecord;

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
  /** All that this end answers to, once that is more than one, or another (RFC 9147 9). */
  #ids: Uint8Array[] | undefined;
  #calledBy: Uint8Array | undefined;
  #protection: Protection | undefined;
  /** Whether epoch 1 comes with the Connection ID. */
  #byId = false;
  readonly #window = new ReplayWindow();
  /** What may be delivered, where that has to be on record first. */
  #durable: DurableNumbers | undefined;
  /** Version 1.3, from its first keys on. */
  #unified: UnifiedReader | undefined;
  /** Whether epoch 0 is still read. */
  #inClear = true;
  /** Whether records of version 1.3 have to say whom they are for; before that is agreed, they may. */
  #named: boolean | undefined;
  /** Whether a record of the datagram in hand said whom it is for. */
  #isIdentified = false;
  /** Whether a record of the datagram in hand waits for its key. */
  #isEarly = false;
  /** Copies of records that came before their keys. */
  #early: EarlyRecord[] = [];
  #earlyLength = 0;
  #datagram: Uint8Array = NOTHING;
  #at = 0;
  #plaintext: Uint8Array = NOTHING;
  #plaintextLength = 0;
  #unopened = 0;
  #limit = MAX_PLAINTEXT;

  constructor(ownId: Uint8Array) {
    this.#ownId = ownId;
  }

  /** Grows with every record that opened and is newer than all before it; -1 before the first. */
  get newest(): number {
    if (this.#unified) return this.#durable?.heard ?? this.#unified.newest;
    return this.#durable?.newest ?? this.#window.highest;
  }

  /** Version 1.3: the epoch of the newest record that opened. */
  get heardEpoch(): Epoch {
    return this.#unified?.heardEpoch ?? 0;
  }

  /** The newest epoch that is read. */
  get epoch(): Epoch {
    return this.#unified?.epoch ?? (this.#protection ? 1 : 0);
  }

  /** Fresh records that the keys did not open. A count. */
  get unopened(): number {
    return this.#unified?.failed ?? this.#unopened;
  }

  /** Version 1.3: how much of what may fail under the newest keys has failed, 0 to 1 (RFC 9147 4.5.3). */
  get wear(): number {
    return this.#unified?.wear ?? 0;
  }

  /** Whether the datagram that was pushed last had a record, perhaps the peer's, whose key is not there yet. */
  get isEarly(): boolean {
    return this.#isEarly;
  }

  /** Records that wait for their key. A count. */
  get held(): number {
    return this.#early.length;
  }

  /** From here on epoch 1 is read, under `protection`, which is this reader's to dispose, and epoch 0 no more. */
  protect(protection: Protection, connectionId: Uint8Array): void {
    if (this.epoch > 0) throw new SeccfError("state", "there is no second change of keys");
    this.#protection = protection;
    this.#inClear = false;
    this.#byId = connectionId.length > 0;
  }

  /** Version 1.3: `epoch`, newer than all before it, is read from here on, under `keys`, which are this reader's to dispose. */
  open(epoch: Epoch, keys: EpochKeys): void {
    if (this.epoch >= epoch) throw new SeccfError("state", "epochs do not come again");
    this.#unified ??= new UnifiedReader();
    this.#unified.open(epoch, keys);
  }

  /** From now on a protected record has no more content than this; a longer one is dropped. */
  limit(length: number): void {
    this.#limit = length;
  }

  /** What `limit` said last; 16384 before. */
  get longestContent(): number {
    return this.#limit;
  }

  /** Version 1.3: whether records under keys have to carry this end's Connection ID from here on, or may not. */
  expectId(isNamed: boolean): void {
    this.#named = isNamed;
  }

  /** Version 1.3: records may call this end `id` as well, which is as long as its first name. */
  answerTo(id: Uint8Array): void {
    this.#ids = [...this.#ids ?? [this.#ownId], id];
  }

  /** Version 1.3: records that call this end `id` are for somebody else from here on. */
  ignore(id: Uint8Array): void {
    this.#ids = this.#ids?.filter((each) => !equal(each, id));
  }

  /** What the newest record that opened calls this end, once there is a choice. */
  get calledBy(): Uint8Array | undefined {
    return this.#calledBy;
  }

  /** From here on a record is read only once `numbers` admit it, and none of the epoch they are in that was `seen`. */
  endure(numbers: DurableNumbers, seen?: WindowState): void {
    this.#durable = numbers;
    if (seen) this.#windowOf(numbers.receivedEpoch).load(seen);
  }

  /** Which records of `epoch` were read; it has keys. */
  seenIn(epoch: Epoch): WindowState {
    return this.#windowOf(epoch).state;
  }

  /** Epochs before `epoch` are not read any more, that in the clear included. */
  forget(epoch: Epoch): void {
    this.#inClear = false;
    this.#unified?.forget(epoch);
  }

  /** Takes one datagram, which must stay as it is until `next` finds no more. Payloads handed out before are overwritten. */
  push(datagram: Uint8Array): void {
    this.#datagram = datagram;
    this.#at = 0;
    this.#isIdentified = false;
    this.#isEarly = false;
    this.#plaintextLength = 0;
  }

  /** Takes a record once more that was not admitted when it came, as `push` does, but payloads handed out since then stay. */
  pushAgain(whole: Uint8Array): void {
    this.#datagram = whole;
    this.#at = 0;
    this.#isIdentified = true;
  }

  /** The next record that means something: one that waited for its key, or one of the datagram. */
  next(): DatagramRecord | undefined {
    for (let opened = this.#nextEarly(); this.epoch > 0 && opened !== "none"; opened = this.#nextEarly()) {
      if (opened) return opened;
    }
    while (this.#at < this.#datagram.length) {
      const read = isUnified(this.#datagram[this.#at]!) ? this.#nextUnified() : this.#nextPlain();
      if (read === "no record") break;
      if (read) return read;
    }
    this.#datagram = NOTHING;
    return undefined;
  }

  /** Gives back a large buffer; payloads already handed out stay as they are. */
  trim(): void {
    if (this.#plaintext.length > KEEP) this.#plaintext = NOTHING;
  }

  /** Wipes the keys and what waits. */
  [Symbol.dispose](): void {
    this.#protection?.[Symbol.dispose]();
    this.#unified?.[Symbol.dispose]();
    this.#early = [];
    this.#datagram = NOTHING;
    this.#plaintext = NOTHING;
  }

  #windowOf(epoch: Epoch): ReplayWindow {
    return this.#unified?.windowOf(epoch) ?? this.#window;
  }

  #nextPlain(): DatagramRecord | "no record" | undefined {
    const record = recordAt(this.#datagram, this.#at, this.#ownId.length);
    if (!record) return "no record";
    this.#at += record.whole.length;
    if (record.epoch === 0) return this.#inClear ? readClear(record) : undefined;
    if (record.epoch !== 1) return undefined;
    if (this.#protection) return this.#open(record);
    if (!this.#unified) this.#keep(record.whole, false);
    return undefined;
  }

  #nextUnified(): DatagramRecord | "no record" | undefined {
    const record = unifiedAt(this.#datagram, this.#at, this.#ownId.length);
    // RFC 9147 4: behind a record for somebody else nothing is for us.
    if (!record || this.#protection || !this.#isForUs(record)) return "no record";
    this.#at += record.whole.length;
    this.#isIdentified ||= record.connectionId !== undefined;
    if (this.#unified?.knows(record)) return this.#openUnified(record);
    // Later epochs have their keys before anybody writes in them (RFC 9147 8).
    if (this.epoch < 3 && record.epochBits >= 2) this.#keep(record.whole, this.#isIdentified);
    return undefined;
  }

  #isForUs(record: UnifiedRecord): boolean {
    const { connectionId: id } = record;
    if (this.#named === undefined && !id) return true;
    if (this.#ids && id) return this.#ids.some((each) => equal(each, id));
    return isFor(record, this.#named === false ? NOTHING : this.#ownId, this.#isIdentified);
  }

  #openUnified(record: UnifiedRecord): DatagramRecord | undefined {
    const out = this.#room(record.whole.length);
    const { newest } = this;
    const opened = this.#unified?.read(record, out, this.#durable && admissionBy(this.#durable));
    if (this.#ids && record.connectionId && this.newest > newest) this.#calledBy = record.connectionId.slice();
    if (!opened || opened.payload.length > this.#limit) return undefined;
    // The peer is there under its keys: what is in the clear is not its word any more.
    this.#inClear = false;
    this.#plaintextLength += opened.payload.length + 1;
    return opened;
  }

  /** RFC 6347 4.2.4 and RFC 9147 4.2.1 let a key's records come before the key; how many is ours to say. */
  #keep(whole: Uint8Array, isIdentified: boolean): void {
    this.#isEarly = true;
    if (this.#early.length >= MAX_EARLY_RECORDS || this.#earlyLength + whole.length > MAX_HELD) return;
    this.#earlyLength += whole.length;
    this.#early.push({ bytes: new Uint8Array(whole), isIdentified });
  }

  /** The oldest of the records that waited for their key and have it now, opened if it does open. */
  #nextEarly(): DatagramRecord | "none" | undefined {
    const at = this.#early.findIndex(({ bytes }) => this.#hasKeyFor(bytes));
    if (at < 0) return "none";
    const { bytes, isIdentified } = this.#early.splice(at, 1)[0]!;
    this.#earlyLength -= bytes.length;
    if (!isUnified(bytes[0]!)) {
      const record = recordAt(bytes, 0, this.#ownId.length);
      return record && this.#open(record);
    }
    const record = unifiedAt(bytes, 0, this.#ownId.length);
    this.#isIdentified = isIdentified;
    const opened = record && this.#isForUs(record) ? this.#openUnified(record) : undefined;
    this.#isIdentified = false;
    return opened;
  }

  #hasKeyFor(bytes: Uint8Array): boolean {
    if (!isUnified(bytes[0]!)) return this.#protection !== undefined || this.#unified !== undefined;
    const record = unifiedAt(bytes, 0, this.#ownId.length);
    return this.#protection !== undefined || (record !== undefined && (this.#unified?.knows(record) ?? false));
  }

  #open(record: RawRecord): DatagramRecord | undefined {
    const { type, number, body } = record;
    const isById = type === CONTENT.connectionId;
    // RFC 9146 3: once there is a Connection ID, nothing comes without.
    if (record.version !== DTLS_1_2 || isById !== this.#byId) return undefined;
    if (isById && !equal(record.connectionId, this.#ownId)) return undefined;
    if (!this.#window.isFresh(number) || !this.#protection) return undefined;
    if (body.length > MAX_PLAINTEXT + this.#protection.overhead) return undefined;
    const out = this.#room(body.length);
    const length = this.#protection.openInto(headerOf(this.#byId ? this.#ownId : NOTHING, type, number), body, out);
    if (length < 0) {
      this.#unopened++;
      return undefined;
    }
    if (this.#durable && !admits(this.#durable, record, out.subarray(0, length))) return undefined;
    this.#window.use(number);
    this.#plaintextLength += length;
    // RFC 9146 5: the limit is the inner plaintext's, padding and all.
    if (length > MAX_PLAINTEXT) return undefined;
    const payload = out.subarray(0, length);
    const read = isById ? unwrap(number, payload) : { epoch: 1 as const, number, type, payload };
    return read && read.payload.length <= this.#limit ? read : undefined;
  }

  #room(length: number): Uint8Array {
    if (this.#plaintext.length - this.#plaintextLength < length) {
      this.#plaintext = new Uint8Array(length + this.#datagram.length - this.#at);
      this.#plaintextLength = 0;
    }
    return this.#plaintext.subarray(this.#plaintextLength);
  }
}

/**
 * Whether what was opened may be delivered now. What is said of a path (RFC 9853) may at any time: it is worth something only
 * with the address that it came from, and its cookie to this process alone.
 */
function admits(durable: DurableNumbers, { type, number, whole }: RawRecord, inner: Uint8Array): boolean {
  const inside = type === CONTENT.connectionId ? unwrap(number, inner)?.type : type;
  return inside === CONTENT.returnRoutability ? durable.hears(number) : durable.admits(number, whole);
}

/** The same in version 1.3. */
function admissionBy(durable: DurableNumbers): Admission {
  return ({ epoch, number, type }, whole) =>
    type === CONTENT.returnRoutability ? durable.hears(number, epoch) : durable.admits(number, whole, epoch);
}

function readClear({ type, version, number, body }: RawRecord): DatagramRecord | undefined {
  const known = type === CONTENT.handshake || type === CONTENT.alert || type === CONTENT.changeCipherSpec;
  // RFC 6347 4.2.1: hellos carry the version 1.0 as long as no other is agreed.
  if (!known || (version !== DTLS_1_2 && version !== DTLS_1_0)) return undefined;
  return { epoch: 0, number, type, payload: body };
}

/** RFC 9146 4: content, its type, and any number of zeros. */
function unwrap(number: number, inner: Uint8Array): DatagramRecord | undefined {
  let end = inner.length - 1;
  while (end >= 0 && inner[end] === 0) end--;
  return end < 0 ? undefined : { epoch: 1, number, type: inner[end]!, payload: inner.subarray(0, end) };
}

const NOTHING: Uint8Array = new Uint8Array(0);
/** As the writer's. */
const KEEP = 256;
