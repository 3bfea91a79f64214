/**
 * Collects big-endian fields for handshake-sized messages; not for the record path, which writes in place. RangeError for
 * what does not fit its field, before anything of it is written.
 */
export class Writer {
  #bytes = new Uint8Array(256);
  #length = 0;

  /** How many bytes were written. */
  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    return this.#number(value, 1);
  }

  u16(value: number): this {
    return this.#number(value, 2);
  }

  u24(value: number): this {
    return this.#number(value, 3);
  }

  u32(value: number): this {
    return this.#number(value, 4);
  }

  bytes(value: Uint8Array): this {
    const at = this.#grow(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** `value` behind its length in one byte. */
  vector8(value: Uint8Array): this {
    limit(value, 0xff);
    return this.u8(value.length).bytes(value);
  }

  /** `value` behind its length in two bytes. */
  vector16(value: Uint8Array): this {
    limit(value, 0xffff);
    return this.u16(value.length).bytes(value);
  }

  /** `value` behind its length in three bytes. */
  vector24(value: Uint8Array): this {
    limit(value, 0xffffff);
    return this.u24(value.length).bytes(value);
  }

  /** A copy of what was written. */
  done(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #number(value: number, width: number): this {
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * width)) {
      throw new RangeError(`a number that does not fit ${width} bytes`);
    }
    const at = this.#grow(width);
    for (let i = 0; i < width; i++) this.#bytes[at + i] = value >>> (8 * (width - 1 - i));
    return this;
  }

  /** Makes room and returns where it begins. Called before `#bytes` is read: growing replaces the array. */
  #grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    return at;
  }
}

function limit(value: Uint8Array, most: number): void {
  if (value.length > most) throw new RangeError(`a vector of ${value.length} bytes, at most ${most}`);
}
