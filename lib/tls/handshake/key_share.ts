/** Key shares of version 1.3 (RFC 8446 4.2.8) and the groups they are of (RFC 8446 4.2.7). @module */

import { Reader, Writer } from "../../bytes/mod.ts";
import { TlsFailure } from "../alert.ts";
import { MAX_EXTENSIONS } from "../limits.ts";

/** One side's public value in one group. */
export interface KeyShareEntry {
  /** IANA's named group. */
  readonly group: number;
  /** 32 bytes for X25519, 65 for P-256; 1 to 65535. */
  readonly publicKey: Uint8Array;
}

/** The client's list; empty where it waits for the server to name a group. */
export function encodeKeyShares(shares: readonly KeyShareEntry[]): Uint8Array {
  const list = new Writer();
  for (const share of shares) list.bytes(encodeKeyShare(share));
  return new Writer().vector16(list.done()).done();
}

/** Throws `malformed`, also for one group twice. Views. */
export function decodeKeyShares(body: Uint8Array): readonly KeyShareEntry[] {
  const reader = new Reader(body);
  const list = new Reader(reader.vector16());
  reader.end();
  const shares: KeyShareEntry[] = [];
  while (list.remaining > 0) {
    const share = readKeyShare(list);
    if (shares.some(({ group }) => group === share.group)) {
      throw new TlsFailure("illegal_parameter", "malformed", "two key shares of one group", {
        clause: "RFC 8446 4.2.8",
      });
    }
    if (shares.length >= MAX_EXTENSIONS) throw new TlsFailure("illegal_parameter", "too-large", "too many key shares");
    shares.push(share);
  }
  return shares;
}

/** The server's one share. */
export function encodeKeyShare({ group, publicKey }: KeyShareEntry): Uint8Array {
  return new Writer().u16(group).vector16(publicKey).done();
}

/** Throws `malformed`. A view. */
export function decodeKeyShare(body: Uint8Array): KeyShareEntry {
  const reader = new Reader(body);
  const share = readKeyShare(reader);
  reader.end();
  return share;
}

function readKeyShare(reader: Reader): KeyShareEntry {
  const group = reader.u16();
  const publicKey = reader.vector16();
  if (publicKey.length === 0) {
    throw new TlsFailure("decode_error", "malformed", "an empty key share", { clause: "RFC 8446 4.2.8" });
  }
  return { group, publicKey };
}
