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
   * Cipher suites by IANA name, best first. Default: all that are not legacy. A legacy one (CBC) takes part only when
   * it is named here. None has a certificate, so PSK never falls back to one.
   */
  readonly suites?: readonly string[];
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
  /** Debugging only: gets every session's master secret, a line in NSS form. Whoever has it reads everything. */
  readonly keyLog?: (line: string) => void;
  /** Hears of every client that a listener refused: for the audit record. */
  readonly onRefused?: (refusal: Refusal) => void;
}

/** The policy of an engine, as far as it is said here. */
export interface PskPolicy {
  /** IANA numbers, best first. */
  readonly suites?: readonly number[];
  /** See {@link PskOptions.macThenEncrypt}. */
  readonly macThenEncrypt?: boolean;
  /** See {@link PskOptions.requireExtendedMasterSecret}. */
  readonly requireExtendedMasterSecret?: boolean;
  /** See {@link PskOptions.keyLog}. */
  readonly keyLog?: (line: string) => void;
}

/** Checks the port and reads the names of suites, once for all connections. RangeError for what makes no sense. */
export function pskPolicy({ port, suites, ...options }: PskOptions): PskPolicy {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new RangeError("a port is 0 to 65535");
  const { macThenEncrypt, requireExtendedMasterSecret, keyLog } = options;
  return {
    ...(suites && { suites: suiteNumbers(suites) }),
    ...(macThenEncrypt !== undefined && { macThenEncrypt }),
    ...(requireExtendedMasterSecret !== undefined && { requireExtendedMasterSecret }),
    ...(keyLog && { keyLog }),
  };
}
