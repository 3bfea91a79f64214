/** The one table of TLS cipher suites: numbers and names from IANA's registry, lengths from the RFC of each. @module */

import type { AeadSpec } from "./aead.ts";

/** How a suite protects records. Lengths are bytes. */
export type Protection =
  | {
    readonly kind: "aead";
    readonly spec: AeadSpec;
    readonly keyLength: number;
    /** The part of the nonce that comes from the key schedule: 4 (RFC 5288 3), or 12 (RFC 7905 2, RFC 8446 5.3). */
    readonly fixedIvLength: 4 | 12;
    /** The part of the nonce that is sent with each record; 0 where the record number is xored into the fixed part. */
    readonly explicitNonceLength: 8 | 0;
  }
  | { readonly kind: "cbc"; readonly hash: "sha-1" | "sha-256"; readonly keyLength: 16; readonly macLength: 20 | 32 };

/** One row of the table. */
export interface CipherSuite {
  /** IANA's number, 16 bits. */
  readonly id: number;
  /** IANA's name. */
  readonly name: string;
  /** How the premaster secret is made: RFC 4279 2, RFC 5489 2; a suite of TLS 1.3 leaves that to extensions (RFC 8446 B.4). */
  readonly exchange: "psk" | "ecdhe_psk" | "tls13";
  /** The hash of the PRF and of Finished (RFC 5246 5); of HKDF in TLS 1.3 (RFC 8446 7.1). */
  readonly prf: "sha-256" | "sha-384";
  /** The cipher of its records. */
  readonly protection: Protection;
  /** Used only when named. */
  readonly legacy: boolean;
}

const GCM: AeadSpec = { cipher: "aes-gcm" };
const CCM: AeadSpec = { cipher: "aes-ccm", nonceLength: 12, tagLength: 16 };
const CCM_8: AeadSpec = { cipher: "aes-ccm", nonceLength: 12, tagLength: 8 };
const CHACHA: AeadSpec = { cipher: "chacha20-poly1305" };
const IMPLICIT = { fixedIvLength: 12, explicitNonceLength: 0 } as const;

/** TLS 1.3 first, then with forward secrecy; best first among equals. The default offer is in this order. */
export const cipherSuites: readonly CipherSuite[] = [
  // RFC 8446 B.4. CCM_8 is for who names it: tags of 8 bytes want more safeguards against forgery (RFC 9147 4.5.3).
  aead(0x1301, "TLS_AES_128_GCM_SHA256", "tls13", GCM, 16),
  aead(0x1303, "TLS_CHACHA20_POLY1305_SHA256", "tls13", CHACHA, 32),
  aead(0x1304, "TLS_AES_128_CCM_SHA256", "tls13", CCM, 16),
  { ...aead(0x1305, "TLS_AES_128_CCM_8_SHA256", "tls13", CCM_8, 16), legacy: true },
  { ...aead(0x1302, "TLS_AES_256_GCM_SHA384", "tls13", GCM, 32), prf: "sha-384" },
  // RFC 8442 3, RFC 7905 3.
  aead(0xd001, "TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256", "ecdhe_psk", GCM, 16),
  aead(0xccac, "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256", "ecdhe_psk", CHACHA, 32),
  aead(0xd003, "TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256", "ecdhe_psk", CCM_8, 16),
  // RFC 5487 2, RFC 6655 4, RFC 7905 3.
  aead(0x00a8, "TLS_PSK_WITH_AES_128_GCM_SHA256", "psk", GCM, 16),
  aead(0xc0a4, "TLS_PSK_WITH_AES_128_CCM", "psk", CCM, 16),
  aead(0xc0a8, "TLS_PSK_WITH_AES_128_CCM_8", "psk", CCM_8, 16),
  { ...aead(0x00a9, "TLS_PSK_WITH_AES_256_GCM_SHA384", "psk", GCM, 32), prf: "sha-384" },
  aead(0xccab, "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256", "psk", CHACHA, 32),
  // RFC 5487 3, RFC 4279 2.
  cbc(0x00ae, "TLS_PSK_WITH_AES_128_CBC_SHA256", "sha-256", 32),
  cbc(0x008c, "TLS_PSK_WITH_AES_128_CBC_SHA", "sha-1", 20),
];

/** The suite with IANA's number `id`, if it is in the table. */
export function suiteById(id: number): CipherSuite | undefined {
  return cipherSuites.find((suite) => suite.id === id);
}

/** The suite with IANA's name `name`, if it is in the table. */
export function suiteByName(name: string): CipherSuite | undefined {
  return cipherSuites.find((suite) => suite.name === name);
}

function aead(
  id: number,
  name: string,
  exchange: CipherSuite["exchange"],
  spec: AeadSpec,
  keyLength: number,
): CipherSuite {
  // TLS 1.3 sends no part of the nonce, and ChaCha20 did not before it.
  const sent = exchange !== "tls13" && spec !== CHACHA;
  const nonce = sent ? { fixedIvLength: 4, explicitNonceLength: 8 } as const : IMPLICIT;
  return { id, name, exchange, prf: "sha-256", protection: { kind: "aead", spec, keyLength, ...nonce }, legacy: false };
}

function cbc(id: number, name: string, hash: "sha-1" | "sha-256", macLength: 20 | 32): CipherSuite {
  const protection = { kind: "cbc", hash, keyLength: 16, macLength } as const;
  return { id, name, exchange: "psk", prf: "sha-256", protection, legacy: true };
}
