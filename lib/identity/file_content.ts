/**
 * What an identity file holds: subscribers, provisioned keys and keys for the device's own use, each under a name. The
 * plaintext is one deterministic CBOR array, `[1, [entry, ...]]`.
 *
 * @module
 */

import type { AkaCredentials, SequenceProfile } from "../aka/mod.ts";
import { type CborKey, type CborMap, type CborValue, decodeCbor, encodeCbor } from "../cose/mod.ts";
import { fingerprint, type SecretBytes, secretFrom, secretSlice } from "../crypto/mod.ts";
// What is sealed into the file.
import { expose } from "../crypto/secret.ts";
import { SeccfError } from "../error.ts";
import { MOST_FILE_BYTES } from "./file_format.ts";
import { bsfNameOf, impiOf, type MncLength } from "./names.ts";
import type { ProvisionedKey } from "./provisioned.ts";
import type { Rotation } from "./rotation.ts";
import type { SoftUsimState } from "./soft_usim.ts";

/** A subscriber: the credentials of a soft USIM, and what it keeps without power. */
export interface SubscriberEntry {
  /** A soft USIM is made of it; the other kinds are keys that a peer or the device itself knows. */
  readonly kind: "subscriber";
  /** At most 200 bytes. */
  readonly name: string;
  /** K, and OPc or TOPc. The file keeps a copy; those of an entry that is being looked at are wiped afterwards. */
  readonly credentials: AkaCredentials;
  /** 6 to 15 digits. */
  readonly imsi: string;
  /** How many digits of the IMSI are the mobile network code: the home network's domain is made of them. */
  readonly mncLength: MncLength;
  /** Where it is not made of the IMSI. */
  readonly impi?: string;
  /** Where its name is not made of the IMSI. */
  readonly keyManager?: string;
  /** How SQN divides, as the operator's authentication centre divides it. Default that of {@link SequenceProfile}. */
  readonly sequence?: SequenceProfile;
  /** What the soft USIM stored at its last change; absent before the first, and sequence numbers then start anew. */
  readonly state?: SoftUsimState;
  /** Whoever opened the subscriber last, 8 random bytes: only he writes its state. */
  readonly holder?: Uint8Array;
}

/** A key that a peer knows by identity. */
export interface ProvisionedEntry {
  /** A peer knows it by the identity in `rotation`; `name` is the file's own. */
  readonly kind: "provisioned";
  /** 1 to 200 bytes of UTF-8 without control characters, and no other entry's. */
  readonly name: string;
  /** The key, and the one that may be about to replace it. Identities of 1 to 128 bytes, keys of 16 to 64. */
  readonly rotation: Rotation<ProvisionedKey>;
}

/** A key for the device itself: what wraps its snapshots, for one. */
export interface KeyEntry {
  /** Found by its name alone, for `derive`; no peer's identity leads to it. */
  readonly kind: "key";
  /** 1 to 200 bytes of UTF-8 without control characters, and no other entry's. */
  readonly name: string;
  /** 16 to 64 bytes. */
  readonly key: SecretBytes;
}

/** One thing in the file. */
export type FileEntry = SubscriberEntry | ProvisionedEntry | KeyEntry;

/** What may be shown of an entry. */
export type FileFact =
  & { readonly name: string }
  & (
    | {
      readonly kind: "subscriber";
      readonly algorithm: "milenage" | "tuak";
      readonly imsi: string;
      readonly impi: string;
      readonly keyManager: string;
      /** Of K. */
      readonly fingerprint: string;
    }
    | {
      readonly kind: "provisioned";
      readonly identity: Uint8Array;
      readonly fingerprint: string;
      readonly attempt: number;
      /** The key that is to take its place. */
      readonly next?: { readonly identity: Uint8Array; readonly fingerprint: string; readonly until: number };
    }
    | { readonly kind: "key"; readonly fingerprint: string }
  );

/** The Key Manager's name of a subscriber: as it was given, or as it follows from the IMSI. */
export function keyManagerOf({ keyManager, imsi, mncLength }: SubscriberEntry): string {
  return keyManager ?? bsfNameOf(imsi, mncLength);
}

/** Who a subscriber is, by its own words or its IMSI's. */
export function subscriberImpi({ impi, imsi, mncLength }: SubscriberEntry): string {
  return impi ?? impiOf(imsi, mncLength);
}

/** Names and fingerprints, no secret. */
export function factOf(entry: FileEntry): FileFact {
  const { name } = entry;
  switch (entry.kind) {
    case "subscriber": {
      const { imsi, credentials } = entry;
      return {
        ...{ kind: entry.kind, name, algorithm: credentials.algorithm ?? "milenage", imsi },
        impi: subscriberImpi(entry),
        keyManager: keyManagerOf(entry),
        fingerprint: fingerprint(credentials.k),
      };
    }
    case "provisioned": {
      const { current, next, until = 0, attempt } = entry.rotation;
      const shown = ({ identity, key }: ProvisionedKey) => ({
        identity: identity.slice(),
        fingerprint: fingerprint(key),
      });
      return {
        ...{ kind: entry.kind, name, attempt, ...shown(current) },
        ...(next ? { next: { ...shown(next), until } } : {}),
      };
    }
    case "key":
      return { kind: entry.kind, name, fingerprint: fingerprint(entry.key) };
    default:
      return entry satisfies never;
  }
}

/** The same with secrets of its own. */
export function copyCredentials(credentials: AkaCredentials): AkaCredentials {
  const k = secretSlice(credentials.k, 0);
  const [kind, operator] = operatorOf(credentials);
  return { ...credentials, k, [kind]: secretSlice(operator, 0) };
}

/** Each secret of an entry. */
export function secretsOf(entry: FileEntry): readonly SecretBytes[] {
  if (entry.kind === "key") return [entry.key];
  if (entry.kind === "provisioned") {
    const { current, next } = entry.rotation;
    return next ? [current.key, next.key] : [current.key];
  }
  return [entry.credentials.k, operatorOf(entry.credentials)[1]];
}

/** The plaintext, which the caller wipes. */
export function encodeContent(entries: readonly FileEntry[]): Uint8Array {
  return encodeCbor([VERSION, entries.map(encodeEntry)]);
}

/** The entries, with secrets of their own. Throws `malformed` for what {@link encodeContent} does not write. */
export function decodeContent(plaintext: Uint8Array): FileEntry[] {
  const value = decodeCbor(plaintext, { deterministic: true, maximumLength: MOST_FILE_BYTES });
  const [version, entries] = array(value, 2);
  if (typeof version === "number" && version > VERSION) {
    throw new SeccfError("unsupported", "an identity file with content of a later version");
  }
  if (version !== VERSION) throw malformed();
  return array(entries).map((entry) => decodeEntry(entry));
}

const VERSION = 1;
const KINDS = ["subscriber", "provisioned", "key"] as const;
/** Labels of an entry's map. */
const AT = {
  kind: 0,
  name: 1,
  key: 2,
  operatorKind: 3,
  operator: 4,
  imsi: 5,
  mncLength: 6,
  impi: 7,
  keyManager: 8,
  sequence: 9,
  state: 10,
  holder: 11,
  tuak: 12,
  attempt: 13,
  identity: 14,
  nextIdentity: 15,
  nextKey: 16,
  until: 17,
} as const;
const OPERATORS = ["opc", "op", "topc", "top"] as const;
const LENGTHS = ["iterations", "macLength", "resLength", "ckLength", "ikLength"] as const;

function operatorOf(credentials: AkaCredentials): [kind: (typeof OPERATORS)[number], SecretBytes] {
  if ("opc" in credentials) return ["opc", credentials.opc];
  if ("op" in credentials) return ["op", credentials.op];
  if ("topc" in credentials) return ["topc", credentials.topc];
  return ["top", credentials.top];
}

function encodeEntry(entry: FileEntry): CborMap {
  const map = new Map<CborKey, CborValue>([[AT.kind, KINDS.indexOf(entry.kind)], [AT.name, entry.name]]);
  const set = (label: number, value: CborValue | undefined) => value !== undefined && map.set(label, value);
  if (entry.kind === "key") {
    set(AT.key, expose(entry.key));
  } else if (entry.kind === "provisioned") {
    const { attempt, current, next, until } = entry.rotation;
    set(AT.attempt, attempt);
    set(AT.identity, current.identity);
    set(AT.key, expose(current.key));
    if (next) {
      set(AT.nextIdentity, next.identity);
      set(AT.nextKey, expose(next.key));
      set(AT.until, until);
    }
  } else {
    const { credentials, sequence, state } = entry;
    const [kind, operator] = operatorOf(credentials);
    set(AT.key, expose(credentials.k));
    set(AT.operatorKind, OPERATORS.indexOf(kind));
    set(AT.operator, expose(operator));
    if (credentials.algorithm === "tuak") set(AT.tuak, LENGTHS.map((name) => credentials[name] ?? null));
    set(AT.imsi, entry.imsi);
    set(AT.mncLength, entry.mncLength);
    set(AT.impi, entry.impi);
    set(AT.keyManager, entry.keyManager);
    set(AT.sequence, sequence && [sequence.indBits ?? null, sequence.delta ?? null, sequence.ageLimit ?? null]);
    set(AT.state, state && [state.sequence, state.pinTries, state.gbabp, state.gbanl]);
    set(AT.holder, entry.holder);
  }
  return map;
}

function decodeEntry(value: CborValue): FileEntry {
  if (!(value instanceof Map)) throw malformed();
  const fields = value as CborMap;
  const kind = KINDS[whole(fields.get(AT.kind))];
  const name = text(fields.get(AT.name));
  if (kind === "key") return { kind, name, key: secret(fields, AT.key) };
  if (kind === "provisioned") return { kind, name, rotation: decodeRotation(fields) };
  if (kind !== "subscriber") throw malformed();
  const mncLength = whole(fields.get(AT.mncLength));
  if (mncLength !== 2 && mncLength !== 3) throw malformed();
  const optional = <T>(label: number, key: string, read: (value: CborValue | undefined) => T) =>
    fields.has(label) ? { [key]: read(fields.get(label)) } : {};
  return {
    ...{ kind, name, credentials: decodeCredentials(fields), imsi: text(fields.get(AT.imsi)), mncLength },
    ...optional(AT.impi, "impi", text),
    ...optional(AT.keyManager, "keyManager", text),
    ...optional(AT.sequence, "sequence", decodeSequence),
    ...optional(AT.state, "state", decodeState),
    ...optional(AT.holder, "holder", bytes),
  };
}

function decodeCredentials(fields: CborMap): AkaCredentials {
  const operator = OPERATORS[whole(fields.get(AT.operatorKind))];
  const k = secret(fields, AT.key);
  const value = secret(fields, AT.operator);
  if (operator === "opc") return { k, opc: value };
  if (operator === "op") return { k, op: value };
  if (operator === undefined) throw malformed();
  const given = array(fields.get(AT.tuak), LENGTHS.length);
  const lengths = Object.fromEntries(
    LENGTHS.flatMap((name, i) => given[i] === null ? [] : [[name, whole(given[i])]]),
  );
  return { algorithm: "tuak", k, ...lengths, ...(operator === "topc" ? { topc: value } : { top: value }) };
}

function decodeRotation(fields: CborMap): Rotation<ProvisionedKey> {
  const current = { identity: bytes(fields.get(AT.identity)), key: secret(fields, AT.key) };
  const attempt = whole(fields.get(AT.attempt));
  if (!fields.has(AT.nextKey)) return { attempt, current };
  const next = { identity: bytes(fields.get(AT.nextIdentity)), key: secret(fields, AT.nextKey) };
  return { attempt, current, next, until: whole(fields.get(AT.until)) };
}

function decodeSequence(value: CborValue | undefined): SequenceProfile {
  const [indBits, delta, ageLimit] = array(value, 3).map((item) => item === null ? undefined : whole(item));
  return {
    ...(indBits === undefined ? {} : { indBits }),
    ...(delta === undefined ? {} : { delta }),
    ...(ageLimit === undefined ? {} : { ageLimit }),
  };
}

function decodeState(value: CborValue | undefined): SoftUsimState {
  const [sequence, pinTries, gbabp, gbanl] = array(value, 4);
  return {
    sequence: array(sequence).map((seq) => whole(seq)),
    pinTries: whole(pinTries),
    gbabp: bytes(gbabp),
    gbanl: array(gbanl).map((record) => bytes(record)),
  };
}

function array(value: CborValue | undefined, length?: number): readonly CborValue[] {
  if (!Array.isArray(value) || (length !== undefined && value.length !== length)) throw malformed();
  return value as readonly CborValue[];
}

function text(value: CborValue | undefined): string {
  if (typeof value !== "string") throw malformed();
  return value;
}

function whole(value: CborValue | undefined): number {
  if (typeof value !== "number" || value < 0) throw malformed();
  return value;
}

function bytes(value: CborValue | undefined): Uint8Array {
  if (!(value instanceof Uint8Array)) throw malformed();
  return value.slice();
}

function secret(fields: CborMap, label: number): SecretBytes {
  const value = fields.get(label);
  if (!(value instanceof Uint8Array) || value.length === 0) throw malformed();
  return secretFrom(value);
}

function malformed(): SeccfError {
  return new SeccfError("malformed", "the content of the identity file makes no sense");
}
