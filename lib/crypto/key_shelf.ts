/**
 * Where expanded keys lie: several on a shelf, because a memory of its own takes more than the key in it. A shelf is held by
 * those whose keys lie on it, and by this module as long as it has room: who is dropped without being disposed keeps its
 * place, and takes the shelf along when all others on it are gone too.
 *
 * @module
 */

import { secretRoom } from "./secret.ts";

/** Places of one size. */
export class KeyShelf {
  /** All places, one behind the other. */
  readonly words: Int32Array;
  /** Words of a place. */
  readonly #size: number;
  /** One bit for each place: whether it is free. */
  #free = (1 << PLACES) - 1;

  /** Places of `size` words. */
  constructor(size: number) {
    this.#size = size;
    this.words = new Int32Array(secretRoom(4 * size * PLACES).buffer);
  }

  /** Whether no place is free. */
  get isFull(): boolean {
    return this.#free === 0;
  }

  /** A free place: the index of its first word. Only while not all are taken. */
  take(): number {
    const place = 31 - Math.clz32(this.#free);
    this.#free &= ~(1 << place);
    return place * this.#size;
  }

  /** Wipes the place that begins at word `at`, for another key. */
  give(at: number): void {
    this.words.fill(0, at, at + this.#size);
    this.#free |= 1 << (at / this.#size);
    if (shelves.get(this.#size)?.isFull ?? true) shelves.set(this.#size, this);
  }
}

/** A shelf with a free place for `size` words. */
export function shelfFor(size: number): KeyShelf {
  let shelf = shelves.get(size);
  if (shelf === undefined || shelf.isFull) {
    shelf = new KeyShelf(size);
    shelves.set(size, shelf);
  }
  return shelf;
}

/** The one of each size that is filled at present. */
const shelves = new Map<number, KeyShelf>();
/** A device has two or four keys, a server thousands. */
const PLACES = 8;
