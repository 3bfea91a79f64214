/** Bytes that no record outlives: one array of each length for all associations, since ten thousand of them are mostly idle. @module */

const arrays: (Uint8Array | undefined)[] = [];

/** The array of `length` bytes, at most a few hundred; whoever asks next for as many gets the same. Nothing secret goes into it. */
export function scratch(length: number): Uint8Array {
  return arrays[length] ??= new Uint8Array(length);
}
