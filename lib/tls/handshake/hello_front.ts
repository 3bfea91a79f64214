/**
 * What a ClientHello says first, which is all that its first piece is sure to hold: RFC 6347 4.2.1 puts the cookie before
 * the lists that make a hello long.
 *
 * @module
 */

import { Reader } from "../../bytes/mod.ts";
import { SeccfError } from "../../error.ts";
import { EXTENSION } from "./extension.ts";

/** The fields up to the cookie, and what is there of those behind it; a whole hello has them too. */
export interface HelloFront {
  readonly version: number;
  /** 32 bytes. */
  readonly random: Uint8Array;
  /** 0 to 32 bytes. */
  readonly sessionId: Uint8Array;
  /** 0 to 255 bytes. */
  readonly cookie?: Uint8Array;
  /** Those that are there. */
  readonly suites: readonly number[];
  /** Missing also where it stands in a later piece. */
  readonly supportedVersions?: readonly number[] | undefined;
  /** Missing also where it stands in a later piece. */
  readonly retryCookie?: Uint8Array;
}

/** Of the first bytes of a ClientHello's body on datagrams. Throws `malformed` where they end before the cookie does. Views. */
export function decodeHelloFront(piece: Uint8Array): HelloFront {
  const reader = new Reader(piece);
  const front = {
    version: reader.u16(),
    random: reader.take(32),
    sessionId: reader.vector8(),
    cookie: reader.vector8(),
  };
  if (front.sessionId.length > 32) throw new SeccfError("malformed", "a session id beyond 32 bytes");
  const suites = listIn(reader);
  const extensions = extensionsIn(reader);
  const versions = extensions.get(EXTENSION.supportedVersions);
  const retryCookie = extensions.get(EXTENSION.cookie);
  return {
    ...front,
    suites,
    ...(versions && { supportedVersions: numbersIn(versions.subarray(1)) }),
    ...(retryCookie && retryCookie.length > 2 && { retryCookie: retryCookie.subarray(2) }),
  };
}

/** Of a list of two-byte numbers behind its two-byte length, those that are there. */
function listIn(reader: Reader): number[] {
  if (reader.remaining < 2) return [];
  const length = reader.u16();
  return numbersIn(reader.take(Math.min(length, reader.remaining)));
}

function numbersIn(bytes: Uint8Array): number[] {
  const numbers: number[] = [];
  for (let at = 0; at + 1 < bytes.length; at += 2) numbers.push((bytes[at]! << 8) | bytes[at + 1]!);
  return numbers;
}

/** The two that count here, where they are whole; what is wrong with one is found where the hello is. */
function extensionsIn(reader: Reader): ReadonlyMap<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  try {
    reader.vector8();
    reader.u16();
    while (reader.remaining > 0) {
      const type = reader.u16();
      const content = reader.vector16();
      if (type === EXTENSION.supportedVersions || type === EXTENSION.cookie) found.set(type, content);
    }
  } catch {
    // Here the piece ends.
  }
  return found;
}
