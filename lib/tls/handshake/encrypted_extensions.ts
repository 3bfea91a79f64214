/** EncryptedExtensions (RFC 8446 4.3.1): what the server answers that the keys need not. @module */

import { Reader, Writer } from "../../bytes/mod.ts";
import { TlsFailure } from "../alert.ts";
import {
  encodeNumber,
  EXTENSION,
  type Extensions,
  FLAG,
  hasFlag,
  maxFragmentLengthIn,
  numbers,
  read,
  readExtensions,
  recordSizeLimitIn,
} from "./extension.ts";
import { notOffered } from "./server_hello.ts";

/** The fields that take part in anything here. */
export interface EncryptedExtensions {
  /** The name that was asked for took part in the choice (RFC 6066 3). */
  readonly serverName: boolean;
  /** Bytes of inner plaintext, its type included, that the server takes in one record (RFC 8449 4). */
  readonly recordSizeLimit?: number;
  /** The client's code, agreed to (RFC 6066 4). */
  readonly maxFragmentLength?: number;
  /** What the server would rather have for another time (RFC 8446 4.2.7). */
  readonly supportedGroups?: readonly number[];
}

/** The message's body. */
export function encodeEncryptedExtensions(message: EncryptedExtensions): Uint8Array {
  const block = new Writer();
  const write = (type: number, body: Uint8Array) => block.u16(type).vector16(body);
  if (message.serverName) write(EXTENSION.serverName, FLAG);
  if (message.recordSizeLimit !== undefined) write(EXTENSION.recordSizeLimit, encodeNumber(message.recordSizeLimit));
  if (message.maxFragmentLength !== undefined) {
    write(EXTENSION.maxFragmentLength, Uint8Array.of(message.maxFragmentLength));
  }
  return new Writer().vector16(block.done()).done();
}

/**
 * Throws `malformed`: for an extension that belongs into another message illegal_parameter, for one that nobody here
 * ever offers unsupported_extension (RFC 8446 4.2). Whether the others were offered is for the client to check.
 */
export function decodeEncryptedExtensions(body: Uint8Array): EncryptedExtensions {
  // Unlike in hellos the block is always there.
  if (body.length === 0) new Reader(body).vector16();
  const extensions = readExtensions(new Reader(body));
  for (const type of extensions.keys()) check(type);
  const recordSizeLimit = recordSizeLimitIn(extensions);
  const maxFragmentLength = maxFragmentLengthIn(extensions);
  const supportedGroups = groupsIn(extensions);
  return {
    serverName: hasFlag(extensions, EXTENSION.serverName),
    ...(recordSizeLimit !== undefined && { recordSizeLimit }),
    ...(maxFragmentLength !== undefined && { maxFragmentLength }),
    ...(supportedGroups && { supportedGroups }),
  };
}

function groupsIn(extensions: Extensions): readonly number[] | undefined {
  return read(extensions, EXTENSION.supportedGroups, (reader) => numbers(reader.vector16()));
}

function check(type: number): void {
  if (HERE.has(type)) return;
  if (!ELSEWHERE.has(type)) throw notOffered();
  throw new TlsFailure("illegal_parameter", "malformed", "an extension that belongs into another message", {
    clause: "RFC 8446 4.2",
  });
}

const HERE: ReadonlySet<number> = new Set([
  EXTENSION.serverName,
  EXTENSION.recordSizeLimit,
  EXTENSION.maxFragmentLength,
  EXTENSION.supportedGroups,
]);
const ELSEWHERE: ReadonlySet<number> = new Set(
  Object.values(EXTENSION).filter((type) => type !== EXTENSION.earlyData),
);
