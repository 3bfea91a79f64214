/** ServerHelloDone (RFC 5246 7.4.5): it says all by being there. @module */

import { Reader } from "../../bytes/mod.ts";

/** The message's body: no bytes. */
export function encodeServerHelloDone(): Uint8Array {
  return new Uint8Array(0);
}

/** Throws `malformed` unless `body` is empty. */
export function decodeServerHelloDone(body: Uint8Array): void {
  new Reader(body).end();
}
