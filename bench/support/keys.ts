/** The one key that all benches of DTLS share with their peers, and what names it to each of them. @module */

import { createAssociation, rawPsk, type SecurityAssociation, startLifetime } from "../../lib/association/mod.ts";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { webPlatform } from "../../web_platform.ts";

/** 16 bytes that nobody should use. */
export const KEY: Uint8Array = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
/** Its name. */
export const IDENTITY = "Client_identity";
/** What all rivals can do. */
export const SUITE = "TLS_PSK_WITH_AES_128_GCM_SHA256";
/** The same to OpenSSL, which wants to hear that no certificate is no weakness here. */
export const OPENSSL_SUITE = "PSK-AES128-GCM-SHA256:@SECLEVEL=0";

/** A fresh association with that key. */
export function associate(role: "initiator" | "responder"): SecurityAssociation {
  return createAssociation({
    reference: IDENTITY,
    serverName: "127.0.0.1",
    role,
    peer: { identity: toUtf8(IDENTITY), assurance: "psk" },
    origin: rawPsk({ identity: toUtf8(IDENTITY), key: secretFrom(KEY), use: "tls" }),
    lifetime: startLifetime({ clock: webPlatform.clock, seconds: 3600 }),
    platform: webPlatform,
  });
}
