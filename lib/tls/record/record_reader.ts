/** What comes in on a stream: whole records found in any pieces, checked and opened. @module */

import { SeccfError } from "../../error.ts";
import { TlsFailure } from "../alert.ts";
import { Backlog, roomFor } from "../backlog.ts";
import { KEEP_BUFFER, MAX_EARLY_PLAINTEXT, MAX_PLAINTEXT } from "../limits.ts";
import { CONTENT, RECORD_HEADER_LENGTH, TLS_1_2 } from "./content_type.ts";
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
  #plaintext: Uint8Array = NOTHING;
  #plaintextLength = 0;
  #protection: Protection | undefined;
  #sequence = new RecordSequence(TLS_1_2);
  #longest = MAX_EARLY_PLAINTEXT;
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
    this.#longest = MAX_PLAINTEXT;
  }

  /** From the next record on under `protection`, which is this reader's to dispose; numbers begin again. */
  protect(protection: Protection): void {
    if (this.#protection) throw new SeccfError("state", "there is no second change of keys");
    this.#protection = protection;
    this.#sequence = new RecordSequence(TLS_1_2);
  }

  /** Adds what came. All payloads handed out before are overwritten. */
  push(bytes: Uint8Array): void {
    this.#backlog.push(bytes);
    this.#plaintextLength = 0;
  }

  /**
   * The next record, if all of it is there. Throws what ends the connection: a type or version that does not exist, a
   * length beyond the limit as soon as it is claimed, and `auth-failed` for a record that the key does not open.
   */
  next(): TlsRecord | undefined {
    const backlog = this.#backlog;
    if (backlog.size < RECORD_HEADER_LENGTH) return undefined;
    const type = backlog.at(0);
    this.#checkHeader(type, (backlog.at(1) << 8) | backlog.at(2));
    const length = (backlog.at(3) << 8) | backlog.at(4);
    if (length > this.#longest + (this.#protection?.overhead ?? 0)) throw tooLong();
    if (backlog.size < RECORD_HEADER_LENGTH + length) return undefined;
    const body = backlog.take(RECORD_HEADER_LENGTH + length).subarray(RECORD_HEADER_LENGTH);
    this.#record.type = type;
    this.#record.payload = this.#protection ? this.#open(this.#protection, type, body) : body;
    return this.#record;
  }

  /** Copies what waits, so that nothing of the caller's is held any longer. */
  settle(): void {
    this.#backlog.settle();
  }

  /** Gives back a large buffer; payloads already handed out stay as they are. */
  trim(): void {
    if (this.#plaintext.length > KEEP_BUFFER) this.#plaintext = NOTHING;
  }

  /** Wipes the key and what waits. */
  [Symbol.dispose](): void {
    this.#protection?.[Symbol.dispose]();
    this.#backlog.clear();
  }

  #checkHeader(type: number, version: number): void {
    if (type < CONTENT.changeCipherSpec || type > CONTENT.applicationData) {
      throw new TlsFailure("unexpected_message", "malformed", "a record of no known type", { clause: "RFC 5246 6" });
    }
    if (version === TLS_1_2) return;
    if (version >> 8 === TLS_1_2 >> 8 && this.#anyVersion.includes(type)) return;
    throw new TlsFailure("protocol_version", "unsupported", "a record of another version", { clause: "RFC 5246 E.1" });
  }

  #open(protection: Protection, type: number, sealed: Uint8Array): Uint8Array {
    const out = this.#room(sealed.length);
    const length = protection.openInto(this.#sequence.next(type), sealed, out);
    if (length < 0) {
      throw new TlsFailure("bad_record_mac", "auth-failed", "a record that the key does not open", {
        clause: "RFC 5246 7.2.2",
      });
    }
    if (length > this.#longest) throw tooLong();
    this.#plaintextLength += length;
    return out.subarray(0, length);
  }

  /** Where the next plaintext goes: behind the last, or in a buffer that has room for all that waits. */
  #room(length: number): Uint8Array {
    if (this.#plaintext.length - this.#plaintextLength < length) {
      this.#plaintext = new Uint8Array(roomFor(length + this.#backlog.size));
      this.#plaintextLength = 0;
    }
    return this.#plaintext.subarray(this.#plaintextLength);
  }
}

function tooLong(): TlsFailure {
  return new TlsFailure("record_overflow", "too-large", "a record beyond the limit", { clause: "RFC 5246 6.2.3" });
}

const NOTHING: Uint8Array = new Uint8Array(0);
