/** What an engine is told at its birth, and what it assumes where it is told nothing. @module */

import { type CipherSuite, cipherSuites, suiteById } from "../crypto/mod.ts";
import type { Random } from "../platform.ts";
import { isHostName } from "./handshake/server_name.ts";
import { MAX_IDENTITY } from "./limits.ts";
import { TLS_1_2 } from "./record/content_type.ts";

/** What both roles share. */
export interface CommonOptions {
  /** The driver's monotonic clock at this moment, milliseconds: the handshake's deadline counts from here. */
  readonly now: number;
  /** Hello randoms, CBC IVs and the key that answers an unknown identity come from here. */
  readonly random: Random;
  /**
   * IANA numbers, best first; each is in the table of `lib/crypto`. Default: all that are not legacy, in the table's
   * order. Legacy suites (CBC) take part only when named here.
   */
  readonly suites?: readonly number[];
  /** How long the handshake may take, key lookup included; more than 0. Default 10. */
  readonly handshakeSeconds?: number;
  /**
   * Refuse a peer without extended master secret (RFC 7627 5.2). Default true: every stack of the last years has it,
   * and without it the keys are not bound to what was negotiated. False still offers and prefers it.
   */
  readonly requireExtendedMasterSecret?: boolean;
  /** Take CBC suites from a peer without encrypt-then-MAC (RFC 7366). Default false. True still offers and prefers it. */
  readonly macThenEncrypt?: boolean;
  /** Debugging only: gets the master secret, one line a session in NSS form (`CLIENT_RANDOM ...`). Whoever has it reads everything. */
  readonly keyLog?: (line: string) => void;
}

/** The end that speaks first. */
export interface ClientOptions extends CommonOptions {
  /** Chooses this end. */
  readonly role: "client";
  /** A DNS name, asked for in `server_name`; RangeError for anything else, IP literals included (RFC 6066 3). Default: none is sent. */
  readonly serverName?: string;
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
}

/** What `createTlsEngine` takes. */
export type TlsOptions = ClientOptions | ServerOptions;

/** The same with every default filled in and everything checked. */
export interface Policy {
  /** 0x0303 or 0xfefd. */
  readonly version: number;
  /** What this end wants to receive by; `undefined`: Connection IDs are not spoken of. */
  readonly connectionId?: Uint8Array;
  readonly random: Random;
  readonly suites: readonly CipherSuite[];
  /** On the driver's clock, milliseconds. */
  readonly deadline: number;
  readonly requireExtendedMasterSecret: boolean;
  readonly macThenEncrypt: boolean;
  readonly keyLog: ((line: string) => void) | undefined;
}

/** Throws RangeError for options that make no sense. */
export function toPolicy(options: TlsOptions): Policy {
  const { now, handshakeSeconds = 10 } = options;
  if (!Number.isFinite(now)) throw new RangeError("now is a finite number of milliseconds");
  if (!(handshakeSeconds > 0 && Number.isFinite(handshakeSeconds))) throw new RangeError("handshakeSeconds is above 0");
  if (options.role === "client") checkServerName(options.serverName);
  else checkHint(options.hint);
  return {
    version: TLS_1_2,
    random: options.random,
    suites: toSuites(options.suites),
    deadline: now + handshakeSeconds * 1000,
    requireExtendedMasterSecret: options.requireExtendedMasterSecret ?? true,
    macThenEncrypt: options.macThenEncrypt ?? false,
    keyLog: options.keyLog,
  };
}

function toSuites(ids: readonly number[] | undefined): readonly CipherSuite[] {
  if (ids === undefined) return cipherSuites.filter((suite) => !suite.legacy);
  if (ids.length === 0) throw new RangeError("no cipher suite is named");
  if (new Set(ids).size !== ids.length) throw new RangeError("a cipher suite is named twice");
  return ids.map((id) => {
    const suite = suiteById(id);
    if (!suite) throw new RangeError(`cipher suite ${id} is not known here`);
    return suite;
  });
}

function checkServerName(name: string | undefined): void {
  if (name !== undefined && !isHostName(name)) throw new RangeError("serverName is a DNS name");
}

function checkHint(hint: Uint8Array | undefined): void {
  if (hint !== undefined && (hint.length === 0 || hint.length > MAX_IDENTITY)) {
    throw new RangeError(`the hint is 1 to ${MAX_IDENTITY} bytes`);
  }
}
