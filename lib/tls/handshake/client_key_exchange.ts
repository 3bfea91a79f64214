/** ClientKeyExchange of the suites with pre-shared keys: the client's identity (RFC 4279 2), and its point where a fresh agreement is part of the suite (RFC 5489 2). @module */

import { SeccfError } from "../../error.ts";
import { Reader, Writer } from "../../bytes/mod.ts";
import { TlsFailure } from "../alert.ts";
import { MAX_IDENTITY } from "../limits.ts";

/** Who the client says it is, in the clear. */
export interface ClientKeyExchange {
  /** 0 to 128 bytes. */
  readonly identity: Uint8Array;
  /** Only and always with a suite of ECDHE_PSK: a point of the server's group, 1 to 255 bytes, not checked here. */
  readonly publicKey?: Uint8Array;
}

/** The message's body. */
export function encodeClientKeyExchange({ identity, publicKey }: ClientKeyExchange): Uint8Array {
  const writer = new Writer().vector16(identity);
  if (publicKey) writer.vector8(publicKey);
  return writer.done();
}

/**
 * Throws `malformed`, and `too-large` for an identity beyond 128 bytes; views share memory with `body`. `exchange` says
 * whether there is a point.
 */
export function decodeClientKeyExchange(body: Uint8Array, exchange: "psk" | "ecdhe_psk" = "psk"): ClientKeyExchange {
  const reader = new Reader(body);
  const identity = reader.vector16();
  const publicKey = exchange === "ecdhe_psk" ? reader.vector8() : undefined;
  reader.end();
  if (publicKey?.length === 0) throw new SeccfError("malformed", "a point of no bytes", { clause: "RFC 8422 5.7" });
  if (identity.length > MAX_IDENTITY) {
    throw new TlsFailure("illegal_parameter", "too-large", `a PSK identity beyond ${MAX_IDENTITY} bytes`);
  }
  return { identity, ...(publicKey && { publicKey }) };
}
