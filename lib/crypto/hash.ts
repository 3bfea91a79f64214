/** Digests (RFC 1321, FIPS 180-4): the runtime's where it has them, else noble's. @module */

import { md5, sha1 } from "@noble/hashes/legacy.js";
import { sha256, sha384, sha512, sha512_256 } from "@noble/hashes/sha2.js";
import { SeccfError } from "../error.ts";
import { nativeCrypto, type NativeHash, type NativeHashName } from "./native.ts";
import { bytesOf, type SecretBytes } from "./secret.ts";

/** The hashes of this library. MD5 and SHA-1 are here for the protocols that prescribe them (Digest, OMA DM, legacy suites), never by default. */
export type HashName = "md5" | "sha-1" | "sha-256" | "sha-384" | "sha-512" | "sha-512-256";

/** A digest in progress. */
export interface Hasher {
  /** Bytes of the digest. */
  readonly length: number;
  /** Throws `state` after the digest was taken. */
  update(bytes: Uint8Array | SecretBytes): this;
  /** An independent copy of what was hashed so far. Throws `state` after the digest was taken. */
  clone(): Hasher;
  /** Writes the digest and ends the hasher; returns `length`. RangeError where `out` is shorter, and the hasher goes on. */
  digestInto(out: Uint8Array): number;
  /** The digest; ends the hasher. */
  digest(): Uint8Array;
}

/** Bytes of the digest of `hash`. */
export function hashLength(hash: HashName): number {
  return describe(hash).length;
}

/** Bytes of a block of `hash`: what HMAC (RFC 2104) pads its key to. Not exported by this room's door. */
export function blockLength(hash: HashName): number {
  return describe(hash).block;
}

/** A new hasher; RangeError for an unknown name. */
export function createHasher(hash: HashName): Hasher {
  return new AnyHasher(hash, start(hash));
}

/** A new hasher of noble's, as {@link createHasher} gives where the runtime has none. Not exported by this room's door. */
export function nobleHasher(hash: HashName): Hasher {
  return new AnyHasher(hash, describe(hash).noble.create());
}

/** The digest of `parts` one after the other. */
export function digest(hash: HashName, ...parts: readonly (Uint8Array | SecretBytes)[]): Uint8Array {
  const hasher = createHasher(hash);
  for (const part of parts) hasher.update(part);
  return hasher.digest();
}

/** What the runtime's hash and noble's have in common. */
interface RawHash {
  update(bytes: Uint8Array): unknown;
  digest(): Uint8Array;
}

class AnyHasher implements Hasher {
  readonly length: number;
  readonly #hash: HashName;
  #raw: RawHash | undefined;

  constructor(hash: HashName, raw: RawHash) {
    this.length = describe(hash).length;
    this.#hash = hash;
    this.#raw = raw;
  }

  update(bytes: Uint8Array | SecretBytes): this {
    this.#ready().update(bytesOf(bytes));
    return this;
  }

  clone(): Hasher {
    const raw = this.#ready();
    return new AnyHasher(this.#hash, "copy" in raw ? (raw as NativeHash).copy() : (raw as NobleHash).clone());
  }

  digestInto(out: Uint8Array): number {
    if (out.length < this.length) throw new RangeError(`needs ${this.length} bytes of room, has ${out.length}`);
    out.set(this.digest());
    return this.length;
  }

  digest(): Uint8Array {
    const digest = this.#ready().digest();
    this.#raw = undefined;
    // Node answers with a Buffer, whose slice() and toString() are not those of a Uint8Array.
    return new Uint8Array(digest.buffer, digest.byteOffset, digest.length);
  }

  #ready(): RawHash {
    if (this.#raw === undefined) throw new SeccfError("state", "the digest was taken");
    return this.#raw;
  }
}

interface NobleHash extends RawHash {
  clone(): NobleHash;
}

interface Description {
  readonly length: number;
  readonly block: number;
  readonly native: NativeHashName;
  readonly noble: { create(): NobleHash };
}

const HASHES: Readonly<Record<HashName, Description>> = {
  "md5": { length: 16, block: 64, native: "md5", noble: md5 },
  "sha-1": { length: 20, block: 64, native: "sha1", noble: sha1 },
  "sha-256": { length: 32, block: 64, native: "sha256", noble: sha256 },
  "sha-384": { length: 48, block: 128, native: "sha384", noble: sha384 },
  "sha-512": { length: 64, block: 128, native: "sha512", noble: sha512 },
  "sha-512-256": { length: 32, block: 128, native: "sha512-256", noble: sha512_256 },
};

function describe(hash: HashName): Description {
  if (!Object.hasOwn(HASHES, hash)) throw new RangeError("an unknown hash");
  return HASHES[hash];
}

const probed = new Map<HashName, boolean>();

function start(hash: HashName): RawHash {
  const { native, noble } = describe(hash);
  let works = probed.get(hash);
  if (works === undefined) {
    works = probe(native);
    probed.set(hash, works);
  }
  return works && nativeCrypto !== undefined ? nativeCrypto.createHash(native) : noble.create();
}

/** A runtime may lack a hash (an OpenSSL without MD5) or the copy of one. */
function probe(native: NativeHashName): boolean {
  try {
    return nativeCrypto !== undefined && nativeCrypto.createHash(native).copy().digest().length > 0;
  } catch {
    return false;
  }
}
