/** The header of protected records in DTLS 1.3: as short as what both ends know already lets it be (RFC 9147 4). @module */

import { writeKey } from "../key_of.ts";
import type { RecordPlace } from "./record_place.ts";

/** Whether a record that begins with `first` has this header: 001 in the three high bits. */
export function isUnified(first: number): boolean {
  return first >> 5 === 1;
}

/** As `findRecord` has it, for a record with this header. */
export function placeUnified(
  bytes: Uint8Array,
  at: number,
  length: number,
  idLength: number,
  place: RecordPlace,
): boolean {
  const first = bytes[at]!;
  place.hasId = (first & WITH_ID) !== 0;
  place.idAt = at + 1;
  place.epoch = first & EPOCH_BITS;
  place.numberAt = at + 1 + (place.hasId ? idLength : 0);
  place.numberLength = (first & LONG_NUMBER) === 0 ? 1 : 2;
  const lengthAt = place.numberAt + place.numberLength;
  const hasLength = (first & WITH_LENGTH) !== 0;
  place.bodyAt = lengthAt + (hasLength ? 2 : 0);
  if (place.bodyAt > length) return false;
  place.end = hasLength ? place.bodyAt + ((bytes[lengthAt]! << 8) | bytes[lengthAt + 1]!) : length;
  return place.end <= length;
}

/** Bytes of the header that `writeUnifiedHeader` writes. */
export function unifiedHeaderLength(connectionId: string): number {
  return 1 + connectionId.length + 4;
}

/** Writes the header with the longer number, in the clear, and with a length: what every receiver takes at any place. */
export function writeUnifiedHeader(
  out: Uint8Array,
  connectionId: string,
  epoch: number,
  number: number,
  bodyLength: number,
): void {
  out[0] = FIXED_BITS | LONG_NUMBER | WITH_LENGTH | (epoch & EPOCH_BITS) | (connectionId.length > 0 ? WITH_ID : 0);
  writeKey(connectionId, out, 1);
  const at = 1 + connectionId.length;
  // The low bits alone: a number goes beyond what `&` takes.
  const low = number % 0x10000;
  out[at] = low >> 8;
  out[at + 1] = low;
  out[at + 2] = bodyLength >> 8;
  out[at + 3] = bodyLength;
}

/** RFC 9147 4.2.2: the number with these low bits that is nearest to `expected`. */
export function nearestNumber(expected: number, low: number, numberLength: 1 | 2): number {
  const size = numberLength === 1 ? 0x100 : 0x10000;
  const number = expected - (expected % size) + low;
  if (number > expected + size / 2 && number >= size) return number - size;
  return number <= expected - size / 2 ? number + size : number;
}

const FIXED_BITS = 0x20;
const WITH_ID = 0x10;
const LONG_NUMBER = 0x08;
const WITH_LENGTH = 0x04;
const EPOCH_BITS = 0x03;
