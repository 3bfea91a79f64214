/** What COSE messages share (RFC 9052 3): two buckets of headers, their rules, and the structures that a MAC covers. @module */

import { SeccfError } from "../error.ts";
import { type CborKey, type CborMap, CborTag, type CborValue, encodeCbor } from "./cbor.ts";
import { decodeCbor } from "./cbor_decode.ts";

/** Labels of common headers (RFC 9052 3.1, RFC 8613 9.1). */
export const LABEL = { alg: 1, crit: 2, contentType: 3, kid: 4, iv: 5, partialIv: 6, kidContext: 10 } as const;

/** A decoded message. Byte strings are views of what was decoded. */
export interface CoseMessage {
  /** The protected bucket as it was sent; an empty map counts as no bytes, as the structures want it. */
  readonly protectedBytes: Uint8Array;
  readonly protectedHeaders: CborMap;
  readonly unprotectedHeaders: CborMap;
  /** Ciphertext and tag, or the payload. */
  readonly content: Uint8Array;
}

/** How {@link decodeCoseMessage} reads. */
export interface CoseDecodeOptions {
  /** Whether the CBOR tag stands before the message: where it is known from elsewhere what it is, it may be left out. Default true. */
  readonly tagged?: boolean;
  /** Bytes. Default 65,536. */
  readonly maximumLength?: number;
}

/** A message of `fields` items behind tag `tag`, with what comes after the content. Throws `malformed`, `too-large`, `unsupported`. */
export function decodeCoseMessage(
  bytes: Uint8Array,
  tag: number,
  fields: number,
  options: CoseDecodeOptions,
): { readonly message: CoseMessage; readonly rest: readonly CborValue[] } {
  const { tagged = true, maximumLength = 65_536 } = options;
  const outer = decodeCbor(bytes, { maximumLength });
  if (outer instanceof CborTag !== tagged) throw malformed("the tag of the message is missing or one too many");
  if (outer instanceof CborTag && outer.tag !== tag) throw malformed("another kind of message");
  const items = outer instanceof CborTag ? outer.value : outer;
  if (!Array.isArray(items) || items.length !== fields) throw malformed(`not an array of ${fields}`);
  const [wrapped, unprotectedHeaders, content, ...rest] = items as readonly CborValue[];
  if (!(wrapped instanceof Uint8Array)) throw malformed("protected headers that are not a byte string");
  if (!(unprotectedHeaders instanceof Map)) throw malformed("unprotected headers that are not a map");
  if (!(content instanceof Uint8Array)) throw malformed("content that is not in the message");
  const protectedHeaders = wrapped.length === 0 ? new Map() : decodeCbor(wrapped);
  if (!(protectedHeaders instanceof Map)) throw malformed("protected headers that are not a map");
  checkHeaders(protectedHeaders, unprotectedHeaders);
  const protectedBytes = protectedHeaders.size === 0 ? NOTHING : wrapped;
  return { message: { protectedBytes, protectedHeaders, unprotectedHeaders, content }, rest };
}

/** The bytes of a protected bucket: none when it is empty (RFC 9052 3). */
export function encodeProtected(headers: CborMap): Uint8Array {
  return headers.size === 0 ? NOTHING : encodeCbor(headers);
}

/** Throws `malformed` for headers that contradict each other and `unsupported` for a `crit` that must be understood. */
export function checkHeaders(protectedHeaders: CborMap, unprotectedHeaders: CborMap): void {
  for (const label of protectedHeaders.keys()) {
    if (unprotectedHeaders.has(label)) throw malformed("a label in both buckets");
  }
  const each = [...protectedHeaders, ...unprotectedHeaders];
  for (const [label, value] of each) {
    if (!fits(label, value)) throw malformed("a header of the wrong type");
  }
  const has = (label: CborKey) => protectedHeaders.has(label) || unprotectedHeaders.has(label);
  // RFC 9052 3.1: whoever does not process a label named there must refuse; none is processed that the others are not.
  if (has(LABEL.crit)) throw new SeccfError("unsupported", "headers marked critical", { clause: "RFC 9052 3.1" });
  if (has(LABEL.iv) && has(LABEL.partialIv)) throw malformed("an IV and a Partial IV");
}

/** A header of either bucket. */
export function header({ protectedHeaders, unprotectedHeaders }: CoseMessage, label: CborKey): CborValue | undefined {
  return protectedHeaders.get(label) ?? unprotectedHeaders.get(label);
}

/** Throws unless the message says it uses `expected`: the caller's policy, never the message, chooses the algorithm. */
export function checkAlgorithm(message: CoseMessage, expected: number, offered: (id: unknown) => unknown): void {
  const found = header(message, LABEL.alg);
  if (found === undefined) throw malformed("no algorithm");
  if (!offered(found)) throw new SeccfError("unsupported", "an algorithm that is not offered");
  if (found !== expected) throw new SeccfError("downgrade", "not the algorithm of the policy");
}

const NOTHING = new Uint8Array(0);

function fits(label: CborKey, value: CborValue): boolean {
  const bytes = value instanceof Uint8Array;
  switch (label) {
    case LABEL.alg:
      return typeof value === "number" || typeof value === "string";
    case LABEL.contentType:
      return typeof value === "string" || (typeof value === "number" && value >= 0);
    case LABEL.crit:
      return Array.isArray(value) && value.length > 0;
    case LABEL.kid:
    case LABEL.iv:
    case LABEL.partialIv:
    case LABEL.kidContext:
      return bytes;
    default:
      return true;
  }
}

function malformed(what: string): SeccfError {
  return new SeccfError("malformed", what, { clause: "RFC 9052 3" });
}
