/** The algorithms of COSE that this library offers, by their IANA numbers (RFC 9053 3.1, 4). One table each. @module */

import type { AeadSpec, HashName } from "../crypto/mod.ts";

/** An algorithm of content encryption (RFC 9053 4). */
export interface EncryptionAlgorithm {
  readonly id: number;
  /** IANA's name. */
  readonly name: string;
  /** Bytes. */
  readonly keyLength: 16 | 24 | 32;
  /** Bytes. */
  readonly nonceLength: 7 | 12 | 13;
  /** Bytes. */
  readonly tagLength: 8 | 16;
  readonly spec: AeadSpec;
}

/** An algorithm of message authentication (RFC 9053 3.1). */
export interface MacAlgorithm {
  readonly id: number;
  /** IANA's name. */
  readonly name: string;
  readonly hash: HashName;
  /** Bytes of a key made for it: as many as the hash has. */
  readonly keyLength: 32 | 48 | 64;
  /** Bytes: the hash's own length, or truncated. */
  readonly tagLength: 8 | 32 | 48 | 64;
}

/** AES-CCM-16-64-128: nonces of 13 bytes, tags of 8. What sealed messages use unless told otherwise. */
export const AES_CCM_16_64_128 = 10;
/** AES-CCM-16-128-128: tags of 16 bytes. */
export const AES_CCM_16_128_128 = 30;
/** AES-GCM with a key of 16 bytes. */
export const A128GCM = 1;
/** AES-GCM with a key of 32 bytes. */
export const A256GCM = 3;
/** ChaCha20-Poly1305 (RFC 8439). */
export const CHACHA20_POLY1305 = 24;
/** HMAC with SHA-256, whole tags. */
export const HMAC_256_256 = 5;

/** Undefined for one that is not offered. */
export function encryptionAlgorithm(id: unknown): EncryptionAlgorithm | undefined {
  return ENCRYPTION.find((algorithm) => algorithm.id === id);
}

/** Undefined for one that is not offered. */
export function macAlgorithm(id: unknown): MacAlgorithm | undefined {
  return MAC.find((algorithm) => algorithm.id === id);
}

const ENCRYPTION: readonly EncryptionAlgorithm[] = [
  gcm(A128GCM, 16),
  gcm(2, 24),
  gcm(A256GCM, 32),
  ccm(AES_CCM_16_64_128, 16, 13, 8),
  ccm(11, 32, 13, 8),
  ccm(12, 16, 7, 8),
  ccm(13, 32, 7, 8),
  {
    id: CHACHA20_POLY1305,
    name: "ChaCha20/Poly1305",
    keyLength: 32,
    nonceLength: 12,
    tagLength: 16,
    spec: { cipher: "chacha20-poly1305" },
  },
  ccm(AES_CCM_16_128_128, 16, 13, 16),
  ccm(31, 32, 13, 16),
  ccm(32, 16, 7, 16),
  ccm(33, 32, 7, 16),
];

const MAC: readonly MacAlgorithm[] = [
  { id: 4, name: "HMAC 256/64", hash: "sha-256", keyLength: 32, tagLength: 8 },
  { id: HMAC_256_256, name: "HMAC 256/256", hash: "sha-256", keyLength: 32, tagLength: 32 },
  { id: 6, name: "HMAC 384/384", hash: "sha-384", keyLength: 48, tagLength: 48 },
  { id: 7, name: "HMAC 512/512", hash: "sha-512", keyLength: 64, tagLength: 64 },
];

function gcm(id: number, keyLength: 16 | 24 | 32): EncryptionAlgorithm {
  const name = `A${8 * keyLength}GCM`;
  return { id, name, keyLength, nonceLength: 12, tagLength: 16, spec: { cipher: "aes-gcm" } };
}

/** The name's first number is L in bits: 16 leaves 13 bytes to the nonce, 64 leaves 7 (RFC 9053 4.2). */
function ccm(id: number, keyLength: 16 | 32, nonceLength: 7 | 13, tagLength: 8 | 16): EncryptionAlgorithm {
  const name = `AES-CCM-${nonceLength === 13 ? 16 : 64}-${8 * tagLength}-${8 * keyLength}`;
  return { id, name, keyLength, nonceLength, tagLength, spec: { cipher: "aes-ccm", nonceLength, tagLength } };
}
