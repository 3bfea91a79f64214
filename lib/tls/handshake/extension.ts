/** The block of extensions at the end of a hello (RFC 5246 7.4.1.4). @module */

import { SeccfError } from "../../error.ts";
import { Reader, Writer } from "../../bytes/mod.ts";
import { MAX_EXTENSIONS } from "../limits.ts";
import { TlsFailure } from "../alert.ts";

/** Numbers of the extensions that mean something here. */
export const EXTENSION = {
  serverName: 0,
  maxFragmentLength: 1,
  supportedGroups: 10,
  pointFormats: 11,
  encryptThenMac: 22,
  extendedMasterSecret: 23,
  recordSizeLimit: 28,
  sessionTicket: 35,
  preSharedKey: 41,
  earlyData: 42,
  supportedVersions: 43,
  cookie: 44,
  pskKeyExchangeModes: 45,
  keyShare: 51,
  connectionId: 54,
  returnRoutability: 61,
  renegotiationInfo: 0xff01,
} as const;

/** Bodies by number. */
export type Extensions = ReadonlyMap<number, Uint8Array>;

/** Writes the block, or nothing when there is no extension. */
export function writeExtensions(writer: Writer, extensions: Extensions): void {
  if (extensions.size === 0) return;
  const block = new Writer();
  for (const [type, body] of extensions) block.u16(type).vector16(body);
  writer.vector16(block.done());
}

/** Reads the rest of a hello: a block, or nothing. Throws `malformed`, also for one extension twice, and `too-large`. */
export function readExtensions(reader: Reader): Extensions {
  const extensions = new Map<number, Uint8Array>();
  if (reader.remaining === 0) return extensions;
  const block = new Reader(reader.vector16());
  reader.end();
  while (block.remaining > 0) {
    const type = block.u16();
    const body = block.vector16();
    if (extensions.has(type)) {
      throw new TlsFailure("illegal_parameter", "malformed", "one extension twice", { clause: "RFC 5246 7.4.1.4" });
    }
    extensions.set(type, body);
    if (extensions.size > MAX_EXTENSIONS) {
      throw new TlsFailure("illegal_parameter", "too-large", "too many extensions");
    }
  }
  return extensions;
}

/** Whether an extension that says all by being there is there; `malformed` if it has a body. */
export function hasFlag(extensions: Extensions, type: number): boolean {
  const body = extensions.get(type);
  if (body !== undefined && body.length !== 0) throw new SeccfError("malformed", "a flag extension with a body");
  return body !== undefined;
}

/**
 * Whether `renegotiation_info` is there, as a first handshake has it (RFC 5746 3.4, 3.6): empty. One that claims an
 * earlier handshake is somebody splicing two connections together.
 */
export function hasRenegotiationInfo(extensions: Extensions): boolean {
  const body = extensions.get(EXTENSION.renegotiationInfo);
  if (body === undefined) return false;
  const reader = new Reader(body);
  const earlier = reader.vector8();
  reader.end();
  if (earlier.length !== 0) {
    throw new TlsFailure("handshake_failure", "malformed", "a first handshake that claims to be a second", {
      clause: "RFC 5746 3.6",
    });
  }
  return true;
}

/** The Connection ID that the other side wants to receive (RFC 9146 3), or `undefined` where it says nothing of one. */
export function connectionIdIn(extensions: Extensions): Uint8Array | undefined {
  return read(extensions, EXTENSION.connectionId, (reader) => reader.vector8());
}

/** The body of an empty `renegotiation_info`. */
export const NO_RENEGOTIATION: Uint8Array = Uint8Array.of(0);

/** The body of an extension that says all by being there. */
export const FLAG: Uint8Array = new Uint8Array(0);

/** The body of an extension that is one number of two bytes. */
export function encodeNumber(value: number): Uint8Array {
  return new Writer().u16(value).done();
}

/** That number, or `undefined` where the extension is missing; `malformed` for any other length. */
export function numberIn(extensions: Extensions, type: number): number | undefined {
  return read(extensions, type, (reader) => reader.u16());
}

/** The body of an extension that is a list of numbers of two bytes behind its length. */
export function encodeNumbers(values: readonly number[]): Uint8Array {
  const list = new Writer();
  for (const value of values) list.u16(value);
  return new Writer().vector16(list.done()).done();
}

/** At least one number of two bytes; `malformed` for an odd length. */
export function numbers(list: Uint8Array): number[] {
  if (list.length === 0 || list.length % 2 !== 0) throw new SeccfError("malformed", "a list of no whole numbers");
  const reader = new Reader(list);
  const found: number[] = [];
  while (reader.remaining > 0) found.push(reader.u16());
  return found;
}

/** What `take` reads of the extension's whole body, or `undefined` where it is missing. */
export function read<T>(extensions: Extensions, type: number, take: (reader: Reader) => T): T | undefined {
  const body = extensions.get(type);
  if (body === undefined) return undefined;
  const reader = new Reader(body);
  const found = take(reader);
  reader.end();
  return found;
}

/** The code of RFC 6066 4, 1 to 4 for 512 to 4096 bytes; `undefined` where the extension is missing. */
export function maxFragmentLengthIn(extensions: Extensions): number | undefined {
  const code = read(extensions, EXTENSION.maxFragmentLength, (reader) => reader.u8());
  if (code !== undefined && (code < 1 || code > 4)) {
    throw new TlsFailure("illegal_parameter", "malformed", "a fragment length that does not exist", {
      clause: "RFC 6066 4",
    });
  }
  return code;
}

/** The bytes of plaintext that the other side takes in one record (RFC 8449 4), 64 at least. */
export function recordSizeLimitIn(extensions: Extensions): number | undefined {
  const limit = numberIn(extensions, EXTENSION.recordSizeLimit);
  if (limit !== undefined && limit < 64) {
    throw new TlsFailure("illegal_parameter", "malformed", "a record size limit below 64", { clause: "RFC 8449 4" });
  }
  return limit;
}
