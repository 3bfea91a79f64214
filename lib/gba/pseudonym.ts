/**
 * Names that are derived like keys and then shown to everyone: TMPI (TS 33.220 B.4) and A-TID (TS 33.535 A.3). This file reads
 * the bytes of a secret because here a secret becomes a public name.
 *
 * @module
 */

import { toBase64, toUtf8 } from "../bytes/mod.ts";
import { kdf3gpp, type SecretBytes } from "../crypto/mod.ts";
import { expose } from "../crypto/secret.ts";
import { deriveNafKey } from "../identity/mod.ts";
import { type SupiForm, supiText } from "./akma.ts";
import { encodeNafId } from "./naf_id.ts";

/** The temporary IMPI that stands for `impi` at `bsf` after the run with `rand`. TS 33.220 B.4. */
export function deriveTmpi(
  ks: SecretBytes,
  { rand, impi, bsf }: { readonly rand: Uint8Array; readonly impi: string; readonly bsf: string },
): string {
  const nafId = encodeNafId({ fqdn: bsf, ua: TMPI_UA });
  using derived = deriveNafKey(ks, { label: "gba-me", rand, impi, nafId });
  return `${toBase64(expose(derived).subarray(0, 24))}@tmpi.bsf.3gppnetwork.org`;
}

/** A-TID, the part of an A-KID that names a K_AKMA: 32 bytes. TS 33.535 A.3. */
export function deriveATid(kAusf: SecretBytes, supi: string, form: SupiForm = "digits"): Uint8Array {
  using derived = kdf3gpp(kAusf, 0x81, toUtf8("A-TID"), supiText(supi, form));
  return expose(derived).slice();
}

/** TS 33.220 H.3. */
const TMPI_UA = Uint8Array.of(1, 0, 0, 1, 0);
