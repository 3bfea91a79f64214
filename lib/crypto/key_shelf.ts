/**
 * Where expanded keys lie: several on a shelf, because a memory of its own takes more than the key in it. A shelf is held by
 * those whose keys lie on it, and by this module while it is the one that is filled: who is dropped without being disposed
 * keeps its place, and takes the shelf along when all others on it are gone too. One that has room again is found again, so
 * that keys which come and go do not leave each of those that stay with a shelf to itself.
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
    const wasFull = this.isFull;
    this.words.fill(0, at, at + this.#size);
    this.#free |= 1 << (at / this.#size);
    if (wasFull) offer(this, this.#size);
  }
}

/** All shelves with places of one size that have room. */
interface Room {
  /** The one that is filled at present; it may be full. */
  filled: KeyShelf;
  /** Each once; none of them is full. They may be gone. */
  readonly others: WeakRef<KeyShelf>[];
}

/** A shelf with a free place for `size` words. */
export function shelfFor(size: number): KeyShelf {
  let room = rooms.get(size);
  if (room === undefined) {
    room = { filled: new KeyShelf(size), others: [] };
    rooms.set(size, room);
  } else if (room.filled.isFull) {
    room.filled = another(room.others) ?? new KeyShelf(size);
  }
  return room.filled;
}

/** `shelf` was full and is not any more. */
function offer(shelf: KeyShelf, size: number): void {
  const room = rooms.get(size);
  if (room && room.filled !== shelf) room.others.push(new WeakRef(shelf));
}

/** The last of `others` that is still there; those that are gone are forgotten. */
function another(others: WeakRef<KeyShelf>[]): KeyShelf | undefined {
  for (let each = others.pop(); each; each = others.pop()) {
    const shelf = each.deref();
    if (shelf) return shelf;
  }
  return undefined;
}

const rooms = new Map<number, Room>();
/** A device has two or four keys, a server thousands. */
const PLACES = 8;
