/** Records of one direction under one key: what TLS 1.2 and DTLS 1.2 share (RFC 5246 6.2.3, RFC 5288 3, RFC 6655 3, RFC 7905 2). @module */

import { type Aead, type CbcHmac, type CipherSuite, createAead, createCbcHmac } from "../../crypto/mod.ts";
import type { Random } from "../../platform.ts";
import type { DirectionKeys } from "../tls12/key_schedule.ts";
import { numberAt } from "./datagram_header.ts";
import type { Pad } from "./pad.ts";
import { scratch } from "./scratch.ts";

// req: SEC_CF-AUTH-003, SEC_CF-AUTH-004, SEC_CF-INTE-001, SEC_CF-CONF-001
/**
 * Seals and opens records where they lie. `header` is 11 bytes: sequence number or epoch and number (8), type (1), version
 * (2); or with a Connection ID what RFC 9146 5 has before the length.
 */
export interface Protection extends Disposable {
  /** How many bytes of a record's body stand before its plaintext. */
  readonly lead: number;
  /** How much longer than its plaintext a sealed record can be. */
  readonly overhead: number;
  /** How long a record of this much plaintext is, sealed here. */
  sealedLength(plaintextLength: number): number;
  /**
   * Makes the body of a record at `at` in `pad` out of the `length` bytes of plaintext that lie there behind `lead` bytes, and
   * returns how long it is. There is room for `length + overhead`.
   */
  seal(header: Uint8Array, pad: Pad, at: number, length: number): number;
  /**
   * Opens the body of `length` bytes at `at` in `pad`: its plaintext lies behind `lead` bytes then. Returns how long that is, or
   * -1 for anything that is not what the peer sealed, of which nothing is left.
   */
  open(header: Uint8Array, pad: Pad, at: number, length: number): number;
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
  readonly #aead: Aead;
  /** The fixed IV. */
  #salt: number;

  constructor(aead: Aead, iv: Uint8Array) {
    this.#aead = aead;
    this.#salt = wordAt(iv, 0);
  }

  get lead(): number {
    return EXPLICIT_NONCE;
  }

  get overhead(): number {
    return EXPLICIT_NONCE + this.#aead.tagLength;
  }

  sealedLength(plaintextLength: number): number {
    return plaintextLength + this.overhead;
  }

  seal(header: Uint8Array, pad: Pad, at: number, length: number): number {
    // The record's number, which never repeats, is the explicit part: no two nonces are alike.
    const numberIsAt = numberAt(header);
    for (let i = 0; i < EXPLICIT_NONCE; i++) pad.bytes[at + i] = header[numberIsAt + i]!;
    const from = at + EXPLICIT_NONCE;
    const sealed = pad.view(from, from + length + this.#aead.tagLength);
    const additional = additionalData(header, length);
    return EXPLICIT_NONCE +
      this.#aead.sealInto(this.#nonce(pad, at), additional, pad.view(from, from + length), sealed);
  }

  open(header: Uint8Array, pad: Pad, at: number, length: number): number {
    if (length < this.overhead) return -1;
    const additional = additionalData(header, length - this.overhead);
    const sealed = pad.view(at + EXPLICIT_NONCE, at + length);
    return this.#aead.openInto(this.#nonce(pad, at), additional, sealed, sealed);
  }

  [Symbol.dispose](): void {
    this.#aead[Symbol.dispose]();
    this.#salt = 0;
  }

  /** For the record whose body begins at `at`: valid until the next. */
  #nonce({ bytes }: Pad, at: number): Uint8Array {
    writeWord(NONCE, 0, this.#salt);
    for (let i = 0; i < EXPLICIT_NONCE; i++) NONCE[4 + i] = bytes[at + i]!;
    return NONCE;
  }
}

/** Nonce: fixed IV (12) xor the record's number behind four zeros, and nothing of it in the record (RFC 7905 2). */
class ImplicitNonce implements Protection {
  readonly #aead: Aead;
  /** The IV: an array would take ten times as much. */
  #high: number;
  #middle: number;
  #low: number;

  constructor(aead: Aead, iv: Uint8Array) {
    this.#aead = aead;
    this.#high = wordAt(iv, 0);
    this.#middle = wordAt(iv, 4);
    this.#low = wordAt(iv, 8);
  }

  get lead(): number {
    return 0;
  }

  get overhead(): number {
    return this.#aead.tagLength;
  }

  sealedLength(plaintextLength: number): number {
    return plaintextLength + this.overhead;
  }

  seal(header: Uint8Array, pad: Pad, at: number, length: number): number {
    const sealed = pad.view(at, at + length + this.overhead);
    return this.#aead.sealInto(this.#nonce(header), additionalData(header, length), pad.view(at, at + length), sealed);
  }

  open(header: Uint8Array, pad: Pad, at: number, length: number): number {
    if (length < this.overhead) return -1;
    const sealed = pad.view(at, at + length);
    return this.#aead.openInto(this.#nonce(header), additionalData(header, length - this.overhead), sealed, sealed);
  }

  [Symbol.dispose](): void {
    this.#aead[Symbol.dispose]();
    this.#high = this.#middle = this.#low = 0;
  }

  /** Valid until the next. */
  #nonce(header: Uint8Array): Uint8Array {
    const at = numberAt(header);
    writeWord(NONCE, 0, this.#high);
    writeWord(NONCE, 4, this.#middle ^ wordAt(header, at));
    writeWord(NONCE, 8, this.#low ^ wordAt(header, at + 4));
    return NONCE;
  }
}

class CbcProtection implements Protection {
  readonly lead: number;
  readonly overhead: number;
  readonly #cipher: CbcHmac;
  readonly #random: Random;
  readonly #encryptThenMac: boolean;

  constructor(cipher: CbcHmac, random: Random, encryptThenMac: boolean) {
    this.#cipher = cipher;
    this.#random = random;
    this.#encryptThenMac = encryptThenMac;
    this.lead = cipher.ivLength;
    this.overhead = cipher.ivLength + MAX_PADDING + cipher.macLength;
  }

  sealedLength(plaintextLength: number): number {
    const { ivLength, blockLength, macLength } = this.#cipher;
    const inside = plaintextLength + (this.#encryptThenMac ? 0 : macLength);
    const padded = inside + blockLength - (inside % blockLength);
    return ivLength + padded + (this.#encryptThenMac ? macLength : 0);
  }

  seal(header: Uint8Array, pad: Pad, at: number, length: number): number {
    this.#random(IV);
    const from = at + this.lead;
    return this.#cipher.sealInto(
      IV,
      header,
      pad.view(from, from + length),
      pad.view(at, at + this.sealedLength(length)),
    );
  }

  open(header: Uint8Array, pad: Pad, at: number, length: number): number {
    if (length < this.lead) return -1;
    return this.#cipher.openInto(header, pad.view(at, at + length), pad.view(at + this.lead, at + length));
  }

  [Symbol.dispose](): void {
    this.#cipher[Symbol.dispose]();
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

function writeWord(out: Uint8Array, at: number, word: number): void {
  for (let i = 0; i < 4; i++) out[at + i] = word >> (24 - 8 * i);
}

const EXPLICIT_NONCE = 8;
/** One for all: none outlives the call that it is made for. */
const NONCE: Uint8Array = new Uint8Array(12);
/** As {@link NONCE}. */
const IV: Uint8Array = new Uint8Array(16);
/** A sender may pad up to this (RFC 5246 6.2.3.2). */
const MAX_PADDING = 256;
