/** COSE_Mac0 (RFC 9052 6.2): content in the clear, authenticated under a key that both sides know. @module */

import { equal } from "../bytes/mod.ts";
import { createHmac, type SecretBytes } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import { type MacAlgorithm, macAlgorithm } from "./algorithms.ts";
import { type CborMap, CborTag, encodeCbor } from "./cbor.ts";
import {
  checkAlgorithm,
  checkHeaders,
  type CoseDecodeOptions,
  type CoseMessage,
  decodeCoseMessage,
  encodeProtected,
  LABEL,
} from "./message.ts";

/** What both directions take. */
export interface Mac0Options extends CoseDecodeOptions {
  /** The COSE number of the algorithm that the caller's policy wants. */
  readonly algorithm: number;
  /** Any length; as many bytes as the hash has is best. */
  readonly key: SecretBytes;
  /** Authenticated, not sent. Default none. */
  readonly externalAad?: Uint8Array;
}

/** Authenticates `payload` under the headers given, among which the algorithm is added to the protected ones. */
export function signMac0(
  payload: Uint8Array,
  headers: { readonly protectedHeaders?: CborMap; readonly unprotectedHeaders?: CborMap },
  options: Mac0Options,
): Uint8Array {
  const algorithm = offered(options.algorithm);
  const protectedHeaders: CborMap = new Map([...headers.protectedHeaders ?? [], [LABEL.alg, algorithm.id]]);
  const unprotectedHeaders = headers.unprotectedHeaders ?? new Map();
  checkHeaders(protectedHeaders, unprotectedHeaders);
  const protectedBytes = encodeProtected(protectedHeaders);
  const tag = tagOf(protectedBytes, payload, algorithm, options);
  const items = [protectedBytes, unprotectedHeaders, payload, tag];
  return encodeCbor(options.tagged === false ? items : new CborTag(TAG, items));
}

/** Checks the form of a message without a key. Throws `malformed`, `too-large`, `unsupported`. */
export function decodeMac0(
  bytes: Uint8Array,
  options: CoseDecodeOptions = {},
): CoseMessage & { readonly tag: Uint8Array } {
  const { message, rest: [tag] } = decodeCoseMessage(bytes, TAG, 4, options);
  if (!(tag instanceof Uint8Array)) throw new SeccfError("malformed", "a tag that is not a byte string");
  return { ...message, tag };
}

/**
 * The payload of a message, a view of `bytes`, once its tag is found right. Throws `malformed` or `too-large` for its
 * form, `unsupported` or `downgrade` for its algorithm, `auth-failed` for its tag.
 */
export function verifyMac0(bytes: Uint8Array, options: Mac0Options): Uint8Array {
  const algorithm = offered(options.algorithm);
  const message = decodeMac0(bytes, options);
  checkAlgorithm(message, algorithm.id, macAlgorithm);
  const tag = tagOf(message.protectedBytes, message.content, algorithm, options);
  if (!equal(tag, message.tag)) throw new SeccfError("auth-failed", "the tag is wrong", { clause: "RFC 9052 6.3" });
  return message.content;
}

const TAG = 17;
const NOTHING = new Uint8Array(0);

function offered(id: number): MacAlgorithm {
  const algorithm = macAlgorithm(id);
  if (!algorithm) throw new RangeError("an algorithm of authentication that is not offered");
  return algorithm;
}

/** HMAC over MAC_structure (RFC 9052 6.3), truncated as the algorithm says. */
function tagOf(
  protectedBytes: Uint8Array,
  payload: Uint8Array,
  { hash, tagLength }: MacAlgorithm,
  { key, externalAad = NOTHING }: Mac0Options,
): Uint8Array {
  using hmac = createHmac(hash, key);
  const whole = new Uint8Array(hmac.length);
  hmac.signInto(encodeCbor(["MAC0", protectedBytes, externalAad, payload]), whole);
  return whole.slice(0, tagLength);
}
