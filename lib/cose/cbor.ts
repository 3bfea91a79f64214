/** Deterministic CBOR (RFC 8949 4.2.1) of the few types that COSE and our own records need. No floats, no indefinite lengths. @module */

/** What a map is keyed by: COSE labels (RFC 9052 1.4). */
export type CborKey = number | string;

/** Whole numbers up to 2^53 - 1 either way, text, bytes, arrays, maps, tags, and three simple values. */
export type CborValue =
  | number
  | string
  | boolean
  | null
  | Uint8Array
  | readonly CborValue[]
  | CborMap
  | CborTag;

/** A map; in what order it was filled does not show in its encoding. */
export type CborMap = ReadonlyMap<CborKey, CborValue>;

/** A tagged value (RFC 8949 3.4). */
export class CborTag {
  readonly tag: number;
  readonly value: CborValue;

  constructor(tag: number, value: CborValue) {
    this.tag = tag;
    this.value = value;
  }
}

/**
 * The one deterministic encoding of `value`, in an array of exactly its length: no copy of what may hold a key is left
 * behind. Throws TypeError at what is not a {@link CborValue}, RangeError at a number that is not a safe integer.
 */
export function encodeCbor(value: CborValue): Uint8Array {
  // Behind a buffer of its own, which no engine moves.
  const out = new Uint8Array(new ArrayBuffer(lengthOf(value)));
  write(value, out, 0);
  return out;
}

/** How many bytes the head of an item with argument `n` has: 1, 2, 3, 5 or 9 (RFC 8949 3). */
export function headLength(n: number): number {
  return n < 24 ? 1 : n < 0x100 ? 2 : n < 0x10000 ? 3 : n < 0x100000000 ? 5 : 9;
}

/** Writes the shortest head of major type `major` with argument `n` at `at`; returns the offset behind it. Allocates nothing. */
export function writeHead(major: number, n: number, out: Uint8Array, at: number): number {
  const type = major << 5;
  const length = headLength(n);
  if (length === 1) {
    out[at] = type | n;
    return at + 1;
  }
  out[at] = type | (length === 2 ? 24 : length === 3 ? 25 : length === 5 ? 26 : 27);
  let left = n;
  for (let i = at + length - 1; i > at; i--) {
    out[i] = left % 0x100;
    left = Math.floor(left / 0x100);
  }
  return at + length;
}

/** Bytewise lexicographic order of encoded keys (RFC 8949 4.2.1). */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

const ENCODER = new TextEncoder();

function lengthOf(value: CborValue): number {
  if (typeof value === "number") return headLength(argumentOf(value));
  if (typeof value === "string") return textLength(value);
  if (typeof value === "boolean" || value === null) return 1;
  if (value instanceof Uint8Array) return headLength(value.length) + value.length;
  if (value instanceof CborTag) return headLength(tagOf(value)) + lengthOf(value.value);
  if (value instanceof Map) {
    let length = headLength(value.size);
    for (const [key, item] of value as CborMap) length += lengthOf(key) + lengthOf(item);
    return length;
  }
  if (Array.isArray(value)) {
    return (value as readonly CborValue[]).reduce<number>(
      (sum, item) => sum + lengthOf(item),
      headLength(value.length),
    );
  }
  throw new TypeError("not a value of CBOR as used here");
}

function write(value: CborValue, out: Uint8Array, at: number): number {
  if (typeof value === "number") return writeHead(value < 0 ? 1 : 0, argumentOf(value), out, at);
  if (typeof value === "string") return writeBytes(3, ENCODER.encode(value), out, at);
  if (typeof value === "boolean") return writeHead(7, value ? 21 : 20, out, at);
  if (value === null) return writeHead(7, 22, out, at);
  if (value instanceof Uint8Array) return writeBytes(2, value, out, at);
  if (value instanceof CborTag) return write(value.value, out, writeHead(6, tagOf(value), out, at));
  if (value instanceof Map) return writeMap(value, out, at);
  let next = writeHead(4, (value as readonly CborValue[]).length, out, at);
  for (const item of value as readonly CborValue[]) next = write(item, out, next);
  return next;
}

function writeBytes(major: number, bytes: Uint8Array, out: Uint8Array, at: number): number {
  const start = writeHead(major, bytes.length, out, at);
  out.set(bytes, start);
  return start + bytes.length;
}

function writeMap(map: CborMap, out: Uint8Array, at: number): number {
  const entries = [...map].map(([key, item]) => ({ key: encodeCbor(key), item }));
  entries.sort((a, b) => compareKeys(a.key, b.key));
  let next = writeHead(5, map.size, out, at);
  for (const { key, item } of entries) {
    out.set(key, next);
    next = write(item, out, next + key.length);
  }
  return next;
}

/** The head's argument for an integer: n, or -1 - n (RFC 8949 3.1). */
function argumentOf(value: number): number {
  if (!Number.isSafeInteger(value)) throw new RangeError("not a whole number below 2^53");
  return value < 0 ? -1 - value : value;
}

function tagOf({ tag }: CborTag): number {
  if (!Number.isSafeInteger(tag) || tag < 0) throw new RangeError("not the number of a tag");
  return tag;
}

function textLength(text: string): number {
  // A lone surrogate would be replaced silently, and two different keys would become one.
  if (/\p{Surrogate}/u.test(text)) throw new TypeError("text that is not well formed");
  const length = ENCODER.encode(text).length;
  return headLength(length) + length;
}
