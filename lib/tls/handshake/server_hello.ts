/** ServerHello (RFC 5246 7.4.1.3): what the server chose. @module */

import { SeccfError } from "../../error.ts";
import { equal, fromHex, Reader, Writer } from "../../bytes/mod.ts";
import { TlsFailure } from "../alert.ts";
import {
  connectionIdIn,
  encodeNumber,
  EXTENSION,
  type Extensions,
  FLAG,
  hasFlag,
  hasRenegotiationInfo,
  maxFragmentLengthIn,
  NO_RENEGOTIATION,
  numberIn,
  read,
  readExtensions,
  recordSizeLimitIn,
  writeExtensions,
} from "./extension.ts";
import { decodeKeyShare, encodeKeyShare, type KeyShareEntry } from "./key_share.ts";

/** The choice. */
export interface ServerHello {
  readonly version: number;
  /** 32 bytes. */
  readonly random: Uint8Array;
  /** 0 to 32 bytes; empty: not to be resumed. */
  readonly sessionId: Uint8Array;
  readonly suite: number;
  /** The name that was asked for took part in the choice (RFC 6066 3). */
  readonly serverName: boolean;
  readonly extendedMasterSecret: boolean;
  readonly encryptThenMac: boolean;
  readonly renegotiationInfo: boolean;
  /** What the server wants to receive, 0 to 255 bytes; missing: none are used (RFC 9146 3). */
  readonly connectionId?: Uint8Array;
  /** The server may ask whether an address is reachable (RFC 9853 3). */
  readonly returnRoutability?: true;
  /** Bytes of plaintext that the server takes in one record (RFC 8449 4). */
  readonly recordSizeLimit?: number;
  /** The client's code, agreed to (RFC 6066 4). */
  readonly maxFragmentLength?: number;
  /** The point formats of RFC 8422 5.1.2: uncompressed alone. */
  readonly pointFormats?: true;
  /** A ticket will come (RFC 5077 3.2). */
  readonly sessionTicket?: true;
  /** Version 1.3: which, since `version` says 1.2 (RFC 8446 4.2.1). */
  readonly supportedVersion?: number;
  /** Version 1.3: the server's public value (RFC 8446 4.2.8). */
  readonly keyShare?: KeyShareEntry;
  /** HelloRetryRequest: the group of which the server wants a public value. */
  readonly retryGroup?: number;
  /** HelloRetryRequest: what the next hello has to bring, 1 to 65535 bytes (RFC 8446 4.2.2). */
  readonly retryCookie?: Uint8Array;
  /** Version 1.3: which of the client's keys, counted from 0 (RFC 8446 4.2.11). */
  readonly selectedIdentity?: number;
}

/** Whether `random` makes a ServerHello a HelloRetryRequest (RFC 8446 4.1.3). */
export function isRetryRequest({ random }: Pick<ServerHello, "random">): boolean {
  return equal(random, RETRY_RANDOM);
}

/** The random of a HelloRetryRequest: SHA-256 of its name (RFC 8446 4.1.3). */
export const RETRY_RANDOM: Uint8Array = fromHex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c");

/** The message's body. */
export function encodeServerHello(hello: ServerHello): Uint8Array {
  const writer = new Writer().u16(hello.version).bytes(hello.random).vector8(hello.sessionId);
  writer.u16(hello.suite).u8(NULL_COMPRESSION);
  writeExtensions(writer, extensionsOf(hello));
  return writer.done();
}

/**
 * Throws `malformed`; views share memory with `body`. An extension that nobody here ever offers is unsupported_extension
 * (RFC 5246 7.4.1.4); whether the others were offered this time is for the client to check.
 */
export function decodeServerHello(body: Uint8Array): ServerHello {
  const reader = new Reader(body);
  const version = reader.u16();
  const random = reader.take(32);
  const sessionId = reader.vector8();
  if (sessionId.length > 32) throw new SeccfError("malformed", "a session id beyond 32 bytes");
  const suite = reader.u16();
  if (reader.u8() !== NULL_COMPRESSION) {
    throw new TlsFailure("illegal_parameter", "malformed", "a compression that was not offered", {
      clause: "RFC 5246 7.4.1.3",
    });
  }
  const extensions = readExtensions(reader);
  for (const type of extensions.keys()) if (!ANSWERS.has(type)) throw notOffered();
  const connectionId = connectionIdIn(extensions);
  return {
    version,
    random,
    sessionId,
    suite,
    serverName: hasFlag(extensions, EXTENSION.serverName),
    extendedMasterSecret: hasFlag(extensions, EXTENSION.extendedMasterSecret),
    encryptThenMac: hasFlag(extensions, EXTENSION.encryptThenMac),
    renegotiationInfo: hasRenegotiationInfo(extensions),
    ...(connectionId && { connectionId }),
    ...(hasFlag(extensions, EXTENSION.returnRoutability) && { returnRoutability: true }),
    ...(hasFlag(extensions, EXTENSION.sessionTicket) && { sessionTicket: true }),
    ...sizesIn(extensions),
    ...choicesIn(extensions, isRetryRequest({ random })),
  };
}

function sizesIn(extensions: Extensions): Partial<ServerHello> {
  const recordSizeLimit = recordSizeLimitIn(extensions);
  const maxFragmentLength = maxFragmentLengthIn(extensions);
  const formats = read(extensions, EXTENSION.pointFormats, (reader) => reader.vector8());
  if (formats && !formats.includes(UNCOMPRESSED)) {
    throw new TlsFailure("illegal_parameter", "malformed", "a server without uncompressed points", {
      clause: "RFC 8422 5.2",
    });
  }
  return {
    ...(recordSizeLimit !== undefined && { recordSizeLimit }),
    ...(maxFragmentLength !== undefined && { maxFragmentLength }),
    ...(formats && { pointFormats: true }),
  };
}

function choicesIn(extensions: Extensions, isRetry: boolean): Partial<ServerHello> {
  const supportedVersion = numberIn(extensions, EXTENSION.supportedVersions);
  const share = extensions.get(EXTENSION.keyShare);
  const retryCookie = read(extensions, EXTENSION.cookie, (reader) => reader.vector16());
  const selectedIdentity = numberIn(extensions, EXTENSION.preSharedKey);
  return {
    ...(supportedVersion !== undefined && { supportedVersion }),
    ...(share && !isRetry && { keyShare: decodeKeyShare(share) }),
    ...(share && isRetry && { retryGroup: numberIn(extensions, EXTENSION.keyShare)! }),
    ...(retryCookie && { retryCookie }),
    ...(selectedIdentity !== undefined && { selectedIdentity }),
  };
}

/** The failure of a server that answers to what it was not asked. */
export function notOffered(): TlsFailure {
  return new TlsFailure("unsupported_extension", "malformed", "an extension that was not offered", {
    clause: "RFC 5246 7.4.1.4",
  });
}

function extensionsOf(hello: ServerHello): Extensions {
  const extensions = new Map<number, Uint8Array>();
  if (hello.serverName) extensions.set(EXTENSION.serverName, FLAG);
  if (hello.extendedMasterSecret) extensions.set(EXTENSION.extendedMasterSecret, FLAG);
  if (hello.encryptThenMac) extensions.set(EXTENSION.encryptThenMac, FLAG);
  if (hello.renegotiationInfo) extensions.set(EXTENSION.renegotiationInfo, NO_RENEGOTIATION);
  if (hello.connectionId) {
    extensions.set(EXTENSION.connectionId, new Writer().vector8(hello.connectionId).done());
  }
  if (hello.returnRoutability) extensions.set(EXTENSION.returnRoutability, FLAG);
  if (hello.recordSizeLimit !== undefined) {
    extensions.set(EXTENSION.recordSizeLimit, encodeNumber(hello.recordSizeLimit));
  }
  if (hello.maxFragmentLength !== undefined) {
    extensions.set(EXTENSION.maxFragmentLength, Uint8Array.of(hello.maxFragmentLength));
  }
  if (hello.pointFormats) extensions.set(EXTENSION.pointFormats, Uint8Array.of(1, UNCOMPRESSED));
  if (hello.sessionTicket) extensions.set(EXTENSION.sessionTicket, FLAG);
  if (hello.supportedVersion !== undefined) {
    extensions.set(EXTENSION.supportedVersions, encodeNumber(hello.supportedVersion));
  }
  if (hello.keyShare) extensions.set(EXTENSION.keyShare, encodeKeyShare(hello.keyShare));
  if (hello.retryGroup !== undefined) extensions.set(EXTENSION.keyShare, encodeNumber(hello.retryGroup));
  if (hello.retryCookie) extensions.set(EXTENSION.cookie, new Writer().vector16(hello.retryCookie).done());
  if (hello.selectedIdentity !== undefined) {
    extensions.set(EXTENSION.preSharedKey, encodeNumber(hello.selectedIdentity));
  }
  return extensions;
}

const NULL_COMPRESSION = 0;
/** RFC 8422 5.1.2. */
const UNCOMPRESSED = 0;
const ANSWERS: ReadonlySet<number> = new Set([
  EXTENSION.serverName,
  EXTENSION.extendedMasterSecret,
  EXTENSION.encryptThenMac,
  EXTENSION.renegotiationInfo,
  EXTENSION.connectionId,
  EXTENSION.returnRoutability,
  EXTENSION.recordSizeLimit,
  EXTENSION.maxFragmentLength,
  EXTENSION.pointFormats,
  EXTENSION.sessionTicket,
  EXTENSION.supportedVersions,
  EXTENSION.keyShare,
  EXTENSION.cookie,
  EXTENSION.preSharedKey,
]);
