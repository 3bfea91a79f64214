import { fromUtf8 } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";
import { type CborKey, type CborMap, CborTag, type CborValue, compareKeys } from "./cbor.ts";

/** Bounds for {@link decodeCbor}. */
export interface CborLimits {
  /** Bytes of the whole input. Default 65,536. */
  readonly maximumLength?: number;
  /** Arrays, maps and tags inside each other. Default 8. */
  readonly maximumDepth?: number;
  /** Keys of every map must stand in the order of RFC 8949 4.2.1: for what only we write. Default false. */
  readonly deterministic?: boolean;
}

/**
 * Decodes exactly one item. Byte strings are views of `bytes`. Throws `too-large` past a limit and `malformed` at whatever
 * has a second encoding or no use here: indefinite lengths, longer heads than needed, two equal keys, floats, `undefined`,
 * keys that are neither whole numbers nor text, numbers beyond 2^53 - 1, bytes after the end.
 */
export function decodeCbor(bytes: Uint8Array, limits: CborLimits = {}): CborValue {
  const { maximumLength = 65_536, maximumDepth = 8, deterministic = false } = limits;
  if (bytes.length > maximumLength) throw new SeccfError("too-large", `${bytes.length} bytes of CBOR`);
  const decoder = new Decoder(bytes, deterministic);
  const value = decoder.item(maximumDepth);
  decoder.end();
  return value;
}

class Decoder {
  readonly #bytes: Uint8Array;
  readonly #deterministic: boolean;
  #at = 0;
  /** The argument of the head just read. */
  #argument = 0;

  constructor(bytes: Uint8Array, deterministic: boolean) {
    this.#bytes = bytes;
    this.#deterministic = deterministic;
  }

  item(depth: number): CborValue {
    const major = this.#head();
    const argument = this.#argument;
    switch (major) {
      case 0:
        return argument;
      case 1:
        // -1 - n of the greatest argument is one past what a number holds exactly.
        if (argument === Number.MAX_SAFE_INTEGER) throw malformed("a number beyond 2^53");
        return -1 - argument;
      case 2:
        return this.#take(argument);
      case 3:
        return fromUtf8(this.#take(argument));
      case 7:
        return simple(argument);
    }
    if (depth === 0) throw new SeccfError("too-large", "CBOR nested too deep");
    if (major === 6) return new CborTag(argument, this.item(depth - 1));
    return major === 4 ? this.#array(argument, depth - 1) : this.#map(argument, depth - 1);
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw malformed("bytes after the end");
  }

  /** Grows with what is there, whatever the count claims. */
  #array(count: number, depth: number): CborValue[] {
    const items: CborValue[] = [];
    for (let i = 0; i < count; i++) items.push(this.item(depth));
    return items;
  }

  #map(count: number, depth: number): CborMap {
    const map = new Map<CborKey, CborValue>();
    let last: Uint8Array | undefined;
    for (let i = 0; i < count; i++) {
      const start = this.#at;
      const key = this.#key();
      if (map.has(key)) throw malformed("a key twice");
      const encoded = this.#bytes.subarray(start, this.#at);
      if (this.#deterministic && last && compareKeys(last, encoded) > 0) throw malformed("keys out of order");
      last = encoded;
      map.set(key, this.item(depth));
    }
    return map;
  }

  #key(): CborKey {
    const major = this.#head();
    if (major === 0) return this.#argument;
    if (major === 3) return fromUtf8(this.#take(this.#argument));
    if (major !== 1 || this.#argument === Number.MAX_SAFE_INTEGER) throw malformed("a key that is no label");
    return -1 - this.#argument;
  }

  /** Reads a head, leaves its argument in `#argument`, returns the major type. */
  #head(): number {
    const initial = this.#take(1)[0]!;
    const major = initial >> 5;
    const information = initial & 31;
    if (information < 24) {
      this.#argument = information;
      return major;
    }
    if (information > 27) throw malformed(information === 31 ? "an indefinite length" : "a reserved head");
    const length = 1 << (information - 24);
    let argument = 0;
    for (const byte of this.#take(length)) argument = argument * 0x100 + byte;
    if (argument > Number.MAX_SAFE_INTEGER) throw malformed("a number beyond 2^53");
    const least = length === 1 ? 24 : 2 ** (4 * length);
    if (argument < least) throw malformed("a head longer than needed");
    this.#argument = argument;
    return major;
  }

  #take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw malformed("ends too early");
    const view = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return view;
  }
}

/** Floats come here too, as arguments that no simple value used here has. */
function simple(argument: number): CborValue {
  if (argument === 20) return false;
  if (argument === 21) return true;
  if (argument === 22) return null;
  throw malformed("a float, or a simple value without use here");
}

function malformed(what: string): SeccfError {
  return new SeccfError("malformed", what, { clause: "RFC 8949 4.2" });
}
