/** What the saved sessions of all versions have in common, and how its parts are written. @module */

import {
  concat,
  equal,
  fromBase64,
  fromUtf8,
  type Reader,
  toBase64,
  toHex,
  toUtf8,
  type Writer,
} from "../bytes/mod.ts";
import { createHmac, type SecretBytes, secretFrom } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { ConnectionIds } from "./connection_ids.ts";
import type { Session } from "./engine.ts";
import { MAX_IDENTITY, MAX_PLAINTEXT } from "./limits.ts";
import type { WindowState } from "./record/replay_window.ts";
import type { RecordSizes } from "./record_sizes.ts";

/** All of a session but its keys. */
export interface SavedFields {
  readonly role: "client" | "server";
  readonly session: Session;
  /** Missing where none are used. */
  readonly connectionIds: ConnectionIds | undefined;
  /** As agreed, or the most. */
  readonly sizes: RecordSizes;
  /** By {@link checkOfKey}; all zeros on a client that was not asked for a key, since an earlier session went on. */
  readonly check: Uint8Array;
  /** This side's numbers from here on are free, as far as the session itself knows. */
  readonly above: number;
  /** What was read of the peer, or may have been. */
  readonly window: WindowState;
}

/** A session, as far as it says so. */
interface Told extends Pick<SavedFields, "connectionIds"> {
  readonly session: Pick<Session, "identity" | "serverName">;
}

/** Who is at either end. */
export type Who = Pick<SavedFields, "connectionIds"> & Pick<Session, "identity" | "serverName">;

/** Bits of a saved session's flags that all versions have. */
export const FLAG = { server: 1, ids: 8, returnRoutability: 16, serverName: 32, exact: 64, gba: 128 } as const;

/**
 * How a server finds a session again whose peer says something: by the Connection ID it gave out, else by the address `from`.
 * ASCII.
 */
export function sessionName(connectionId: Uint8Array | undefined, from: string): string {
  return connectionId && connectionId.length > 0 ? `c${toHex(connectionId)}` : `a${from}`;
}

/**
 * What tells the pre-shared key of a session from the one that has taken its place since, 4 bytes; the same work where there is
 * none.
 */
export function checkOfKey(key: SecretBytes | undefined): Uint8Array {
  using nobodys = secretFrom(new Uint8Array(16));
  using hmac = createHmac("sha-256", key ?? nobodys);
  const mac = new Uint8Array(32);
  hmac.signInto(CHECKED, mac);
  return mac.slice(0, CHECK_LENGTH);
}

/** The flags that {@link readWho}, {@link readSizes} and the window need. */
export function flagsOf({ role, session, connectionIds, window }: SavedFields): number {
  return (role === "server" ? FLAG.server : 0) | (connectionIds ? FLAG.ids : 0) |
    (connectionIds?.returnRoutability ? FLAG.returnRoutability : 0) |
    (session.serverName === undefined ? 0 : FLAG.serverName) | (isExact(window) ? FLAG.exact : 0) |
    (isGba(session.identity) ? FLAG.gba : 0);
}

/** Whether records are shorter than the most. */
export function isLimited({ sizes: { sent, received } }: SavedFields): boolean {
  return sent < MAX_PLAINTEXT || received < MAX_PLAINTEXT;
}

/** `[client's and server's Connection ID, each behind its length (1)], identity behind its length, which of GBA is shorter than it is, [server name behind its length]`. */
export function writeWho(writer: Writer, { connectionIds, session: { identity, serverName } }: Told): void {
  if (connectionIds) writer.vector8(connectionIds.client).vector8(connectionIds.server);
  writeIdentity(writer, identity);
  if (serverName !== undefined) writer.vector8(toUtf8(serverName));
}

/** Throws `malformed`. */
export function readWho(reader: Reader, flags: number): Who {
  const has = (flag: number): boolean => (flags & flag) !== 0;
  const connectionIds = has(FLAG.ids) ? readIds(reader, has(FLAG.returnRoutability)) : undefined;
  if (!connectionIds && has(FLAG.returnRoutability)) throw malformed();
  const identity = has(FLAG.gba) ? readGba(reader) : readOther(reader);
  const serverName = has(FLAG.serverName) ? fromUtf8(reader.vector8()) : undefined;
  if (identity.length > MAX_IDENTITY) throw malformed();
  return { connectionIds, identity, serverName };
}

/**
 * Of an identity of GBA how all of them begin is left out, and in place of the base64 of a RAND and its `@` stands the RAND (TS
 * 33.220 4.5.2): the highest bit of the length says so, which none is long enough to have.
 */
function writeIdentity(writer: Writer, identity: Uint8Array): void {
  const rest = identity.subarray(isGba(identity) ? GBA.length : 0);
  const rand = isGba(identity) ? randIn(rest) : undefined;
  if (!rand) {
    writer.vector8(rest);
    return;
  }
  const realm = rest.subarray(RAND_TEXT + AT.length);
  writer.u8(HAS_RAND | (RAND_LENGTH + realm.length)).bytes(rand).bytes(realm);
}

/** Throws `malformed`, also for a RAND that is not written as itself: each identity has one form. */
function readGba(reader: Reader): Uint8Array {
  const length = reader.u8();
  const rest = reader.take(length & ~HAS_RAND);
  if ((length & HAS_RAND) === 0) {
    if (randIn(rest)) throw malformed();
    return concat(GBA, rest);
  }
  if (rest.length < RAND_LENGTH) throw malformed();
  return concat(GBA, toUtf8(toBase64(rest.subarray(0, RAND_LENGTH))), AT, rest.subarray(RAND_LENGTH));
}

function readOther(reader: Reader): Uint8Array {
  const identity = new Uint8Array(reader.vector8());
  if (isGba(identity)) throw malformed();
  return identity;
}

/** The RAND that `rest` of an identity begins with. */
function randIn(rest: Uint8Array): Uint8Array | undefined {
  if (rest[RAND_TEXT] !== AT[0]) return undefined;
  try {
    const rand = fromBase64(fromUtf8(rest.subarray(0, RAND_TEXT)));
    return rand.length === RAND_LENGTH ? rand : undefined;
  } catch {
    return undefined;
  }
}

/** `longest content sent (2) and received (2)`. */
export function writeSizes(writer: Writer, { sizes: { sent, received } }: SavedFields): void {
  writer.u16(sent).u16(received);
}

/** What is below the most; throws `malformed` for anything else. */
export function readSizes(reader: Reader): RecordSizes {
  const [sent, received] = [reader.u16(), reader.u16()];
  const isWhole = sent > 0 && received > 0 && sent <= MAX_PLAINTEXT && received <= MAX_PLAINTEXT;
  if (!isWhole || (sent === MAX_PLAINTEXT && received === MAX_PLAINTEXT)) throw malformed();
  return { sent, received };
}

/** Behind the peer's next number, where the flag `exact` says so. */
export function writeWindow(writer: Writer, { window }: SavedFields): void {
  if (isExact(window)) writer.u32(window.low).u32(window.high);
}

/** `next`: the peer's next number. Throws `malformed`. */
export function readWindow(reader: Reader, flags: number, next: number): WindowState {
  const hasWindow = (flags & FLAG.exact) !== 0;
  const [low, high] = hasWindow ? [reader.u32(), reader.u32()] : next > 0 ? [ALL, ALL] : [0, 0];
  const window = { highest: next - 1, low, high };
  if (hasWindow !== isExact(window)) throw malformed();
  return window;
}

/** The failure of bytes that nobody here wrote. */
export function malformed(): SeccfError {
  return new SeccfError("malformed", "not a saved session");
}

function readIds(reader: Reader, returnRoutability: boolean): ConnectionIds {
  const client = new Uint8Array(reader.vector8());
  const server = new Uint8Array(reader.vector8());
  return { client, server, returnRoutability };
}

/** Whether some number up to the highest was not used, or is so old that nobody knows. */
function isExact({ highest, low, high }: WindowState): boolean {
  const missing = (bits: number, count: number): boolean => count > 0 && (~bits >>> 0) << (32 - count) !== 0;
  return missing(low, Math.min(highest + 1, 32)) || missing(high, Math.min(Math.max(highest - 31, 0), 32));
}

function isGba(identity: Uint8Array): boolean {
  return identity.length >= GBA.length && equal(identity.subarray(0, GBA.length), GBA);
}

/** Of 4 bytes. */
export const CHECK_LENGTH = 4;
/** The sizes of who agreed on none. */
export const UNLIMITED: RecordSizes = { sent: MAX_PLAINTEXT, received: MAX_PLAINTEXT };
const CHECKED: Uint8Array = toUtf8("seccf dtls saved session's key");
const ALL = 0xffffffff;
/** How every identity of GBA begins (TS 24.109 F.3): a bit says so. */
const GBA: Uint8Array = toUtf8("3GPP-bootstrapping;");
/** Bytes, and characters of base64. */
const RAND_LENGTH = 16;
const RAND_TEXT = 24;
const AT: Uint8Array = toUtf8("@");
const HAS_RAND = 0x80;
