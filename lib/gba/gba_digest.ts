/** GBA with a SIP Digest password in place of a SIM: two derivations of TS 33.220 B.5 alone. Its protocol is not here. @module */

import { toUtf8 } from "../bytes/mod.ts";
import { kdf3gpp, type SecretBytes } from "../crypto/mod.ts";

/** The password of the Digest on Ub, 32 bytes, the caller's. `ha1` is the raw H(A1), `tlsKey` 48 bytes of TLS key export. */
export function deriveDigestPassword(ha1: SecretBytes, tlsKey: SecretBytes): SecretBytes {
  requireTlsKey(tlsKey);
  return kdf3gpp(ha1, FC, toUtf8("GBA_Digest_RESP"), tlsKey);
}

/** Ks, 32 bytes, the caller's. `response` is the raw Digest response of the run: 16 bytes of MD5, 32 of SHA-256. */
export function deriveDigestKs(ha1: SecretBytes, tlsKey: SecretBytes, response: Uint8Array): SecretBytes {
  requireTlsKey(tlsKey);
  return kdf3gpp(ha1, FC, toUtf8("GBA_Digest_Ks"), tlsKey, response);
}

function requireTlsKey(tlsKey: SecretBytes): void {
  if (tlsKey.byteLength !== 48) throw new RangeError("TLS_MK_Extr is 48 bytes");
}

/** TS 33.220 B.1. */
const FC = 0x01;
