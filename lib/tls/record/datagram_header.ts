/** What is authenticated with a record on datagrams, its length apart (RFC 6347 4.1.2.1, RFC 9146 5). @module */

import { CONTENT, DTLS_1_2 } from "./content_type.ts";

/** 0 in the clear; in DTLS 1.2 then 1, in DTLS 1.3 2 for the handshake and 3 and up for data (RFC 9147 6.1). */
export type Epoch = number;

/** Records of one direction after the change of keys. */
export class DatagramHeader {
  readonly #bytes: Uint8Array;
  readonly #numberAt: number;

  /** `connectionId` is what the receiver chose; none where it is empty. */
  constructor(connectionId: Uint8Array) {
    if (connectionId.length === 0) {
      this.#bytes = new Uint8Array(PLAIN_LENGTH);
      this.#bytes[9] = DTLS_1_2 >> 8;
      this.#bytes[10] = DTLS_1_2 & 0xff;
      this.#numberAt = 0;
      return;
    }
    this.#bytes = new Uint8Array(NUMBER_BEHIND_PLACEHOLDER + 8 + connectionId.length);
    this.#bytes.fill(0xff, 0, 8);
    const { connectionId: type } = CONTENT;
    this.#bytes.set([type, connectionId.length, type, DTLS_1_2 >> 8, DTLS_1_2 & 0xff], 8);
    this.#bytes.set(connectionId, NUMBER_BEHIND_PLACEHOLDER + 8);
    this.#numberAt = NUMBER_BEHIND_PLACEHOLDER;
  }

  /** Of the record with `number` in epoch 1: valid until the next call. With a Connection ID, `type` is inside the record. */
  of(type: number, number: number): Uint8Array {
    writeNumber(this.#bytes, this.#numberAt, 1, number);
    if (this.#numberAt === 0) this.#bytes[8] = type;
    return this.#bytes;
  }
}

/** Where the 8 bytes of epoch and number stand in `header`. */
export function numberAt(header: Uint8Array): number {
  return header.length === PLAIN_LENGTH ? 0 : NUMBER_BEHIND_PLACEHOLDER;
}

/** Writes epoch (2) and number (6). */
export function writeNumber(out: Uint8Array, at: number, epoch: Epoch, number: number): void {
  out[at] = 0;
  out[at + 1] = epoch;
  for (let i = at + 7, left = number; i >= at + 2; i--, left = Math.floor(left / 256)) out[i] = left % 256;
}

/** number (8), type (1), version (2). */
const PLAIN_LENGTH = 11;
/** placeholder (8), type (1), length of the Connection ID (1), type (1), version (2); no Connection ID of none is used. */
const NUMBER_BEHIND_PLACEHOLDER = 13;
