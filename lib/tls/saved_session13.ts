/**
 * A session of DTLS 1.3 as bytes. Its keys are the traffic secrets that they come from, so that KeyUpdate goes on, and the
 * messages that the peer has not acknowledged are with it, since their numbers can not be another message's.
 *
 * `version (1), flags (1), low byte of the suite (1), check of the pre-shared key (4), [longest content sent (2) and received
 * (2)], [client's and server's Connection ID, each behind its length (1)], identity with its length, [server name behind
 * its length]; of what is sent: epoch, first free number, next message_seq; of what is received: epoch, next number, next
 * message_seq; [window (8)], [count (1) of messages, each with type (1), message_seq and body behind its length (2)], secret
 * of what is sent, secret of what is received, [of the epoch behind it, where that is the first one for data]`. Numbers without a length have seven bits in each byte but the last. The
 * three highest bits of the version: the two lengths are there, messages are there, a KeyUpdate of this side is under way.
 *
 * @module
 */

import { type Reader, Writer } from "../bytes/mod.ts";
import { hashLength, type SecretBytes, secretConcat, secretFrom, secretSlice, suiteById } from "../crypto/mod.ts";
import type { Session } from "./engine.ts";
import type { Head } from "./epochs.ts";
import type { TrafficSecret } from "./handshake.ts";
import { DTLS_1_3 } from "./record/content_type.ts";
import type { EpochPair } from "./record/durable_numbers.ts";
import {
  CHECK_LENGTH,
  FLAG,
  flagsOf,
  isLimited,
  malformed,
  readSizes,
  readWho,
  readWindow,
  type SavedFields,
  UNLIMITED,
  writeSizes,
  writeWho,
  writeWindow,
} from "./saved_fields.ts";
import { nextTrafficSecret } from "./tls13/key_schedule.ts";

/** A message of this side that the peer is not known to have. */
export interface Said {
  readonly type: number;
  readonly messageSeq: number;
  readonly body: Uint8Array;
}

/** How far the two ends have come with each other behind their handshake. */
export interface Progress13 {
  readonly sent: Head;
  readonly received: Head;
  /** Of the epoch before what is received, while it may be needed; stays its owner's. */
  readonly earlier: SecretBytes | undefined;
  /** message_seq of the next message of either side. */
  readonly nextSent: number;
  readonly nextReceived: number;
  readonly said: readonly Said[];
  /** A KeyUpdate of this side was said, and its new keys are not in use. */
  readonly isUpdating: boolean;
}

/** All of a session of version 1.3. */
export interface SavedSession13 extends SavedFields {
  readonly keys: Disposable & Omit<Progress13, "earlier"> & {
    /** The peer may go on to the epoch behind `received`. */
    readonly isNextOpen: boolean;
    /** The secret of that, where it does not come from the one before. */
    readonly next: TrafficSecret | undefined;
  };
}

/** Whether `saved` is of version 1.3. */
export function isSaved13(saved: SavedFields): saved is SavedSession13 {
  return saved.session.version === DTLS_1_3;
}

/** The bytes, which the caller disposes; `at`: the epochs of `above` and `window`, each the newest, the one after what is sent, or the one before what is received. */
export function encodeSavedSession13(fields: SavedFields, progress: Progress13, at: EpochPair): SecretBytes {
  const { session, check, above, window } = fields;
  const { nextSent, nextReceived } = progress;
  const isSwitched = at.sent > progress.sent.epoch;
  const said = isSwitched ? [] : progress.said;
  const isBehind = at.received < progress.received.epoch;
  const flags = flagsOf(fields) | (session.forwardSecret ? FORWARD_SECRET : 0) | (isBehind ? NEXT_OPEN : 0);
  const marks = (isLimited(fields) ? LIMITED : 0) | (said.length > 0 ? SAID : 0) |
    (progress.isUpdating && !isSwitched ? UPDATING : 0);
  const writer = new Writer().u8(VERSION_OF_13 | marks).u8(flags).u8(session.suite & 0xff).bytes(check);
  if (isLimited(fields)) writeSizes(writer, fields);
  writeWho(writer, fields);
  for (const number of [at.sent, above, nextSent, at.received, window.highest + 1, nextReceived]) {
    writeNumber(writer, number);
  }
  writeWindow(writer, fields);
  if (said.length > 0) writer.u8(said.length);
  for (const { type, messageSeq, body } of said) {
    writer.u8(type);
    writeNumber(writer, messageSeq);
    writer.vector16(body);
  }
  using sent = secretAt(progress.sent, isSwitched);
  using received = secretSlice(isBehind ? progress.earlier! : progress.received.secret.secret, 0);
  if (at.received >= FIRST_OF_DATA) return secretConcat(writer.done(), sent, received);
  return secretConcat(writer.done(), sent, received, progress.received.secret.secret);
}

/** The session, `first` being its first byte, which was read; the caller disposes its keys. Throws `malformed`. */
export function decodeSavedSession13(reader: Reader, first: number): SavedSession13 {
  const flags = reader.u8();
  const suite = suiteById(SUITES | reader.u8());
  if (suite?.exchange !== "tls13") throw malformed();
  const check = new Uint8Array(reader.take(CHECK_LENGTH));
  const sizes = (first & LIMITED) === 0 ? UNLIMITED : readSizes(reader);
  const { connectionIds, identity, serverName } = readWho(reader, flags);
  const [sentEpoch, above, nextSent] = [readNumber(reader), readNumber(reader), readNumber(reader)];
  const [receivedEpoch, nextNumber, nextReceived] = [readNumber(reader), readNumber(reader), readNumber(reader)];
  const window = readWindow(reader, flags, nextNumber);
  const said = (first & SAID) === 0 ? [] : readSaid(reader);
  const length = hashLength(suite.prf);
  const isNextOpen = (flags & NEXT_OPEN) !== 0;
  const isInHandshake = receivedEpoch === FIRST_OF_DATA - 1 && isNextOpen;
  const isEpoch = sentEpoch >= FIRST_OF_DATA && (receivedEpoch >= FIRST_OF_DATA || isInHandshake);
  if (reader.remaining !== (isInHandshake ? 3 : 2) * length || !isEpoch) throw malformed();
  const session: Session = {
    ...{ version: DTLS_1_3, suite: suite.id, identity, serverName },
    ...{ extendedMasterSecret: true, encryptThenMac: false },
    forwardSecret: (flags & FORWARD_SECRET) !== 0,
    ...(connectionIds && { connectionIds }),
  };
  const take = (): TrafficSecret => ({ suite, secret: secretFrom(reader.take(length)) });
  const sent = { epoch: sentEpoch, secret: take() };
  const received = { epoch: receivedEpoch, secret: take() };
  const isUpdating = (first & UPDATING) !== 0;
  const next = isInHandshake ? take() : undefined;
  const role = (flags & FLAG.server) !== 0 ? "server" : "client";
  const keys = {
    ...{ sent, received, nextSent, nextReceived, said, isUpdating, isNextOpen, next },
    [Symbol.dispose]() {
      sent.secret.secret[Symbol.dispose]();
      received.secret.secret[Symbol.dispose]();
      next?.secret[Symbol.dispose]();
    },
  };
  return { role, session, connectionIds, sizes, check, above, window, keys };
}

/** A copy of what `head` has, or of what comes behind it. */
function secretAt({ secret: { suite, secret } }: Head, isNext: boolean): SecretBytes {
  return isNext ? nextTrafficSecret({ prefix: "dtls13", hash: suite.prf }, secret) : secretSlice(secret, 0);
}

function readSaid(reader: Reader): Said[] {
  const said: Said[] = [];
  const count = reader.u8();
  if (count === 0) throw malformed();
  for (let left = count; left > 0; left--) {
    said.push({ type: reader.u8(), messageSeq: readNumber(reader), body: new Uint8Array(reader.vector16()) });
  }
  return said;
}

function writeNumber(writer: Writer, value: number): void {
  for (; value >= 0x80; value = Math.floor(value / 0x80)) writer.u8(0x80 | value % 0x80);
  writer.u8(value);
}

/** Below 2^49. */
function readNumber(reader: Reader): number {
  let value = 0;
  for (let scale = 1; scale < 2 ** 49; scale *= 0x80) {
    const byte = reader.u8();
    value += (byte & 0x7f) * scale;
    if (byte === 0 && scale > 1) break;
    if (byte < 0x80) return value;
  }
  throw malformed();
}

/** The first byte's low bits. */
export const VERSION_OF_13 = 2;
const LIMITED = 0x80;
const SAID = 0x40;
const UPDATING = 0x20;
/** Flags beside those of all versions. */
const FORWARD_SECRET = 2;
const NEXT_OPEN = 4;
/** RFC 8446 B.4. */
const SUITES = 0x1300;
/** RFC 9147 6.1. */
const FIRST_OF_DATA = 3;
