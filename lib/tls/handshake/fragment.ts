/** The frame of a handshake message on datagrams (RFC 6347 4.2.2), and the pieces that messages are cut into. @module */

import { SeccfError } from "../../error.ts";
import { Reader } from "../../bytes/mod.ts";

/** type (1), length (3), message_seq (2), fragment_offset (3), fragment_length (3). */
export const FRAGMENT_HEADER_LENGTH = 12;

/** One piece of one message; a whole message is a single piece. */
export interface Fragment {
  readonly type: number;
  /** Bytes of the whole message's body. */
  readonly length: number;
  readonly messageSeq: number;
  readonly offset: number;
  readonly body: Uint8Array;
}

/** Takes one fragment from `reader`; throws `malformed`, also where it reaches beyond its message. Views. */
export function readFragment(reader: Reader): Fragment {
  const type = reader.u8();
  const length = reader.u24();
  const messageSeq = reader.u16();
  const offset = reader.u24();
  const body = reader.vector24();
  if (offset + body.length > length) {
    throw new SeccfError("malformed", "a fragment beyond its message", { clause: "RFC 6347 4.2.3" });
  }
  return { type, length, messageSeq, offset, body };
}

/** The fragments in a record, up to what is none. */
export function fragmentsIn(payload: Uint8Array): Fragment[] {
  const reader = new Reader(payload);
  const found: Fragment[] = [];
  try {
    while (reader.remaining > 0) found.push(readFragment(reader));
  } catch {
    // RFC 6347 4.1.2.7: invalid, and silently so.
  }
  return found;
}

/** The fragment with its header. */
export function encodeFragment({ type, length, messageSeq, offset, body }: Fragment): Uint8Array {
  const bytes = new Uint8Array(FRAGMENT_HEADER_LENGTH + body.length);
  bytes[0] = type;
  writeU24(bytes, 1, length);
  bytes[4] = messageSeq >> 8;
  bytes[5] = messageSeq;
  writeU24(bytes, 6, offset);
  writeU24(bytes, 9, body.length);
  bytes.set(body, FRAGMENT_HEADER_LENGTH);
  return bytes;
}

/** The whole message as the transcript has it: as if it had never been cut (RFC 6347 4.2.6). */
export function frameWhole(type: number, messageSeq: number, body: Uint8Array): Uint8Array {
  return encodeFragment({ type, length: body.length, messageSeq, offset: 0, body });
}

function writeU24(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 16;
  bytes[at + 1] = value >> 8;
  bytes[at + 2] = value;
}
