/** Records of one direction under one key of TLS 1.3 (RFC 8446 5.2): their type is inside. Not those of DTLS 1.3. @module */

import { type Aead, type CipherSuite, createAead } from "../../crypto/mod.ts";
import { SeccfError } from "../../error.ts";
import { MAX_RECORDS } from "../limits.ts";
import type { RecordKeys } from "../tls13/key_schedule.ts";
import { CONTENT, RECORD_HEADER_LENGTH, TLS_1_2 } from "./content_type.ts";
import type { Pad } from "./pad.ts";

// req: SEC_CF-AUTH-003, SEC_CF-AUTH-004, SEC_CF-INTE-001, SEC_CF-CONF-001
/** Counts its records itself, from 0 and never around. */
export class InnerProtection implements Disposable {
  /** How much longer than its plaintext a record's body is: the type (1) and the tag. */
  readonly overhead: number;
  readonly #aead: Aead;
  readonly #iv: Uint8Array;
  #next: number;

  /** Copies `keys`. `first` is 0 for every key; tests begin nearer to the end. */
  constructor({ protection }: CipherSuite, keys: RecordKeys, first = 0) {
    if (protection.kind !== "aead") throw new RangeError("TLS 1.3 has AEAD ciphers alone");
    this.#aead = createAead(protection.spec, keys.key);
    this.#iv = keys.iv.slice();
    this.#next = first;
    this.overhead = 1 + this.#aead.tagLength;
  }

  /** How many records there were. */
  get count(): number {
    return this.#next;
  }

  /** Makes a whole record at `at` in `pad` of the `length` bytes of content that lie there behind a header's length, and returns how long it is. There is room for it. */
  seal(type: number, pad: Pad, at: number, length: number): number {
    const { bytes } = pad;
    const bodyAt = at + RECORD_HEADER_LENGTH;
    const bodyLength = length + this.overhead;
    this.#number();
    HEADER[3] = bodyLength >> 8;
    HEADER[4] = bodyLength;
    bytes.set(HEADER, at);
    bytes[bodyAt + length] = type;
    this.#aead.sealInto(NONCE, HEADER, pad.view(bodyAt, bodyAt + length + 1), pad.view(bodyAt, bodyAt + bodyLength));
    return RECORD_HEADER_LENGTH + bodyLength;
  }

  /**
   * Opens the whole record of `length` bytes at `at` in `pad`: contents, type and padding lie behind its header then. Returns
   * their length; or -1 for anything that is not what the peer sealed, and then its number is still free.
   */
  open(pad: Pad, at: number, length: number): number {
    this.#nonceOf(this.#next);
    const body = pad.view(at + RECORD_HEADER_LENGTH, at + length);
    const opened = this.#aead.openInto(NONCE, pad.view(at, at + RECORD_HEADER_LENGTH), body, body);
    if (opened >= 0) this.#next++;
    return opened;
  }

  /** Wipes the key. */
  [Symbol.dispose](): void {
    this.#aead[Symbol.dispose]();
    this.#iv.fill(0);
  }

  #number(): void {
    if (this.#next >= MAX_RECORDS) throw new SeccfError("exhausted", "no record numbers are left under this key");
    this.#nonceOf(this.#next++);
  }

  /** RFC 8446 5.3: the number, xored into the end of the IV. */
  #nonceOf(number: number): void {
    NONCE.set(this.#iv);
    for (let i = NONCE.length - 1, left = number; left > 0; i--, left = Math.floor(left / 256)) {
      NONCE[i]! ^= left % 256;
    }
  }
}

/** One for all: none outlives the call that it is made for. All AEADs of TLS 1.3 have nonces of this length. */
const NONCE: Uint8Array = new Uint8Array(12);
/** type (1), version (2), length (2): all that is authenticated beside the contents. */
const HEADER: Uint8Array = Uint8Array.of(CONTENT.applicationData, TLS_1_2 >> 8, TLS_1_2 & 0xff, 0, 0);
