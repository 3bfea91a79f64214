import { concat, fromUtf8, toUtf8 } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";
import { canonicalFqdn } from "./fqdn.ts";

/** Which key of a bootstrapped Ks: whose, and for what. TS 33.220 B.3. */
export interface NafId {
  /** The name by which the device knows the enabler. */
  readonly fqdn: string;
  /** The Ua security protocol identifier, 5 bytes. */
  readonly ua: Uint8Array;
}

/** FQDN || identifier. Throws `malformed` where the name is none; an identifier of other than 5 bytes is a RangeError. */
export function encodeNafId({ fqdn, ua }: NafId): Uint8Array {
  if (ua.length !== UA_LENGTH) throw new RangeError("a Ua security protocol identifier is 5 bytes");
  return concat(toUtf8(canonicalFqdn(fqdn)), ua);
}

/** Throws `malformed` unless the bytes are what {@link encodeNafId} writes. The result shares no memory with `bytes`. */
export function decodeNafId(bytes: Uint8Array): NafId {
  if (bytes.length <= UA_LENGTH) throw new SeccfError("malformed", "too short for a NAF_Id");
  const name = fromUtf8(bytes.subarray(0, -UA_LENGTH));
  const fqdn = canonicalFqdn(name);
  if (fqdn !== name) throw new SeccfError("malformed", "a NAF_Id with a name in another form");
  return { fqdn, ua: bytes.slice(-UA_LENGTH) };
}

/** Organisation, and four bytes of its own. TS 33.220 Annex H. */
const UA_LENGTH = 5;
