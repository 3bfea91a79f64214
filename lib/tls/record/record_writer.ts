/** What goes out on a stream: cut into records, protected, gathered in one buffer. @module */

import { SeccfError } from "../../error.ts";
import { MAX_PLAINTEXT } from "../limits.ts";
import { RECORD_HEADER_LENGTH, TLS_1_2 } from "./content_type.ts";
import type { InnerProtection } from "./inner_protection.ts";
import { type Pad, returnPad, type Transmit, widerPad } from "./pad.ts";
import type { Protection } from "./protection.ts";
import { RecordSequence } from "./sequence.ts";

/** The sending half of a connection's record layer. */
export class RecordWriter {
  /** From the first record on until all is out. */
  #pad: Pad | undefined;
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
    this.#pad = widerPad(this.#pad, plaintext.length + RECORD_HEADER_LENGTH, "out");
    writeClear(this.#pad, type, plaintext);
  }

  /** Adds `plaintext` in as few records as possible; no bytes, no record. Throws `exhausted`. */
  write(type: number, plaintext: Uint8Array): void {
    // RFC 8449 4 limits what is protected; RFC 6066 4 all, but has no size below this.
    const most = this.#protection || this.#inner ? this.#most : Math.max(this.#most, 512);
    const records = Math.ceil(plaintext.length / most);
    const each = RECORD_HEADER_LENGTH + (this.#inner?.overhead ?? this.#protection?.overhead ?? 0);
    const pad = this.#pad = widerPad(this.#pad, plaintext.length + records * each, "out");
    if (plaintext.length <= most) {
      if (plaintext.length > 0) this.#record(pad, type, plaintext);
      return;
    }
    for (let at = 0; at < plaintext.length; at += most) this.#record(pad, type, plaintext.subarray(at, at + most));
  }

  /** Whether something was written that is not out. */
  get isWaiting(): boolean {
    return this.#pad !== undefined && this.#pad.used > 0;
  }

  /** All that was written since the last call, or `undefined`; it stays until the next `write` or `trim`. */
  poll(): Transmit | undefined {
    const pad = this.#pad;
    if (!pad || pad.used === 0) return undefined;
    const view = pad.view(0, pad.used);
    pad.used = 0;
    return pad.transmit(view);
  }

  /** Gives back the memory of what is out. */
  trim(): void {
    if (!this.#pad || this.isWaiting) return;
    returnPad(this.#pad);
    this.#pad = undefined;
  }

  /** Wipes the key. */
  [Symbol.dispose](): void {
    this.#protection?.[Symbol.dispose]();
    this.#inner?.[Symbol.dispose]();
  }

  #record(pad: Pad, type: number, plaintext: Uint8Array): void {
    const at = pad.used;
    const bodyAt = at + RECORD_HEADER_LENGTH;
    if (this.#inner) {
      pad.bytes.set(plaintext, bodyAt);
      pad.used += this.#inner.seal(type, pad, at, plaintext.length);
    } else if (this.#protection) {
      pad.bytes.set(plaintext, bodyAt + this.#protection.lead);
      frame(pad, type, this.#protection.seal(this.#sequence.next(type), pad, bodyAt, plaintext.length));
    } else {
      writeClear(pad, type, plaintext);
    }
  }
}

function writeClear(pad: Pad, type: number, plaintext: Uint8Array): void {
  pad.bytes.set(plaintext, pad.used + RECORD_HEADER_LENGTH);
  frame(pad, type, plaintext.length);
}

/** The header of the record whose body of `length` bytes is written already. */
function frame(pad: Pad, type: number, length: number): void {
  const { bytes, used: at } = pad;
  bytes[at] = type;
  bytes[at + 1] = TLS_1_2 >> 8;
  bytes[at + 2] = TLS_1_2 & 0xff;
  bytes[at + 3] = length >> 8;
  bytes[at + 4] = length;
  pad.used += RECORD_HEADER_LENGTH + length;
}
