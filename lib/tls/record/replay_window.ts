/** Which record numbers of one epoch have been used (RFC 6347 4.1.2.6). @module */

/** A window as it can be kept. */
export interface WindowState {
  /** The highest number used; -1 for none. */
  readonly highest: number;
  /** Bit i: highest - i was used, i from 0 to 31. */
  readonly low: number;
  /** The same for i from 32 to 63. */
  readonly high: number;
}

/** The last 64 numbers up to the highest. Asked before a record is opened, told after: a forged record moves nothing. */
export class ReplayWindow {
  #highest = -1;
  /** Bit i of the low word: highest - i was used; the high word goes on from 32. */
  #low = 0;
  #high = 0;

  /** The highest number used so far; -1 before the first. */
  get highest(): number {
    return this.#highest;
  }

  /** What is to be kept of it. */
  get state(): WindowState {
    return { highest: this.#highest, low: this.#low >>> 0, high: this.#high >>> 0 };
  }

  /** Takes over what was kept. */
  load({ highest, low, high }: WindowState): void {
    this.#highest = highest;
    this.#low = low | 0;
    this.#high = high | 0;
  }

  /** Whether `number` was neither used nor is too old to know. */
  isFresh(number: number): boolean {
    const age = this.#highest - number;
    if (age < 0) return true;
    if (age >= WIDTH) return false;
    return age < 32 ? ((this.#low >>> age) & 1) === 0 : ((this.#high >>> (age - 32)) & 1) === 0;
  }

  /** `number`, which was fresh, is used. However far it is ahead, the window follows. */
  use(number: number): void {
    const age = this.#highest - number;
    if (age < 0) {
      this.#shift(-age);
      this.#highest = number;
      this.#low |= 1;
    } else if (age < 32) {
      this.#low |= 1 << age;
    } else if (age < WIDTH) {
      this.#high |= 1 << (age - 32);
    }
  }

  #shift(by: number): void {
    if (by >= WIDTH) {
      this.#low = 0;
      this.#high = 0;
    } else if (by >= 32) {
      this.#high = this.#low << (by - 32);
      this.#low = 0;
    } else {
      this.#high = (this.#high << by) | (this.#low >>> (32 - by));
      this.#low <<= by;
    }
  }
}

const WIDTH = 64;
