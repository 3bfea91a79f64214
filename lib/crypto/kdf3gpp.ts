/** The key derivation function of 3GPP: HMAC-SHA-256 over FC || P0 || L0 || P1 || L1 ... (TS 33.220 B.2). @module */

import { createHmac } from "./hmac.ts";
import { bytesOf, type SecretBytes, secretOwning, secretRoom } from "./secret.ts";

/**
 * 32 bytes. `fc` is one octet below FF, which would announce a second one (TS 33.220 B.2.2); each parameter is at
 * most 65535 bytes; otherwise RangeError.
 */
export function kdf3gpp(
  key: SecretBytes,
  fc: number,
  ...parameters: readonly (Uint8Array | SecretBytes)[]
): SecretBytes {
  if (!Number.isInteger(fc) || fc < 0 || fc >= 0xff) throw new RangeError("FC is one octet below 0xff");
  using hmac = createHmac("sha-256", key);
  hmac.update(Uint8Array.of(fc));
  for (const parameter of parameters) {
    const { length } = bytesOf(parameter);
    if (length > 0xffff) throw new RangeError(`a parameter of ${length} bytes, at most 65535`);
    hmac.update(parameter).update(Uint8Array.of(length >>> 8, length));
  }
  const out = secretRoom(hmac.length);
  hmac.finishInto(out);
  return secretOwning(out);
}
