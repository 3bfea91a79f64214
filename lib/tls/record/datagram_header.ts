/** What is authenticated with a record on datagrams, its length apart (RFC 6347 4.1.2.1, RFC 9146 5). @module */

import { writeKey } from "../key_of.ts";
import { CONTENT, DTLS_1_2 } from "./content_type.ts";
import { scratch } from "./scratch.ts";

/** 0 in the clear; in DTLS 1.2 then 1, in DTLS 1.3 2 for the handshake and 3 and up for data (RFC 9147 6.1). */
export type Epoch = number;

/**
 * Of the record with `number` in epoch 1: valid until the next call, whosever that is. `connectionId` is what the receiver
 * chose, none where it is empty; with one, `type` is inside the record.
 */
export function headerOf(connectionId: string, type: number, number: number): Uint8Array {
  const { length } = connectionId;
  if (length === 0) {
    const header = scratch(PLAIN_LENGTH);
    writeNumber(header, 0, 1, number);
    header[8] = type;
    header[9] = DTLS_1_2 >> 8;
    header[10] = DTLS_1_2 & 0xff;
    return header;
  }
  const header = scratch(NUMBER_BEHIND_PLACEHOLDER + 8 + length);
  header.fill(0xff, 0, 8);
  header[8] = header[10] = CONTENT.connectionId;
  header[9] = length;
  header[11] = DTLS_1_2 >> 8;
  header[12] = DTLS_1_2 & 0xff;
  writeNumber(header, NUMBER_BEHIND_PLACEHOLDER, 1, number);
  writeKey(connectionId, header, NUMBER_BEHIND_PLACEHOLDER + 8);
  return header;
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
