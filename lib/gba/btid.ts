/** The bootstrapping transaction identifier: base64(RAND) "@" BSF name (TS 33.220 4.5.2). @module */

import { fromBase64, toBase64 } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";
import { canonicalFqdn } from "./fqdn.ts";

/** The name of the method with Ks_NAF or Ks_ext_NAF, in realms, PSK identities and hints. TS 24.109 5.2, F.3. */
export const BOOTSTRAPPING = "3GPP-bootstrapping";

/** The longest B-TID that still fits, with its prefix, into a PSK identity of 128 bytes (RFC 4279 5.3). */
export const MAX_BTID: number = 128 - `${BOOTSTRAPPING};`.length;

/** The B-TID of a bootstrapping run. A RAND of other than 16 bytes, or a BSF name too long for a PSK identity, is a RangeError. */
export function makeBtid(rand: Uint8Array, bsf: string): string {
  if (rand.length !== 16) throw new RangeError("RAND is 16 bytes");
  const btid = `${toBase64(rand)}@${canonicalFqdn(bsf)}`;
  if (btid.length > MAX_BTID) throw new RangeError("a BSF name too long for PSK identities");
  return btid;
}

/** RAND and BSF name, for the BSF that made it, which accepts its own form alone. Throws `malformed`. */
export function parseBtid(btid: string): { readonly rand: Uint8Array; readonly bsf: string } {
  const [text = "", bsf = "", ...more] = btid.split("@");
  if (btid.length > MAX_BTID || more.length > 0) throw new SeccfError("malformed", "not a B-TID");
  const rand = fromBase64(text);
  if (rand.length !== 16 || canonicalFqdn(bsf) !== bsf) throw new SeccfError("malformed", "not a B-TID");
  return { rand, bsf };
}

/**
 * A B-TID as everyone but its BSF sees it: an opaque NAI, since some BSFs make it otherwise. Printable ASCII without quotes,
 * white space or `;`, so that it stands in a header field and a PSK identity as it is. Returns it; throws `malformed`.
 */
export function checkBtid(btid: string): string {
  if (btid.length > MAX_BTID || !/^[!#-:<-?A-[\]-~]+@[a-zA-Z0-9.-]+$/.test(btid)) {
    throw new SeccfError("malformed", "not a B-TID", { clause: "TS 33.220 4.5.2" });
  }
  return btid;
}

/** The domain of a B-TID: to be looked up in a list of known BSFs, never connected to. Throws `malformed`. */
export function btidDomain(btid: string): string {
  return canonicalFqdn(checkBtid(btid).split("@")[1] ?? "");
}
