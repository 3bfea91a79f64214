/**
 * A DTLS session as bytes: all that its two ends need to go on, and no more, since a device keeps it in its flash and a
 * server thousands of them. Whoever has the bytes is the session: what leaves memory is sealed first. Here is version 1.2's:
 *
 * `version (1), flags (1), suite (2), check of the pre-shared key (4), [longest content sent (2) and received (2)], [client's and
 * server's Connection ID, each behind its length (1)], identity with its length, [server name behind its length], first free
 * number of this side (6), next number of the peer (6), [window (8)], keys`. The highest bit of the version says that the
 * two lengths are there.
 *
 * @module
 */

import { Reader, Writer } from "../bytes/mod.ts";
import { type CipherSuite, type SecretBytes, secretConcat, secretFrom, suiteById } from "../crypto/mod.ts";
import { expose } from "../crypto/secret.ts";
import { SeccfError } from "../error.ts";
import type { Random } from "../platform.ts";
import type { Session } from "./engine.ts";
import { DTLS_1_2 } from "./record/content_type.ts";
import { createProtection, type Protection } from "./record/protection.ts";
import {
  CHECK_LENGTH,
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
import { decodeSavedSession13, type SavedSession13, VERSION_OF_13 } from "./saved_session13.ts";
import type { DirectionKeys } from "./tls12/key_schedule.ts";

/** What both sides seal with: MAC key, key and fixed IV of each, one behind the other. */
export interface KeptKeys extends Disposable {
  readonly client: SecretBytes;
  readonly server: SecretBytes;
}

/** All of a session of version 1.2. */
export interface SavedSession extends SavedFields {
  readonly keys: KeptKeys;
}

/** Of any version. */
export type AnySavedSession = SavedSession | SavedSession13;

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
  const { session, check, above, window, keys } = saved;
  const flags = flagsOf(saved) | (session.extendedMasterSecret ? EXTENDED_MASTER_SECRET : 0) |
    (session.encryptThenMac ? ENCRYPT_THEN_MAC : 0);
  const writer = new Writer().u8(isLimited(saved) ? VERSION | LIMITED : VERSION);
  writer.u8(flags).u16(session.suite).bytes(check);
  if (isLimited(saved)) writeSizes(writer, saved);
  writeWho(writer, saved);
  number48(writer, above);
  number48(writer, window.highest + 1);
  writeWindow(writer, saved);
  return secretConcat(writer.done(), keys.client, keys.server);
}

/** The session; the caller disposes its keys. Throws `malformed` for what nobody here wrote, `unsupported` for a later version. */
export function decodeSavedSession(state: SecretBytes): AnySavedSession {
  const reader = new Reader(expose(state));
  const first = reader.u8();
  const version = first & VERSIONS;
  if (version === VERSION_OF_13) return decodeSavedSession13(reader, first);
  if (version > VERSION_OF_13) throw new SeccfError("unsupported", "a session saved by a later version");
  if ((first & ~LIMITED) !== VERSION) throw malformed();
  return decodeSavedSession12(reader, (first & LIMITED) !== 0);
}

function decodeSavedSession12(reader: Reader, isLimited: boolean): SavedSession {
  const flags = reader.u8();
  const suite = suiteById(reader.u16());
  if (!suite || suite.exchange === "tls13") throw malformed();
  const check = new Uint8Array(reader.take(CHECK_LENGTH));
  const sizes = isLimited ? readSizes(reader) : UNLIMITED;
  const { connectionIds, identity, serverName } = readWho(reader, flags);
  const above = readNumber48(reader);
  const window = readWindow(reader, flags, readNumber48(reader));
  const [macLength, keyLength, ivLength] = lengthsOf(suite.protection);
  const length = macLength + keyLength + ivLength;
  const encryptThenMac = (flags & ENCRYPT_THEN_MAC) !== 0;
  if (reader.remaining !== 2 * length || (encryptThenMac && suite.protection.kind !== "cbc")) throw malformed();
  const session: Session = {
    ...{ version: DTLS_1_2, suite: suite.id, identity, serverName, encryptThenMac },
    forwardSecret: suite.exchange === "ecdhe_psk",
    extendedMasterSecret: (flags & EXTENDED_MASTER_SECRET) !== 0,
    ...(connectionIds && { connectionIds }),
  };
  const keys = kept(secretFrom(reader.take(length)), secretFrom(reader.take(length)));
  const role = (flags & 1) !== 0 ? "server" : "client";
  return { role, session, connectionIds, sizes, check, above, keys, window };
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

function number48(writer: Writer, value: number): void {
  writer.u16(Math.floor(value / 0x100000000)).u32(value % 0x100000000);
}

function readNumber48(reader: Reader): number {
  return reader.u16() * 0x100000000 + reader.u32();
}

const VERSION = 1;
/** Beside the version. */
const LIMITED = 0x80;
const VERSIONS = 0x1f;
/** Flags beside those of all versions. */
const EXTENDED_MASTER_SECRET = 2;
const ENCRYPT_THEN_MAC = 4;
