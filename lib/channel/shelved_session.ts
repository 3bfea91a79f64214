/**
 * What is sealed of a session: an engine's state, how long it may live, and where it was.
 *
 * `version (1), [base of the counters in 256ths (4)], seconds left (4), end on the wall clock in seconds (5), place, state`; the
 * second version has the base.
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
  /** `host:port`, at most 253 bytes; empty where it does not matter. */
  readonly place: string;
  /** What the session's number 0 is in its own counters, a multiple of 256 below 2^40; missing where it has none. */
  readonly base?: number | undefined;
  readonly state: Uint8Array;
}

/** The bytes, keys included: the caller wipes them. */
export function encodeShelved({ left, expiresAtWall, place, base, state }: ShelvedSession): Uint8Array {
  const writer = new Writer().u8(base === undefined ? VERSION : VERSION_WITH_BASE);
  if (base !== undefined) writer.u32(base / BASE_UNIT);
  writer.u32(left);
  writer.u8(Math.floor(expiresAtWall / 0x100000000)).u32(expiresAtWall % 0x100000000);
  const short = packed(place);
  if (short) return concat(writer.u8(short.length === IPV4_LENGTH ? IPV4 : IPV6).bytes(short).done(), state);
  const text = toUtf8(place);
  if (text.length >= IPV6) throw new RangeError("a place has 253 bytes at most");
  return concat(writer.vector8(text).done(), state);
}

/** The parts; `state` is a view. Throws `malformed` for what {@link encodeShelved} did not write. */
export function decodeShelved(bytes: Uint8Array): ShelvedSession {
  const reader = new Reader(bytes);
  const version = reader.u8();
  if (version !== VERSION && version !== VERSION_WITH_BASE) {
    throw new SeccfError("unsupported", "a session kept by another version");
  }
  const base = version === VERSION ? undefined : reader.u32() * BASE_UNIT;
  const left = reader.u32();
  const expiresAtWall = reader.u8() * 0x100000000 + reader.u32();
  const length = reader.u8();
  const packedLength = length === IPV4 ? IPV4_LENGTH : length === IPV6 ? IPV6_LENGTH : undefined;
  const place = packedLength ? unpacked(reader.take(packedLength)) : fromUtf8(reader.take(length));
  return { left, expiresAtWall, place, ...(base !== undefined && { base }), state: reader.rest() };
}

/** Address and port of what {@link unpacked} writes just so; `undefined` for anything else. */
function packed(place: string): Uint8Array | undefined {
  const port = Number(place.slice(place.lastIndexOf(":") + 1));
  const host = place.startsWith("[")
    ? groupsOf(place.slice(1, place.indexOf("]")))
    : place.split(/[.:]/, 4).map(Number);
  if (!host || !(port <= 0xffff) || (host.length !== 4 && host.length !== 8)) return undefined;
  const [most, width] = host.length === 4 ? [0xff, 1] : [0xffff, 2];
  if (!host.every((part) => Number.isInteger(part) && part >= 0 && part <= most)) return undefined;
  const writer = new Writer();
  for (const part of host) width === 1 ? writer.u8(part) : writer.u16(part);
  const bytes = writer.u16(port).done();
  return unpacked(bytes) === place ? bytes : undefined;
}

/** The eight groups of an address of IPv6. */
function groupsOf(host: string): number[] | undefined {
  const [before, after, ...more] = host.split("::").map((part) => part === "" ? [] : part.split(":"));
  if (!before || more.length > 0) return undefined;
  const missing = 8 - before.length - (after?.length ?? 0);
  if (missing < 0) return undefined;
  return [...before, ...new Array<string>(after ? missing : 0).fill("0"), ...after ?? []].map((part) =>
    parseInt(part, 16)
  );
}

/** `host:port`, IPv6 as RFC 5952 has it. */
function unpacked(bytes: Uint8Array): string {
  const reader = new Reader(bytes);
  if (bytes.length === IPV4_LENGTH) return `${reader.take(4).join(".")}:${reader.u16()}`;
  const whole = `:${Array.from({ length: 8 }, () => reader.u16().toString(16)).join(":")}:`;
  // The longest run of zeros, the first of two alike, but never of one group.
  const runs = whole.match(/:(?:0:){2,}/g) ?? [];
  const longest = runs.reduce((best, run) => run.length > best.length ? run : best, "");
  const text = longest === "" ? whole : whole.replace(longest, "::");
  const host = text.startsWith("::") ? text : text.slice(1);
  return `[${host.endsWith("::") ? host : host.slice(0, -1)}]:${reader.u16()}`;
}

const VERSION = 1;
const VERSION_WITH_BASE = 2;
/** Bases are multiples of it. */
export const BASE_UNIT = 256;
/** Stands for a length: so many bytes of address and port follow, as most places have them. */
const IPV4 = 255;
const IPV4_LENGTH = 6;
/** The same. */
const IPV6 = 254;
const IPV6_LENGTH = 18;
