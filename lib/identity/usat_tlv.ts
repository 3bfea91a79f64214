/** COMPREHENSION-TLV data objects, of which toolkit commands are made (TS 101 220 7.1.1), and the BER-TLV around them. @module */

import { concat, Reader } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";

/** One object; the value shares the bytes it was read from. */
export interface ToolkitObject {
  /** 1 to 126, or 1 to 32767 in the long form: without the comprehension flag. */
  readonly tag: number;
  /** Whether a command must be refused by who does not know this object. */
  readonly required: boolean;
  /** At most 65535 bytes. */
  readonly value: Uint8Array;
}

/** The objects in `bytes`, to its end. Throws `malformed`, also for more than {@link MOST_OBJECTS}. */
export function readToolkitObjects(bytes: Uint8Array): ToolkitObject[] {
  const reader = new Reader(bytes);
  const objects: ToolkitObject[] = [];
  while (reader.remaining > 0) {
    if (objects.length === MOST_OBJECTS) throw malformed("more objects than a command has");
    const first = reader.u8();
    const long = first === 0x7f ? reader.u16() : undefined;
    const flagged = long ?? (first << 8);
    const tag = long === undefined ? first & 0x7f : long & 0x7fff;
    if (tag === 0 || (long === undefined && tag === 0x7f)) throw malformed("a tag that is not used");
    objects.push({ tag, required: (flagged & 0x8000) !== 0, value: reader.take(readLength(reader)) });
  }
  return objects;
}

/** One object. RangeError for a tag or a length that there is not. */
export function toolkitObject(tag: number, required: boolean, ...parts: readonly Uint8Array[]): Uint8Array {
  if (!Number.isInteger(tag) || tag < 1 || tag > 0x7fff) throw new RangeError("a tag of 1 to 32767");
  const value = concat(...parts);
  const flag = required ? 0x80 : 0;
  const head = tag < 0x7f ? [tag | flag] : [0x7f, (tag >> 8) | flag, tag & 255];
  return concat(Uint8Array.from([...head, ...lengthBytes(value.length)]), value);
}

/** The value of the one object of this BER-TLV tag that `bytes` are. Throws `malformed`. */
export function readTemplate(bytes: Uint8Array, tag: number): Uint8Array {
  const reader = new Reader(bytes);
  if (reader.u8() !== tag) throw malformed("another template than the one that stands here");
  const value = reader.take(readLength(reader));
  reader.end();
  return value;
}

/** The one object of this BER-TLV tag. */
export function template(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const value = concat(...parts);
  return concat(Uint8Array.from([tag, ...lengthBytes(value.length)]), value);
}

function readLength(reader: Reader): number {
  const first = reader.u8();
  if (first < 0x80) return first;
  if (first === 0x81) return reader.u8();
  if (first === 0x82) return reader.u16();
  throw malformed("a length of this form is not used");
}

/** The shortest form. */
function lengthBytes(length: number): number[] {
  if (length > 0xffff) throw new RangeError("a value of more than 65535 bytes");
  return length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 255];
}

function malformed(message: string): SeccfError {
  return new SeccfError("malformed", message, { clause: "TS 101 220 7.1.1" });
}

const MOST_OBJECTS = 64;
