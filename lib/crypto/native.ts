/**
 * The one file that asks the runtime for its own primitives: computation, not I/O. Nothing is imported, so a runtime
 * without them (a browser, a worker) loads this library all the same and gets noble's.
 *
 * @module
 */

declare const process: { getBuiltinModule?(name: string): unknown } | undefined;
declare const Buffer: { from(text: string, encoding: "base64"): Uint8Array<ArrayBuffer> } | undefined;
declare const Bun: { readonly SHA256?: NativeSha256 } | undefined;

/** The AEADs that a runtime may have; OpenSSL's names. */
export type NativeAeadName =
  | "aes-128-gcm"
  | "aes-192-gcm"
  | "aes-256-gcm"
  | "aes-128-ccm"
  | "aes-192-ccm"
  | "aes-256-ccm"
  | "chacha20-poly1305";
/** The block modes that a runtime may have; OpenSSL's names. */
export type NativeCbcName = "aes-128-cbc" | "aes-192-cbc" | "aes-256-cbc";
/** The hashes that a runtime may have; OpenSSL's names. */
export type NativeHashName = "md5" | "sha1" | "sha256" | "sha384" | "sha512" | "sha512-256";

/** What is used of `node:crypto`'s Hash. */
export interface NativeHash {
  update(data: Uint8Array): this;
  copy(): NativeHash;
  digest(): Uint8Array;
}

/** `node:crypto`'s KeyObject: the runtime's own copy of a key, which cannot be wiped, only let go. */
export interface NativeKey {
  readonly type: "secret" | "public" | "private";
}

/** A KeyObject that is no secret's. */
export interface NativePublicKey extends NativeKey {
  export(options: { readonly format: "der"; readonly type: "spki" }): Uint8Array;
}

/** What is used of `node:crypto`'s Cipheriv of a mode without a tag. */
export interface NativeCbc {
  setAutoPadding(on: boolean): this;
  update(data: Uint8Array): Uint8Array;
  final(): Uint8Array;
}

/** What is used of `node:crypto`'s Cipheriv of an AEAD. */
export interface NativeSeal {
  setAAD(data: Uint8Array, options?: { readonly plaintextLength: number }): this;
  update(data: Uint8Array): Uint8Array;
  final(): Uint8Array;
  getAuthTag(): Uint8Array;
}

/** What is used of `node:crypto`'s Decipheriv of an AEAD. */
export interface NativeOpen {
  setAAD(data: Uint8Array, options?: { readonly plaintextLength: number }): this;
  setAuthTag(tag: Uint8Array): this;
  update(data: Uint8Array): Uint8Array;
  /** Throws where the tag is wrong. */
  final(): Uint8Array;
}

/** Bun's SHA-256, which hashes one array into another without an object between. */
export interface NativeSha256 {
  new (): { update(data: Uint8Array): InstanceType<NativeSha256>; digest(out: Uint8Array): unknown };
  hash(data: Uint8Array, out: Uint8Array): unknown;
}

/** The part of `node:crypto` that this library uses. A name in a type is no promise that the runtime knows it: probe. */
export interface NativeCrypto {
  createHash(name: NativeHashName): NativeHash;
  createSecretKey(key: Uint8Array): NativeKey;
  createPrivateKey(key: { readonly key: Uint8Array; readonly format: "der"; readonly type: "pkcs8" }): NativeKey;
  createPublicKey(
    key: NativeKey | { readonly key: Uint8Array; readonly format: "der"; readonly type: "spki" },
  ): NativePublicKey;
  diffieHellman(keys: { readonly privateKey: NativeKey; readonly publicKey: NativePublicKey }): Uint8Array;
  createCipheriv(name: NativeCbcName, key: NativeKey, iv: Uint8Array): NativeCbc;
  createCipheriv(
    name: NativeAeadName,
    key: NativeKey,
    nonce: Uint8Array,
    options: { readonly authTagLength: number },
  ): NativeSeal;
  createDecipheriv(name: NativeCbcName, key: NativeKey, iv: Uint8Array): NativeCbc;
  createDecipheriv(
    name: NativeAeadName,
    key: NativeKey,
    nonce: Uint8Array,
    options: { readonly authTagLength: number },
  ): NativeOpen;
}

/** The runtime's own cryptography, or undefined where it has none. */
export const nativeCrypto: NativeCrypto | undefined = ask();

/** Whose cryptography it would be: what it costs to make a cipher differs tenfold between them. */
export const nativeRuntime: "node" | "deno" | "bun" = "Deno" in globalThis
  ? "deno"
  : "Bun" in globalThis
  ? "bun"
  : "node";

/** Bun's SHA-256, or undefined on other runtimes. */
export const nativeSha256: NativeSha256 | undefined = typeof Bun === "undefined" ? undefined : Bun.SHA256;

/**
 * The bytes that `text` is in base64, or undefined where only a loop could tell: done once, before any JIT, that is a tenth of
 * a process's first connection.
 */
export function nativeBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  const { fromBase64 } = Uint8Array as { fromBase64?(text: string): Uint8Array<ArrayBuffer> };
  if (fromBase64) return fromBase64(text);
  return typeof Buffer === "undefined" ? undefined : Buffer.from(text, "base64");
}

function ask(): NativeCrypto | undefined {
  try {
    if (typeof process === "undefined") return undefined;
    return process.getBuiltinModule?.("node:crypto") as NativeCrypto | undefined;
  } catch {
    // A runtime may forbid the question.
    return undefined;
  }
}
