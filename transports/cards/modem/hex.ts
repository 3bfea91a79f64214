/** APDUs in an AT command's hexadecimal digits, by way of bytes alone: a string can not be wiped. @module */

import { SeccfError } from "../../../lib/error.ts";

/** The digits of `bytes`, upper case, in ASCII. */
export function hexDigits(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(2 * bytes.length);
  for (let i = 0; i < bytes.length; i++) {
    out[2 * i] = DIGITS[bytes[i]! >> 4]!;
    out[2 * i + 1] = DIGITS[bytes[i]! & 15]!;
  }
  return out;
}

/**
 * The bytes in `<length>,"<digits>"` behind the colon of a line, where `length` counts digits; the quotes may be
 * missing. Throws `malformed`.
 */
export function hexPayload(line: Uint8Array): Uint8Array {
  const colon = line.indexOf(0x3a);
  const comma = line.indexOf(0x2c, colon);
  if (colon < 0 || comma < 0) throw malformed();
  const length = COUNT.exec(asciiOf(line.subarray(colon + 1, comma)))?.[1];
  const digits = unquoted(line.subarray(comma + 1));
  if (length === undefined || Number(length) !== digits.length) throw malformed();
  return fromDigits(digits);
}

/** The bytes that the digits of an ASCII text stand for, in quotes or not. Throws `malformed`. */
export function fromDigits(text: Uint8Array): Uint8Array {
  const digits = unquoted(text);
  if (digits.length % 2 !== 0) throw malformed();
  const out = new Uint8Array(digits.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = valueOf(digits[2 * i]!) * 16 + valueOf(digits[2 * i + 1]!);
  return out;
}

function unquoted(text: Uint8Array): Uint8Array {
  let [start, end] = [0, text.length];
  while (start < end && text[start] === SPACE) start++;
  while (end > start && text[end - 1] === SPACE) end--;
  if (end - start >= 2 && text[start] === QUOTE && text[end - 1] === QUOTE) return text.subarray(start + 1, end - 1);
  return text.subarray(start, end);
}

function valueOf(digit: number): number {
  if (digit >= 0x30 && digit <= 0x39) return digit - 0x30;
  const letter = digit | 0x20;
  if (letter >= 0x61 && letter <= 0x66) return letter - 0x57;
  throw malformed();
}

function asciiOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, 16));
}

function malformed(): SeccfError {
  return new SeccfError("malformed", "the modem's answer holds no APDU", { clause: "TS 27.007 8.17, 8.43" });
}

const DIGITS = new TextEncoder().encode("0123456789ABCDEF");
/** An integer constant (V.250 5.4.2.1). What is longer than {@link asciiOf} takes fits no answer. */
const COUNT = /^ *([0-9]{1,8}) *$/;
const QUOTE = 0x22;
const SPACE = 0x20;
