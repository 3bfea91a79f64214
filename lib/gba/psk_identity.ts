/** What GBA shows in a PSK handshake: TS 24.109 Annex F, TS 33.222 5.4. @module */

import { fromUtf8, toUtf8 } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";
import { BOOTSTRAPPING, checkBtid } from "./btid.ts";

/** Between method and B-TID, and between methods in a hint. From memory of TS 33.222 5.4; to be checked against an outside peer. */
const SEPARATOR = ";";

/** `3GPP-bootstrapping;B-TID`, at most 128 bytes. Throws `malformed` at a B-TID that is none. */
export function formatPskIdentity(btid: string): Uint8Array {
  return toUtf8(`${BOOTSTRAPPING}${SEPARATOR}${checkBtid(btid)}`);
}

/** The B-TID in a PSK identity of this method; `undefined` for every other identity, which may be another method's. */
export function parsePskIdentity(identity: Uint8Array): string | undefined {
  try {
    const [method, btid = "", ...more] = fromUtf8(identity).split(SEPARATOR);
    return method === BOOTSTRAPPING && more.length === 0 ? checkBtid(btid) : undefined;
  } catch (error) {
    if (error instanceof SeccfError) return undefined;
    throw error;
  }
}

/** Throws `unsupported` unless the enabler's hint, a list, names this method. An absent or empty hint leaves the choice to us. */
export function checkHint(hint: Uint8Array | undefined): void {
  if (hint === undefined || hint.length === 0) return;
  const methods = new TextDecoder().decode(hint).split(SEPARATOR).map((method) => method.trim());
  if (!methods.includes(BOOTSTRAPPING)) {
    throw new SeccfError("unsupported", "the enabler does not take keys of this method", { clause: "TS 24.109 F.3" });
  }
}
