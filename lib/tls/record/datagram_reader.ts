/**
 * What comes in on datagrams: whole records, checked and opened. Nothing here ends an association: what does not belong
 * to it, does not open or was there before is dropped without a word (RFC 6347 4.1.2.7, RFC 9147 4.5.2).
 *
 * @module
 */

import { SeccfError } from "../../error.ts";
import { bytesOfKey, keyOf } from "../key_of.ts";
import { MAX_EARLY_RECORDS, MAX_HELD, MAX_PLAINTEXT } from "../limits.ts";
import { CONTENT, DTLS_1_2 } from "./content_type.ts";
import { type Epoch, headerOf } from "./datagram_header.ts";
import { type DatagramRecord, FoundRecord } from "./datagram_record.ts";
import { admits, type DurableNumbers } from "./durable_numbers.ts";
import type { EpochKeys } from "./epoch_keys.ts";
import { type Data, type Pad, returnPad, widerPad } from "./pad.ts";
import type { Protection } from "./protection.ts";
import { findRecord, isNamed, RecordPlace } from "./record_place.ts";
import { ReplayWindow, type WindowState } from "./replay_window.ts";
import { isUnified } from "./unified_header.ts";
import { UnifiedReader } from "./unified_reader.ts";

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

/**
 * The record at `at`, which has no unified header, or `undefined` where there is none that ends within the datagram. Records
 * of type tls12_cid have a Connection ID of `connectionIdLength` bytes.
 */
export function recordAt(datagram: Uint8Array, at: number, connectionIdLength: number): RawRecord | undefined {
  const place = new RecordPlace();
  if (!findRecord(datagram, at, datagram.length, connectionIdLength, place) || place.isUnified) return undefined;
  const { type, version, epoch, number, hasId, idAt, bodyAt, end } = place;
  return {
    ...{ type, version, epoch, number },
    connectionId: datagram.subarray(idAt, hasId ? idAt + connectionIdLength : idAt),
    body: datagram.subarray(bodyAt, end),
    whole: datagram.subarray(at, end),
  };
}

/** The receiving half of an association's record layer. */
export class DatagramReader {
  /** What this end wants to receive by, whether it comes to that or not, as `keyOf` writes it. */
  readonly #ownId: string;
  /** All that this end answers to, once that is more than one, or another (RFC 9147 9), and what it was called last. */
  #names: { readonly ids: readonly string[]; readonly calledBy: string | undefined } | undefined;
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
  #early: readonly EarlyRecord[] = NONE;
  /** The datagram in hand, opened where it lies, and behind it what waited for its key; until `trim`. */
  #pad: Pad | undefined;
  #unopened = 0;
  #limit = MAX_PLAINTEXT;

  constructor(ownId: Uint8Array) {
    this.#ownId = keyOf(ownId);
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
    const { ids = [this.#ownId], calledBy } = this.#names ?? {};
    this.#names = { ids: [...ids, keyOf(id)], calledBy };
  }

  /** Version 1.3: records that call this end `id` are for somebody else from here on. */
  ignore(id: Uint8Array): void {
    const key = keyOf(id);
    if (this.#names) this.#names = { ...this.#names, ids: this.#names.ids.filter((each) => each !== key) };
  }

  /** What the newest record that opened calls this end, once there is a choice. */
  get calledBy(): Uint8Array | undefined {
    return this.#names?.calledBy === undefined ? undefined : bytesOfKey(this.#names.calledBy);
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

  /** Takes one datagram; it is the caller's again at once. Payloads handed out before are overwritten. */
  push(datagram: Uint8Array): void {
    this.#isIdentified = false;
    this.#isEarly = false;
    if (this.#pad) this.#pad.used = this.#pad.at = this.#pad.end = 0;
    if (datagram.length === 0) return;
    this.#hold(datagram);
    this.#pad!.end = datagram.length;
  }

  /** Takes a record once more that was not admitted when it came, as `push` does, but payloads handed out since then stay. */
  pushAgain(whole: Uint8Array): void {
    const at = this.#hold(whole);
    this.#pad!.at = at;
    this.#pad!.end = at + whole.length;
    this.#isIdentified = true;
  }

  /** The next record that means something: one that waited for its key, or one of the datagram. */
  next(): DatagramRecord | undefined {
    while (this.#early.length > 0 && this.epoch > 0) {
      const opened = this.#nextEarly();
      if (opened === "none") break;
      if (opened) return RECORD;
    }
    const pad = this.#pad;
    while (pad && pad.at < pad.end) {
      if (!findRecord(pad.bytes, pad.at, pad.end, this.#ownId.length, PLACE)) break;
      // RFC 9147 4: behind a record for somebody else nothing is for us.
      if (PLACE.isUnified && (this.#protection || !this.#isForUs(pad))) break;
      pad.at = PLACE.end;
      if (PLACE.isUnified ? this.#nextUnified(pad) : this.#nextPlain(pad)) return RECORD;
    }
    if (pad) pad.at = pad.end;
    return undefined;
  }

  /** The payload that `next` found last. */
  get data(): Data {
    return this.#pad!.data(RECORD.payload);
  }

  /** Gives back the memory, and with it the payloads handed out. */
  trim(): void {
    if (this.#pad) returnPad(this.#pad);
    this.#pad = undefined;
  }

  /** Wipes the keys and what waits. */
  [Symbol.dispose](): void {
    this.#protection?.[Symbol.dispose]();
    this.#unified?.[Symbol.dispose]();
    this.#early = NONE;
    if (this.#pad) this.#pad.end = 0;
  }

  #windowOf(epoch: Epoch): ReplayWindow {
    return this.#unified?.windowOf(epoch) ?? this.#window;
  }

  #nextPlain(pad: Pad): boolean {
    const { epoch, at, end } = PLACE;
    if (epoch === 0) return this.#inClear && RECORD.readClear(pad, PLACE);
    if (epoch !== 1) return false;
    if (this.#protection) return this.#open(this.#protection, pad);
    if (!this.#unified) this.#keep(pad.bytes.slice(at, end), false);
    return false;
  }

  #nextUnified(pad: Pad): boolean {
    this.#isIdentified ||= PLACE.hasId;
    if (this.#unified?.knows(PLACE.epoch)) return this.#openUnified(this.#unified, pad);
    // Later epochs have their keys before anybody writes in them (RFC 9147 8).
    if (this.epoch < 3 && PLACE.epoch >= 2) this.#keep(pad.bytes.slice(PLACE.at, PLACE.end), this.#isIdentified);
    return false;
  }

  /** Whether what a record calls its receiver by is this end's, or may be left out: an earlier one of its datagram said it. */
  #isForUs({ bytes }: Pad): boolean {
    if (this.#named === undefined && !PLACE.hasId) return true;
    if (this.#names && PLACE.hasId) return this.#names.ids.some((id) => isNamed(bytes, PLACE, id));
    const id = this.#named === false ? "" : this.#ownId;
    if (!PLACE.hasId) return id.length === 0 || this.#isIdentified;
    return id.length > 0 && isNamed(bytes, PLACE, id);
  }

  #openUnified(unified: UnifiedReader, pad: Pad): boolean {
    const newest = this.#names ? this.newest : 0;
    const isRead = unified.read(pad, PLACE, RECORD, this.#durable);
    if (this.#names && PLACE.hasId && this.newest > newest) {
      const calledBy = keyOf(pad.bytes.subarray(PLACE.idAt, PLACE.idAt + this.#ownId.length));
      this.#names = { ...this.#names, calledBy };
    }
    if (!isRead || RECORD.payload.length > this.#limit) return false;
    // The peer is there under its keys: what is in the clear is not its word any more.
    this.#inClear = false;
    return true;
  }

  /** RFC 6347 4.2.4 and RFC 9147 4.2.1 let a key's records come before the key; how many is ours to say. */
  #keep(bytes: Uint8Array, isIdentified: boolean): void {
    this.#isEarly = true;
    const held = this.#early.reduce((sum, each) => sum + each.bytes.length, 0);
    if (this.#early.length >= MAX_EARLY_RECORDS || held + bytes.length > MAX_HELD) return;
    this.#early = [...this.#early, { bytes, isIdentified }];
  }

  /** The oldest of the records that waited for their key and have it now: whether it opened. */
  #nextEarly(): boolean | "none" {
    const early = this.#early.find(({ bytes }) => this.#hasKeyFor(bytes));
    if (!early) return "none";
    const { bytes, isIdentified } = early;
    this.#early = this.#early.filter((each) => each !== early);
    const at = this.#hold(bytes);
    const pad = this.#pad!;
    if (!findRecord(pad.bytes, at, at + bytes.length, this.#ownId.length, PLACE)) return false;
    if (!PLACE.isUnified) return this.#protection !== undefined && this.#open(this.#protection, pad);
    this.#isIdentified = isIdentified;
    const opened = this.#unified !== undefined && this.#isForUs(pad) && this.#openUnified(this.#unified, pad);
    this.#isIdentified = false;
    return opened;
  }

  #hasKeyFor(bytes: Uint8Array): boolean {
    if (!isUnified(bytes[0]!)) return this.#protection !== undefined || this.#unified !== undefined;
    return this.#protection !== undefined || (this.#unified?.knows(bytes[0]! & 3) ?? false);
  }

  #open(protection: Protection, pad: Pad): boolean {
    const { at, type, number, bodyAt, end } = PLACE;
    const isById = type === CONTENT.connectionId;
    // RFC 9146 3: once there is a Connection ID, nothing comes without.
    if (PLACE.version !== DTLS_1_2 || isById !== this.#byId) return false;
    if (isById && !isNamed(pad.bytes, PLACE, this.#ownId)) return false;
    if (!this.#window.isFresh(number) || end - bodyAt > MAX_PLAINTEXT + protection.overhead) return false;
    // What has to wait until it is on record waits as it came.
    const whole = this.#durable ? pad.bytes.slice(at, end) : NOTHING;
    const header = headerOf(this.#byId ? this.#ownId : "", type, number);
    const length = protection.open(header, pad, bodyAt, end - bodyAt);
    if (length < 0) {
      this.#unopened++;
      return false;
    }
    const plaintextAt = bodyAt + protection.lead;
    const isRead = isById
      ? RECORD.unwrap(1, number, pad, plaintextAt, length)
      : RECORD.set(1, number, type, pad.view(plaintextAt, plaintextAt + length));
    const mayBeRead = !this.#durable ||
      (isRead ? admits(this.#durable, RECORD, whole) : this.#durable.admits(number, whole));
    if (!mayBeRead) return false;
    this.#window.use(number);
    // RFC 9146 5: the limit is the inner plaintext's, padding and all.
    return isRead && length <= MAX_PLAINTEXT && RECORD.payload.length <= this.#limit;
  }

  /** Copies `bytes` behind what is in the pad, and returns where they are. */
  #hold(bytes: Uint8Array): number {
    // Copied, not moved: payloads in the one before may have been handed out.
    const pad = this.#pad = widerPad(this.#pad, bytes.length, "in");
    const at = pad.used;
    pad.bytes.set(bytes, at);
    pad.used += bytes.length;
    return at;
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);
const NONE: readonly EarlyRecord[] = [];
/** One of each for all readers: neither outlives the call that it is filled for, but for what `next` found last. */
const PLACE = new RecordPlace();
const RECORD = new FoundRecord();
