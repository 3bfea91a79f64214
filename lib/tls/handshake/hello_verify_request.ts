/** HelloVerifyRequest (RFC 6347 4.2.1): the cookie that a client has to bring back before a server remembers it. @module */

import { SeccfError } from "../../error.ts";
import { Reader, Writer } from "../../bytes/mod.ts";
import { DTLS_1_0, DTLS_1_2 } from "../record/content_type.ts";

/** It is in no transcript. */
export interface HelloVerifyRequest {
  /** 0 to 255 bytes. */
  readonly cookie: Uint8Array;
}

/** The message's body, with the version 1.0 that RFC 6347 4.2.1 asks for whatever is negotiated later. */
export function encodeHelloVerifyRequest(message: HelloVerifyRequest): Uint8Array {
  return new Writer().u16(DTLS_1_0).vector8(message.cookie).done();
}

/** Throws `malformed`; views share memory with `body`. The version says nothing about the one that will be chosen. */
export function decodeHelloVerifyRequest(body: Uint8Array): HelloVerifyRequest {
  const reader = new Reader(body);
  const version = reader.u16();
  const cookie = reader.vector8();
  reader.end();
  if (version !== DTLS_1_0 && version !== DTLS_1_2) throw new SeccfError("malformed", "a version that does not exist");
  return { cookie };
}
