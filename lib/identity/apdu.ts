/** Command and response APDUs in their short form (ISO 7816-4, TS 102 221 10), and one exchange of them. @module */

import { concat } from "../bytes/mod.ts";
import { wipe } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { Wait } from "../platform.ts";
import type { ApduChannel } from "./ports.ts";

/** One command. CLA, INS, P1 and P2 are octets; the channel sets the bits of CLA that name a logical channel. */
export interface Command {
  /** Default 0. */
  readonly cla?: number;
  /** Which command, such as A4 for SELECT and 88 for AUTHENTICATE (TS 102 221 10.1.2). */
  readonly ins: number;
  /** The first parameter, by INS: for SELECT, how the file is named (TS 102 221 11.1.1.2). */
  readonly p1: number;
  /** The second parameter, by INS: for SELECT, what the card is to answer (TS 102 221 11.1.1.2). */
  readonly p2: number;
  /** At most 255 bytes. */
  readonly data?: Uint8Array;
  /** How many bytes are expected at most, 1 to 256; absent: none. */
  readonly le?: number;
}

/** What a card answered. */
export interface Answer {
  /** At most 256 bytes from one command; more where {@link exchange} put several answers together. */
  readonly data: Uint8Array;
  /** SW1 SW2 as one number. */
  readonly sw: number;
}

/** The bytes of a command; RangeError for what has no short form. */
export function encodeCommand(command: Command): Uint8Array {
  const { cla = 0, ins, p1, p2, data = new Uint8Array(0), le } = command;
  if (data.length > 255) throw new RangeError("a command carries at most 255 bytes");
  if (le !== undefined && !(Number.isInteger(le) && le >= 1 && le <= 256)) throw new RangeError("Le is 1 to 256");
  return concat(
    Uint8Array.of(cla, ins, p1, p2),
    data.length > 0 ? Uint8Array.of(data.length) : data,
    data,
    le === undefined ? new Uint8Array(0) : Uint8Array.of(le % 256),
  );
}

/** The command in `bytes`, whose data it shares; throws `malformed` for anything but a short APDU. */
export function decodeCommand(bytes: Uint8Array): Required<Omit<Command, "le">> & { readonly le?: number } {
  if (bytes.length < 4) {
    throw new SeccfError("malformed", "a command has at least 4 bytes", { clause: "TS 102 221 10.1" });
  }
  const [cla, ins, p1, p2, p3 = 0] = bytes as unknown as [number, number, number, number, number?];
  const header = { cla, ins, p1, p2 };
  const none = new Uint8Array(0);
  if (bytes.length === 4) return { ...header, data: none };
  if (bytes.length === 5) return { ...header, data: none, le: p3 || 256 };
  const after = bytes.length - 5 - p3;
  if (p3 === 0 || after < 0 || after > 1) {
    throw new SeccfError("malformed", "Lc does not fit the command", { clause: "TS 102 221 10.1" });
  }
  const data = bytes.subarray(5, 5 + p3);
  return after === 0 ? { ...header, data } : { ...header, data, le: bytes[bytes.length - 1]! || 256 };
}

/** The answer in `bytes`, whose data it shares; throws `malformed` unless they are 2 to 258. */
export function decodeAnswer(bytes: Uint8Array): Answer {
  if (bytes.length < 2 || bytes.length > 258) {
    throw new SeccfError("malformed", "a card answers 2 to 258 bytes", { clause: "TS 102 221 10.2" });
  }
  const end = bytes.length - 2;
  return { data: bytes.subarray(0, end), sw: bytes[end]! * 256 + bytes[end + 1]! };
}

/**
 * Sends a command and follows where the card points: 61xx with GET RESPONSE, 6Cxx with the command again (TS 102 221
 * 7.3.1.1.5), as often as {@link MOST_ROUNDS}. The data is the caller's to wipe. Throws what the channel throws, `malformed`, or
 * `identity-unavailable` for a card that points on and on.
 */
export async function exchange(channel: ApduChannel, command: Command, options?: Wait): Promise<Answer> {
  const parts: Uint8Array[] = [];
  let next = command;
  try {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const { data, sw } = await once(channel, next, options);
      parts.push(data);
      const length = sw % 256 || 256;
      if (sw >> 8 === 0x61) next = { cla: command.cla ?? 0, ins: 0xc0, p1: 0, p2: 0, le: length };
      else if (sw >> 8 === 0x6c) next = { ...next, le: length };
      else return { data: concat(...parts), sw };
    }
  } finally {
    wipe(...parts);
  }
  throw new SeccfError("identity-unavailable", "the card does not come to an end of its answer");
}

/** A PIN goes out and keys come in by here: neither is left behind in a buffer. */
async function once(channel: ApduChannel, command: Command, options?: Wait): Promise<Answer> {
  const sent = encodeCommand(command);
  try {
    const received = await channel.transmit(sent, options);
    const { data, sw } = decodeAnswer(received);
    const copy = data.slice();
    wipe(received);
    return { data: copy, sw };
  } finally {
    wipe(sent);
  }
}

/** Commands that one exchange may take: the longest answer expected needs three. */
const MOST_ROUNDS = 8;
