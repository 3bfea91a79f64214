/** KeyUpdate (RFC 8446 4.6.3): what its sender says next is under the next key. @module */

import { Reader } from "../../bytes/mod.ts";
import { TlsFailure } from "../alert.ts";

/** The last message under one key. */
export interface KeyUpdate {
  /** The other side is to do the same, and does not ask back. */
  readonly requested: boolean;
}

/** The message's body. */
export function encodeKeyUpdate({ requested }: KeyUpdate): Uint8Array {
  return Uint8Array.of(requested ? 1 : 0);
}

/** Throws `malformed`. */
export function decodeKeyUpdate(body: Uint8Array): KeyUpdate {
  const reader = new Reader(body);
  const request = reader.u8();
  reader.end();
  if (request > 1) {
    throw new TlsFailure("illegal_parameter", "malformed", "a KeyUpdate that asks for neither", {
      clause: "RFC 8446 4.6.3",
    });
  }
  return { requested: request === 1 };
}
