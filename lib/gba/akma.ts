/** AKMA's derivations: TS 33.535 Annex A. Its protocol is not here. @module */

import { toUtf8 } from "../bytes/mod.ts";
import { kdf3gpp, type SecretBytes } from "../crypto/mod.ts";
import { encodeNafId, type NafId } from "./naf_id.ts";

/**
 * How an IMSI-based SUPI enters a derivation: as its digits, or with the prefix `imsi-`. TS 33.501 A.7.0 is read as the digits,
 * public code is found with either, so the network decides.
 */
export type SupiForm = "digits" | "prefixed";

/** K_AKMA, 32 bytes, the caller's. `supi` with or without `imsi-`. TS 33.535 A.2. */
export function deriveKAkma(kAusf: SecretBytes, supi: string, form: SupiForm = "digits"): SecretBytes {
  return kdf3gpp(kAusf, 0x80, toUtf8("AKMA"), supiText(supi, form));
}

/** K_AF for one application function, 32 bytes, the caller's. AF_Id has the form of a NAF_Id. TS 33.535 A.4. */
export function deriveKAf(kAkma: SecretBytes, afId: NafId): SecretBytes {
  return kdf3gpp(kAkma, 0x82, encodeNafId(afId));
}

/** A SUPI as a derivation takes it, in `form`. What is no IMSI stays as it is (TS 33.501 A.7.0: an NAI). */
export function supiText(supi: string, form: SupiForm): Uint8Array {
  const imsi = /^(?:imsi-)?([0-9]{5,15})$/.exec(supi)?.[1];
  if (imsi === undefined) return toUtf8(supi);
  return toUtf8(form === "digits" ? imsi : `imsi-${imsi}`);
}
