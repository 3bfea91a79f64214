/** Bytes as a string of as many characters, each its byte: where there are thousands, a tenth of what an array takes, and a key of maps. @module */

/** The string. */
export function keyOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** Writes the bytes of a string that {@link keyOf} made. */
export function writeKey(key: string, out: Uint8Array, at: number): void {
  for (let i = 0; i < key.length; i++) out[at + i] = key.charCodeAt(i);
}

/** The bytes again. */
export function bytesOfKey(key: string): Uint8Array {
  const bytes = new Uint8Array(key.length);
  writeKey(key, bytes, 0);
  return bytes;
}
