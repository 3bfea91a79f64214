/**
 * What client and pcscd say to each other on pcscd's socket: structures of C in the machine's own byte order. The
 * protocol is private to PCSC-lite and numbered; 4:4 (1.8.24 to 2.2) and 4:5 (2.3 and 2.4) are spoken, and what later
 * versions still take of them.
 *
 * @module
 */

import { concat, fromUtf8, toUtf8 } from "../../../lib/bytes/mod.ts";
import { SeccfError } from "../../../lib/error.ts";

/** Commands (`winscard_msg.h`). */
export const COMMAND = {
  establishContext: 0x01,
  releaseContext: 0x02,
  connect: 0x04,
  disconnect: 0x06,
  beginTransaction: 0x07,
  endTransaction: 0x08,
  transmit: 0x09,
  version: 0x11,
  getReadersState: 0x12,
  waitReaderStateChange: 0x13,
} as const;

/** The length of what answers a command, without the data behind it. */
export const ANSWER_LENGTH = {
  version: 12,
  establishContext: 12,
  releaseContext: 8,
  connect: 152,
  disconnect: 12,
  beginTransaction: 8,
  endTransaction: 12,
  transmit: 32,
  /** A table of fixed size, {@link MOST_READERS} of {@link READER_LENGTH} bytes. */
  readers: 2944,
  stateChange: 8,
} as const;

/** A reader as pcscd describes it. */
export interface ReaderState {
  /** 1 to 127 bytes of UTF-8, by which pcscd tells readers apart. */
  readonly name: string;
  /** Cards put in and taken out so far. */
  readonly events: number;
  /** Whether a card is in it, powered or not. */
  readonly present: boolean;
  /** Whether some program uses the card, alone or with others. */
  readonly use: "none" | "shared" | "exclusive";
  /** Answer to reset; empty without a card, or before one was powered. */
  readonly atr: Uint8Array;
}

/** A message: its length, the command, the body. */
export function encodeMessage(command: number, body: Uint8Array = NOTHING): Uint8Array {
  return concat(words(body.length, command), body);
}

/** Numbers of 32 bits each, as a structure has them. */
export function words(...values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, i) => view.setUint32(4 * i, value >>> 0, LITTLE));
  return new Uint8Array(view.buffer);
}

/** The number of 32 bits at the `index`th place of an answer; throws `malformed` past its end. */
export function word(answer: Uint8Array, index: number): number {
  if (4 * index + 4 > answer.length) throw malformed("an answer ends too early");
  return new DataView(answer.buffer, answer.byteOffset, answer.length).getUint32(4 * index, LITTLE);
}

/** The body of `connect`. RangeError for a name that is empty or too long. */
export function encodeConnect(context: number, reader: string, share: number, protocols: number): Uint8Array {
  const name = new Uint8Array(NAME_LENGTH);
  const bytes = toUtf8(reader);
  if (bytes.length === 0 || bytes.length >= NAME_LENGTH) throw new RangeError("a reader's name is 1 to 127 bytes");
  name.set(bytes);
  return concat(words(context), name, words(share, protocols, 0, 0, 0));
}

/** What `connect` answers. Throws `malformed`. */
export function decodeConnect(answer: Uint8Array): { card: number; protocol: number; result: number } {
  const tail = 1 + NAME_LENGTH / 4;
  return { card: word(answer, tail + 2), protocol: word(answer, tail + 3), result: word(answer, tail + 4) };
}

/** The body of `transmit`, in front of the command. */
export function encodeTransmit(card: number, protocol: number, length: number): Uint8Array {
  return words(card, protocol, PCI_LENGTH, length, 0, PCI_LENGTH, MOST_ANSWERED, 0);
}

/** What `transmit` answers: `length` bytes follow if `result` is 0. Throws `malformed` for more than a card can say. */
export function decodeTransmit(answer: Uint8Array): { length: number; result: number } {
  const [length, result] = [word(answer, 6), word(answer, 7)];
  if (result === 0 && length > MOST_ANSWERED) throw malformed("an answer longer than any card gives");
  // A driver whose card is pulled out may call an answer of nothing a success: vpcd's does.
  return result === 0 && length < 2 ? { length, result: NOT_TRANSACTED } : { length, result };
}

/** The readers in pcscd's table, which is mostly empty. Throws `malformed`. */
export function decodeReaders(table: Uint8Array): ReaderState[] {
  if (table.length !== ANSWER_LENGTH.readers) throw malformed("a table of readers of another size");
  return Array.from({ length: MOST_READERS }, (_, i) => decodeReader(table.subarray(i * READER_LENGTH)))
    .filter((reader) => reader !== undefined);
}

function decodeReader(entry: Uint8Array): ReaderState | undefined {
  const end = entry.subarray(0, NAME_LENGTH).indexOf(0);
  if (end === 0) return undefined;
  if (end < 0) throw malformed("a reader's name without an end");
  const at = NAME_LENGTH / 4;
  const sharing = word(entry, at + 2) | 0;
  const length = word(entry, (NAME_LENGTH + 12 + 36) / 4);
  if (length > MOST_ATR) throw malformed("an answer to reset is at most 33 bytes");
  const atr = entry.slice(NAME_LENGTH + 12, NAME_LENGTH + 12 + length);
  return {
    name: fromUtf8(entry.subarray(0, end)),
    events: word(entry, at),
    present: (word(entry, at + 1) & PRESENT) !== 0,
    use: sharing === 0 ? "none" : sharing < 0 ? "exclusive" : "shared",
    atr,
  };
}

function malformed(message: string): SeccfError {
  return new SeccfError("malformed", message, { clause: "PCSC-lite protocol 4:4" });
}

const NOTHING = new Uint8Array(0);
const LITTLE = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
const NAME_LENGTH = 128;
const READER_LENGTH = 184;
const MOST_READERS = 16;
const MOST_ATR = 33;
const PRESENT = 0x04;
const NOT_TRANSACTED = 0x80100016;
/** Of SCARD_IO_REQUEST, two numbers of 64 bits; not looked at by pcscd. */
const PCI_LENGTH = 16;
/** Data and status of a short APDU. */
const MOST_ANSWERED = 258;
