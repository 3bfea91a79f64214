/** ClientHello (RFC 5246 7.4.1.2): what a client offers. @module */

import { SeccfError } from "../../error.ts";
import { Reader, Writer } from "../../bytes/mod.ts";
import { TlsFailure } from "../alert.ts";
import { DTLS_1_3, TLS_1_3 } from "../record/content_type.ts";
import {
  connectionIdIn,
  encodeNumber,
  encodeNumbers,
  EXTENSION,
  type Extensions,
  FLAG,
  hasFlag,
  hasRenegotiationInfo,
  maxFragmentLengthIn,
  NO_RENEGOTIATION,
  numbers,
  read,
  readExtensions,
  recordSizeLimitIn,
  writeExtensions,
} from "./extension.ts";
import { decodeKeyShares, encodeKeyShares, type KeyShareEntry } from "./key_share.ts";
import { decodeOfferedPsks, encodeOfferedPsks, type OfferedPsks } from "./pre_shared_key.ts";
import { decodeServerName, encodeServerName } from "./server_name.ts";

/** The fields that take part in anything here; unknown extensions are passed over. */
export interface ClientHello {
  /** 0x0303 for TLS 1.2 and, by its `supportedVersions`, for what is newer. */
  readonly version: number;
  /** 32 bytes. */
  readonly random: Uint8Array;
  /** 0 to 32 bytes. */
  readonly sessionId: Uint8Array;
  /** As offered, best first; without the signalling value of RFC 5746, which is in `renegotiationInfo`. */
  readonly suites: readonly number[];
  readonly serverName: string | undefined;
  readonly extendedMasterSecret: boolean;
  readonly encryptThenMac: boolean;
  /** By extension or by TLS_EMPTY_RENEGOTIATION_INFO_SCSV. */
  readonly renegotiationInfo: boolean;
  /** RFC 8446 4.2.1; `undefined` where the extension is missing. */
  readonly supportedVersions: readonly number[] | undefined;
  /** 0 to 255 bytes, only on datagrams and always there (RFC 6347 4.2.1). */
  readonly cookie?: Uint8Array;
  /** What the client wants to receive, 0 to 255 bytes; missing: it knows of none (RFC 9146 3). */
  readonly connectionId?: Uint8Array;
  /** The client answers return routability checks (RFC 9853 3). */
  readonly returnRoutability?: true;
  /** A second try below the client's best, by TLS_FALLBACK_SCSV (RFC 7507 3). */
  readonly fallback?: true;
  /** Bytes of plaintext that the client takes in one record, 64 to 16385 (RFC 8449 4). */
  readonly recordSizeLimit?: number;
  /** The code of a length, 1 to 4 (RFC 6066 4). */
  readonly maxFragmentLength?: number;
  /** Named groups, best first (RFC 8446 4.2.7). */
  readonly supportedGroups?: readonly number[];
  /** The point formats of RFC 8422 5.1.2, the uncompressed one among them. */
  readonly pointFormats?: true;
  /** A ticket; empty: the client takes one (RFC 5077 3.2). */
  readonly sessionTicket?: Uint8Array;
  /** Version 1.3: public values, perhaps none (RFC 8446 4.2.8). */
  readonly keyShares?: readonly KeyShareEntry[];
  /** Version 1.3: {@link PSK_MODE} numbers (RFC 8446 4.2.9). */
  readonly pskModes?: readonly number[];
  /** Version 1.3: what HelloRetryRequest gave, 1 to 65535 bytes (RFC 8446 4.2.2). */
  readonly retryCookie?: Uint8Array;
  /** Version 1.3: data may come before any answer (RFC 8446 4.2.10). Nobody here offers that. */
  readonly earlyData?: true;
  /** Version 1.3: keys and proofs; the last extension of all (RFC 8446 4.2.11). */
  readonly offeredPsks?: OfferedPsks;
}

/** The message's body. Renegotiation is indicated by the extension (RFC 9325 3.5). */
export function encodeClientHello(hello: ClientHello): Uint8Array {
  const writer = new Writer().u16(hello.version).bytes(hello.random).vector8(hello.sessionId);
  if (hello.cookie) writer.vector8(hello.cookie);
  const suites = new Writer();
  for (const suite of hello.suites) suites.u16(suite);
  if (hello.fallback) suites.u16(FALLBACK_SCSV);
  writer.vector16(suites.done()).vector8(Uint8Array.of(NULL_COMPRESSION));
  writeExtensions(writer, extensionsOf(hello));
  return writer.done();
}

/** Throws `malformed`; views share memory with `body`. `form` says whether there is a cookie. */
export function decodeClientHello(body: Uint8Array, form: "stream" | "datagram" = "stream"): ClientHello {
  const reader = new Reader(body);
  const version = reader.u16();
  // Its other fields may be of another shape: say so before tripping over them.
  if (version < 0x0300) {
    throw new TlsFailure("protocol_version", "unsupported", "a ClientHello before SSL 3.0", {
      clause: "RFC 5246 E.1",
    });
  }
  const random = reader.take(32);
  const sessionId = reader.vector8();
  if (sessionId.length > 32) throw new SeccfError("malformed", "a session id beyond 32 bytes");
  const cookie = form === "datagram" ? reader.vector8() : undefined;
  const suites = numbers(reader.vector16());
  const compressions = reader.vector8();
  if (!compressions.includes(NULL_COMPRESSION)) {
    throw new TlsFailure("illegal_parameter", "malformed", "null compression is not offered", {
      clause: "RFC 5246 7.4.1.2",
    });
  }
  const extensions = readExtensions(reader);
  const supportedVersions = read(extensions, EXTENSION.supportedVersions, (reader) => numbers(reader.vector8()));
  if (compressions.length > 1 && (supportedVersions?.includes(TLS_1_3) || supportedVersions?.includes(DTLS_1_3))) {
    throw new TlsFailure("illegal_parameter", "malformed", "version 1.3 has no compression", {
      clause: "RFC 8446 4.1.2",
    });
  }
  const name = extensions.get(EXTENSION.serverName);
  const connectionId = form === "datagram" ? connectionIdIn(extensions) : undefined;
  return {
    version,
    random,
    sessionId,
    suites: suites.filter((suite) => suite !== RENEGOTIATION_SCSV && suite !== FALLBACK_SCSV),
    serverName: name && decodeServerName(name),
    extendedMasterSecret: hasFlag(extensions, EXTENSION.extendedMasterSecret),
    encryptThenMac: hasFlag(extensions, EXTENSION.encryptThenMac),
    renegotiationInfo: hasRenegotiationInfo(extensions) || suites.includes(RENEGOTIATION_SCSV),
    supportedVersions,
    ...(cookie && { cookie }),
    ...(connectionId && { connectionId }),
    ...(connectionId && hasFlag(extensions, EXTENSION.returnRoutability) && { returnRoutability: true }),
    ...(suites.includes(FALLBACK_SCSV) && { fallback: true }),
    ...sizesIn(extensions),
    ...agreementIn(extensions),
  };
}

function sizesIn(extensions: Extensions): Pick<ClientHello, "recordSizeLimit" | "maxFragmentLength"> {
  const recordSizeLimit = recordSizeLimitIn(extensions);
  const maxFragmentLength = maxFragmentLengthIn(extensions);
  return {
    ...(recordSizeLimit !== undefined && { recordSizeLimit }),
    ...(maxFragmentLength !== undefined && { maxFragmentLength }),
  };
}

function agreementIn(extensions: Extensions): Partial<ClientHello> {
  const groups = read(extensions, EXTENSION.supportedGroups, (reader) => numbers(reader.vector16()));
  const formats = read(extensions, EXTENSION.pointFormats, (reader) => reader.vector8());
  if (formats && !formats.includes(UNCOMPRESSED)) {
    throw new TlsFailure("illegal_parameter", "malformed", "a client without uncompressed points", {
      clause: "RFC 8422 5.1.2",
    });
  }
  const sessionTicket = extensions.get(EXTENSION.sessionTicket);
  const shares = extensions.get(EXTENSION.keyShare);
  const modes = read(extensions, EXTENSION.pskKeyExchangeModes, (reader) => [...reader.vector8()]);
  const retryCookie = read(extensions, EXTENSION.cookie, (reader) => reader.vector16());
  const psks = extensions.get(EXTENSION.preSharedKey);
  if (psks && [...extensions.keys()].at(-1) !== EXTENSION.preSharedKey) {
    throw new TlsFailure("illegal_parameter", "malformed", "pre_shared_key is not the last extension", {
      clause: "RFC 8446 4.2.11",
    });
  }
  return {
    ...(groups && { supportedGroups: groups }),
    ...(formats && { pointFormats: true }),
    ...(sessionTicket && { sessionTicket }),
    ...(shares && { keyShares: decodeKeyShares(shares) }),
    ...(modes && { pskModes: modes }),
    ...(retryCookie && { retryCookie }),
    ...(hasFlag(extensions, EXTENSION.earlyData) && { earlyData: true }),
    ...(psks && { offeredPsks: decodeOfferedPsks(psks) }),
  };
}

function extensionsOf(hello: ClientHello): Extensions {
  const extensions = new Map<number, Uint8Array>();
  // First, so that of a hello in pieces the first one has it: all that a server without state looks at.
  if (hello.retryCookie) extensions.set(EXTENSION.cookie, new Writer().vector16(hello.retryCookie).done());
  if (hello.serverName !== undefined) extensions.set(EXTENSION.serverName, encodeServerName(hello.serverName));
  if (hello.extendedMasterSecret) extensions.set(EXTENSION.extendedMasterSecret, FLAG);
  if (hello.encryptThenMac) extensions.set(EXTENSION.encryptThenMac, FLAG);
  if (hello.renegotiationInfo) extensions.set(EXTENSION.renegotiationInfo, NO_RENEGOTIATION);
  if (hello.recordSizeLimit !== undefined) {
    extensions.set(EXTENSION.recordSizeLimit, encodeNumber(hello.recordSizeLimit));
  }
  if (hello.maxFragmentLength !== undefined) {
    extensions.set(EXTENSION.maxFragmentLength, Uint8Array.of(hello.maxFragmentLength));
  }
  if (hello.supportedGroups) extensions.set(EXTENSION.supportedGroups, encodeNumbers(hello.supportedGroups));
  if (hello.pointFormats) extensions.set(EXTENSION.pointFormats, Uint8Array.of(1, UNCOMPRESSED));
  if (hello.sessionTicket) extensions.set(EXTENSION.sessionTicket, hello.sessionTicket);
  if (hello.supportedVersions) {
    const list = new Writer();
    for (const version of hello.supportedVersions) list.u16(version);
    extensions.set(EXTENSION.supportedVersions, new Writer().vector8(list.done()).done());
  }
  if (hello.connectionId) {
    extensions.set(EXTENSION.connectionId, new Writer().vector8(hello.connectionId).done());
    if (hello.returnRoutability) extensions.set(EXTENSION.returnRoutability, FLAG);
  }
  if (hello.keyShares) extensions.set(EXTENSION.keyShare, encodeKeyShares(hello.keyShares));
  if (hello.pskModes) {
    extensions.set(EXTENSION.pskKeyExchangeModes, new Writer().vector8(Uint8Array.from(hello.pskModes)).done());
  }
  if (hello.earlyData) extensions.set(EXTENSION.earlyData, FLAG);
  if (hello.offeredPsks) extensions.set(EXTENSION.preSharedKey, encodeOfferedPsks(hello.offeredPsks));
  return extensions;
}

const NULL_COMPRESSION = 0;
const RENEGOTIATION_SCSV = 0x00ff;
/** RFC 7507 3. */
const FALLBACK_SCSV = 0x5600;
/** RFC 8422 5.1.2. */
const UNCOMPRESSED = 0;
