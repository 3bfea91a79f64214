/**
 * The GenericBlockCipher of TLS 1.2 (RFC 5246 6.2.3.2): AES-CBC with HMAC, the MAC over the ciphertext (RFC 7366) or,
 * as older peers have it, over the plaintext; that one is opened in {@link PaddedMac}'s constant work.
 *
 * @module
 */

import { type Cbc, createCbc } from "./cbc.ts";
import { createHmac, type Hmac } from "./hmac.ts";
import { PaddedMac } from "./padded_mac.ts";
import { expose, type SecretBytes } from "./secret.ts";

/**
 * One keyed record protection. `header` is the 11 bytes sequence number (8), type (1), version (2); the length that
 * follows them in the MAC is added here. With encrypt-then-MAC it may be longer, as RFC 9146 5.2 has it.
 */
export interface CbcHmac extends Disposable {
  readonly ivLength: 16;
  readonly blockLength: 16;
  /** Bytes: 20 or 32. */
  readonly macLength: number;
  /**
   * Writes iv || ciphertext, and the MAC behind it when it is over the ciphertext; returns how many bytes. `iv` is 16
   * unpredictable bytes. RangeError when `out` is too short, before anything is written. `out` may overlap `plaintext`.
   */
  sealInto(iv: Uint8Array, header: Uint8Array, plaintext: Uint8Array, out: Uint8Array): number;
  /**
   * Writes the plaintext and returns its length, or -1 on any failure: then `out` holds zeros, and nothing tells
   * which check failed. `out` must have room for the longest plaintext that `sealed` could hold, which is
   * `sealed.length - 17 - macLength` bytes, else RangeError; it may overlap `sealed`.
   */
  openInto(header: Uint8Array, sealed: Uint8Array, out: Uint8Array): number;
}

/** AES-CBC with HMAC, keyed with copies of `key` (16, 24 or 32 bytes) and `macKey`. */
export function createCbcHmac(
  options: { readonly hash: "sha-1" | "sha-256"; readonly encryptThenMac: boolean },
  key: SecretBytes,
  macKey: SecretBytes,
): CbcHmac {
  const cbc = createCbc(key);
  const hmac = createHmac(options.hash, macKey);
  return options.encryptThenMac
    ? new EncryptThenMac(cbc, hmac)
    : new MacThenEncrypt(cbc, hmac, new PaddedMac(options.hash, expose(macKey)));
}

abstract class CbcHmacBase implements CbcHmac {
  readonly ivLength = 16;
  readonly blockLength = 16;
  readonly macLength: number;
  protected readonly cbc: Cbc;
  protected readonly hmac: Hmac;
  protected readonly mac: Uint8Array;
  /** Plaintext, padding and, inside, the MAC; grows to the longest record seen. */
  #scratch: Uint8Array = new Uint8Array(512);
  readonly #length: Uint8Array = new Uint8Array(2);

  constructor(cbc: Cbc, hmac: Hmac) {
    this.cbc = cbc;
    this.hmac = hmac;
    this.macLength = hmac.length;
    this.mac = new Uint8Array(hmac.length);
  }

  abstract sealInto(iv: Uint8Array, header: Uint8Array, plaintext: Uint8Array, out: Uint8Array): number;
  abstract openInto(header: Uint8Array, sealed: Uint8Array, out: Uint8Array): number;

  [Symbol.dispose](): void {
    this.cbc[Symbol.dispose]();
    this.hmac[Symbol.dispose]();
    this.#scratch.fill(0);
    this.mac.fill(0);
  }

  protected scratch(length: number): Uint8Array {
    if (this.#scratch.length < length) {
      this.#scratch.fill(0);
      this.#scratch = new Uint8Array(length);
    }
    return this.#scratch.subarray(0, length);
  }

  /** HMAC over header || length || body, into `this.mac`. */
  protected authenticate(header: Uint8Array, body: Uint8Array): void {
    this.#length[0] = body.length >> 8;
    this.#length[1] = body.length;
    this.hmac.update(header).update(this.#length).update(body).finishInto(this.mac);
  }
}

class EncryptThenMac extends CbcHmacBase {
  sealInto(iv: Uint8Array, header: Uint8Array, plaintext: Uint8Array, out: Uint8Array): number {
    checkHeaderAtLeast(header);
    const padded = paddedLength(plaintext.length);
    const total = 16 + padded + this.macLength;
    checkRoom(out, total);
    const inner = this.scratch(padded);
    inner.set(plaintext);
    inner.fill(padded - plaintext.length - 1, plaintext.length);
    this.cbc.encryptInto(iv, inner, inner);
    out.set(iv);
    out.set(inner, 16);
    this.authenticate(header, out.subarray(0, 16 + padded));
    out.set(this.mac, 16 + padded);
    return total;
  }

  openInto(header: Uint8Array, sealed: Uint8Array, out: Uint8Array): number {
    checkHeaderAtLeast(header);
    const padded = sealed.length - 16 - this.macLength;
    if (padded < 16 || padded % 16 !== 0 || padded > LONGEST) return -1;
    checkRoom(out, padded - 1);
    const body = sealed.subarray(0, 16 + padded);
    this.authenticate(header, body);
    let difference = 0;
    for (let i = 0; i < this.mac.length; i++) difference |= this.mac[i]! ^ sealed[16 + padded + i]!;
    if (difference !== 0) {
      out.fill(0, 0, padded - 1);
      return -1;
    }
    // From here on only the holder of the MAC key can have chosen what is seen: no oracle.
    const inner = this.scratch(padded);
    this.cbc.decryptInto(body.subarray(0, 16), body.subarray(16), inner);
    const padding = inner[padded - 1]!;
    let wrong = padding >= padded ? 1 : 0;
    for (let i = padded - 1; i >= 0 && i >= padded - 1 - padding; i--) wrong |= inner[i]! ^ padding;
    const length = wrong === 0 ? padded - 1 - padding : -1;
    out.fill(0, 0, padded - 1);
    if (length >= 0) out.set(inner.subarray(0, length));
    inner.fill(0);
    return length;
  }
}

class MacThenEncrypt extends CbcHmacBase {
  readonly #padded: PaddedMac;

  constructor(cbc: Cbc, hmac: Hmac, padded: PaddedMac) {
    super(cbc, hmac);
    this.#padded = padded;
  }

  sealInto(iv: Uint8Array, header: Uint8Array, plaintext: Uint8Array, out: Uint8Array): number {
    checkHeader(header);
    const length = plaintext.length + this.macLength;
    const padded = paddedLength(length);
    checkRoom(out, 16 + padded);
    this.authenticate(header, plaintext);
    const inner = this.scratch(padded);
    inner.set(plaintext);
    inner.set(this.mac, plaintext.length);
    inner.fill(padded - length - 1, length);
    this.cbc.encryptInto(iv, inner, inner);
    out.set(iv);
    out.set(inner, 16);
    return 16 + padded;
  }

  openInto(header: Uint8Array, sealed: Uint8Array, out: Uint8Array): number {
    checkHeader(header);
    const padded = sealed.length - 16;
    const most = padded - this.macLength - 1;
    if (padded % 16 !== 0 || most < 0 || padded > LONGEST) return -1;
    checkRoom(out, most);
    const inner = this.scratch(padded);
    this.cbc.decryptInto(sealed.subarray(0, 16), sealed.subarray(16), inner);
    const length = this.#padded.check(header, inner);
    out.fill(0, 0, most);
    // The length is public from here on: the record was good, and the program above sees it.
    if (length >= 0) out.set(inner.subarray(0, length));
    inner.fill(0);
    return length;
  }

  override [Symbol.dispose](): void {
    super[Symbol.dispose]();
    this.#padded.dispose();
  }
}

/** The shortest padding of RFC 5246 6.2.3.2: its length byte included, to whole blocks. */
function paddedLength(length: number): number {
  if (length > LONGEST - 16) throw new RangeError("longer than a record can be");
  return (length & ~15) + 16;
}

function checkHeader(header: Uint8Array): void {
  if (header.length !== 11) throw new RangeError("the header is 11 bytes: sequence number, type, version");
}

function checkHeaderAtLeast(header: Uint8Array): void {
  if (header.length < 11) throw new RangeError("the header is 11 bytes at least: sequence number, type, version");
}

function checkRoom(out: Uint8Array, length: number): void {
  if (out.length < length) throw new RangeError(`needs ${length} bytes of room, has ${out.length}`);
}

/** The MAC's length field has 16 bits; records end far below (RFC 5246 6.2.3: 2^14 + 2048). */
const LONGEST = 0xffe0;
