/** What every PSK carrier of this library lets its user choose, and what it makes of that for an engine. @module */

import type { Refusal } from "./admission.ts";
import type { ChannelLimits } from "./channel.ts";
import { suiteNumbers } from "./names.ts";

/** The choices that PSK-TLS and DTLS have in common. */
export interface PskOptions extends ChannelLimits {
  /** 0 when listening: one that is free. */
  readonly port: number;
  /** Connecting: default the association's server name. Listening: default every address of this machine. */
  readonly host?: string;
  /**
   * Cipher suites by IANA name, best first. Default: all that are not legacy. A legacy one (CBC, or CCM_8 of version 1.3)
   * takes part only when it is named here, and so does TLS_AES_256_GCM_SHA384, whose keys are agreed for another hash. None
   * has a certificate, so PSK never falls back to one.
   */
  readonly suites?: readonly string[];
  /** Versions of TLS, or of DTLS, that take part. Default: both, or those that the named suites are of. */
  readonly versions?: readonly PskVersion[];
  /**
   * Whether who learns the key later can read what was said: `required` takes part in nothing that allows it. Default
   * `preferred`: a fresh agreement is left out only for a peer that knows no other way. `none` leaves it out everywhere, for
   * devices too small for one: a single leak of the key then opens all that was ever said under it.
   */
  readonly forwardSecrecy?: "required" | "preferred" | "none";
  /** What a server says about the identities it knows, UTF-8, at most 128 bytes. Default `3GPP-bootstrapping` (TS 24.109 F.3); "" for none. */
  readonly hint?: string;
  /** What a client asks for in server_name. Default: the association's server name, if it is a DNS name; "" for none. */
  readonly serverName?: string;
  /** Server: the identities this end shows as a client; who presents one is refused as unknown, locally as `reflected`. */
  readonly ownIdentities?: readonly Uint8Array[];
  /** Take CBC without encrypt-then-MAC (RFC 7366) from a peer that lacks it. Default false. */
  readonly macThenEncrypt?: boolean;
  /** Refuse a peer without extended master secret (RFC 7627). Default true. */
  readonly requireExtendedMasterSecret?: boolean;
  /**
   * Bytes of plaintext that this end takes in one record, 64 to 16384, for memory that is short: the peer is asked to
   * keep to it (RFC 8449, RFC 6066 4), and one that agrees is held to it. Default: what the protocol allows.
   */
  readonly recordSizeLimit?: number;
  /**
   * Go on with earlier sessions, which in version 1.2 saves a round trip and, connecting, the question for the key. Where
   * listening, the key is asked for all the same, so that no session outlives it; where connecting, what the last
   * `connect` left is kept until its association ends. Default true.
   */
  readonly resumption?: boolean;
  /** Debugging only: gets every session's secrets, lines in NSS form. Whoever has them reads everything. */
  readonly keyLog?: (line: string) => void;
  /** Hears of every client that a listener refused: for the audit record. */
  readonly onRefused?: (refusal: Refusal) => void;
}

/** A version of TLS, or of DTLS. */
export type PskVersion = "1.3" | "1.2";

/** The policy of an engine, as far as it is said here. */
export interface PskPolicy {
  /** As hellos write them. */
  readonly versions?: readonly number[];
  /** See {@link PskOptions.forwardSecrecy}. */
  readonly forwardSecrecy?: "required" | "preferred" | "none";
  /** IANA numbers, best first. */
  readonly suites?: readonly number[];
  /** See {@link PskOptions.macThenEncrypt}. */
  readonly macThenEncrypt?: boolean;
  /** See {@link PskOptions.requireExtendedMasterSecret}. */
  readonly requireExtendedMasterSecret?: boolean;
  /** See {@link PskOptions.recordSizeLimit}. */
  readonly recordSizeLimit?: number;
  /** See {@link PskOptions.keyLog}. */
  readonly keyLog?: (line: string) => void;
}

/**
 * Checks the port and reads the names of suites, once for all connections; `transport` is what versions are written for.
 * RangeError for what makes no sense.
 */
export function pskPolicy(
  { port, suites, versions, ...options }: PskOptions,
  transport: "stream" | "datagram",
): PskPolicy {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new RangeError("a port is 0 to 65535");
  const { forwardSecrecy, macThenEncrypt, requireExtendedMasterSecret, keyLog, recordSizeLimit } = options;
  return {
    ...(suites && { suites: suiteNumbers(suites) }),
    ...(versions && { versions: versions.map((version) => versionNumber(version, transport)) }),
    ...(forwardSecrecy && { forwardSecrecy }),
    ...(macThenEncrypt !== undefined && { macThenEncrypt }),
    ...(requireExtendedMasterSecret !== undefined && { requireExtendedMasterSecret }),
    ...(recordSizeLimit !== undefined && { recordSizeLimit }),
    ...(keyLog && { keyLog }),
  };
}

function versionNumber(version: PskVersion, transport: "stream" | "datagram"): number {
  if (version !== "1.3" && version !== "1.2") throw new RangeError(`there is no version ${String(version)} here`);
  return NUMBERS[transport][version];
}

const NUMBERS = { stream: { "1.3": 0x0304, "1.2": 0x0303 }, datagram: { "1.3": 0xfefc, "1.2": 0xfefd } } as const;
