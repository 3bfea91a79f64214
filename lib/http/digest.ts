/**
 * The arithmetic of Digest: RFC 7616 3.4, with RFC 2617's MD5, RFC 3310's AKAv1-MD5 and RFC 4169's AKAv2-MD5, which differ from
 * MD5 in their password alone. Not here: `-sess` (its first hash is read in two ways), `userhash`, and RFC 2069's form without qop.
 *
 * @module
 */

import { equal, toUtf8 } from "../bytes/mod.ts";
import { createHasher, digest, type Hasher, type HashName, type SecretBytes, secretFrom, wipe } from "../crypto/mod.ts";

/** The value of `algorithm`, as RFC 7616, RFC 3310 and RFC 4169 write it. */
export type DigestAlgorithm = "MD5" | "SHA-256" | "SHA-512-256" | "AKAv1-MD5" | "AKAv2-MD5";

/** What the response covers: the request line alone, or the body too. */
export type Qop = "auth" | "auth-int";

/** Whom a password is for. */
export interface DigestPrincipal {
  readonly algorithm: DigestAlgorithm;
  readonly username: string;
  readonly realm: string;
}

/** What one response is computed over, next to the password. */
export interface DigestTerms {
  readonly nonce: string;
  /** Eight lower-case hexadecimal digits. */
  readonly nc: string;
  readonly cnonce: string;
  readonly qop: Qop;
  /** Empty in `rspauth` (RFC 7616 3.5). */
  readonly method: string;
  /** As it stands in the `uri` parameter. */
  readonly uri: string;
  /** Used with `auth-int` alone. */
  readonly body: Uint8Array;
}

/** The algorithm of this name, in any case; `undefined` for one that is not spoken here. No name at all means MD5. */
export function digestAlgorithm(name: string | undefined): DigestAlgorithm | undefined {
  if (name === undefined) return "MD5";
  return ALGORITHMS.find((known) => known.toLowerCase() === name.toLowerCase());
}

/** H(A1) as ASCII hexadecimal: as good as the password within this realm, so the caller disposes it. RFC 7616 3.4.2. */
export function passwordHash(principal: DigestPrincipal, password: SecretBytes): SecretBytes {
  const hasher = createHasher(HASHES[principal.algorithm]);
  hasher.update(toUtf8(`${principal.username}:${principal.realm}:`)).update(password);
  const hash = hasher.digest();
  const text = hexAscii(hash);
  const secret = secretFrom(text);
  wipe(hash, text);
  return secret;
}

/** The value of `response` or `rspauth`: lower-case hexadecimal. RFC 7616 3.4.1. */
export function digestResponse(algorithm: DigestAlgorithm, ha1: SecretBytes, terms: DigestTerms): string {
  const hash = HASHES[algorithm];
  const a2 = terms.qop === "auth"
    ? toUtf8(`${terms.method}:${terms.uri}`)
    : toUtf8(`${terms.method}:${terms.uri}:${hex(digest(hash, terms.body))}`);
  const hasher: Hasher = createHasher(hash).update(ha1);
  hasher.update(toUtf8(`:${terms.nonce}:${terms.nc}:${terms.cnonce}:${terms.qop}:${hex(digest(hash, a2))}`));
  return hex(hasher.digest());
}

/** Whether a peer's response is the expected one, in a time that depends on its length alone. Digits of either case. */
export function sameResponse(expected: string, received: string): boolean {
  return equal(toUtf8(expected), toUtf8(received.toLowerCase()));
}

function hex(hash: Uint8Array): string {
  return String.fromCharCode(...hexAscii(hash));
}

/** Digits as bytes, since a string can not be wiped. */
function hexAscii(hash: Uint8Array): Uint8Array {
  const text = new Uint8Array(2 * hash.length);
  for (let i = 0; i < hash.length; i++) {
    const byte = hash[i]!;
    text[2 * i] = digit(byte >> 4);
    text[2 * i + 1] = digit(byte & 15);
  }
  return text;
}

function digit(nibble: number): number {
  return nibble < 10 ? 0x30 + nibble : 0x57 + nibble;
}

const HASHES: Record<DigestAlgorithm, HashName> = {
  "MD5": "md5",
  "SHA-256": "sha-256",
  "SHA-512-256": "sha-512-256",
  "AKAv1-MD5": "md5",
  "AKAv2-MD5": "md5",
};
const ALGORITHMS = Object.keys(HASHES) as DigestAlgorithm[]; // the keys of the record above
