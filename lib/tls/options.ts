/** What an engine is told at its birth, and what it assumes where it is told nothing. @module */

import { type CipherSuite, cipherSuites, namedGroups, suiteById } from "../crypto/mod.ts";
import type { Random } from "../platform.ts";
import type { Resumable } from "./engine.ts";
import { isHostName } from "./handshake/server_name.ts";
import { MAX_IDENTITY, MAX_PLAINTEXT, MAX_RECORDS_PER_KEY } from "./limits.ts";
import { type Resumption, type SessionTickets, ticketsOf } from "./resumption.ts";
import { DTLS_1_3, TLS_1_2, TLS_1_3 } from "./record/content_type.ts";
import type { DirectionKeys } from "./tls12/key_schedule.ts";

/** What both roles share. */
export interface CommonOptions {
  /** The driver's monotonic clock at this moment, milliseconds: the handshake's deadline counts from here. */
  readonly now: number;
  /** Hello randoms, CBC IVs and the key that answers an unknown identity come from here. */
  readonly random: Random;
  /**
   * Version numbers as hellos write them (0x0304, 0x0303; on datagrams 0xfefc, 0xfefd); the highest that both sides know
   * is taken. Default: 1.3 and 1.2, or what the named `suites` are of.
   */
  readonly versions?: readonly number[];
  /**
   * IANA numbers, best first; each is in the table of `lib/crypto`. Default: all that are not legacy, in the table's
   * order, those with forward secrecy first. Legacy suites (CBC) take part only when named here, and so does
   * TLS_AES_256_GCM_SHA384, for keys that are agreed to be used with that hash: a pre-shared key of version 1.3 has one
   * hash, SHA-256 unless it is said otherwise (RFC 8446 4.2.11), so suites of two hashes do not go together.
   */
  readonly suites?: readonly number[];
  /** IANA numbers of the groups for fresh agreements, best first: 0x001d, 0x0017. Default: both, in this order. */
  readonly groups?: readonly number[];
  /**
   * Whether a fresh agreement goes into the keys: without one, who learns the pre-shared key later reads all that was ever
   * said under it. Default `preferred`: it is left out only for a peer that knows no other way. `required` takes part in
   * nothing without it. `none` is for devices too small for it, and takes part in nothing with it: psk_ke as the only offer in
   * version 1.3, the plain PSK suites in 1.2; there are no `groups` then.
   */
  readonly forwardSecrecy?: "required" | "preferred" | "none";
  /** Version 1.3: after so many records a sender takes its next key (RFC 8446 5.5); 1 to 4194304, and that is the default. */
  readonly recordsPerKey?: number;
  /**
   * Bytes of plaintext that this end takes in one record, 64 to 16384: it is asked for by record_size_limit (RFC 8449)
   * and, from 512 on, by max_fragment_length too (RFC 6066 4), rounded down to one of its four sizes. Where the peer agrees, a longer record is
   * refused, and nothing longer is sent than the peer takes; a peer that knows neither sends what it likes. Default: no
   * limit of this end's, and a client does not bring it up; what a peer asks for is kept to in any case.
   */
  readonly recordSizeLimit?: number;
  /** How long the handshake may take, key lookup included; more than 0. Default 10. */
  readonly handshakeSeconds?: number;
  /**
   * Refuse a peer without extended master secret (RFC 7627 5.2). Default true: every stack of the last years has it,
   * and without it the keys are not bound to what was negotiated. False still offers and prefers it.
   */
  readonly requireExtendedMasterSecret?: boolean;
  /** Take CBC suites from a peer without encrypt-then-MAC (RFC 7366). Default false. True still offers and prefers it. */
  readonly macThenEncrypt?: boolean;
  /** Keep what `exportKey` needs for as long as the session. Default false: in version 1.2 that is the master secret. */
  readonly exporter?: boolean;
  /** Debugging only: gets the secrets of a session, one a line in NSS form (`CLIENT_RANDOM ...`). Whoever has them reads everything. */
  readonly keyLog?: (line: string) => void;
}

/** The end that speaks first. */
export interface ClientOptions extends CommonOptions {
  /** Chooses this end. */
  readonly role: "client";
  /** A DNS name, asked for in `server_name`; RangeError for anything else, IP literals included (RFC 6066 3). Default: none is sent. */
  readonly serverName?: string;
  /**
   * Keep what it takes to go on with this session later, and hand it out as the output `resumable`, if the key's answer
   * says when it ends: once in version 1.2, for every ticket of the server's in 1.3. Default false.
   */
  readonly resumable?: boolean;
  /**
   * Such an output, copied, not kept. The session goes on where its time, suite, version and server name still fit and
   * the server still knows it; else the handshake is a full one, and no word is lost over it. In version 1.3 that is
   * settled in one hello, which shows the key too: it is demanded all the same, of the same identity, and nothing is
   * saved but a name.
   */
  readonly resume?: Resumable;
}

/** The end that is asked. Its order of `suites` decides. */
export interface ServerOptions extends CommonOptions {
  /** Chooses this end. */
  readonly role: "server";
  /** The PSK identity hint, 1 to 128 bytes. Default: none, and then there is no ServerKeyExchange (RFC 4279 2). */
  readonly hint?: Uint8Array;
  /**
   * The identities this end shows where it is a client: whoever presents one gets what an unknown one gets, and the
   * local code `reflected`. One key in both roles could otherwise be turned against its owner (the Selfie attack).
   */
  readonly ownIdentities?: readonly Uint8Array[];
  /**
   * Lets clients go on with earlier sessions, by tickets and in version 1.2 by session ids. The key is demanded all the same,
   * and another one, or none, makes it a full handshake: no session outlives its key. By {@link createResumption};
   * stays its owner's. Default: none is gone on with.
   */
  readonly resumption?: Resumption;
}

/** What `createTlsEngine` takes. */
export type TlsOptions = ClientOptions | ServerOptions;

/** The same with every default filled in and everything checked. */
export interface Policy {
  /** What the hellos are shaped for. */
  readonly transport: "stream" | "datagram";
  /** Version numbers as hellos write them, highest first. */
  readonly versions: readonly number[];
  /** What this end wants to receive by; `undefined`: Connection IDs are not spoken of. */
  readonly connectionId?: Uint8Array;
  readonly random: Random;
  /** Of all `versions`; those of version 1.3 share one hash. */
  readonly suites: readonly CipherSuite[];
  /** Best first; none where nothing is agreed on afresh. */
  readonly groups: readonly number[];
  readonly forwardSecrecy: "required" | "preferred" | "none";
  readonly recordsPerKey: number;
  /** On the driver's clock, milliseconds. */
  readonly deadline: number;
  readonly requireExtendedMasterSecret: boolean;
  readonly macThenEncrypt: boolean;
  readonly keyLog: ((line: string) => void) | undefined;
  readonly recordSizeLimit?: number;
  readonly exporter: boolean;
  /** When the engine began, on the driver's clock, milliseconds. */
  readonly bornAt: number;
  /** Client. */
  readonly resumable: boolean;
  /** Client on datagrams: bytes of a ClientHello without its cookie that a server without state can still take. */
  readonly longestHello?: number;
  /** Server. */
  readonly resumption?: SessionTickets;
  /** Version 1.2: gets both sides' record keys, which it copies, where the session is to be saved. */
  readonly keepKeys?: (client: DirectionKeys, server: DirectionKeys) => void;
}

/** What a transport has of its own: its shape, and its versions, highest first. */
export type Form = Pick<Policy, "transport" | "versions">;

/** Throws RangeError for options that make no sense. */
export function toPolicy(options: TlsOptions, form: Form = STREAM): Policy {
  const { now, handshakeSeconds = 10, recordsPerKey = MAX_RECORDS_PER_KEY, forwardSecrecy = "preferred" } = options;
  if (!Number.isFinite(now)) throw new RangeError("now is a finite number of milliseconds");
  if (!(handshakeSeconds > 0 && Number.isFinite(handshakeSeconds))) throw new RangeError("handshakeSeconds is above 0");
  if (!(Number.isInteger(recordsPerKey) && recordsPerKey >= 1 && recordsPerKey <= MAX_RECORDS_PER_KEY)) {
    throw new RangeError(`recordsPerKey is 1 to ${MAX_RECORDS_PER_KEY}`);
  }
  if (options.role === "client") checkServerName(options.serverName);
  else checkHint(options.hint);
  return {
    transport: form.transport,
    ...toOffer(options, form),
    random: options.random,
    groups: forwardSecrecy === "none" ? [] : toGroups(options.groups),
    forwardSecrecy,
    recordsPerKey,
    deadline: now + handshakeSeconds * 1000,
    requireExtendedMasterSecret: options.requireExtendedMasterSecret ?? true,
    macThenEncrypt: options.macThenEncrypt ?? false,
    keyLog: options.keyLog,
    ...toSizeLimit(options.recordSizeLimit),
    exporter: options.exporter ?? false,
    bornAt: now,
    resumable: options.role === "client" && (options.resumable ?? false),
    ...(options.role === "server" && options.resumption && { resumption: ticketsOf(options.resumption) }),
  };
}

/** Versions without a suite do not take part, and are an error where they are named; suites likewise. */
function toOffer(options: CommonOptions, form: Form): Pick<Policy, "versions" | "suites"> {
  const named = toVersions(options.versions, form);
  const unfit = options.forwardSecrecy && UNFIT[options.forwardSecrecy];
  const all = toSuites(options.suites).filter(({ exchange }) => exchange !== unfit);
  const versions = named.filter((version) => all.some((suite) => isOf(suite, version)));
  if (versions.length === 0) throw new RangeError("no version has a cipher suite that is allowed");
  const idle = options.versions && named.find((version) => !versions.includes(version));
  if (idle !== undefined) throw new RangeError(`version ${idle} has no cipher suite that is allowed`);
  const suites = all.filter((suite) => versions.some((version) => isOf(suite, version)));
  if (options.suites && options.versions && suites.length < all.length) {
    throw new RangeError("a cipher suite is of no version that is named");
  }
  if (new Set(suites.filter(({ exchange }) => exchange === "tls13").map(({ prf }) => prf)).size > 1) {
    throw new RangeError("the suites of version 1.3 share one hash");
  }
  return { versions, suites };
}

function toVersions(named: readonly number[] | undefined, form: Form): readonly number[] {
  if (named === undefined) return form.versions;
  if (named.length === 0) throw new RangeError("no version is named");
  for (const version of named) {
    if (!form.versions.includes(version)) throw new RangeError(`version ${version} is not known here`);
  }
  return form.versions.filter((version) => named.includes(version));
}

function toSuites(ids: readonly number[] | undefined): readonly CipherSuite[] {
  if (ids === undefined) return cipherSuites.filter(({ legacy, id }) => !legacy && id !== AES_256_GCM_SHA384);
  if (ids.length === 0) throw new RangeError("no cipher suite is named");
  if (new Set(ids).size !== ids.length) throw new RangeError("a cipher suite is named twice");
  return ids.map((id) => {
    const suite = suiteById(id);
    if (!suite) throw new RangeError(`cipher suite ${id} is not known here`);
    return suite;
  });
}

function toGroups(ids: readonly number[] | undefined): readonly number[] {
  const known = namedGroups.map(({ id }) => id);
  if (ids === undefined) return known;
  if (ids.length === 0) throw new RangeError("no group is named");
  if (new Set(ids).size !== ids.length) throw new RangeError("a group is named twice");
  for (const id of ids) if (!known.includes(id)) throw new RangeError(`group ${id} is not known here`);
  return [...ids];
}

function isOf({ exchange }: CipherSuite, version: number): boolean {
  return (exchange === "tls13") === isVersion13(version);
}

/** Whether `version` is TLS 1.3 or DTLS 1.3. */
export function isVersion13(version: number): boolean {
  return version === TLS_1_3 || version === DTLS_1_3;
}

function toSizeLimit(recordSizeLimit: number | undefined): Pick<Policy, "recordSizeLimit"> {
  if (recordSizeLimit === undefined) return {};
  const isSize = Number.isInteger(recordSizeLimit) && recordSizeLimit >= 64 && recordSizeLimit <= MAX_PLAINTEXT;
  if (!isSize) throw new RangeError(`recordSizeLimit is 64 to ${MAX_PLAINTEXT} bytes`);
  return { recordSizeLimit };
}

function checkServerName(name: string | undefined): void {
  if (name !== undefined && !isHostName(name)) throw new RangeError("serverName is a DNS name");
}

function checkHint(hint: Uint8Array | undefined): void {
  if (hint !== undefined && (hint.length === 0 || hint.length > MAX_IDENTITY)) {
    throw new RangeError(`the hint is 1 to ${MAX_IDENTITY} bytes`);
  }
}

/** The exchanges that do not take part. */
const UNFIT = { required: "psk", preferred: undefined, none: "ecdhe_psk" } as const;
const STREAM: Form = { transport: "stream", versions: [TLS_1_3, TLS_1_2] };
/** Its pre-shared keys are others than those of the rest (RFC 8446 4.2.11). */
const AES_256_GCM_SHA384 = 0x1302;
