/** CoAP messages, as much of RFC 7252 3 as an example needs: no block-wise transfer, no observation. */

/** One message. Codes are written as the specification writes them: `0.01` GET, `2.05` Content. */
export interface CoapMessage {
  readonly type: "con" | "non" | "ack" | "rst";
  readonly code: string;
  readonly id: number;
  readonly token: Uint8Array;
  readonly options: readonly { readonly number: number; readonly value: Uint8Array }[];
  readonly payload: Uint8Array;
}

/** RFC 7252 5.10. */
export const URI_PATH = 11;
export const CONTENT_FORMAT = 12;

const TYPES = ["con", "non", "ack", "rst"] as const;
const MARKER = 0xff;

/** Throws RangeError for bytes that are no CoAP message. */
export function decodeCoap(bytes: Uint8Array): CoapMessage {
  const [first = 0, code = 0, high = 0, low = 0] = bytes;
  const tokenLength = first & 15;
  if (bytes.length < 4 + tokenLength || first >> 6 !== 1 || tokenLength > 8) throw new RangeError("not CoAP");
  const options: { number: number; value: Uint8Array }[] = [];
  let at = 4 + tokenLength;
  const extended = (nibble: number): number => {
    if (nibble < 13) return nibble;
    if (nibble === 15) throw new RangeError("a reserved option length");
    const more = nibble === 13 ? bytes[at]! + 13 : (bytes[at]! << 8 | bytes[at + 1]!) + 269;
    at += nibble - 12;
    return more;
  };
  for (let number = 0; at < bytes.length && bytes[at] !== MARKER;) {
    const head = bytes[at++]!;
    number += extended(head >> 4);
    const length = extended(head & 15);
    if (!(at + length <= bytes.length)) throw new RangeError("an option longer than its message");
    options.push({ number, value: bytes.slice(at, at + length) });
    at += length;
  }
  // A marker announces a payload (RFC 7252 3).
  if (at === bytes.length - 1) throw new RangeError("a marker without a payload");
  return {
    type: TYPES[first >> 4 & 3]!,
    code: `${code >> 5}.${String(code & 31).padStart(2, "0")}`,
    id: high << 8 | low,
    token: bytes.slice(4, 4 + tokenLength),
    options,
    payload: bytes.slice(at + 1),
  };
}

/** Options are to be in order of their numbers, their values shorter than 269 bytes. */
export function encodeCoap({ type, code, id, token, options, payload }: CoapMessage): Uint8Array {
  const [major = 0, minor = 0] = code.split(".").map(Number);
  const out = [1 << 6 | TYPES.indexOf(type) << 4 | token.length, major << 5 | minor, id >> 8, id & 255, ...token];
  let last = 0;
  for (const { number, value } of options) {
    const delta = number - last;
    last = number;
    const nibble = (count: number) => Math.min(count, 13);
    out.push(nibble(delta) << 4 | nibble(value.length));
    for (const count of [delta, value.length]) if (count >= 13) out.push(count - 13);
    out.push(...value);
  }
  if (payload.length > 0) out.push(MARKER, ...payload);
  return Uint8Array.from(out);
}

/** `/a/b` of a request's Uri-Path options. */
export function pathOf({ options }: CoapMessage): string {
  const segments = options.filter(({ number }) => number === URI_PATH);
  return `/${segments.map(({ value }) => new TextDecoder().decode(value)).join("/")}`;
}
