/** Bytes as a string of as many characters, each its byte: where there are thousands, a tenth of what an array takes, and a key of maps. @module */

/** The string. */
export function keyOf(bytes: Uint8Array): string {
  return keyAt(bytes, 0, bytes.length);
}

/** The string of `length` bytes from `at` on. Nothing but it is allocated: a server makes one for each datagram. */
export function keyAt(bytes: Uint8Array, at: number, length: number): string {
  const codes = arrays[length] ??= new Array<number>(length).fill(0);
  for (let i = 0; i < length; i++) codes[i] = bytes[at + i]!;
  return String.fromCharCode.apply(undefined, codes);
}

/** Writes the bytes of a string that {@link keyOf} made. */
export function writeKey(key: string, out: Uint8Array, at: number): void {
  for (let i = 0; i < key.length; i++) out[at + i] = key.charCodeAt(i);
}

/** One of each length. */
const arrays: (number[] | undefined)[] = [];

/** The bytes again. */
export function bytesOfKey(key: string): Uint8Array {
  const bytes = new Uint8Array(key.length);
  writeKey(key, bytes, 0);
  return bytes;
}
