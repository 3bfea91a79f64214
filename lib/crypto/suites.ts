/** The one table of TLS cipher suites: numbers and names from IANA's registry, lengths from the RFC of each. @module */

import type { AeadSpec } from "./aead.ts";

/** How a suite protects records. Lengths are bytes. */
export type Protection =
  | {
    readonly kind: "aead";
    readonly spec: AeadSpec;
    readonly keyLength: number;
    /** The part of the nonce that comes from the key block (RFC 5288 3). */
    readonly fixedIvLength: 4 | 12;
    /** The part of the nonce that is sent with each record. */
    readonly explicitNonceLength: 8 | 0;
  }
  | { readonly kind: "cbc"; readonly hash: "sha-1" | "sha-256"; readonly keyLength: 16; readonly macLength: 20 | 32 };

/** One row of the table. */
export interface CipherSuite {
  /** IANA's number, 16 bits. */
  readonly id: number;
  /** IANA's name. */
  readonly name: string;
  /** How the premaster secret is made (RFC 4279 2). */
  readonly exchange: "psk";
  /** The hash of the PRF and of Finished (RFC 5246 5). */
  readonly prf: "sha-256" | "sha-384";
  /** The cipher of its records. */
  readonly protection: Protection;
  /** Used only when named. */
  readonly legacy: boolean;
}

/** Best first. */
export const cipherSuites: readonly CipherSuite[] = [
  {
    // RFC 5487 2.
    id: 0x00a8,
    name: "TLS_PSK_WITH_AES_128_GCM_SHA256",
    exchange: "psk",
    prf: "sha-256",
    protection: {
      kind: "aead",
      spec: { cipher: "aes-gcm" },
      keyLength: 16,
      fixedIvLength: 4,
      explicitNonceLength: 8,
    },
    legacy: false,
  },
  {
    // RFC 6655 4.
    id: 0xc0a8,
    name: "TLS_PSK_WITH_AES_128_CCM_8",
    exchange: "psk",
    prf: "sha-256",
    protection: {
      kind: "aead",
      spec: { cipher: "aes-ccm", nonceLength: 12, tagLength: 8 },
      keyLength: 16,
      fixedIvLength: 4,
      explicitNonceLength: 8,
    },
    legacy: false,
  },
  {
    // RFC 5487 3.
    id: 0x00ae,
    name: "TLS_PSK_WITH_AES_128_CBC_SHA256",
    exchange: "psk",
    prf: "sha-256",
    protection: { kind: "cbc", hash: "sha-256", keyLength: 16, macLength: 32 },
    legacy: true,
  },
  {
    // RFC 4279 2.
    id: 0x008c,
    name: "TLS_PSK_WITH_AES_128_CBC_SHA",
    exchange: "psk",
    prf: "sha-256",
    protection: { kind: "cbc", hash: "sha-1", keyLength: 16, macLength: 20 },
    legacy: true,
  },
];

/** The suite with IANA's number `id`, if it is in the table. */
export function suiteById(id: number): CipherSuite | undefined {
  return cipherSuites.find((suite) => suite.id === id);
}

/** The suite with IANA's name `name`, if it is in the table. */
export function suiteByName(name: string): CipherSuite | undefined {
  return cipherSuites.find((suite) => suite.name === name);
}
