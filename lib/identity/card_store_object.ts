/**
 * How an object lies on a card, in one of the two places that it has there: with its version, whom it is bound to and who
 * stands behind it. Our own form: no standard that was found gives one (OMA DM_SC was not), and a file that another
 * specification describes is not written by this.
 *
 * ```
 * "SC" 01 | flags | name<1..64> | version u48 | content<0..65535> | tag 32 | digest 16
 * ```
 * `tag` is HMAC-SHA-256 under the authority's key over the binding's digest and all before it; `digest`, the first half of
 * SHA-256 over all before it, tells a place that was half written from one that somebody else wrote.
 *
 * @module
 */

import { concat, equal, fromUtf8, Reader, toUtf8, Writer } from "../bytes/mod.ts";
import { createHmac, digest, type Hmac, type SecretBytes } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";

/** An object, or that there is none any more. */
export interface CardObject {
  /** 1 to 64 bytes of UTF-8. */
  readonly name: string;
  /** 1 to 2^48 - 1; each change counts it up, at whichever side. */
  readonly version: number;
  /** `undefined`: it was deleted. */
  readonly content: Uint8Array | undefined;
}

/** What stands in one place of a card. */
export type CardPlace =
  /** Never written, or half. */
  | { readonly kind: "free" }
  /** Whole, but not of this authority for this card and this device. */
  | { readonly kind: "foreign" }
  | { readonly kind: "object"; readonly object: CardObject };

/** Writes and reads objects of one authority, bound to one card in one device. Disposing wipes the key's copy. */
export class CardObjectForm implements Disposable {
  readonly #hmac: Hmac;
  readonly #binding: Uint8Array;

  /** `key` is copied. `binding` as `bindingDigest` gives it. */
  constructor(key: SecretBytes, binding: Uint8Array) {
    this.#hmac = createHmac("sha-256", key);
    this.#binding = new Uint8Array(binding);
  }

  /** How many bytes of a place all but the content takes. */
  static overhead(name: string): number {
    return 2 + 1 + 1 + 1 + toUtf8(name).length + 6 + 2 + TAG + DIGEST;
  }

  /** RangeError for a name, version or content that does not fit. */
  encode({ name, version, content }: CardObject): Uint8Array {
    const label = nameBytes(name);
    if (!Number.isInteger(version) || version < 1 || version > MOST_VERSION) throw new RangeError("a version from 1");
    const writer = new Writer().bytes(MAGIC).u8(content ? 0 : DELETED).vector8(label);
    writer.u16(Math.floor(version / 2 ** 32)).u32(version % 2 ** 32).vector16(content ?? new Uint8Array(0));
    const body = writer.done();
    const tag = new Uint8Array(TAG);
    this.#hmac.signInto(concat(this.#binding, body), tag);
    const whole = concat(body, tag);
    return concat(whole, digestOf(whole));
  }

  /** Never throws: what is no object is free or foreign. */
  decode(place: Uint8Array): CardPlace {
    try {
      return this.#read(place);
    } catch (error) {
      if (error instanceof SeccfError && error.code === "malformed") return { kind: "free" };
      throw error;
    }
  }

  /** Wipes the copy of the key that the constructor made. */
  [Symbol.dispose](): void {
    this.#hmac[Symbol.dispose]();
  }

  #read(place: Uint8Array): CardPlace {
    const reader = new Reader(place);
    if (!equal(reader.take(MAGIC.length), MAGIC)) return { kind: "free" };
    const flags = reader.u8();
    const name = reader.vector8();
    const version = reader.u16() * 2 ** 32 + reader.u32();
    const content = reader.vector16();
    const body = place.subarray(0, reader.offset);
    const tag = reader.take(TAG);
    const whole = place.subarray(0, reader.offset);
    if (!equal(digestOf(whole), reader.take(DIGEST))) return { kind: "free" };
    if (!this.#hmac.verify(concat(this.#binding, body), tag)) return { kind: "foreign" };
    const deleted = flags === DELETED && content.length === 0;
    if ((flags !== 0 && !deleted) || version === 0) return { kind: "foreign" };
    return {
      kind: "object",
      object: { name: fromUtf8(name), version, content: deleted ? undefined : content.slice() },
    };
  }
}

/** The bytes of a name; RangeError unless they are 1 to 64. */
export function nameBytes(name: string): Uint8Array {
  const bytes = toUtf8(name);
  if (bytes.length < 1 || bytes.length > 64) throw new RangeError("a name of 1 to 64 bytes");
  return bytes;
}

function digestOf(whole: Uint8Array): Uint8Array {
  return digest("sha-256", whole).subarray(0, DIGEST);
}

/** "SC", and the version of this form. */
const MAGIC = Uint8Array.of(0x53, 0x43, 0x01);
const DELETED = 1;
const TAG = 32;
const DIGEST = 16;
const MOST_VERSION = 2 ** 48 - 1;
