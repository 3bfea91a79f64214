/**
 * Encryption at rest: a COSE_Encrypt0 under a key that is made new for every wrapping, from the wrapping key and 16 random
 * bytes (the kid context), so that no count of wrappings wears a key out. What a disk or a store holds is this.
 *
 * @module
 */

import { equal, fromHex, toUtf8 } from "../bytes/mod.ts";
import {
  A256GCM,
  decodeEncrypt0,
  LABEL,
  openEncrypt0,
  oscoreCommonIv,
  oscoreExtract,
  oscoreKey,
  sealEncrypt0,
} from "../cose/mod.ts";
import { fingerprint, type SecretBytes } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { Random } from "../platform.ts";

/** Both directions. */
export interface WrapOptions {
  /** At least 16 bytes, unpredictable. */
  readonly wrappingKey: SecretBytes;
  /** What is wrapped: one kind never opens as another. */
  readonly label: string;
}

/** `plaintext` sealed; the caller wipes it. Throws RangeError for a wrapping key shorter than 16 bytes. */
export function wrap(plaintext: Uint8Array, options: WrapOptions & { readonly random: Random }): Uint8Array {
  const salt = new Uint8Array(SALT_LENGTH);
  options.random(salt);
  const unprotectedHeaders = new Map([[LABEL.kid, kidOf(options.wrappingKey)], [LABEL.kidContext, salt]]);
  using keys = derive(options, salt);
  return sealEncrypt0(plaintext, { unprotectedHeaders }, { algorithm: A256GCM, ...keys });
}

/**
 * The plaintext, in a new array that the caller wipes. Throws `malformed` or `too-large` for what is no wrapping,
 * `auth-failed` for one under another key, altered, or of another kind.
 */
export function unwrap(bytes: Uint8Array, options: WrapOptions): Uint8Array {
  const { unprotectedHeaders } = decodeEncrypt0(bytes);
  const kid = unprotectedHeaders.get(LABEL.kid);
  const salt = unprotectedHeaders.get(LABEL.kidContext);
  if (!(kid instanceof Uint8Array) || !(salt instanceof Uint8Array) || salt.length !== SALT_LENGTH) {
    throw new SeccfError("malformed", "not a wrapping of ours");
  }
  if (!equal(kid, kidOf(options.wrappingKey))) throw new SeccfError("auth-failed", "wrapped under another key");
  using keys = derive(options, salt);
  return openEncrypt0(bytes, { algorithm: A256GCM, ...keys });
}

const SALT_LENGTH = 16;

/** Names the wrapping key without telling it, so that the wrong key and an altered wrapping are told apart. */
function kidOf(wrappingKey: SecretBytes): Uint8Array {
  if (wrappingKey.byteLength < 16) throw new RangeError("a wrapping key has at least 16 bytes");
  return fromHex(fingerprint(wrappingKey));
}

function derive(
  { wrappingKey, label }: WrapOptions,
  idContext: Uint8Array,
): Disposable & { readonly key: SecretBytes; readonly contextIv: Uint8Array } {
  using prk = oscoreExtract(wrappingKey, new Uint8Array(0));
  const key = oscoreKey(prk, { id: toUtf8(label), idContext, algorithm: A256GCM, type: "Key", length: 32 });
  const contextIv = oscoreCommonIv(prk, { idContext, algorithm: A256GCM, nonceLength: 12 });
  return { key, contextIv, [Symbol.dispose]: () => key[Symbol.dispose]() };
}
