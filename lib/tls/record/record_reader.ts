/** What comes in on a stream: whole records found in any pieces, checked and opened. @module */

import { SeccfError } from "../../error.ts";
import { TlsFailure } from "../alert.ts";
import { Backlog } from "../backlog.ts";
import { MAX_EARLY_PLAINTEXT, MAX_PLAINTEXT } from "../limits.ts";
import { CONTENT, RECORD_HEADER_LENGTH, TLS_1_2 } from "./content_type.ts";
import type { InnerProtection } from "./inner_protection.ts";
import { typeAt } from "./inner_type.ts";
import { borrowPad, type Data, type Pad, returnPad } from "./pad.ts";
import type { Protection } from "./protection.ts";
import { RecordSequence } from "./sequence.ts";

/** One record, opened. The reader's own object, overwritten by the next; its payload stays until the next `push`. */
export interface TlsRecord {
  readonly type: number;
  readonly payload: Uint8Array;
}

/** The receiving half of a connection's record layer. */
export class RecordReader {
  readonly #backlog = new Backlog();
  readonly #record: { type: number; payload: Uint8Array } = { type: 0, payload: NOTHING };
  /** Where records are opened, one behind the other; until `trim`. */
  #pad: Pad | undefined;
  #protection: Protection | undefined;
  #sequence = new RecordSequence(TLS_1_2);
  /** Version 1.3, and then there is no other. */
  #inner: InnerProtection | undefined;
  #clearAlerts = false;
  /** Bytes of records that no key opens and that may still be passed over. */
  #skippable = 0;
  #longest = MAX_EARLY_PLAINTEXT;
  #limit = MAX_PLAINTEXT;
  /** Record types that may still carry another minor version: before both sides know which it is (RFC 5246 E.1). */
  #anyVersion: readonly number[];

  constructor(anyVersion: readonly number[]) {
    this.#anyVersion = anyVersion;
  }

  /** Bytes that wait for more, or for their turn. */
  get held(): number {
    return this.#backlog.size;
  }

  /** The version is agreed: every record has it from now on. */
  agreed(): void {
    this.#anyVersion = [];
  }

  /** The peer is authenticated: it may send records of full length. */
  trust(): void {
    this.#longest = this.#limit;
  }

  /** Full length is no more than this, once the peer is trusted. */
  limit(length: number): void {
    this.#limit = length;
  }

  /** From the next record on under `protection`, which is this reader's to dispose; numbers begin again. */
  protect(protection: Protection): void {
    if (this.#protection) throw new SeccfError("state", "there is no second change of keys");
    this.#protection = protection;
    this.#sequence = new RecordSequence(TLS_1_2);
  }

  /** Version 1.3: from the next record on under `protection`, which is this reader's to dispose, as the one before it was. */
  protectInner(protection: InnerProtection): void {
    this.#inner?.[Symbol.dispose]();
    this.#inner = protection;
  }

  /** Version 1.3: until a record opens the peer may have no key yet to say under why it gives up. */
  allowClearAlerts(): void {
    this.#clearAlerts = true;
  }

  /** Version 1.3: what no key opens is passed over, up to `length` bytes, until something opens (RFC 8446 4.2.10). */
  skip(length: number): void {
    this.#skippable = length;
  }

  /** Adds what came. All payloads handed out before are overwritten. */
  push(bytes: Uint8Array): void {
    this.#backlog.push(bytes);
    if (this.#pad) this.#pad.used = 0;
  }

  /**
   * The next record, if all of it is there. Throws what ends the connection: a type or version that does not exist, a
   * length beyond the limit as soon as it is claimed, and `auth-failed` for a record that the key does not open.
   */
  next(): TlsRecord | undefined {
    for (let length = this.#nextLength(); length > 0; length = this.#nextLength()) {
      const pad = this.#hold(length);
      const at = pad.used - length;
      if (this.#inner ? this.#openInner(this.#inner, pad, at) : this.#openOuter(pad, at)) return this.#record;
    }
    return undefined;
  }

  /** Copies what waits, so that nothing of the caller's is held any longer. */
  settle(): void {
    this.#backlog.settle();
  }

  /** Gives back the memory, and with it the payloads handed out. */
  trim(): void {
    if (this.#pad) returnPad(this.#pad);
    this.#pad = undefined;
  }

  /** The payload that `next` found last, which was protected. */
  get data(): Data {
    return this.#pad!.data(this.#record.payload);
  }

  /** Wipes the key and what waits. */
  [Symbol.dispose](): void {
    this.#protection?.[Symbol.dispose]();
    this.#inner?.[Symbol.dispose]();
    this.#backlog.clear();
  }

  /** How long the next whole record is, its header checked; 0 where there is none. */
  #nextLength(): number {
    const backlog = this.#backlog;
    if (backlog.size < RECORD_HEADER_LENGTH) return 0;
    this.#checkHeader(backlog.at(0), (backlog.at(1) << 8) | backlog.at(2));
    const length = (backlog.at(3) << 8) | backlog.at(4);
    const overhead = this.#inner ? MAX_EXPANSION : this.#protection?.overhead ?? 0;
    if (length > this.#longest + overhead) throw tooLong();
    return backlog.size < RECORD_HEADER_LENGTH + length ? 0 : RECORD_HEADER_LENGTH + length;
  }

  /** Whether there is something to hand out. */
  #openOuter(pad: Pad, at: number): boolean {
    const type = pad.bytes[at]!;
    if (this.#skippable > 0 && type === CONTENT.applicationData) return this.#skipped(pad.used - at);
    this.#record.type = type;
    const bodyAt = at + RECORD_HEADER_LENGTH;
    this.#record.payload = this.#protection
      ? this.#open(this.#protection, type, pad, bodyAt)
      : pad.view(bodyAt, pad.used);
    return true;
  }

  /** RFC 8446 5.2, 5.4: the type is inside, before the padding. What stands outside is data, or means nothing. */
  #openInner(protection: InnerProtection, pad: Pad, at: number): boolean {
    const type = pad.bytes[at]!;
    const from = at + RECORD_HEADER_LENGTH;
    if (type === CONTENT.changeCipherSpec || (type === CONTENT.alert && this.#clearAlerts)) {
      this.#record.type = type;
      this.#record.payload = pad.view(from, pad.used);
      return true;
    }
    if (type !== CONTENT.applicationData) throw noType();
    const length = protection.open(pad, at, pad.used - at);
    if (length < 0) {
      if (this.#skippable > 0) return this.#skipped(pad.used - at);
      throw notOpened("RFC 8446 5.2");
    }
    this.#clearAlerts = false;
    this.#skippable = 0;
    if (length > this.#longest + 1) throw tooLong();
    const typeIsAt = typeAt(pad.bytes, from, from + length);
    if (typeIsAt < 0 || !INNER_TYPES.includes(pad.bytes[typeIsAt]!)) throw noType();
    this.#record.type = pad.bytes[typeIsAt]!;
    this.#record.payload = pad.view(from, typeIsAt);
    return true;
  }

  #skipped(length: number): boolean {
    this.#skippable -= length;
    if (this.#skippable > 0) return false;
    throw new TlsFailure("unexpected_message", "too-large", "too much data before the handshake", {
      clause: "RFC 8446 4.2.10",
    });
  }

  #checkHeader(type: number, version: number): void {
    if (type < CONTENT.changeCipherSpec || type > CONTENT.applicationData) throw noType();
    if (version === TLS_1_2) return;
    if (version >> 8 === TLS_1_2 >> 8 && this.#anyVersion.includes(type)) return;
    throw new TlsFailure("protocol_version", "unsupported", "a record of another version", { clause: "RFC 5246 E.1" });
  }

  #open(protection: Protection, type: number, pad: Pad, at: number): Uint8Array {
    const length = protection.open(this.#sequence.next(type), pad, at, pad.used - at);
    if (length < 0) throw notOpened("RFC 5246 7.2.2");
    if (length > this.#longest) throw tooLong();
    return pad.view(at + protection.lead, at + protection.lead + length);
  }

  /** Takes the next `length` bytes, to behind those before them, where there is room for all that waits. */
  #hold(length: number): Pad {
    const pad = this.#pad = this.#pad?.fits(length) ? this.#pad : this.#another();
    this.#backlog.takeInto(pad.bytes, pad.used, length);
    pad.used += length;
    return pad;
  }

  /** The one before is given back with it: payloads in it may have been handed out. */
  #another(): Pad {
    const pad = borrowPad(this.#backlog.size, "in");
    pad.before = this.#pad;
    return pad;
  }
}

function noType(): TlsFailure {
  return new TlsFailure("unexpected_message", "malformed", "a record of no known type", { clause: "RFC 5246 6" });
}

function notOpened(clause: string): TlsFailure {
  return new TlsFailure("bad_record_mac", "auth-failed", "a record that the key does not open", { clause });
}

function tooLong(): TlsFailure {
  return new TlsFailure("record_overflow", "too-large", "a record beyond the limit", { clause: "RFC 5246 6.2.3" });
}

const NOTHING: Uint8Array = new Uint8Array(0);
/** RFC 8446 5.2: type, tag and padding. */
const MAX_EXPANSION = 256;
const INNER_TYPES: readonly number[] = [CONTENT.alert, CONTENT.handshake, CONTENT.applicationData];
