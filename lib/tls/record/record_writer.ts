/** What goes out on a stream: cut into records, protected, gathered in one buffer. @module */

import { SeccfError } from "../../error.ts";
import { roomFor } from "../backlog.ts";
import { KEEP_BUFFER, MAX_PLAINTEXT } from "../limits.ts";
import { RECORD_HEADER_LENGTH, TLS_1_2 } from "./content_type.ts";
import type { InnerProtection } from "./inner_protection.ts";
import type { Protection } from "./protection.ts";
import { RecordSequence } from "./sequence.ts";

/** The sending half of a connection's record layer. */
export class RecordWriter {
  #buffer: Uint8Array = NOTHING;
  #length = 0;
  #most = MAX_PLAINTEXT;
  #protection: Protection | undefined;
  #sequence = new RecordSequence(TLS_1_2);
  /** Version 1.3, and then there is no other. */
  #inner: InnerProtection | undefined;

  /** From now on under `protection`, which is this writer's to dispose; numbers begin again. */
  protect(protection: Protection): void {
    if (this.#protection) throw new SeccfError("state", "there is no second change of keys");
    this.#protection = protection;
    this.#sequence = new RecordSequence(TLS_1_2);
  }

  /** Version 1.3: from now on under `protection`, which is this writer's to dispose, as the one before it was. */
  protectInner(protection: InnerProtection): void {
    this.#inner?.[Symbol.dispose]();
    this.#inner = protection;
  }

  /** From now on no record has more than `length` bytes of content; those in the clear are not cut below 512. */
  limit(length: number): void {
    this.#most = length;
  }

  /** Version 1.3: records under the key in force. */
  get count(): number {
    return this.#inner?.count ?? 0;
  }

  /** Adds a record in the clear, whatever key is in force. */
  writeClear(type: number, plaintext: Uint8Array): void {
    this.#reserve(this.#length + plaintext.length + RECORD_HEADER_LENGTH);
    const record = this.#buffer.subarray(this.#length);
    record.set(plaintext, RECORD_HEADER_LENGTH);
    this.#frame(record, type, plaintext.length);
  }

  /** Adds `plaintext` in as few records as possible; no bytes, no record. Throws `exhausted`. */
  write(type: number, plaintext: Uint8Array): void {
    // RFC 8449 4 limits what is protected; RFC 6066 4 all, but has no size below this.
    const most = this.#protection || this.#inner ? this.#most : Math.max(this.#most, 512);
    const records = Math.ceil(plaintext.length / most);
    const each = RECORD_HEADER_LENGTH + (this.#inner?.overhead ?? this.#protection?.overhead ?? 0);
    this.#reserve(this.#length + plaintext.length + records * each);
    for (let at = 0; at < plaintext.length; at += most) {
      this.#record(type, plaintext.subarray(at, at + most));
    }
  }

  /** All that was written since the last call, or `undefined`: a view that the next `write` overwrites. */
  take(): Uint8Array | undefined {
    if (this.#length === 0) return undefined;
    const view = this.#buffer.subarray(0, this.#length);
    this.#length = 0;
    return view;
  }

  /** Gives back a large buffer; views already taken stay as they are. */
  trim(): void {
    if (this.#length === 0 && this.#buffer.length > KEEP_BUFFER) this.#buffer = NOTHING;
  }

  /** Wipes the key. */
  [Symbol.dispose](): void {
    this.#protection?.[Symbol.dispose]();
    this.#inner?.[Symbol.dispose]();
  }

  #record(type: number, plaintext: Uint8Array): void {
    const record = this.#buffer.subarray(this.#length);
    if (this.#inner) {
      this.#length += this.#inner.sealInto(type, plaintext, record);
      return;
    }
    const body = record.subarray(RECORD_HEADER_LENGTH);
    let length = plaintext.length;
    if (this.#protection) length = this.#protection.sealInto(this.#sequence.next(type), plaintext, body);
    else body.set(plaintext);
    this.#frame(record, type, length);
  }

  #frame(record: Uint8Array, type: number, length: number): void {
    record[0] = type;
    record[1] = TLS_1_2 >> 8;
    record[2] = TLS_1_2 & 0xff;
    record[3] = length >> 8;
    record[4] = length;
    this.#length += RECORD_HEADER_LENGTH + length;
  }

  #reserve(length: number): void {
    if (this.#buffer.length >= length) return;
    const larger = new Uint8Array(roomFor(length));
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);
