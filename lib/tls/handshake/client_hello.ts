/** ClientHello (RFC 5246 7.4.1.2): what a client offers. @module */

import { SeccfError } from "../../error.ts";
import { Reader, Writer } from "../../bytes/mod.ts";
import { TlsFailure } from "../alert.ts";
import {
  connectionIdIn,
  EXTENSION,
  type Extensions,
  FLAG,
  hasFlag,
  hasRenegotiationInfo,
  NO_RENEGOTIATION,
  readExtensions,
  writeExtensions,
} from "./extension.ts";
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
}

/** The message's body. Renegotiation is indicated by the extension (RFC 9325 3.5). */
export function encodeClientHello(hello: ClientHello): Uint8Array {
  const writer = new Writer().u16(hello.version).bytes(hello.random).vector8(hello.sessionId);
  if (hello.cookie) writer.vector8(hello.cookie);
  const suites = new Writer();
  for (const suite of hello.suites) suites.u16(suite);
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
  const name = extensions.get(EXTENSION.serverName);
  const connectionId = form === "datagram" ? connectionIdIn(extensions) : undefined;
  return {
    version,
    random,
    sessionId,
    suites: suites.filter((suite) => suite !== RENEGOTIATION_SCSV),
    serverName: name && decodeServerName(name),
    extendedMasterSecret: hasFlag(extensions, EXTENSION.extendedMasterSecret),
    encryptThenMac: hasFlag(extensions, EXTENSION.encryptThenMac),
    renegotiationInfo: hasRenegotiationInfo(extensions) || suites.includes(RENEGOTIATION_SCSV),
    supportedVersions: versions(extensions),
    ...(cookie && { cookie }),
    ...(connectionId && { connectionId }),
    ...(connectionId && hasFlag(extensions, EXTENSION.returnRoutability) && { returnRoutability: true }),
  };
}

function extensionsOf(hello: ClientHello): Extensions {
  const extensions = new Map<number, Uint8Array>();
  if (hello.serverName !== undefined) extensions.set(EXTENSION.serverName, encodeServerName(hello.serverName));
  if (hello.extendedMasterSecret) extensions.set(EXTENSION.extendedMasterSecret, FLAG);
  if (hello.encryptThenMac) extensions.set(EXTENSION.encryptThenMac, FLAG);
  if (hello.renegotiationInfo) extensions.set(EXTENSION.renegotiationInfo, NO_RENEGOTIATION);
  if (hello.supportedVersions) {
    const list = new Writer();
    for (const version of hello.supportedVersions) list.u16(version);
    extensions.set(EXTENSION.supportedVersions, new Writer().vector8(list.done()).done());
  }
  if (hello.connectionId) {
    extensions.set(EXTENSION.connectionId, new Writer().vector8(hello.connectionId).done());
    if (hello.returnRoutability) extensions.set(EXTENSION.returnRoutability, FLAG);
  }
  return extensions;
}

function versions(extensions: Extensions): readonly number[] | undefined {
  const body = extensions.get(EXTENSION.supportedVersions);
  if (body === undefined) return undefined;
  const reader = new Reader(body);
  const list = reader.vector8();
  reader.end();
  return numbers(list);
}

/** At least one number of two bytes. */
function numbers(list: Uint8Array): number[] {
  if (list.length === 0 || list.length % 2 !== 0) throw new SeccfError("malformed", "a list of no whole numbers");
  const reader = new Reader(list);
  const found: number[] = [];
  while (reader.remaining > 0) found.push(reader.u16());
  return found;
}

const NULL_COMPRESSION = 0;
const RENEGOTIATION_SCSV = 0x00ff;
