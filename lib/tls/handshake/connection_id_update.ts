/** NewConnectionId and RequestConnectionId (RFC 9147 9): other names of one association. @module */

import { Reader, Writer } from "../../bytes/mod.ts";
import { TlsFailure } from "../alert.ts";

/** What its sender wants to receive by from now on. */
export interface NewConnectionId {
  /** Each 0 to 255 bytes, in the order of use. */
  readonly ids: readonly Uint8Array[];
  /** One of them is to be used at once; else they are spare. */
  readonly isImmediate: boolean;
}

/** The message's body. */
export function encodeNewConnectionId({ ids, isImmediate }: NewConnectionId): Uint8Array {
  const list = new Writer();
  for (const id of ids) list.vector8(id);
  return new Writer().vector16(list.done()).u8(isImmediate ? 0 : 1).done();
}

/** Throws `malformed`, also where nothing is there to be used at once. Copies. */
export function decodeNewConnectionId(body: Uint8Array): NewConnectionId {
  const reader = new Reader(body);
  const list = new Reader(reader.vector16());
  const usage = reader.u8();
  reader.end();
  const ids: Uint8Array[] = [];
  while (list.remaining > 0) ids.push(new Uint8Array(list.vector8()));
  if (usage > 1 || (usage === 0 && ids.length === 0)) {
    throw new TlsFailure("illegal_parameter", "malformed", "Connection IDs of no use", { clause: "RFC 9147 9" });
  }
  return { ids, isImmediate: usage === 0 };
}

/** `count` is 0 to 255. */
export function encodeRequestConnectionId(count: number): Uint8Array {
  return Uint8Array.of(count);
}

/** How many Connection IDs the sender would like, 0 to 255. Throws `malformed`. */
export function decodeRequestConnectionId(body: Uint8Array): number {
  const reader = new Reader(body);
  const count = reader.u8();
  reader.end();
  return count;
}
