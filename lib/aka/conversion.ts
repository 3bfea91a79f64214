/** Conversion functions between GSM and UMTS authentication (TS 33.102 6.8.1.2, 6.8.2.3), and Kc128 (B.5). @module */

import { kdf3gpp, type SecretBytes, secretConcat, secretFrom, secretSlice, wipe } from "../crypto/mod.ts";
// They are exclusive ors of parts of keys, which no operation of the crypto room does.
import { expose } from "../crypto/secret.ts";
import { requireLength, xor } from "./octets.ts";

/** c1: the GSM RAND is the UMTS RAND. A copy of 16 bytes. */
export function c1(rand: Uint8Array): Uint8Array {
  requireLength("RAND", rand, 16);
  return new Uint8Array(rand);
}

/** c2: SRES, 4 bytes, the exclusive or of the four words of XRES behind which zeros are put up to 16 bytes. */
export function c2(xres: SecretBytes): SecretBytes {
  if (xres.byteLength < 4 || xres.byteLength > 16) throw new RangeError("XRES is 4 to 16 bytes");
  const sres = new Uint8Array(4);
  expose(xres).forEach((byte, i) => sres[i % 4]! ^= byte);
  return taken(sres);
}

/** c3: Kc, 8 bytes, the exclusive or of the halves of CK and of IK. */
export function c3(ck: SecretBytes, ik: SecretBytes): SecretBytes {
  requireLength("CK", ck, 16);
  requireLength("IK", ik, 16);
  const kc = new Uint8Array(8);
  for (const key of [ck, ik]) expose(key).forEach((byte, i) => kc[i % 8]! ^= byte);
  return taken(kc);
}

/** c4: CK, 16 bytes, Kc twice. */
export function c4(kc: SecretBytes): SecretBytes {
  requireLength("Kc", kc, 8);
  return secretConcat(kc, kc);
}

/** c5: IK, 16 bytes, Kc between two times the exclusive or of its own halves. */
export function c5(kc: SecretBytes): SecretBytes {
  requireLength("Kc", kc, 8);
  const bytes = expose(kc);
  const folded = xor(bytes.subarray(0, 4), bytes.subarray(4));
  const ik = secretConcat(folded, kc, folded);
  wipe(folded);
  return ik;
}

/** Kc128, 16 bytes: the first half of KDF(CK || IK) with FC 32 and no parameter. The number is from memory. */
export function kc128(ck: SecretBytes, ik: SecretBytes): SecretBytes {
  requireLength("CK", ck, 16);
  requireLength("IK", ik, 16);
  using key = secretConcat(ck, ik);
  using derived = kdf3gpp(key, 0x32);
  return secretSlice(derived, 0, 16);
}

function taken(bytes: Uint8Array): SecretBytes {
  const secret = secretFrom(bytes);
  wipe(bytes);
  return secret;
}
