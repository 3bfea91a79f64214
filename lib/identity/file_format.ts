/**
 * The identity file from outside: what it is, how it opens, and its content as one COSE_Encrypt0. One deterministic CBOR
 * array, `["seccf identity file", version, header, sealed, checksum]`.
 *
 * The header is `[opening, key id, salt, generation]`, where opening is `[0]` for a wrapping key and
 * `[1, salt, log N, r, p]` for a passphrase under scrypt; it is authenticated with the content. The content's key is
 * made anew for every writing, by HKDF (RFC 5869) from the opened key and 32 random bytes, so that neither the number of
 * writings nor an old copy put back brings a nonce back. The checksum is no protection: it tells damage from a wrong
 * passphrase before the passphrase is paid for.
 *
 * @module
 */

import { equal, fromHex, toUtf8 } from "../bytes/mod.ts";
import { A256GCM, type CborValue, decodeCbor, encodeCbor, openEncrypt0, sealEncrypt0 } from "../cose/mod.ts";
import {
  digest,
  fingerprint,
  hkdfExpand,
  hkdfExtract,
  type ScryptCost,
  scryptCostFits,
  scryptKey,
  type SecretBytes,
  secretSlice,
} from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { Random } from "../platform.ts";

/** What opens an identity file. Stays the caller's. */
export type Unlock =
  /** At least one byte; people's words in UTF-8. */
  | { readonly passphrase: SecretBytes }
  /** 16 bytes or more that nobody can guess: from a TPM, a card, a Key Manager. */
  | { readonly wrappingKey: SecretBytes };

/** How a file's key is made; written in its header. */
export type Opening =
  | { readonly kind: "wrapping-key" }
  | { readonly kind: "passphrase"; readonly salt: Uint8Array; readonly cost: ScryptCost };

/** A file that was read but not opened. Its arrays are views of what was read. */
export interface SealedFile {
  readonly opening: Opening;
  readonly keyId: Uint8Array;
  readonly salt: Uint8Array;
  /** One more at each writing. */
  readonly generation: number;
  readonly sealed: Uint8Array;
  /** What the tag covers besides the content. */
  readonly aad: Uint8Array;
}

/**
 * 32 MiB and N * r * p = 2^18: about half a second on a small server and a few seconds on the first Raspberry Pis, whose
 * 512 MB it must not exhaust. It is paid when the file is opened, not when it is written.
 */
export const DEFAULT_COST: ScryptCost = { logN: 15, r: 8, p: 1 };

/** An identity file is no larger: room for some ten thousand subscribers. */
export const MOST_FILE_BYTES: number = 32 * 2 ** 20;

/** The key that a passphrase or wrapping key makes, and how: good for every file with the same opening. */
export class FileKey implements Disposable {
  /** Wrapping key or passphrase, and for the latter its salt and cost: what a file's header says of how it opens. */
  readonly opening: Opening;
  readonly #key: SecretBytes;

  /** Takes `key` over, which disposing wipes; nothing checks that it was made as `opening` says. */
  constructor(opening: Opening, key: SecretBytes) {
    this.opening = opening;
    this.#key = key;
  }

  /** Tells keys apart, and tells nothing of one. 8 bytes. */
  get id(): Uint8Array {
    return fromHex(fingerprint(this.#key));
  }

  /** A key for one writing. */
  contentKey(salt: Uint8Array): SecretBytes {
    using prk = hkdfExtract("sha-256", salt, this.#key);
    return hkdfExpand("sha-256", prk, toUtf8(`${MAGIC} content`), 32);
  }

  /** Wipes the key: no file is sealed or opened with this object any more. */
  [Symbol.dispose](): void {
    this.#key[Symbol.dispose]();
  }
}

/** A key for new files. RangeError for a cost out of bounds, an empty passphrase or a wrapping key of less than 16 bytes. */
export function newFileKey(unlock: Unlock, random: Random, cost: ScryptCost = DEFAULT_COST): FileKey {
  if ("wrappingKey" in unlock) return deriveKey(unlock, { kind: "wrapping-key" });
  const salt = new Uint8Array(SALT_LENGTH);
  random(salt);
  return deriveKey(unlock, { kind: "passphrase", salt, cost });
}

/** The key of a file that there is. Throws `auth-failed` when it is not the file's. */
// req: SEC_CF-SEC-001
export function fileKeyOf(unlock: Unlock, { opening, keyId }: SealedFile): FileKey {
  if (opening.kind === "passphrase" !== "passphrase" in unlock) {
    const other = opening.kind === "passphrase" ? "a passphrase" : "a wrapping key";
    throw new SeccfError("auth-failed", `the identity file opens with ${other}, which was not given`);
  }
  const key = deriveKey(unlock, opening);
  if (equal(key.id, keyId)) return key;
  key[Symbol.dispose]();
  const given = opening.kind === "passphrase" ? "passphrase" : "wrapping key";
  throw new SeccfError("auth-failed", `not the ${given} of this identity file`);
}

function deriveKey(unlock: Unlock, opening: Opening): FileKey {
  if ("wrappingKey" in unlock) {
    if (unlock.wrappingKey.byteLength < 16) throw new RangeError("a wrapping key has at least 16 bytes");
    return new FileKey(opening, secretSlice(unlock.wrappingKey, 0));
  }
  if (unlock.passphrase.byteLength === 0) throw new RangeError("an empty passphrase");
  if (opening.kind !== "passphrase") throw new TypeError("a passphrase needs a salt and a cost");
  return new FileKey(opening, scryptKey(unlock.passphrase, opening.salt, opening.cost, 32));
}

/** The bytes of a file with this content, which the caller wipes. */
export function sealFile(content: Uint8Array, key: FileKey, generation: number, random: Random): Uint8Array {
  const salt = new Uint8Array(SALT_LENGTH);
  random(salt);
  const header = encodeCbor([encodeOpening(key.opening), key.id, salt, generation]);
  const aad = encodeCbor([MAGIC, VERSION, header]);
  using contentKey = key.contentKey(salt);
  const sealed = sealEncrypt0(content, {}, sealing(contentKey, aad));
  return encodeCbor([MAGIC, VERSION, header, sealed, checksum(header, sealed)]);
}

/**
 * Takes a file apart without a key. Throws `malformed` for one that is no identity file or is damaged, `unsupported` for a
 * later version, `too-large` for one that asks for more than is granted.
 */
export function readFile(bytes: Uint8Array): SealedFile {
  if (bytes.length > MOST_FILE_BYTES) throw new SeccfError("too-large", "an identity file of unlikely size");
  if (!equal(bytes.subarray(0, START.length), START)) {
    const cut = bytes.length < START.length && equal(bytes, START.subarray(0, bytes.length));
    throw malformed(cut ? "the identity file ends too early" : "not an identity file");
  }
  const items = decodeOuter(bytes);
  const [, version, header, sealed, sum] = items;
  if (typeof version !== "number" || version < 1) throw malformed("the identity file is damaged");
  if (version > VERSION) throw new SeccfError("unsupported", "an identity file of a later version");
  if (!(header instanceof Uint8Array && sealed instanceof Uint8Array && sum instanceof Uint8Array)) {
    throw malformed("the identity file is damaged");
  }
  if (items.length !== 5 || !equal(sum, checksum(header, sealed))) throw malformed("the identity file is damaged");
  return { ...decodeHeader(header), sealed, aad: encodeCbor([MAGIC, VERSION, header]) };
}

/** The content, in a new array that the caller wipes. Throws `mac-failure` for a file that was altered. */
export function openFile(file: SealedFile, key: FileKey): Uint8Array {
  using contentKey = key.contentKey(file.salt);
  try {
    return openEncrypt0(file.sealed, sealing(contentKey, file.aad));
  } catch (cause) {
    throw new SeccfError("mac-failure", "the identity file was altered", { cause });
  }
}

const MAGIC = "seccf identity file";
const VERSION = 1;
const SALT_LENGTH = 32;
/** How every version begins. */
const START = encodeCbor([MAGIC, 0, 0, 0, 0]).subarray(0, 2 + MAGIC.length);
/** Each content has a key of its own, which sees one nonce: this. */
const NONCE = new Uint8Array(12);

function sealing(key: SecretBytes, externalAad: Uint8Array) {
  return { algorithm: A256GCM, key, externalAad, contextIv: NONCE, maximumLength: MOST_FILE_BYTES };
}

function checksum(header: Uint8Array, sealed: Uint8Array): Uint8Array {
  return digest("sha-256", toUtf8(MAGIC), header, sealed);
}

function decodeOuter(bytes: Uint8Array): readonly CborValue[] {
  let value: CborValue;
  try {
    value = decodeCbor(bytes, { deterministic: true, maximumLength: MOST_FILE_BYTES });
  } catch (cause) {
    const early = cause instanceof SeccfError && cause.message === "ends too early";
    throw malformed(early ? "the identity file ends too early" : "the identity file is damaged", cause);
  }
  return Array.isArray(value) ? value as readonly CborValue[] : [];
}

function encodeOpening(opening: Opening): CborValue {
  if (opening.kind === "wrapping-key") return [0];
  const { salt, cost: { logN, r, p } } = opening;
  return [1, salt, logN, r, p];
}

function decodeHeader(bytes: Uint8Array): Omit<SealedFile, "sealed" | "aad"> {
  const header = decodeCbor(bytes, { deterministic: true, maximumLength: 1024 });
  const [opening, keyId, salt, generation] = Array.isArray(header) && header.length === 4 ? header : [];
  const fits = keyId instanceof Uint8Array && keyId.length === 8 && salt instanceof Uint8Array &&
    salt.length === SALT_LENGTH && typeof generation === "number" && generation >= 0;
  if (!fits) throw malformed("the identity file is damaged");
  return { opening: decodeOpening(opening), keyId, salt, generation };
}

function decodeOpening(value: CborValue): Opening {
  const [kind, salt, logN, r, p] = Array.isArray(value) ? value as readonly CborValue[] : [];
  if (kind === 0) return { kind: "wrapping-key" };
  if (kind !== 1) throw new SeccfError("unsupported", "an identity file that opens in an unknown way");
  if (!(salt instanceof Uint8Array) || salt.length !== SALT_LENGTH) throw malformed("the identity file is damaged");
  if (typeof logN !== "number" || typeof r !== "number" || typeof p !== "number") {
    throw malformed("the identity file is damaged");
  }
  // Before anything is computed: who can write the file could otherwise take all memory or time.
  if (!scryptCostFits({ logN, r, p })) throw new SeccfError("too-large", "the identity file asks for too costly a key");
  return { kind: "passphrase", salt, cost: { logN, r, p } };
}

function malformed(message: string, cause?: unknown): SeccfError {
  return new SeccfError("malformed", message, { cause });
}
