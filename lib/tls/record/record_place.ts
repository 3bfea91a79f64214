/** Where one record stands in a datagram: numbers and no views, so that looking costs nothing (RFC 6347 4.1, RFC 9146 4, RFC 9147 4). @module */

import { CONTENT, DATAGRAM_HEADER_LENGTH } from "./content_type.ts";
import { isUnified, placeUnified } from "./unified_header.ts";

/** One record; whoever looks for the next has it overwritten. */
export class RecordPlace {
  /** Where it begins, where what is sealed begins, and where it ends. */
  at = 0;
  bodyAt = 0;
  end = 0;
  /** Whether it has the header of DTLS 1.3. */
  isUnified = false;
  /** Whether it says whom it is for, and where. */
  hasId = false;
  idAt = 0;
  /** Not of a unified header. */
  type = 0;
  version = 0;
  /** Of a unified header, the two low bits. */
  epoch = 0;
  /** 0 to 2^48 - 1; not of a unified header, where it is hidden. */
  number = 0;
  /** Of a unified header: where the number stands, and how many bytes it has. */
  numberAt = 0;
  numberLength: 1 | 2 = 2;
}

/**
 * Whether there is a record at `at` that ends within the first `length` bytes; else what follows can not be found either.
 * Where it names its receiver, it does so by `idLength` bytes.
 */
export function findRecord(
  bytes: Uint8Array,
  at: number,
  length: number,
  idLength: number,
  place: RecordPlace,
): boolean {
  place.at = at;
  place.isUnified = isUnified(bytes[at]!);
  return place.isUnified
    ? placeUnified(bytes, at, length, idLength, place)
    : placePlain(bytes, at, length, idLength, place);
}

/** Whether `place` names its receiver by `id`, as `keyOf` writes it. */
export function isNamed(bytes: Uint8Array, { hasId, idAt }: RecordPlace, id: string): boolean {
  if (!hasId) return false;
  for (let i = 0; i < id.length; i++) if (bytes[idAt + i] !== id.charCodeAt(i)) return false;
  return true;
}

function placePlain(bytes: Uint8Array, at: number, length: number, idLength: number, place: RecordPlace): boolean {
  place.type = bytes[at]!;
  place.hasId = place.type === CONTENT.connectionId;
  place.idAt = at + 11;
  place.bodyAt = at + DATAGRAM_HEADER_LENGTH + (place.hasId ? idLength : 0);
  if (place.bodyAt > length) return false;
  place.end = place.bodyAt + u16(bytes, place.bodyAt - 2);
  place.version = u16(bytes, at + 1);
  place.epoch = u16(bytes, at + 3);
  const high = u16(bytes, at + 5);
  const low = (u16(bytes, at + 7) << 16) | u16(bytes, at + 9);
  // Apart, so that a small integer stays one: others are objects.
  if (high === 0 && low >= 0) place.number = low;
  else place.number = high * 0x100000000 + (low >>> 0);
  return place.end <= length;
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}
