import { SeccfError } from "../error.ts";

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A new array with `parts` in order. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Compares in a time that depends on the lengths alone: they are public, the contents may be tags. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}

/** Text to UTF-8 bytes. */
export function toUtf8(text: string): Uint8Array {
  return ENCODER.encode(text);
}

/** UTF-8 bytes to text; throws `malformed` where they are none. */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return DECODER.decode(bytes);
  } catch (cause) {
    throw new SeccfError("malformed", "not UTF-8", { cause });
  }
}
