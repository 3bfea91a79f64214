/** COSE_Encrypt0 (RFC 9052 5.2): content encrypted under a key that both sides know. @module */

import { createAead, type SecretBytes } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import { type EncryptionAlgorithm, encryptionAlgorithm } from "./algorithms.ts";
import { type CborMap, CborTag, encodeCbor } from "./cbor.ts";
import {
  checkAlgorithm,
  checkHeaders,
  type CoseDecodeOptions,
  type CoseMessage,
  decodeCoseMessage,
  encodeProtected,
  header,
  LABEL,
} from "./message.ts";

/** What both directions take. */
export interface Encrypt0Options extends CoseDecodeOptions {
  /** The COSE number of the algorithm that the caller's policy wants. */
  readonly algorithm: number;
  /** As long as the algorithm wants. */
  readonly key: SecretBytes;
  /** Authenticated, not sent. Default none. */
  readonly externalAad?: Uint8Array;
  /** As long as the algorithm's nonce: the nonce itself where the message names none, or what its Partial IV is added to. */
  readonly contextIv?: Uint8Array;
}

/** The bytes that the tag covers besides the content: Enc_structure (RFC 9052 5.3). */
export function encStructure(protectedBytes: Uint8Array, externalAad: Uint8Array): Uint8Array {
  return encodeCbor(["Encrypt0", protectedBytes, externalAad]);
}

/** Seals `plaintext` under the headers given, among which the algorithm is added to the protected ones. */
export function sealEncrypt0(
  plaintext: Uint8Array,
  headers: { readonly protectedHeaders?: CborMap; readonly unprotectedHeaders?: CborMap },
  options: Encrypt0Options,
): Uint8Array {
  const algorithm = offered(options.algorithm);
  const protectedHeaders: CborMap = new Map([...headers.protectedHeaders ?? [], [LABEL.alg, algorithm.id]]);
  const unprotectedHeaders = headers.unprotectedHeaders ?? new Map();
  checkHeaders(protectedHeaders, unprotectedHeaders);
  const protectedBytes = encodeProtected(protectedHeaders);
  const content = new Uint8Array(plaintext.length + algorithm.tagLength);
  const message: CoseMessage = { protectedBytes, protectedHeaders, unprotectedHeaders, content };
  using aead = createAead(algorithm.spec, keyOf(algorithm, options.key));
  aead.sealInto(nonceOf(message, algorithm, options), aadOf(message, options), plaintext, content);
  const items = [protectedBytes, unprotectedHeaders, content];
  return encodeCbor(options.tagged === false ? items : new CborTag(TAG, items));
}

/** Checks the form of a message without a key. Throws `malformed`, `too-large`, `unsupported`. */
export function decodeEncrypt0(bytes: Uint8Array, options: CoseDecodeOptions = {}): CoseMessage {
  return decodeCoseMessage(bytes, TAG, 3, options).message;
}

/**
 * The plaintext of a message, in a new array. Throws `malformed` or `too-large` for its form, `unsupported` or
 * `downgrade` for its algorithm, `auth-failed` for its tag.
 */
export function openEncrypt0(bytes: Uint8Array, options: Encrypt0Options): Uint8Array {
  const algorithm = offered(options.algorithm);
  const message = decodeEncrypt0(bytes, options);
  checkAlgorithm(message, algorithm.id, encryptionAlgorithm);
  // Behind a buffer of its own: JavaScriptCore moves a small array to one when a view is made of it, and leaves a copy.
  const out = new Uint8Array(new ArrayBuffer(Math.max(0, message.content.length - algorithm.tagLength)));
  using aead = createAead(algorithm.spec, keyOf(algorithm, options.key));
  const length = aead.openInto(nonceOf(message, algorithm, options), aadOf(message, options), message.content, out);
  if (length < 0) throw new SeccfError("auth-failed", "the tag is wrong", { clause: "RFC 9052 5.3" });
  return out;
}

const TAG = 16;
const NOTHING = new Uint8Array(0);

function offered(id: number): EncryptionAlgorithm {
  const algorithm = encryptionAlgorithm(id);
  if (!algorithm) throw new RangeError("an algorithm of encryption that is not offered");
  return algorithm;
}

function keyOf(algorithm: EncryptionAlgorithm, key: SecretBytes): SecretBytes {
  // RFC 9053 4: the algorithm fixes the length; AES would take another one in silence.
  if (key.byteLength !== algorithm.keyLength) {
    throw new RangeError(`${algorithm.name} has a key of ${algorithm.keyLength} bytes`);
  }
  return key;
}

function aadOf(message: CoseMessage, { externalAad = NOTHING }: Encrypt0Options): Uint8Array {
  return encStructure(message.protectedBytes, externalAad);
}

/** The message's IV, its Partial IV on the context's (RFC 9052 3.1), or the context's alone. */
function nonceOf(message: CoseMessage, { nonceLength }: EncryptionAlgorithm, options: Encrypt0Options): Uint8Array {
  // checkHeaders has seen that these are byte strings.
  const iv = header(message, LABEL.iv) as Uint8Array | undefined;
  const partialIv = header(message, LABEL.partialIv) as Uint8Array | undefined;
  if (iv) {
    if (iv.length !== nonceLength) throw new SeccfError("malformed", "an IV of the wrong length");
    return iv;
  }
  const { contextIv } = options;
  if (!contextIv) throw new SeccfError("malformed", "no IV, neither in the message nor known");
  if (contextIv.length !== nonceLength) throw new RangeError(`a context IV has ${nonceLength} bytes`);
  if (!partialIv) return contextIv;
  if (partialIv.length > nonceLength) throw new SeccfError("malformed", "a Partial IV longer than a nonce");
  const nonce = contextIv.slice();
  const offset = nonceLength - partialIv.length;
  for (let i = 0; i < partialIv.length; i++) nonce[offset + i]! ^= partialIv[i]!;
  return nonce;
}
