/**
 * Padding and MAC of a MAC-then-encrypt record checked together in work that depends on the record's public length
 * alone (the attack this prevents: Lucky Thirteen, AlFardan and Paterson 2013). Every byte that could be padding is
 * looked at, every hash block that could be the last is compressed, every place the MAC could be is compared, and
 * masks choose; there is no branch and no index that depends on the padding. What a JIT does with the masks, and
 * what the garbage collector adds, no JavaScript can promise: prefer encrypt-then-MAC or an AEAD.
 *
 * @module
 */

import { _SHA1 } from "@noble/hashes/legacy.js";
import { _SHA256 } from "@noble/hashes/sha2.js";

/** HMAC over the plaintext of one padded record. */
export class PaddedMac {
  readonly #length: number;
  readonly #hash: Compressor;
  readonly #inner: Int32Array;
  readonly #outer: Int32Array;
  readonly #block: Uint8Array = new Uint8Array(64);
  readonly #view: DataView = new DataView(this.#block.buffer);
  readonly #chosen: Int32Array;
  readonly #mac: Uint8Array;

  constructor(hash: "sha-1" | "sha-256", key: Uint8Array) {
    if (key.length > 64) throw new RangeError("a MAC key of TLS is as long as its hash");
    this.#hash = hash === "sha-1" ? new Sha1() : new Sha256();
    this.#length = hash === "sha-1" ? 20 : 32;
    this.#inner = this.#midstate(key, 0x36);
    this.#outer = this.#midstate(key, 0x5c);
    this.#chosen = new Int32Array(this.#length / 4);
    this.#mac = new Uint8Array(this.#length);
  }

  /**
   * `padded` is data || MAC || padding || padding length, at least a MAC and one byte long. Returns the length of the
   * data, or -1 when padding or MAC is wrong.
   */
  check(header: Uint8Array, padded: Uint8Array): number {
    const most = padded.length - this.#length - 1;
    const last = padded[padded.length - 1]!;
    // A padding that reaches into the MAC is taken as one of length 0, so that the same work is done for it.
    const fits = ~less(most, last);
    let wrong = ~fits;
    const padding = last & fits;
    const reach = Math.min(255, most);
    for (let back = 0; back <= reach; back++) {
      wrong |= (padded[padded.length - 1 - back]! ^ last) & ~less(padding, back);
    }
    const length = most - padding;
    this.#digest(header, padded, length, most);
    for (let start = most - reach; start <= most; start++) {
      let difference = 0;
      for (let i = 0; i < this.#length; i++) difference |= padded[start + i]! ^ this.#mac[i]!;
      wrong |= difference & same(start, length);
    }
    return wrong === 0 ? length : -1;
  }

  dispose(): void {
    for (const words of [this.#inner, this.#outer, this.#chosen]) words.fill(0);
    this.#block.fill(0);
    this.#mac.fill(0);
  }

  /** HMAC over header || length || the first `length` bytes of `data`, compressing as if they were `most`. */
  #digest(header: Uint8Array, data: Uint8Array, length: number, most: number): void {
    const block = this.#block;
    const end = 13 + length;
    const lastBlock = (end + 8) >> 6;
    const bits = (64 + end) << 3;
    this.#hash.load(this.#inner);
    this.#chosen.fill(0);
    for (let b = 0; b <= (13 + most + 8) >> 6; b++) {
      const isLast = same(b, lastBlock);
      for (let i = 0; i < 64; i++) {
        const at = 64 * b + i;
        let byte = 0;
        if (at < 11) byte = header[at]!;
        else if (at === 11) byte = length >> 8;
        else if (at === 12) byte = length & 255;
        else if (at - 13 < data.length) byte = data[at - 13]!;
        byte = (byte & less(at, end)) | (0x80 & same(at, end));
        if (i >= 60) byte |= (bits >>> (8 * (63 - i))) & 255 & isLast;
        block[i] = byte;
      }
      this.#hash.compress(this.#view);
      this.#hash.collect(this.#chosen, isLast);
    }
    this.#finish();
  }

  #finish(): void {
    this.#block.fill(0);
    for (let i = 0; i < this.#chosen.length; i++) this.#view.setInt32(4 * i, this.#chosen[i]!);
    this.#block[this.#length] = 0x80;
    this.#view.setUint32(60, (64 + this.#length) * 8);
    this.#hash.load(this.#outer);
    this.#hash.compress(this.#view);
    this.#chosen.fill(0);
    this.#hash.collect(this.#chosen, -1);
    for (let i = 0; i < this.#length; i++) this.#mac[i] = this.#chosen[i >> 2]! >>> (24 - 8 * (i & 3));
  }

  #midstate(key: Uint8Array, pad: number): Int32Array {
    this.#block.fill(pad);
    for (let i = 0; i < key.length; i++) this.#block[i]! ^= key[i]!;
    this.#hash.reset();
    this.#hash.compress(this.#view);
    const state = new Int32Array(this.#length / 4);
    this.#hash.collect(state, -1);
    return state;
  }
}

/** All ones where a < b, else 0; both at least 0 and below 2^31. */
function less(a: number, b: number): number {
  return (a - b) >> 31;
}

/** All ones where a is b, else 0; both at least 0 and below 2^31. */
function same(a: number, b: number): number {
  return ((a ^ b) - 1) >> 31;
}

/** A hash as its compression function on a state: what no runtime's hash lets one reach. */
interface Compressor {
  reset(): void;
  load(state: Int32Array): void;
  compress(block: DataView): void;
  /** Adds the state to `out` under a mask. */
  collect(out: Int32Array, mask: number): void;
}

class Sha1 extends _SHA1 implements Compressor {
  reset(): void {
    this.set(0x67452301, 0xefcdab89 | 0, 0x98badcfe | 0, 0x10325476, 0xc3d2e1f0 | 0);
  }

  load(state: Int32Array): void {
    this.set(state[0]!, state[1]!, state[2]!, state[3]!, state[4]!);
  }

  compress(block: DataView): void {
    this.process(block, 0);
  }

  collect(out: Int32Array, mask: number): void {
    const state = this.get();
    for (let i = 0; i < 5; i++) out[i]! |= state[i]! & mask;
  }
}

class Sha256 extends _SHA256 implements Compressor {
  readonly #initial = Int32Array.from(this.get());

  reset(): void {
    this.load(this.#initial);
  }

  load(s: Int32Array): void {
    this.set(s[0]!, s[1]!, s[2]!, s[3]!, s[4]!, s[5]!, s[6]!, s[7]!);
  }

  compress(block: DataView): void {
    this.process(block, 0);
  }

  collect(out: Int32Array, mask: number): void {
    const state = this.get();
    for (let i = 0; i < 8; i++) out[i]! |= state[i]! & mask;
  }
}
