/** The keys that a bootstrapped Ks gives to each use (TS 33.220 B.3). @module */

import { toUtf8 } from "../bytes/mod.ts";
import { kdf3gpp, type SecretBytes } from "../crypto/mod.ts";

/** What {@link deriveNafKey} takes. */
export interface NafKeyInput {
  /** `"gba-me"`: Ks_NAF, and Ks_ext_NAF in GBA_U. `"gba-u"`: Ks_int_NAF, which is for the UICC alone. */
  readonly label: "gba-me" | "gba-u";
  /** Of the bootstrapping, 16 bytes. */
  readonly rand: Uint8Array;
  /** As text, which becomes UTF-8 after NFKC (B.2.1), or as a card was given it. */
  readonly impi: string | Uint8Array;
  /** FQDN || the 5 bytes of the Ua security protocol identifier. */
  readonly nafId: Uint8Array;
}

/** Ks_NAF, Ks_ext_NAF or Ks_int_NAF: 32 bytes, KDF(Ks, FC 01, label, RAND, IMPI, NAF_Id). */
// req: SEC_CF-KEM-001
export function deriveNafKey(ks: SecretBytes, input: NafKeyInput): SecretBytes {
  const { label, rand, impi, nafId } = input;
  const name = typeof impi === "string" ? toUtf8(impi.normalize("NFKC")) : impi;
  return kdf3gpp(ks, 0x01, toUtf8(label), rand, name, nafId);
}
