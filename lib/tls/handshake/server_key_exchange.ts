/** ServerKeyExchange of the suites with pre-shared keys: the identity hint (RFC 4279 2), and the server's point where a fresh agreement is part of the suite (RFC 5489 2). @module */

import { SeccfError } from "../../error.ts";
import { Reader, Writer } from "../../bytes/mod.ts";
import { TlsFailure } from "../alert.ts";
import { MAX_IDENTITY } from "../limits.ts";

/** It is left out when there is neither a hint nor a point. */
export interface ServerKeyExchange {
  /** 0 to 128 bytes; empty says no more than none. */
  readonly hint: Uint8Array;
  /** Only and always with a suite of ECDHE_PSK. */
  readonly share?: ServerShare;
}

/** ServerECDHParams (RFC 8422 5.4): a named group, and a point of it that is not checked here. */
export interface ServerShare {
  readonly group: number;
  /** 1 to 255 bytes. */
  readonly publicKey: Uint8Array;
}

/** The message's body. */
export function encodeServerKeyExchange({ hint, share }: ServerKeyExchange): Uint8Array {
  const writer = new Writer().vector16(hint);
  if (share) writer.u8(NAMED_CURVE).u16(share.group).vector8(share.publicKey);
  return writer.done();
}

/**
 * Throws `malformed`, and `too-large` for a hint beyond 128 bytes; views share memory with `body`. `exchange` says
 * whether there is a point.
 */
export function decodeServerKeyExchange(body: Uint8Array, exchange: "psk" | "ecdhe_psk" = "psk"): ServerKeyExchange {
  const reader = new Reader(body);
  const hint = reader.vector16();
  const share = exchange === "ecdhe_psk" ? readShare(reader) : undefined;
  reader.end();
  if (hint.length > MAX_IDENTITY) {
    throw new TlsFailure("illegal_parameter", "too-large", `a PSK identity hint beyond ${MAX_IDENTITY} bytes`);
  }
  return { hint, ...(share && { share }) };
}

function readShare(reader: Reader): ServerShare {
  if (reader.u8() !== NAMED_CURVE) {
    throw new TlsFailure("illegal_parameter", "malformed", "a curve without a name", { clause: "RFC 8422 5.4" });
  }
  const group = reader.u16();
  const publicKey = reader.vector8();
  if (publicKey.length === 0) throw new SeccfError("malformed", "a point of no bytes", { clause: "RFC 8422 5.4" });
  return { group, publicKey };
}

/** ECCurveType of RFC 8422 5.4: the others are reserved. */
const NAMED_CURVE = 3;
