import { SeccfError } from "../error.ts";

/** How many numbers below the highest one may still arrive late. */
export const WINDOW_SIZE = 64;

/** A window as a snapshot keeps it. */
export interface ReplayState {
  /** One above the highest number accepted; 0 before the first. */
  readonly next: number;
  /** 8 bytes, big-endian: bit i is set when `next - 1 - i` was accepted. */
  readonly seen: Uint8Array;
  /** Numbers below were refused, or may have been accepted before a restart. */
  readonly from: number;
}

/**
 * Which numbers of one sender's context were accepted (RFC 8613 7.4, RFC 6347 4.1.2.6): {@link check} before the tag is
 * looked at, {@link accept} only after it was found right. Allocates nothing.
 */
export class ReplayWindow {
  #next = 0;
  /** Bits 0..31: the highest number and the 31 below it; then the 32 below those. */
  #near = 0;
  #far = 0;
  #from = 0;

  constructor(state?: ReplayState) {
    if (!state) return;
    const { next, seen, from } = state;
    if (!isNumber(next) || !isNumber(from) || seen.length !== 8) {
      throw new SeccfError("malformed", "not a replay window");
    }
    const view = new DataView(seen.buffer, seen.byteOffset, 8);
    this.#next = next;
    this.#far = view.getUint32(0) | 0;
    this.#near = view.getUint32(4) | 0;
    this.#from = from;
  }

  /** One above the highest number accepted. */
  get next(): number {
    return this.#next;
  }

  /** Throws `replayed` for a number that was accepted, or is too old to tell. */
  check(number: number): void {
    if (number < this.#from || this.#was(number)) {
      throw new SeccfError("replayed", "accepted before, or too old to tell", { clause: "RFC 8613 7.4" });
    }
  }

  /** Marks a number that passed {@link check}. */
  accept(number: number): void {
    if (number >= this.#next) {
      this.#shift(number + 1 - this.#next);
      this.#next = number + 1;
      this.#near |= 1;
      return;
    }
    const age = this.#next - 1 - number;
    if (age < 32) this.#near |= 1 << age;
    else this.#far |= 1 << (age - 32);
  }

  /** From now on refuses every number below `from`. */
  refuseBelow(from: number): void {
    if (from > this.#from) this.#from = from;
  }

  state(): ReplayState {
    const seen = new Uint8Array(8);
    const view = new DataView(seen.buffer);
    view.setUint32(0, this.#far >>> 0);
    view.setUint32(4, this.#near >>> 0);
    return { next: this.#next, seen, from: this.#from };
  }

  #was(number: number): boolean {
    const age = this.#next - 1 - number;
    if (age < 0) return false;
    if (age >= WINDOW_SIZE) return true;
    const bit = age < 32 ? this.#near >>> age : this.#far >>> (age - 32);
    return (bit & 1) === 1;
  }

  /** Shift counts of JavaScript are modulo 32. */
  #shift(by: number): void {
    if (by >= WINDOW_SIZE) {
      this.#near = this.#far = 0;
    } else if (by >= 32) {
      this.#far = by === 32 ? this.#near : this.#near << (by - 32);
      this.#near = 0;
    } else {
      this.#far = (this.#far << by) | (this.#near >>> (32 - by));
      this.#near <<= by;
    }
  }
}

function isNumber(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
