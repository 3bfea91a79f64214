/** Association keys that come from a bootstrapping run: the device derives them, the enabler asks for them. @module */

import { type KeyOrigin, uaIdentifier, type UaProfile, type Use } from "../association/mod.ts";
import { toUtf8 } from "../bytes/mod.ts";
import type { SecretBytes } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { AkaModule } from "../identity/mod.ts";
import type { Wait } from "../platform.ts";
import { canonicalFqdn } from "./fqdn.ts";
import { encodeNafId, type NafId } from "./naf_id.ts";
import { checkHint, formatPskIdentity } from "./psk_identity.ts";
import { retrieveBootstrappingInfo, type RetrieveOptions } from "./sbi_client.ts";

/** One run, and the enabler that its keys are for. */
export interface GbaOriginOptions {
  readonly btid: string;
  /** The name by which the device knows the enabler. */
  readonly serverName: string;
  /** Whose identifiers TLS and HTTP use. Default `oma`; both ends must agree. */
  readonly uaProfile?: UaProfile;
}

/** On the device: the module derives each key when it is wanted, and stays the caller's. */
export function deviceOrigin(options: GbaOriginOptions & { readonly module: AkaModule }): KeyOrigin {
  const { module, btid } = options;
  return gbaOrigin(options, (nafId, wait) => module.derive({ btid, nafId: encodeNafId(nafId) }, wait));
}

/**
 * On the enabler: each key is asked for when it is wanted, and none is kept. A B-TID that the BSF knows no more is `expired`;
 * otherwise it throws as `retrieveBootstrappingInfo` does.
 */
export function enablerOrigin(
  options: GbaOriginOptions & {
    /** The way to the BSF. */
    readonly way: Omit<RetrieveOptions, "signal">;
  },
): KeyOrigin {
  const { btid, way } = options;
  return gbaOrigin(options, async (nafId, wait) => {
    const info = await retrieveBootstrappingInfo({ btid, nafId }, { ...way, ...wait });
    if (!info) throw new SeccfError("expired", "the Key Manager does not know this B-TID");
    info.uiccKey?.[Symbol.dispose]();
    return info.key;
  });
}

function gbaOrigin(
  { btid, serverName, uaProfile = "oma" }: GbaOriginOptions,
  key: (nafId: NafId, wait: Wait) => Promise<SecretBytes>,
): KeyOrigin {
  const fqdn = canonicalFqdn(serverName);
  return {
    kind: "gba",
    identity(use: Use, hint) {
      if (use.kind !== "tls") return toUtf8(btid);
      checkHint(hint);
      return formatPskIdentity(btid);
    },
    // An async function, so that a use which is not in the table rejects rather than throws.
    key: async (use, wait = {}) => await key({ fqdn, ua: uaIdentifier(use, uaProfile) }, wait),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
