/** ClientKeyExchange of the plain PSK suites (RFC 4279 2): the client's identity and nothing else. @module */

import { Reader, Writer } from "../../bytes/mod.ts";
import { TlsFailure } from "../alert.ts";
import { MAX_IDENTITY } from "../limits.ts";

/** Who the client says it is, in the clear. */
export interface ClientKeyExchange {
  /** 0 to 128 bytes. */
  readonly identity: Uint8Array;
}

/** The message's body. */
export function encodeClientKeyExchange(message: ClientKeyExchange): Uint8Array {
  return new Writer().vector16(message.identity).done();
}

/** Throws `malformed`, and `too-large` for an identity beyond 128 bytes; views share memory with `body`. */
export function decodeClientKeyExchange(body: Uint8Array): ClientKeyExchange {
  const reader = new Reader(body);
  const identity = reader.vector16();
  reader.end();
  if (identity.length > MAX_IDENTITY) {
    throw new TlsFailure("illegal_parameter", "too-large", `a PSK identity beyond ${MAX_IDENTITY} bytes`);
  }
  return { identity };
}
