import { SeccfError } from "../error.ts";

/** RFC 4648 section 4, with padding. */
export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** RFC 4648 section 4, padded and canonical (no stray bits, no white space); throws `malformed` at anything else. */
export function fromBase64(text: string): Uint8Array {
  // No repeated group: engines give up on one, each in its own way, in a text of some millions of characters.
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new SeccfError("malformed", "not base64");
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  // Two texts for the same bytes would let an attacker vary what a signature or a cache is keyed by.
  if (toBase64(bytes) !== text) throw new SeccfError("malformed", "not canonical base64");
  return bytes;
}
