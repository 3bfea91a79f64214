/** ServerKeyExchange of the plain PSK suites (RFC 4279 2): the identity hint and nothing else. @module */

import { Reader, Writer } from "../../bytes/mod.ts";
import { TlsFailure } from "../alert.ts";
import { MAX_IDENTITY } from "../limits.ts";

/** It is left out when there is no hint. */
export interface ServerKeyExchange {
  /** 0 to 128 bytes; empty means the same as no message. */
  readonly hint: Uint8Array;
}

/** The message's body. */
export function encodeServerKeyExchange(message: ServerKeyExchange): Uint8Array {
  return new Writer().vector16(message.hint).done();
}

/** Throws `malformed`, and `too-large` for a hint beyond 128 bytes; views share memory with `body`. */
export function decodeServerKeyExchange(body: Uint8Array): ServerKeyExchange {
  const reader = new Reader(body);
  const hint = reader.vector16();
  reader.end();
  if (hint.length > MAX_IDENTITY) {
    throw new TlsFailure("illegal_parameter", "too-large", `a PSK identity hint beyond ${MAX_IDENTITY} bytes`);
  }
  return { hint };
}
