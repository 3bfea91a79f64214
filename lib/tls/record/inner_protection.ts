/** Records of one direction under one key of TLS 1.3 (RFC 8446 5.2): their type is inside. Not those of DTLS 1.3. @module */

import { type Aead, type CipherSuite, createAead } from "../../crypto/mod.ts";
import { SeccfError } from "../../error.ts";
import { MAX_RECORDS } from "../limits.ts";
import type { RecordKeys } from "../tls13/key_schedule.ts";
import { CONTENT, RECORD_HEADER_LENGTH, TLS_1_2 } from "./content_type.ts";

// req: SEC_CF-AUTH-003, SEC_CF-AUTH-004, SEC_CF-INTE-001, SEC_CF-CONF-001
/** Counts its records itself, from 0 and never around. */
export class InnerProtection implements Disposable {
  /** How much longer than its plaintext a record's body is: the type (1) and the tag. */
  readonly overhead: number;
  readonly #aead: Aead;
  readonly #iv: Uint8Array;
  readonly #nonce: Uint8Array;
  /** type (1), version (2), length (2): all that is authenticated beside the contents. */
  readonly #header: Uint8Array = Uint8Array.of(CONTENT.applicationData, TLS_1_2 >> 8, TLS_1_2 & 0xff, 0, 0);
  #next: number;

  /** Copies `keys`. `first` is 0 for every key; tests begin nearer to the end. */
  constructor({ protection }: CipherSuite, keys: RecordKeys, first = 0) {
    if (protection.kind !== "aead") throw new RangeError("TLS 1.3 has AEAD ciphers alone");
    this.#aead = createAead(protection.spec, keys.key);
    this.#iv = keys.iv.slice();
    this.#nonce = new Uint8Array(keys.iv.length);
    this.#next = first;
    this.overhead = 1 + this.#aead.tagLength;
  }

  /** How many records there were. */
  get count(): number {
    return this.#next;
  }

  /** Writes a whole record and returns its length. `out` has room for header, plaintext and `overhead`, and lies apart from `plaintext`. */
  sealInto(type: number, plaintext: Uint8Array, out: Uint8Array): number {
    const length = plaintext.length + this.overhead;
    this.#number();
    this.#header[3] = length >> 8;
    this.#header[4] = length;
    out.set(this.#header);
    const body = out.subarray(RECORD_HEADER_LENGTH);
    body.set(plaintext);
    body[plaintext.length] = type;
    this.#aead.sealInto(this.#nonce, this.#header, body.subarray(0, plaintext.length + 1), body);
    return RECORD_HEADER_LENGTH + length;
  }

  /**
   * Writes contents, type and padding of a whole record, and returns their length; or -1 for anything that is not what
   * the peer sealed, and then its number is still free. `out` has room for `record.length`.
   */
  openInto(record: Uint8Array, out: Uint8Array): number {
    this.#nonceOf(this.#next);
    const body = record.subarray(RECORD_HEADER_LENGTH);
    const length = this.#aead.openInto(this.#nonce, record.subarray(0, RECORD_HEADER_LENGTH), body, out);
    if (length >= 0) this.#next++;
    return length;
  }

  /** Wipes the key. */
  [Symbol.dispose](): void {
    this.#aead[Symbol.dispose]();
    this.#iv.fill(0);
    this.#nonce.fill(0);
  }

  #number(): void {
    if (this.#next >= MAX_RECORDS) throw new SeccfError("exhausted", "no record numbers are left under this key");
    this.#nonceOf(this.#next++);
  }

  /** RFC 8446 5.3: the number, xored into the end of the IV. */
  #nonceOf(number: number): void {
    const { length } = this.#iv;
    this.#nonce.set(this.#iv);
    for (let i = length - 1, left = number; left > 0; i--, left = Math.floor(left / 256)) {
      this.#nonce[i]! ^= left % 256;
    }
  }
}

/** Where the type stands: the last byte of `inner` that is not 0; -1 where there is none (RFC 8446 5.4). */
export function typeAt(inner: Uint8Array): number {
  let at = inner.length - 1;
  while (at >= 0 && inner[at] === 0) at--;
  return at;
}
