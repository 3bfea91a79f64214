/**
 * The messages of Nbsp_GBA's bootstrapping-info-retrieval (TS 29.309 6.1), by which an enabler asks the BSF for its key. The key
 * crosses JSON as hexadecimal digits: this file reads the bytes of a secret, and keeps the digits out of strings, which can not
 * be wiped.
 *
 * @module
 */

import { fromHex, fromUtf8, toHex, toUtf8 } from "../bytes/mod.ts";
import { type SecretBytes, secretFrom, wipe } from "../crypto/mod.ts";
import { expose } from "../crypto/secret.ts";
import { SeccfError } from "../error.ts";
import { checkBtid } from "./btid.ts";
import { formatDateTime, parseDateTime } from "./date_time.ts";
import { canonicalFqdn } from "./fqdn.ts";
import type { NafId } from "./naf_id.ts";

/** What an enabler asks. */
export interface BootstrappingInfoRequest {
  readonly btid: string;
  readonly nafId: NafId;
  /** The enabler knows what to do with a Ks_int_NAF. Default false. */
  readonly gbaUAware?: boolean;
}

/** What the BSF answers. The secrets are their reader's to dispose. Times in milliseconds since 1970. */
export interface BootstrappingInfoResponse {
  /** Ks_NAF or Ks_ext_NAF, 32 bytes. */
  readonly key: SecretBytes;
  /** Ks_int_NAF, 32 bytes. */
  readonly uiccKey?: SecretBytes;
  readonly expiresAtWall?: number;
  readonly bootstrappedAtWall?: number;
  readonly gbaType?: "3G_GBA" | "2G_GBA" | "GBA_DIGEST";
  /** Absent for a subscriber who stays anonymous to this enabler. */
  readonly impi?: string;
}

/** The request as JSON. Throws `malformed` at a B-TID or name that is none. */
export function encodeInfoRequest({ btid, nafId, gbaUAware }: BootstrappingInfoRequest): Uint8Array {
  return toUtf8(JSON.stringify({
    btId: checkBtid(btid),
    nafId: { nafFqdn: canonicalFqdn(nafId.fqdn), uaSecProtId: toHex(nafId.ua) },
    ...(gbaUAware === undefined ? {} : { gbaUAware }),
  }));
}

/** Reads a request; members it does not know are passed over (TS 29.501 5.2.9). Throws `malformed`, `too-large`. */
export function decodeInfoRequest(json: Uint8Array): BootstrappingInfoRequest {
  const request = readObject(json);
  const nafId = asObject(member(request, "nafId"), "nafId");
  const ua = text(nafId, "uaSecProtId", /^[0-9A-Fa-f]{10}$/);
  const gbaUAware = member(request, "gbaUAware") ?? false;
  if (typeof gbaUAware !== "boolean") throw malformed("gbaUAware");
  return {
    btid: checkBtid(text(request, "btId", /^.{1,255}$/)),
    nafId: { fqdn: canonicalFqdn(text(nafId, "nafFqdn", /^.{1,255}$/)), ua: fromHex(ua) },
    gbaUAware,
  };
}

/** The response as JSON bytes, which hold the key in clear: the caller wipes them once they are on their way. */
export function encodeInfoResponse(response: BootstrappingInfoResponse): Uint8Array {
  const { key, uiccKey, expiresAtWall, bootstrappedAtWall, gbaType, impi } = response;
  const shell = toUtf8(JSON.stringify({
    meKeyMaterial: BLANK_KEY,
    ...(uiccKey && { uiccKeyMaterial: BLANK_KEY }),
    ...(expiresAtWall !== undefined && { keyExpiryTime: formatDateTime(expiresAtWall) }),
    ...(bootstrappedAtWall !== undefined && { bootstrappingInfoCreationTime: formatDateTime(bootstrappedAtWall) }),
    ...(gbaType && { gbaType }),
    ...(impi !== undefined && { impi }),
  }));
  writeKey(shell, "meKeyMaterial", key);
  if (uiccKey) writeKey(shell, "uiccKeyMaterial", uiccKey);
  return shell;
}

/** Reads a response and blanks the key's digits in `json`. Throws `malformed`, `too-large`. */
export function decodeInfoResponse(json: Uint8Array): BootstrappingInfoResponse {
  requireSize(json);
  const key = takeKey(json, "meKeyMaterial");
  const uiccKey = takeKey(json, "uiccKeyMaterial");
  try {
    const response = readObject(json);
    if (!key || member(response, "meKeyMaterial") !== BLANK_KEY) throw malformed("meKeyMaterial");
    if ((member(response, "uiccKeyMaterial") ?? BLANK_KEY) !== BLANK_KEY) throw malformed("uiccKeyMaterial");
    const expiresAtWall = time(response, "keyExpiryTime");
    const bootstrappedAtWall = time(response, "bootstrappingInfoCreationTime");
    const gbaType = GBA_TYPES.find((known) => known === member(response, "gbaType"));
    const impi = member(response, "impi") === undefined ? undefined : text(response, "impi", /^.{1,253}$/);
    return {
      key,
      ...(uiccKey && { uiccKey }),
      ...(expiresAtWall !== undefined && { expiresAtWall }),
      ...(bootstrappedAtWall !== undefined && { bootstrappedAtWall }),
      ...(gbaType && { gbaType }),
      ...(impi !== undefined && { impi }),
    };
  } catch (error) {
    key?.[Symbol.dispose]();
    uiccKey?.[Symbol.dispose]();
    throw error;
  }
}

/** A JSON object of at most 16 KiB. Throws `malformed`, `too-large`. */
function readObject(json: Uint8Array): Record<string, unknown> {
  requireSize(json);
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(json));
  } catch (cause) {
    // The runtime's own message quotes what it could not read; with a key cut out of place that must not travel on.
    throw new SeccfError("malformed", "not JSON", cause instanceof SeccfError ? { cause } : {});
  }
  return asObject(value, "the message");
}

function requireSize(json: Uint8Array): void {
  if (json.length > MAX_MESSAGE) throw new SeccfError("too-large", `more than ${MAX_MESSAGE} bytes of JSON`);
}

function asObject(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed(name);
  return { ...value };
}

/** An own member, or `undefined`. */
function member(object: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function text(object: Readonly<Record<string, unknown>>, name: string, form: RegExp): string {
  const value = member(object, name);
  if (typeof value !== "string" || !form.test(value)) throw malformed(name);
  return value;
}

function time(object: Readonly<Record<string, unknown>>, name: string): number | undefined {
  return member(object, name) === undefined ? undefined : parseDateTime(text(object, name, /^.{20,40}$/));
}

/** Writes the key's digits over the blank ones behind `name`. */
function writeKey(json: Uint8Array, name: string, key: SecretBytes): void {
  const bytes = expose(key);
  if (bytes.length !== 32) throw new RangeError("a NAF key is 32 bytes");
  const at = findKey(json, name) ?? 0;
  for (let i = 0; i < bytes.length; i++) {
    json[at + 2 * i] = DIGITS[bytes[i]! >> 4]!;
    json[at + 2 * i + 1] = DIGITS[bytes[i]! & 15]!;
  }
}

/** Cuts a key out before the text becomes a string; `undefined` where there is none in this form. */
function takeKey(json: Uint8Array, name: string): SecretBytes | undefined {
  const at = findKey(json, name);
  if (at === undefined) return undefined;
  const digits = json.subarray(at, at + KEY_DIGITS);
  const bytes = new Uint8Array(KEY_DIGITS / 2);
  for (let i = 0; i < bytes.length; i++) {
    const [high, low] = [nibble(digits[2 * i]!), nibble(digits[2 * i + 1]!)];
    if (high < 0 || low < 0) return undefined;
    bytes[i] = (high << 4) | low;
  }
  digits.fill(ZERO);
  const key = secretFrom(bytes);
  wipe(bytes);
  return key;
}

/** Where the 64 digits of `"name":"..."` begin, white space around the colon allowed; the first such place. */
function findKey(json: Uint8Array, name: string): number | undefined {
  const label = toUtf8(`"${name}"`);
  for (let start = 0; start + label.length + KEY_DIGITS < json.length; start++) {
    if (!label.every((byte, i) => json[start + i] === byte)) continue;
    const colon = skipSpace(json, start + label.length);
    const quote = skipSpace(json, colon + 1);
    const end = quote + 1 + KEY_DIGITS;
    if (json[colon] === 0x3a && json[quote] === QUOTE && json[end] === QUOTE) return quote + 1;
  }
  return undefined;
}

function skipSpace(json: Uint8Array, at: number): number {
  while (json[at] === 0x20 || json[at] === 0x09 || json[at] === 0x0a || json[at] === 0x0d) at++;
  return at;
}

function nibble(digit: number): number {
  if (digit >= 0x30 && digit <= 0x39) return digit - 0x30;
  const lower = digit | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

function malformed(name: string): SeccfError {
  return new SeccfError("malformed", `${name} is missing or not of its form`, { clause: "TS 29.309 6.1.6" });
}

/** The path of the operation below the API root. TS 29.309 6.1.1. */
export const NBSP_PATH = "/nbsp-gba/v1/bootstrapping-info-retrieval";

/** How long a message may be, bytes. */
export const MAX_MESSAGE = 16_384;
const KEY_DIGITS = 64;
const BLANK_KEY = "0".repeat(KEY_DIGITS);
const ZERO = 0x30;
const QUOTE = 0x22;
const DIGITS = toUtf8("0123456789abcdef");
const GBA_TYPES = ["3G_GBA", "2G_GBA", "GBA_DIGEST"] as const;
