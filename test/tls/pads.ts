// What records are sealed and opened in, one at a time, and where they are found.
import type { EpochKeys } from "../../lib/tls/record/epoch_keys.ts";
import type { InnerProtection } from "../../lib/tls/record/inner_protection.ts";
import { typeAt } from "../../lib/tls/record/inner_type.ts";
import { Pad } from "../../lib/tls/record/pad.ts";
import type { Protection } from "../../lib/tls/record/protection.ts";
import { findRecord, RecordPlace } from "../../lib/tls/record/record_place.ts";

/** The body of a record, a copy. */
export function sealWith(protection: Protection, header: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const pad = new Pad(plaintext.length + protection.overhead + 32);
  pad.bytes.set(plaintext, 7 + protection.lead);
  return pad.bytes.slice(7, 7 + protection.seal(header, pad, 7, plaintext.length));
}

/** The plaintext of a record's body, a copy; undefined where it does not open, and then nothing of it is to be found. */
export function openWith(protection: Protection, header: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  return opened(sealed, protection.lead, (pad, at) => protection.open(header, pad, at, sealed.length));
}

/** The same of DTLS 1.3. */
export function sealEpoch(
  keys: EpochKeys,
  header: Uint8Array,
  number: number,
  type: number,
  content: Uint8Array,
): Uint8Array {
  const pad = new Pad(keys.sealedLength(content.length));
  pad.bytes.set(content);
  return pad.bytes.slice(0, keys.seal(header, number, type, pad, 0, content.length));
}

/** A whole record of TLS 1.3. */
export function sealInner(protection: InnerProtection, type: number, content: Uint8Array): Uint8Array {
  const pad = new Pad(content.length + protection.overhead + 5);
  pad.bytes.set(content, 5);
  return pad.bytes.slice(0, protection.seal(type, pad, 0, content.length));
}

/** Type and content of a whole record of TLS 1.3. */
export function openInner(
  protection: InnerProtection,
  record: Uint8Array,
): { readonly type: number; readonly content: Uint8Array } | undefined {
  const inner = opened(record, 5, (pad, at) => protection.open(pad, at, record.length));
  const at = inner ? typeAt(inner, 0, inner.length) : -1;
  return inner && at >= 0 ? { type: inner[at]!, content: inner.subarray(0, at) } : undefined;
}

/** The same of DTLS 1.3: whether it opens. */
export function opensEpoch(keys: EpochKeys, header: Uint8Array, number: number, sealed: Uint8Array): boolean {
  return opened(sealed, 0, (pad, at) => keys.open(header, number, pad, at, sealed.length)) !== undefined;
}

/** A record of DTLS 1.3 as it stands in a datagram; positions are in `whole`. */
export interface UnifiedRecord {
  /** The two low bits of the epoch. */
  readonly epochBits: number;
  readonly numberAt: number;
  readonly bodyAt: number;
  readonly whole: Uint8Array;
}

/** The record of DTLS 1.3 at `at`; undefined where there is none that ends within `bytes`. */
export function unifiedAt(bytes: Uint8Array, at: number, idLength: number): UnifiedRecord | undefined {
  const place = new RecordPlace();
  if (!findRecord(bytes, at, bytes.length, idLength, place) || !place.isUnified) return undefined;
  const { epoch, numberAt, bodyAt, end } = place;
  return { epochBits: epoch, numberAt: numberAt - at, bodyAt: bodyAt - at, whole: bytes.subarray(at, end) };
}

function opened(sealed: Uint8Array, lead: number, open: (pad: Pad, at: number) => number): Uint8Array | undefined {
  const pad = new Pad(sealed.length + 7);
  pad.bytes.set(sealed, 7);
  const length = open(pad, 7);
  return length < 0 ? undefined : pad.bytes.slice(7 + lead, 7 + lead + length);
}
