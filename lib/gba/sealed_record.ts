/**
 * Records as they reach a store: AES-256-GCM under a key of their own, made from the wrapping key and 16 random bytes, so that
 * no nonce is ever used twice however often a record is rewritten. The store key is authenticated with it: a record moved to
 * another key does not open.
 *
 * This file reads the bytes of secrets, since they are what is sealed.
 *
 * @module
 */

import { concat, toUtf8 } from "../bytes/mod.ts";
import { type Aead, createAead, hmacSecret, SecretBytes, secretFrom, wipe } from "../crypto/mod.ts";
import { expose } from "../crypto/secret.ts";
import type { Random } from "../platform.ts";

/** Where a record is kept, and under what. */
export interface RecordPlace {
  /** 32 bytes, the same in every process that shares the store. */
  readonly wrappingKey: SecretBytes;
  readonly storeKey: string;
}

/** What a field holds. */
export type FieldKind = "bytes" | "secret";

/** The fields of a layout, one value each. */
export type RecordFields<L extends readonly FieldKind[]> = {
  readonly [K in keyof L]: L[K] extends "secret" ? SecretBytes : Uint8Array;
};

/** A sealed record of `fields`, in their order, each at most 65,535 bytes (RangeError). The fields stay the caller's. */
// req: SEC_CF-SEC-001
export function sealRecord(
  place: RecordPlace,
  fields: readonly (Uint8Array | SecretBytes)[],
  random: Random,
): Uint8Array {
  const salt = new Uint8Array(SALT);
  random(salt);
  const plain = joinFields(fields.map((field) => field instanceof SecretBytes ? expose(field) : field));
  using aead = recordAead(place.wrappingKey, salt);
  const sealed = new Uint8Array(1 + SALT + plain.length + aead.tagLength);
  sealed[0] = VERSION;
  sealed.set(salt, 1);
  aead.sealInto(NONCE, toUtf8(place.storeKey), plain, sealed.subarray(1 + SALT));
  wipe(plain);
  return sealed;
}

/**
 * The fields of a record, new and the caller's; `undefined` for what was not sealed for this place, with this key and layout:
 * to whoever keeps records, all of these are records that are not there.
 */
export function openRecord<const L extends readonly FieldKind[]>(
  place: RecordPlace,
  sealed: Uint8Array,
  layout: L,
): RecordFields<L> | undefined {
  if (sealed[0] !== VERSION || sealed.length < 1 + SALT) return undefined;
  using aead = recordAead(place.wrappingKey, sealed.slice(1, 1 + SALT));
  const box = sealed.subarray(1 + SALT);
  if (box.length < aead.tagLength) return undefined;
  const plain = new Uint8Array(box.length);
  const length = aead.openInto(NONCE, toUtf8(place.storeKey), box, plain);
  const parts = length < 0 ? undefined : splitFields(plain.subarray(0, length), layout.length);
  // Built in the order of the layout, which the mapped type can not see.
  const fields = parts?.map((part, i) => layout[i] === "secret" ? secretFrom(part) : part.slice());
  wipe(plain);
  return fields as unknown as RecordFields<L> | undefined;
}

function recordAead(wrappingKey: SecretBytes, salt: Uint8Array): Aead {
  using key = hmacSecret("sha-256", wrappingKey, toUtf8("seccf sealed record\0"), salt);
  return createAead({ cipher: "aes-gcm" }, key);
}

function joinFields(fields: readonly Uint8Array[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const field of fields) {
    if (field.length > 0xffff) throw new RangeError("a field of more than 65535 bytes");
    parts.push(Uint8Array.of(field.length >> 8, field.length), field);
  }
  return concat(...parts);
}

function splitFields(plain: Uint8Array, count: number): Uint8Array[] | undefined {
  const parts: Uint8Array[] = [];
  let at = 0;
  while (at + 2 <= plain.length) {
    const end = at + 2 + ((plain[at]! << 8) | plain[at + 1]!);
    parts.push(plain.subarray(at + 2, end));
    at = end;
  }
  return at === plain.length && parts.length === count ? parts : undefined;
}

const VERSION = 1;
const SALT = 16;
/** Constant: each key seals one record. */
const NONCE = new Uint8Array(12);
