/**
 * Sequence numbers of AKA (TS 33.102 6.3 and Annex C): SQN = SEQ || IND, 48 bits, held as a number, which 2^53 has
 * room for. What the home environment issues is in `issuer.ts`; here is what a USIM accepts.
 *
 * @module
 */

import { requireLength } from "./octets.ts";

/** One more than the largest SQN. */
export const SQN_LIMIT: number = 2 ** 48;

/** How SQN divides, and what a USIM accepts. The two sides of a subscription must agree on `indBits`. */
export interface SequenceProfile {
  /** Bits of IND, 0 to 16. Default 5, as the example profiles of Annex C.3 have it. */
  readonly indBits?: number;
  /** Delta: SEQ may exceed the highest accepted one by this much. Default 2^28 (C.2.1). */
  readonly delta?: number;
  /** L: the highest accepted SEQ may exceed a new one by less than this (C.2.2). Absent: no age limit. */
  readonly ageLimit?: number;
}

/** SQN in its 6 bytes; a number outside 0 .. 2^48 - 1 is a RangeError. */
export function sqnToBytes(sqn: number): Uint8Array {
  if (!Number.isInteger(sqn) || sqn < 0 || sqn >= SQN_LIMIT) throw new RangeError("SQN is an integer of 48 bits");
  const bytes = new Uint8Array(6);
  for (let i = 5, rest = sqn; i >= 0; i--, rest = Math.floor(rest / 256)) bytes[i] = rest % 256;
  return bytes;
}

/** The number in 6 bytes of SQN. */
export function sqnFromBytes(bytes: Uint8Array): number {
  requireLength("SQN", bytes, 6);
  return bytes.reduce((sqn, byte) => sqn * 256 + byte, 0);
}

/** SEQ and IND of `sqn`. */
export function splitSqn(sqn: number, indBits = 5): { readonly seq: number; readonly ind: number } {
  const slots = slotsOf(indBits);
  return { seq: Math.floor(sqn / slots), ind: sqn % slots };
}

/** SQN = SEQ || IND. */
export function joinSqn(seq: number, ind: number, indBits = 5): number {
  return seq * slotsOf(indBits) + ind;
}

/** How many values IND has; RangeError unless `indBits` is an integer from 0 to 16. */
export function slotsOf(indBits: number): number {
  if (!Number.isInteger(indBits) || indBits < 0 || indBits > 16) throw new RangeError("IND has 0 to 16 bits");
  return 2 ** indBits;
}

/** The USIM's array: the highest SEQ accepted in each slot of IND (C.2.2). */
export class SequenceArray {
  readonly #seq: number[];
  readonly #indBits: number;
  readonly #delta: number;
  readonly #ageLimit: number;

  /** `state` is that of an earlier array, one SEQ a slot; without it every slot starts at 0. */
  constructor(profile: SequenceProfile = {}, state?: readonly number[]) {
    this.#indBits = profile.indBits ?? 5;
    this.#delta = profile.delta ?? 2 ** 28;
    this.#ageLimit = profile.ageLimit ?? Infinity;
    const slots = slotsOf(this.#indBits);
    this.#seq = state ? [...state] : new Array<number>(slots).fill(0);
    const most = SQN_LIMIT / slots;
    if (this.#seq.length !== slots || !this.#seq.every((seq) => Number.isInteger(seq) && seq >= 0 && seq < most)) {
      throw new RangeError("not the state of a sequence array of this size");
    }
  }

  /** SEQ_MS of each slot, to be stored and handed to the constructor again. */
  get state(): readonly number[] {
    return [...this.#seq];
  }

  /** SQN_MS: the highest number accepted in any slot, 0 before the first. It is what AUTS carries. */
  get highest(): number {
    let ind = 0;
    for (let i = 1; i < this.#seq.length; i++) if (this.#seq[i]! >= this.#seq[ind]!) ind = i;
    return this.#seq[ind] === 0 ? 0 : joinSqn(this.#seq[ind]!, ind, this.#indBits);
  }

  /** Whether the USIM would accept `sqn` now: not too far ahead, not too old, newer than the last of its slot. */
  isFresh(sqn: number): boolean {
    const { seq, ind } = splitSqn(sqn, this.#indBits);
    const highest = splitSqn(this.highest, this.#indBits).seq;
    return seq - highest <= this.#delta && highest - seq < this.#ageLimit && seq > this.#seq[ind]!;
  }

  /** Enters `sqn` if it is fresh; false, and nothing changed, if it is not. */
  accept(sqn: number): boolean {
    if (!this.isFresh(sqn)) return false;
    const { seq, ind } = splitSqn(sqn, this.#indBits);
    this.#seq[ind] = seq;
    return true;
  }
}
