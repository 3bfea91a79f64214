/** Records of one direction under one key: what TLS 1.2 and DTLS 1.2 share (RFC 5246 6.2.3, RFC 5288 3, RFC 6655 3, RFC 7905 2). @module */

import { type Aead, type CbcHmac, type CipherSuite, createAead, createCbcHmac } from "../../crypto/mod.ts";
import type { Random } from "../../platform.ts";
import type { DirectionKeys } from "../tls12/key_schedule.ts";
import { numberAt } from "./datagram_header.ts";
import { scratch } from "./scratch.ts";

// req: SEC_CF-AUTH-003, SEC_CF-AUTH-004, SEC_CF-INTE-001, SEC_CF-CONF-001
/** `header` is 11 bytes: sequence number or epoch and number (8), type (1), version (2); or with a Connection ID what RFC 9146 5 has before the length. */
export interface Protection extends Disposable {
  /** How much longer than its plaintext a sealed record can be. */
  readonly overhead: number;
  /** How long a record of this much plaintext is, sealed here. */
  sealedLength(plaintextLength: number): number;
  /** Writes what goes into the record and returns its length. `out` has room for `plaintext.length + overhead` and lies apart from `plaintext`. */
  sealInto(header: Uint8Array, plaintext: Uint8Array, out: Uint8Array): number;
  /** Writes the plaintext and returns its length, or -1 for anything that is not what the peer sealed. `out` has room for `sealed.length`. */
  openInto(header: Uint8Array, sealed: Uint8Array, out: Uint8Array): number;
}

/** What seals (`random` makes the IVs) or opens with `keys`, which the caller may dispose at once. */
export function createProtection(
  suite: CipherSuite,
  keys: DirectionKeys,
  options: { readonly encryptThenMac: boolean; readonly random: Random },
): Protection {
  const { protection } = suite;
  if (protection.kind === "aead") {
    const aead = createAead(protection.spec, keys.key);
    return protection.explicitNonceLength > 0 ? new AeadProtection(aead, keys.iv) : new ImplicitNonce(aead, keys.iv);
  }
  if (!keys.macKey) throw new RangeError("a CBC suite needs a MAC key");
  const { encryptThenMac, random } = options;
  const cipher = createCbcHmac({ hash: protection.hash, encryptThenMac }, keys.key, keys.macKey);
  return new CbcProtection(cipher, random, encryptThenMac);
}

/** What is authenticated with a record: `header`, and the length of its plaintext (RFC 5246 6.2.3.3, RFC 9146 5). */
function additionalData(header: Uint8Array, length: number): Uint8Array {
  const end = header.length;
  const bytes = scratch(end + 2);
  for (let i = 0; i < end; i++) bytes[i] = header[i]!;
  bytes[end] = length >> 8;
  bytes[end + 1] = length;
  return bytes;
}

/** Nonce: fixed IV (4) || explicit (8), the latter at the beginning of each record. */
class AeadProtection implements Protection {
  readonly overhead: number;
  readonly #aead: Aead;
  /** The fixed IV. */
  #salt: number;

  constructor(aead: Aead, iv: Uint8Array) {
    this.#aead = aead;
    this.#salt = (iv[0]! << 24) | (iv[1]! << 16) | (iv[2]! << 8) | iv[3]!;
    this.overhead = EXPLICIT_NONCE + aead.tagLength;
  }

  sealedLength(plaintextLength: number): number {
    return plaintextLength + this.overhead;
  }

  sealInto(header: Uint8Array, plaintext: Uint8Array, out: Uint8Array): number {
    // The record's number, which never repeats, is the explicit part: no two nonces are alike.
    const at = numberAt(header);
    for (let i = 0; i < EXPLICIT_NONCE; i++) out[i] = header[at + i]!;
    const additional = additionalData(header, plaintext.length);
    return EXPLICIT_NONCE + this.#aead.sealInto(this.#nonce(out), additional, plaintext, out.subarray(EXPLICIT_NONCE));
  }

  openInto(header: Uint8Array, sealed: Uint8Array, out: Uint8Array): number {
    const length = sealed.length - this.overhead;
    if (length < 0) return -1;
    const additional = additionalData(header, length);
    return this.#aead.openInto(this.#nonce(sealed), additional, sealed.subarray(EXPLICIT_NONCE), out);
  }

  [Symbol.dispose](): void {
    this.#aead[Symbol.dispose]();
    this.#salt = 0;
  }

  /** For the record whose body begins as `body` does: valid until the next. */
  #nonce(body: Uint8Array): Uint8Array {
    for (let i = 0; i < 4; i++) NONCE[i] = this.#salt >> (24 - 8 * i);
    for (let i = 0; i < EXPLICIT_NONCE; i++) NONCE[4 + i] = body[i]!;
    return NONCE;
  }
}

/** Nonce: fixed IV (12) xor the record's number behind four zeros, and nothing of it in the record (RFC 7905 2). */
class ImplicitNonce implements Protection {
  readonly overhead: number;
  readonly #aead: Aead;
  readonly #iv: Uint8Array;

  constructor(aead: Aead, iv: Uint8Array) {
    this.#aead = aead;
    this.#iv = new Uint8Array(iv);
    this.overhead = aead.tagLength;
  }

  sealedLength(plaintextLength: number): number {
    return plaintextLength + this.overhead;
  }

  sealInto(header: Uint8Array, plaintext: Uint8Array, out: Uint8Array): number {
    return this.#aead.sealInto(this.#nonce(header), additionalData(header, plaintext.length), plaintext, out);
  }

  openInto(header: Uint8Array, sealed: Uint8Array, out: Uint8Array): number {
    const length = sealed.length - this.overhead;
    if (length < 0) return -1;
    return this.#aead.openInto(this.#nonce(header), additionalData(header, length), sealed, out);
  }

  [Symbol.dispose](): void {
    this.#aead[Symbol.dispose]();
    this.#iv.fill(0);
  }

  /** Valid until the next. */
  #nonce(header: Uint8Array): Uint8Array {
    const at = numberAt(header) - 4;
    for (let i = 0; i < 4; i++) NONCE[i] = this.#iv[i]!;
    for (let i = 4; i < 12; i++) NONCE[i] = this.#iv[i]! ^ header[at + i]!;
    return NONCE;
  }
}

class CbcProtection implements Protection {
  readonly overhead: number;
  readonly #cipher: CbcHmac;
  readonly #random: Random;
  readonly #encryptThenMac: boolean;
  readonly #iv = new Uint8Array(16);

  constructor(cipher: CbcHmac, random: Random, encryptThenMac: boolean) {
    this.#cipher = cipher;
    this.#random = random;
    this.#encryptThenMac = encryptThenMac;
    this.overhead = cipher.ivLength + MAX_PADDING + cipher.macLength;
  }

  sealedLength(plaintextLength: number): number {
    const { ivLength, blockLength, macLength } = this.#cipher;
    const inside = plaintextLength + (this.#encryptThenMac ? 0 : macLength);
    const padded = inside + blockLength - (inside % blockLength);
    return ivLength + padded + (this.#encryptThenMac ? macLength : 0);
  }

  sealInto(header: Uint8Array, plaintext: Uint8Array, out: Uint8Array): number {
    this.#random(this.#iv);
    return this.#cipher.sealInto(this.#iv, header, plaintext, out);
  }

  openInto(header: Uint8Array, sealed: Uint8Array, out: Uint8Array): number {
    return this.#cipher.openInto(header, sealed, out);
  }

  [Symbol.dispose](): void {
    this.#cipher[Symbol.dispose]();
  }
}

const EXPLICIT_NONCE = 8;
/** One for all: none outlives the call that it is made for. */
const NONCE: Uint8Array = new Uint8Array(12);
/** A sender may pad up to this (RFC 5246 6.2.3.2). */
const MAX_PADDING = 256;
