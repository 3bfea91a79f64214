/**
 * Memory in which records are written and opened, lent to whoever does so now: ten thousand idle associations hold none,
 * and a busy one makes none. What a pad held is gone when it is given back.
 *
 * @module
 */

/** Bytes, and views of them that are made once: where records have lengths that came before, nothing is allocated. */
export class Pad {
  readonly bytes: Uint8Array;
  readonly #views: (Uint8Array | undefined)[] = [];
  readonly #outputs: (Transmit | Data | undefined)[] = [];

  /** Of `length` bytes. */
  constructor(length: number) {
    this.bytes = new Uint8Array(new ArrayBuffer(length));
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

/** A pad of at least `length` bytes, all zeros. */
export function borrowPad(length: number): Pad {
  const pad = idle.pop();
  if (pad !== undefined && pad.bytes.length >= length) return pad;
  let room = SHORTEST;
  while (room < length) room *= 2;
  return new Pad(room);
}

/** Gives `pad` back, of which the first `used` bytes were written: wipes them, since the next borrower is somebody else. */
export function returnPad(pad: Pad, used: number): void {
  pad.bytes.fill(0, 0, used);
  if (idle.length < MOST_IDLE && pad.bytes.length <= LONGEST) idle.push(pad);
}

/** Where a view is found again: one place for many views, so that no peer can have more of them made and kept than places. */
function placeOf(from: number, to: number): number {
  return (67 * from + to) & (PLACES - 1);
}

const idle: Pad[] = [];
/** One engine reads while another writes, and each may have been asked for by a third. */
const MOST_IDLE = 4;
/** Bytes: a datagram that nobody has to cut, and the reader's early records. */
const SHORTEST = 2048;
/** Bytes of a pad that is kept: the longest datagram has room. */
const LONGEST = 65_536;
const PLACES = 256;
