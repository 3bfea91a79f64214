/**
 * A DTLS 1.2 session as bytes: all that its two ends need to go on, and no more, since a device keeps it in its flash and a
 * server thousands of them. Whoever has the bytes is the session: what leaves memory is sealed first.
 *
 * `version (1), flags (1), suite (2), check of the pre-shared key (4), [longest content sent (2) and received (2)], [client's and
 * server's Connection ID, each behind its length (1)], identity behind its length, [server name behind its length], first free
 * number of this side (6), next number of the peer (6), [window (8)], keys`. The highest bit of the version says that the
 * two lengths are there.
 *
 * @module
 */

import { concat, equal, fromUtf8, Reader, toHex, toUtf8, Writer } from "../bytes/mod.ts";
import { type CipherSuite, createHmac, type SecretBytes, secretConcat, secretFrom, suiteById } from "../crypto/mod.ts";
import { expose } from "../crypto/secret.ts";
import { SeccfError } from "../error.ts";
import type { Random } from "../platform.ts";
import type { ConnectionIds } from "./connection_ids.ts";
import type { Session } from "./engine.ts";
import { MAX_IDENTITY, MAX_PLAINTEXT } from "./limits.ts";
import { DTLS_1_2 } from "./record/content_type.ts";
import { createProtection, type Protection } from "./record/protection.ts";
import type { WindowState } from "./record/replay_window.ts";
import type { RecordSizes } from "./record_sizes.ts";
import type { DirectionKeys } from "./tls12/key_schedule.ts";

/** What both sides seal with: MAC key, key and fixed IV of each, one behind the other. */
export interface KeptKeys extends Disposable {
  readonly client: SecretBytes;
  readonly server: SecretBytes;
}

/** All of a session. */
export interface SavedSession {
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
  readonly keys: KeptKeys;
}

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

/** A copy of both sides' keys, to be disposed of. */
export function keptKeys(client: DirectionKeys, server: DirectionKeys): KeptKeys {
  return kept(joined(client), joined(server));
}

/** One side's keys, cut again; the caller disposes them. */
function directionKeys({ protection }: CipherSuite, side: SecretBytes): DirectionKeys {
  const [macLength, keyLength] = lengthsOf(protection);
  const bytes = expose(side);
  const macKey = macLength > 0 ? secretFrom(bytes.subarray(0, macLength)) : undefined;
  const key = secretFrom(bytes.subarray(macLength, macLength + keyLength));
  const iv = new Uint8Array(bytes.subarray(macLength + keyLength));
  return {
    ...{ macKey, key, iv },
    [Symbol.dispose]() {
      macKey?.[Symbol.dispose]();
      key[Symbol.dispose]();
      iv.fill(0);
    },
  };
}

/** What the session sends and receives by, in this order; the keys stay where they are. */
export function savedProtections(
  { role, session, keys }: SavedSession,
  random: Random,
): readonly [Protection, Protection] {
  const suite = suiteById(session.suite)!;
  const { encryptThenMac } = session;
  const make = (side: SecretBytes): Protection => {
    using direction = directionKeys(suite, side);
    return createProtection(suite, direction, { encryptThenMac, random });
  };
  return role === "client" ? [make(keys.client), make(keys.server)] : [make(keys.server), make(keys.client)];
}

/** The bytes, which the caller disposes. */
export function encodeSavedSession(saved: SavedSession): SecretBytes {
  const { role, session, connectionIds, sizes, check, above, window, keys } = saved;
  const { identity, serverName } = session;
  const isLimited = sizes.sent < MAX_PLAINTEXT || sizes.received < MAX_PLAINTEXT;
  const isExact = window.highest >= 0 && !(window.low === ALL && window.high === ALL);
  const isGba = identity.length >= GBA.length && equal(identity.subarray(0, GBA.length), GBA);
  const flags = [
    role === "server",
    session.extendedMasterSecret,
    session.encryptThenMac,
    connectionIds !== undefined,
    connectionIds?.returnRoutability ?? false,
    serverName !== undefined,
    isExact,
    isGba,
  ];
  const writer = new Writer().u8(isLimited ? VERSION | LIMITED : VERSION);
  writer.u8(flags.reduce((sum, flag, bit) => sum | (flag ? 1 << bit : 0), 0)).u16(session.suite).bytes(check);
  if (isLimited) writer.u16(sizes.sent).u16(sizes.received);
  if (connectionIds) writer.vector8(connectionIds.client).vector8(connectionIds.server);
  writer.vector8(identity.subarray(isGba ? GBA.length : 0));
  if (serverName !== undefined) writer.vector8(toUtf8(serverName));
  number48(writer, above);
  number48(writer, window.highest + 1);
  if (isExact) writer.u32(window.low).u32(window.high);
  return secretConcat(writer.done(), keys.client, keys.server);
}

/** The session; the caller disposes its keys. Throws `malformed` for what {@link encodeSavedSession} did not write, `unsupported` for a later version. */
export function decodeSavedSession(state: SecretBytes): SavedSession {
  const reader = new Reader(expose(state));
  const first = reader.u8();
  const version = first & ~LIMITED;
  if (version > VERSION) throw new SeccfError("unsupported", "a session saved by a later version");
  if (version !== VERSION) throw malformed();
  const flags = reader.u8();
  const has = (bit: number): boolean => (flags & (1 << bit)) !== 0;
  const suite = suiteById(reader.u16());
  if (!suite || suite.exchange === "tls13") throw malformed();
  const check = new Uint8Array(reader.take(CHECK_LENGTH));
  const sizes = (first & LIMITED) === 0 ? UNLIMITED : readSizes(reader);
  const connectionIds = has(3) ? readIds(reader, has(4)) : undefined;
  if (!connectionIds && has(4)) throw malformed();
  const identity = concat(has(7) ? GBA : NOTHING, reader.vector8());
  const serverName = has(5) ? fromUtf8(reader.vector8()) : undefined;
  const above = readNumber48(reader);
  const next = readNumber48(reader);
  const [low, high] = has(6) ? [reader.u32(), reader.u32()] : next > 0 ? [ALL, ALL] : [0, 0];
  const [macLength, keyLength, ivLength] = lengthsOf(suite.protection);
  const length = macLength + keyLength + ivLength;
  const isWhole = reader.remaining === 2 * length && identity.length <= MAX_IDENTITY && (next > 0 || !has(6)) &&
    !(has(2) && suite.protection.kind !== "cbc");
  if (!isWhole) throw malformed();
  const session: Session = {
    ...{ version: DTLS_1_2, suite: suite.id, identity, serverName },
    forwardSecret: suite.exchange === "ecdhe_psk",
    extendedMasterSecret: has(1),
    encryptThenMac: has(2),
    ...(connectionIds && { connectionIds }),
  };
  const keys = kept(secretFrom(reader.take(length)), secretFrom(reader.take(length)));
  return {
    role: has(0) ? "server" : "client",
    ...{ session, connectionIds, sizes, check, above, keys },
    window: { highest: next - 1, low, high },
  };
}

function joined({ macKey, key, iv }: DirectionKeys): SecretBytes {
  return macKey ? secretConcat(macKey, key, iv) : secretConcat(key, iv);
}

function kept(client: SecretBytes, server: SecretBytes): KeptKeys {
  return {
    ...{ client, server },
    [Symbol.dispose]() {
      client[Symbol.dispose]();
      server[Symbol.dispose]();
    },
  };
}

/** Of MAC key, key and fixed IV. */
function lengthsOf(protection: CipherSuite["protection"]): readonly [number, number, number] {
  if (protection.kind === "cbc") return [protection.macLength, protection.keyLength, 0];
  return [0, protection.keyLength, protection.fixedIvLength];
}

function readIds(reader: Reader, returnRoutability: boolean): ConnectionIds {
  const client = new Uint8Array(reader.vector8());
  const server = new Uint8Array(reader.vector8());
  return { client, server, returnRoutability };
}

function readSizes(reader: Reader): RecordSizes {
  const [sent, received] = [reader.u16(), reader.u16()];
  const isWhole = sent > 0 && received > 0 && sent <= MAX_PLAINTEXT && received <= MAX_PLAINTEXT;
  if (!isWhole || (sent === MAX_PLAINTEXT && received === MAX_PLAINTEXT)) throw malformed();
  return { sent, received };
}

function number48(writer: Writer, value: number): void {
  writer.u16(Math.floor(value / 0x100000000)).u32(value % 0x100000000);
}

function readNumber48(reader: Reader): number {
  return reader.u16() * 0x100000000 + reader.u32();
}

function malformed(): SeccfError {
  return new SeccfError("malformed", "not a saved session");
}

const VERSION = 1;
/** Beside the version. */
const LIMITED = 0x80;
const UNLIMITED: RecordSizes = { sent: MAX_PLAINTEXT, received: MAX_PLAINTEXT };
const CHECK_LENGTH = 4;
const CHECKED: Uint8Array = toUtf8("seccf dtls saved session's key");
const ALL = 0xffffffff;
const NOTHING: Uint8Array = new Uint8Array(0);
/** How every identity of GBA begins (TS 24.109 F.3): a bit says so. */
const GBA: Uint8Array = toUtf8("3GPP-bootstrapping;");
