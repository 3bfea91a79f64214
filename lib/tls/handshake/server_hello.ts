/** ServerHello (RFC 5246 7.4.1.3): what the server chose. @module */

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
}

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
  return extensions;
}

const NULL_COMPRESSION = 0;
const ANSWERS: ReadonlySet<number> = new Set([
  EXTENSION.serverName,
  EXTENSION.extendedMasterSecret,
  EXTENSION.encryptThenMac,
  EXTENSION.renegotiationInfo,
  EXTENSION.connectionId,
  EXTENSION.returnRoutability,
]);
