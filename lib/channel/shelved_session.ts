/**
 * What is sealed of a session: an engine's state, how long it may live, and where it was.
 *
 * `version (1), seconds left (4), end on the wall clock in seconds (5), place, state`
 *
 * @module
 */

import { concat, fromUtf8, Reader, toUtf8, Writer } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";

/** The parts. */
export interface ShelvedSession {
  /** Seconds that were left when it was written. */
  readonly left: number;
  /** Seconds since 1970. */
  readonly expiresAtWall: number;
  /** `host:port`, at most 254 bytes; empty where it does not matter. */
  readonly place: string;
  readonly state: Uint8Array;
}

/** The bytes, keys included: the caller wipes them. */
export function encodeShelved({ left, expiresAtWall, place, state }: ShelvedSession): Uint8Array {
  const writer = new Writer().u8(VERSION).u32(left);
  writer.u8(Math.floor(expiresAtWall / 0x100000000)).u32(expiresAtWall % 0x100000000);
  const ipv4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3}):(\d{1,5})$/.exec(place)?.slice(1).map(Number);
  if (ipv4?.join() === place.split(/[.:]/).join() && ipv4.every((part, i) => part <= (i < 4 ? 255 : 65_535))) {
    writer.u8(IPV4).bytes(Uint8Array.from(ipv4.slice(0, 4))).u16(ipv4[4]!);
  } else {
    const text = toUtf8(place);
    if (text.length >= IPV4) throw new RangeError("a place has 254 bytes at most");
    writer.vector8(text);
  }
  return concat(writer.done(), state);
}

/** The parts; `state` is a view. Throws `malformed` for what {@link encodeShelved} did not write. */
export function decodeShelved(bytes: Uint8Array): ShelvedSession {
  const reader = new Reader(bytes);
  if (reader.u8() !== VERSION) throw new SeccfError("unsupported", "a session kept by another version");
  const left = reader.u32();
  const expiresAtWall = reader.u8() * 0x100000000 + reader.u32();
  const length = reader.u8();
  const place = length === IPV4 ? `${reader.take(4).join(".")}:${reader.u16()}` : fromUtf8(reader.take(length));
  return { left, expiresAtWall, place, state: reader.rest() };
}

const VERSION = 1;
/** Stands for a length: four bytes of address and two of port follow, as most places have them. */
const IPV4 = 255;
