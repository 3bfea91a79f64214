/** What goes out on a stream: cut into records, protected, gathered in one buffer. @module */

import { SeccfError } from "../../error.ts";
import { roomFor } from "../backlog.ts";
import { KEEP_BUFFER, MAX_PLAINTEXT } from "../limits.ts";
import { RECORD_HEADER_LENGTH, TLS_1_2 } from "./content_type.ts";
import type { Protection } from "./protection.ts";
import { RecordSequence } from "./sequence.ts";

/** The sending half of a connection's record layer. */
export class RecordWriter {
  #buffer: Uint8Array = NOTHING;
  #length = 0;
  #protection: Protection | undefined;
  #sequence = new RecordSequence(TLS_1_2);

  /** From now on under `protection`, which is this writer's to dispose; numbers begin again. */
  protect(protection: Protection): void {
    if (this.#protection) throw new SeccfError("state", "there is no second change of keys");
    this.#protection = protection;
    this.#sequence = new RecordSequence(TLS_1_2);
  }

  /** Adds `plaintext` in as few records as possible; no bytes, no record. Throws `exhausted`. */
  write(type: number, plaintext: Uint8Array): void {
    const records = Math.ceil(plaintext.length / MAX_PLAINTEXT);
    const each = RECORD_HEADER_LENGTH + (this.#protection?.overhead ?? 0);
    this.#reserve(this.#length + plaintext.length + records * each);
    for (let at = 0; at < plaintext.length; at += MAX_PLAINTEXT) {
      this.#record(type, plaintext.subarray(at, at + MAX_PLAINTEXT));
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
  }

  #record(type: number, plaintext: Uint8Array): void {
    const record = this.#buffer.subarray(this.#length);
    const body = record.subarray(RECORD_HEADER_LENGTH);
    let length = plaintext.length;
    if (this.#protection) length = this.#protection.sealInto(this.#sequence.next(type), plaintext, body);
    else body.set(plaintext);
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
