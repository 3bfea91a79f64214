/** BER-TLV with one-byte tags, as EF_DIR and EF_GBANL use it (ISO/IEC 8825-1). @module */

import { concat, Reader } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";

/** One object; the value shares the bytes it was read from. */
export interface Tlv {
  /** One octet; never 00 or FF, which {@link readTlvs} takes for padding. */
  readonly tag: number;
  /** At most 65535 bytes. */
  readonly value: Uint8Array;
}

/** The objects in `bytes`, up to the padding of FF or 00 behind the last. Throws `malformed`. */
export function readTlvs(bytes: Uint8Array): Tlv[] {
  const reader = new Reader(bytes);
  const objects: Tlv[] = [];
  while (reader.remaining > 0) {
    const tag = reader.u8();
    if (tag === 0xff || tag === 0x00) break;
    objects.push({ tag, value: reader.take(readLength(reader)) });
  }
  return objects;
}

/** One object; a value of more than 65535 bytes is a RangeError. */
export function tlv(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const value = concat(...parts);
  const { length } = value;
  if (length > 0xffff) throw new RangeError("a value of more than 65535 bytes");
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return concat(Uint8Array.of(tag, ...head), value);
}

function readLength(reader: Reader): number {
  const first = reader.u8();
  if (first < 0x80) return first;
  if (first === 0x81) return reader.u8();
  if (first === 0x82) return reader.u16();
  throw new SeccfError("malformed", "a length of this form is not used on a card", { clause: "ISO/IEC 8825-1 8.1.3" });
}
