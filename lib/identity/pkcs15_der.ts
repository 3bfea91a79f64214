/** The little of DER that a directory on a card is written in (ISO/IEC 8825-1 10): low tags, definite and shortest lengths. @module */

import { Reader } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";

/** One value; it shares the bytes it was read from. */
export interface DerValue {
  /** The identifier octet: class, constructed, and a number below 31. */
  readonly tag: number;
  readonly value: Uint8Array;
}

/** The values in `bytes`, to its end. Throws `malformed`, also for more than {@link MOST_VALUES}. */
export function readDer(bytes: Uint8Array): DerValue[] {
  const reader = new Reader(bytes);
  const values: DerValue[] = [];
  while (reader.remaining > 0) {
    if (values.length === MOST_VALUES) throw malformed("more values than a directory has");
    const tag = reader.u8();
    if ((tag & 0x1f) === 0x1f || tag === 0) throw malformed("a tag that this directory does not use");
    values.push({ tag, value: reader.take(readLength(reader)) });
  }
  return values;
}

/** As {@link readDer}, of a file: behind the last value all is FF, or all is 00. */
export function readDerFile(file: Uint8Array): DerValue[] {
  const filler = file.at(-1);
  if (filler !== 0xff && filler !== 0x00) return readDer(file);
  const reader = new Reader(file);
  let end = 0;
  while (reader.remaining > 0) {
    const tag = reader.u8();
    if (tag === filler) break;
    reader.take(readLength(reader));
    end = reader.offset;
  }
  if (file.subarray(end).some((byte) => byte !== filler)) throw malformed("something behind the end of a directory");
  return readDer(file.subarray(0, end));
}

/** The one value in `bytes`, with this tag. Throws `malformed`. */
export function oneDer(bytes: Uint8Array, tag: number): Uint8Array {
  const [first, ...others] = readDer(bytes);
  if (first?.tag !== tag || others.length > 0) throw malformed("another value than the one that stands here");
  return first.value;
}

/** The dotted form of the content of an OBJECT IDENTIFIER (8.19), at most 32 bytes. Throws `malformed`. */
export function decodeOid(content: Uint8Array): string {
  if (content.length === 0 || content.length > 32) throw malformed("an object identifier of 1 to 32 bytes");
  const arcs: number[] = [];
  let arc = 0;
  let begins = true;
  for (const byte of content) {
    if (begins && byte === 0x80) throw malformed("an arc that is not in its shortest form");
    arc = arc * 128 + (byte & 0x7f);
    if (arc > 0xffffffff) throw malformed("an arc of more than 32 bits");
    begins = byte < 0x80;
    if (!begins) continue;
    arcs.push(arc);
    arc = 0;
  }
  if (!begins) throw malformed("an object identifier that does not end");
  const first = Math.min(2, Math.floor(arcs[0]! / 40));
  return [first, arcs[0]! - 40 * first, ...arcs.slice(1)].join(".");
}

/** The content of a non-negative INTEGER below 2^31. Throws `malformed`. */
export function decodeSmallInteger(content: Uint8Array): number {
  const [first = 0x80, second = 0x80] = content;
  if (content.length > 4 || first >= 0x80 || (first === 0 && content.length > 1 && second < 0x80)) {
    throw malformed("not a small number in its shortest form");
  }
  return content.reduce((number, byte) => number * 256 + byte, 0);
}

function readLength(reader: Reader): number {
  const first = reader.u8();
  if (first < 0x80) return first;
  const length = first === 0x81 ? reader.u8() : first === 0x82 ? reader.u16() : -1;
  if (length < (first === 0x81 ? 0x80 : 0x100)) throw malformed("a length that is not in its shortest form");
  return length;
}

function malformed(message: string): SeccfError {
  return new SeccfError("malformed", message, { clause: "ISO/IEC 8825-1 10.1" });
}

/** Directories name a few objects, those of a hostile card might name thousands. */
const MOST_VALUES = 256;
