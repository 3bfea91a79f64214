/** The number of the next record under one key, as the MAC and the nonce see it (RFC 5246 6.1). @module */

import { SeccfError } from "../../error.ts";
import { MAX_RECORDS } from "../limits.ts";

/** Counts up from 0 and never comes round. On datagrams the two highest bytes are the epoch (RFC 6347 4.1). */
export class RecordSequence {
  /** sequence number (8), type (1), version (2): the beginning of what is authenticated with every record. */
  readonly #header = new Uint8Array(11);
  #next: number;

  /** `first` is 0 for every key; tests begin nearer to the end, and a server without state where its client is. */
  constructor(version: number, first = 0, epoch = 0) {
    this.#next = first;
    this.#header[0] = epoch >> 8;
    this.#header[1] = epoch;
    this.#header[9] = version >> 8;
    this.#header[10] = version;
  }

  /** The header of the next record, 11 bytes, valid until the next call. Throws `exhausted` when all numbers are used. */
  next(type: number): Uint8Array {
    if (this.#next >= MAX_RECORDS) throw new SeccfError("exhausted", "no record numbers are left under this key");
    const header = this.#header;
    // The two highest of the eight bytes stay as they are: numbers end at 2^48.
    for (let i = 7, left = this.#next; i >= 2; i--, left = Math.floor(left / 256)) header[i] = left % 256;
    header[8] = type;
    this.#next++;
    return header;
  }
}
