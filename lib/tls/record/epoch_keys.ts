/** What protects the records of one direction in one epoch of DTLS 1.3 (RFC 9147 4, 4.2.3, 4.5.3). @module */

import {
  type Aead,
  type CipherSuite,
  createAead,
  createRecordNumberMask,
  type RecordNumberMask,
} from "../../crypto/mod.ts";
import type { RecordKeys } from "../tls13/key_schedule.ts";
import type { Pad } from "./pad.ts";

/** How often a key may be used. Counts of records. */
export interface KeyLimits {
  /** Records that may be sealed: RFC 8446 5.5, for CCM RFC 9147 4.5.3. */
  readonly sealed: number;
  /** Records that may fail to open: RFC 9147 4.5.3. */
  readonly failed: number;
}

// req: SEC_CF-AUTH-003, SEC_CF-AUTH-004, SEC_CF-INTE-001, SEC_CF-CONF-001
/** Seals or opens records whose header is authenticated as it stands, its number in the clear (RFC 9147 4). */
export class EpochKeys implements Disposable {
  /** How many bytes longer than its content a record's ciphertext is, if it needs no padding. */
  readonly overhead: number;
  readonly limits: KeyLimits;
  readonly #aead: Aead;
  readonly #mask: RecordNumberMask;
  readonly #iv: Uint8Array;

  /** Takes a copy of `keys`, which the caller may dispose at once. RangeError for a suite that is not of version 1.3. */
  constructor({ exchange, protection }: CipherSuite, keys: RecordKeys) {
    if (exchange !== "tls13" || protection.kind !== "aead" || !keys.sn) throw new RangeError("no suite of DTLS 1.3");
    const { spec } = protection;
    this.#aead = createAead(spec, keys.key);
    this.#mask = createRecordNumberMask(spec, keys.sn);
    this.#iv = new Uint8Array(keys.iv);
    this.overhead = TYPE_LENGTH + this.#aead.tagLength;
    this.limits = limitsOf(spec.cipher, this.#aead.tagLength);
  }

  /** Bytes of ciphertext for so many of content: 16 at least, since the number is hidden by them (RFC 9147 4.2.3). */
  sealedLength(contentLength: number): number {
    return Math.max(contentLength + this.overhead, SAMPLE_LENGTH);
  }

  /**
   * Makes the ciphertext of the `length` bytes of content that lie at `at` in `pad`, and of their type; returns how long it is:
   * `sealedLength(length)`, for which there is room. `header` is 5 to 260 bytes, its number in the clear.
   */
  seal(header: Uint8Array, number: number, type: number, pad: Pad, at: number, length: number): number {
    const sealedLength = this.sealedLength(length);
    const end = at + sealedLength - this.#aead.tagLength;
    pad.bytes[at + length] = type;
    pad.bytes.fill(0, at + length + TYPE_LENGTH, end);
    return this.#aead.sealInto(this.#nonceOf(number), header, pad.view(at, end), pad.view(at, at + sealedLength));
  }

  /** Opens `length` bytes of ciphertext at `at` in `pad`, and returns how many of content, type and padding lie there then; -1 for anything that is not what the peer sealed. */
  open(header: Uint8Array, number: number, pad: Pad, at: number, length: number): number {
    const sealed = pad.view(at, at + length);
    return this.#aead.openInto(this.#nonceOf(number), header, sealed, sealed);
  }

  /** Hides the `length` bytes of the number at `at` in `header`, or shows them again; `sealed` is the record's ciphertext. */
  turnNumber(header: Uint8Array, at: number, length: 1 | 2, sealed: Uint8Array): void {
    const mask = MASKS[length];
    this.#mask.maskInto(sealed, mask);
    for (let i = 0; i < length; i++) header[at + i]! ^= mask[i]!;
  }

  /** Wipes the keys. */
  [Symbol.dispose](): void {
    this.#aead[Symbol.dispose]();
    this.#mask[Symbol.dispose]();
    this.#iv.fill(0);
  }

  /** RFC 8446 5.3: the number of 64 bits, of which 48 are ever used, xored into the end of the IV. Without the epoch. */
  #nonceOf(number: number): Uint8Array {
    for (let i = 11, left = number; i >= 6; i--, left = Math.floor(left / 256)) {
      NONCE[i] = this.#iv[i]! ^ (left % 256);
    }
    for (let i = 0; i < 6; i++) NONCE[i] = this.#iv[i]!;
    return NONCE;
  }
}

function limitsOf(cipher: "aes-gcm" | "aes-ccm" | "chacha20-poly1305", tagLength: number): KeyLimits {
  if (cipher === "aes-ccm") return { sealed: 2 ** 23, failed: tagLength === 8 ? 2 ** 7 : Math.floor(2 ** 23.5) };
  return { sealed: cipher === "aes-gcm" ? Math.floor(2 ** 24.5) : 2 ** 48, failed: 2 ** 36 };
}

/** One for all: none outlives the call that it is made for. */
const NONCE: Uint8Array = new Uint8Array(12);
/** The same, by length. */
const MASKS = { 1: new Uint8Array(1), 2: new Uint8Array(2) } as const;
/** What the mask is made of. */
export const SAMPLE_LENGTH = 16;
/** The content's type, behind it. */
const TYPE_LENGTH = 1;
