/** The block of extensions at the end of a hello (RFC 5246 7.4.1.4). @module */

import { SeccfError } from "../../error.ts";
import { Reader, Writer } from "../../bytes/mod.ts";
import { MAX_EXTENSIONS } from "../limits.ts";
import { TlsFailure } from "../alert.ts";

/** Numbers of the extensions that mean something here. */
export const EXTENSION = {
  serverName: 0,
  encryptThenMac: 22,
  extendedMasterSecret: 23,
  supportedVersions: 43,
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
  const body = extensions.get(EXTENSION.connectionId);
  if (body === undefined) return undefined;
  const reader = new Reader(body);
  const connectionId = reader.vector8();
  reader.end();
  return connectionId;
}

/** The body of an empty `renegotiation_info`. */
export const NO_RENEGOTIATION: Uint8Array = Uint8Array.of(0);

/** The body of an extension that says all by being there. */
export const FLAG: Uint8Array = new Uint8Array(0);
