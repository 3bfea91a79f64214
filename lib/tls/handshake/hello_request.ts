/** HelloRequest (RFC 5246 7.4.1.1): a server's wish to renegotiate. It is read to be passed over, and never sent. @module */

import { Reader } from "../../bytes/mod.ts";

/** Throws `malformed` unless `body` is empty. */
export function decodeHelloRequest(body: Uint8Array): void {
  new Reader(body).end();
}
