/** Finished (RFC 5246 7.4.9): the proof that both sides saw one handshake and have one key. @module */

import { Reader } from "../../bytes/mod.ts";

/** Bytes of `verify_data` in every suite of TLS 1.2 here. */
export const VERIFY_DATA_LENGTH = 12;

/** The first message under the new keys. */
export interface Finished {
  /** 12 bytes. */
  readonly verifyData: Uint8Array;
}

/** The message's body. */
export function encodeFinished(message: Finished): Uint8Array {
  return new Uint8Array(message.verifyData);
}

/** Throws `malformed` unless `body` is 12 bytes; views share memory with it. */
export function decodeFinished(body: Uint8Array): Finished {
  const reader = new Reader(body);
  const verifyData = reader.take(VERIFY_DATA_LENGTH);
  reader.end();
  return { verifyData };
}
