/**
 * Memory in which records are written and opened, lent to whoever does so now: ten thousand idle associations hold none,
 * and a busy one makes none. What a pad held is gone when it is given back.
 *
 * @module
 */

/** Bytes, and views of them that are made once: where records have lengths that came before, nothing is allocated. */
export class Pad {
  readonly bytes: Uint8Array;
  readonly direction: Direction;
  /** How many are in use; what its borrower has in hand of them, from where to where. None of it lasts longer than the loan. */
  used = 0;
  at = 0;
  end = 0;
  /** How many may have been written. */
  touched = 0;
  /** The one that was too short for all that is here; what was handed out may still lie in it, so it goes back with this one. */
  before: Pad | undefined;
  readonly #views: (Uint8Array | undefined)[] = [];
  readonly #outputs: (Transmit | Data | undefined)[] = [];

  /** Of `length` bytes. */
  constructor(length: number, direction: Direction = "out") {
    this.bytes = new Uint8Array(new ArrayBuffer(length));
    this.direction = direction;
  }

  /** Whether there is room for `length` bytes more; from here on they may be written. */
  fits(length: number): boolean {
    const most = this.used + length;
    if (most > this.bytes.length) return false;
    if (most > this.touched) this.touched = most;
    return true;
  }

  /** The bytes `from` up to `to`; the same object for the same places, mostly. */
  view(from: number, to: number): Uint8Array {
    const place = placeOf(from, to);
    const view = this.#views[place];
    if (view !== undefined && view.byteOffset === from && view.length === to - from) return view;
    return this.#views[place] = this.bytes.subarray(from, to);
  }

  /** A datagram to be sent, which is such a view; the same object for the same view, mostly. */
  transmit(bytes: Uint8Array): Transmit {
    return this.#output("transmit", bytes) as Transmit;
  }

  /** Data that came, which are such a view; the same object for the same view, mostly. */
  data(bytes: Uint8Array): Data {
    return this.#output("data", bytes) as Data;
  }

  #output(kind: "transmit" | "data", bytes: Uint8Array): Transmit | Data {
    const from = bytes.byteOffset;
    const place = placeOf(from, from + bytes.length);
    const output = this.#outputs[place];
    if (output !== undefined && output.bytes === bytes && output.kind === kind) return output;
    return this.#outputs[place] = { kind, bytes };
  }
}

/** What an engine says of a datagram that is to be sent. */
export interface Transmit {
  readonly kind: "transmit";
  readonly bytes: Uint8Array;
}

/** What an engine says of data that came. */
export interface Data {
  readonly kind: "data";
  readonly bytes: Uint8Array;
}

/**
 * Which way the records in a pad go. None that came is opened where one that goes was sealed: a carrier that sends what it was given
 * too late, when the memory is somebody else's, sends what is sealed and no plaintext.
 */
export type Direction = "in" | "out";

/** A pad that fits `length` bytes, all zeros. */
export function borrowPad(length: number, direction: Direction): Pad {
  const pad = idle[direction].pop();
  if (pad?.fits(length)) return pad;
  let room = SHORTEST;
  while (room < length) room *= 2;
  const made = new Pad(room, direction);
  made.fits(length);
  return made;
}

/** One that fits `length` bytes more than are in use in `pad`, which are copied; `pad` itself, where it does. */
export function widerPad(pad: Pad | undefined, length: number, direction: Direction): Pad {
  if (pad === undefined) return borrowPad(length, direction);
  if (pad.fits(length)) return pad;
  const wider = borrowPad(2 * (pad.used + length), direction);
  wider.bytes.set(pad.bytes.subarray(0, pad.used));
  wider.used = pad.used;
  wider.at = pad.at;
  wider.end = pad.end;
  wider.before = pad;
  return wider;
}

/** Gives `pad` and those before it back: wipes what may have been written, since the next borrower is somebody else. */
export function returnPad(pad: Pad): void {
  let each: Pad | undefined = pad;
  while (each) {
    const { before, direction }: Pad = each;
    each.bytes.fill(0, 0, each.touched);
    each.used =
      each.at =
      each.end =
      each.touched =
        0;
    each.before = undefined;
    const others = idle[direction];
    if (others.length < MOST_IDLE && each.bytes.length <= LONGEST) others.push(each);
    each = before;
  }
}

/** Where a view is found again: one place for many views, so that no peer can have more of them made and kept than places. */
function placeOf(from: number, to: number): number {
  return (67 * from + to) & (PLACES - 1);
}

const idle: Readonly<Record<Direction, Pad[]>> = { in: [], out: [] };
/** One engine reads while another writes, and each may have been asked for by a third. Of either direction. */
const MOST_IDLE = 2;
/** Bytes: a datagram that nobody has to cut, and the reader's early records. */
const SHORTEST = 2048;
/** Bytes of a pad that is kept: the longest datagram has room, and the 64 KiB that a socket gives behind the beginning of a record. */
const LONGEST = 131_072;
const PLACES = 256;
