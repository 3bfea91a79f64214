import { toUtf8 } from "../bytes/mod.ts";
import { hmacSecret, secretBase64, type SecretBytes, secretConcat, secretSlice } from "../crypto/mod.ts";

/** What the BSF expects a subscriber to know. */
export interface AkaSecrets {
  readonly xres: SecretBytes;
  readonly ck: SecretBytes;
  readonly ik: SecretBytes;
}

/**
 * The Digest password of AKA, the caller's: RES itself, as octets (RFC 3310 3.3), or in version 2 the base64 of
 * HMAC-MD5(RES || IK || CK, label) (RFC 4169 3), which a stolen RES alone does not yield.
 */
export function akaPassword(scheme: "akav1" | "akav2", { xres, ck, ik }: AkaSecrets): SecretBytes {
  if (scheme === "akav1") return secretSlice(xres, 0);
  using key = secretConcat(xres, ik, ck);
  using password = hmacSecret("md5", key, toUtf8("http-digest-akav2-password"));
  return secretBase64(password);
}
