/** What this room does to octet strings before it computes with them. @module */

/** RangeError unless `value` has one of `lengths` bytes; the message names the value, never its bytes. */
export function requireLength(name: string, value: { readonly byteLength: number }, ...lengths: number[]): void {
  if (!lengths.includes(value.byteLength)) {
    throw new RangeError(`${name} is ${lengths.join(" or ")} bytes, not ${value.byteLength}`);
  }
}

/** A new array, `a` exclusive-or `b`; the length is that of `a`, and `b` is at least as long. */
export function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return Uint8Array.from(a, (byte, i) => byte ^ b[i]!);
}
