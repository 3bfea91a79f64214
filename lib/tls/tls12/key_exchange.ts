/** The fresh agreement of ECDHE_PSK (RFC 5489 2, RFC 8422 5.10), as both ends of TLS 1.2 make it. @module */

import type { KeyShare, SecretBytes } from "../../crypto/mod.ts";
import { SeccfError } from "../../error.ts";
import { TlsFailure } from "../alert.ts";
import { ecdhePskPremaster, pskPremaster } from "./key_schedule.ts";

/** What `share` and the peer's point come to. Throws `malformed` for a point that is none, with the alert of RFC 8422 5.11. */
export function agreeWith(share: KeyShare, publicKey: Uint8Array): SecretBytes {
  try {
    return share.agree(publicKey);
  } catch (error) {
    if (!(error instanceof SeccfError) || error.code !== "malformed") throw error;
    throw new TlsFailure("illegal_parameter", "malformed", "a point that is none", {
      cause: error,
      clause: "RFC 8422 5.11",
    });
  }
}

/** The premaster secret of either exchange, which is the caller's; `agreed` stays. */
export function premasterSecret(key: SecretBytes, agreed: SecretBytes | undefined): SecretBytes {
  return agreed ? ecdhePskPremaster(agreed, key) : pskPremaster(key);
}
