import { SeccfError } from "../error.ts";

/** Reads big-endian fields from bytes that a stranger sent. Every method throws `malformed` past the end; views share memory with the input. */
export class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** How many bytes are left. */
  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  /** How many bytes were read. */
  get offset(): number {
    return this.#at;
  }

  u8(): number {
    return this.#bytes[this.#pass(1)]!;
  }

  u16(): number {
    const at = this.#pass(2);
    const b = this.#bytes;
    return (b[at]! << 8) | b[at + 1]!;
  }

  u24(): number {
    const at = this.#pass(3);
    const b = this.#bytes;
    return (b[at]! << 16) | (b[at + 1]! << 8) | b[at + 2]!;
  }

  u32(): number {
    const at = this.#pass(4);
    const b = this.#bytes;
    return b[at]! * 0x1000000 + ((b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!);
  }

  /** A view of the next `length` bytes. A negative length, the outcome of a stranger's arithmetic, is `malformed` too. */
  take(length: number): Uint8Array {
    const at = this.#pass(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** A view behind a length of one byte. */
  vector8(): Uint8Array {
    return this.take(this.u8());
  }

  /** A view behind a length of two bytes. */
  vector16(): Uint8Array {
    return this.take(this.u16());
  }

  /** A view behind a length of three bytes. */
  vector24(): Uint8Array {
    return this.take(this.u24());
  }

  /** A view of everything left. */
  rest(): Uint8Array {
    return this.take(this.remaining);
  }

  /** Throws `malformed` unless everything was read. */
  end(): void {
    if (this.remaining !== 0) throw new SeccfError("malformed", "bytes after the end");
  }

  /** Goes past the next `length` bytes and returns where they begin: a number needs no view, which is an object. */
  #pass(length: number): number {
    if (!(length >= 0 && length <= this.remaining)) throw new SeccfError("malformed", "ends too early");
    const at = this.#at;
    this.#at += length;
    return at;
  }
}
