import type { Carrier, KeySource, Listener, SecureChannel, SecurityAssociation } from "../../lib/association/ports.ts";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import {
  acceptChannels,
  type AcceptorLimits,
  type ChannelLimits,
  connectChannel,
  dnsName,
  type Refusal,
  suiteNumbers,
} from "../../lib/channel/mod.ts";
import { deadline } from "../../lib/deadline.ts";
import { SeccfError } from "../../lib/error.ts";
import type { ByteStream, StreamListener } from "../../lib/link.ts";
import type { Platform, Wait } from "../../lib/platform.ts";
import type { Engine } from "../../lib/tls/engine.ts";
import { createTlsEngine } from "../../lib/tls/mod.ts";
import { connectTcp, listenTcp } from "../tcp/mod.ts";

/** Where byte streams come from: TCP, or a network in memory. */
export interface StreamDialer {
  /** `host` without brackets. Throws `unreachable`, `timeout`, or the reason of an aborted signal. */
  connect(host: string, port: number, options?: Wait): Promise<ByteStream>;
  /** Every address of this machine without `host`; a free port for 0. Throws `unreachable`. */
  listen(host: string | undefined, port: number): Promise<StreamListener>;
}

/** What {@link tls} takes. */
export interface TlsCarrierOptions extends ChannelLimits, AcceptorLimits {
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
  /** Default: TCP. */
  readonly over?: StreamDialer;
  /** Hears of every client that a listener refused: for the audit record. */
  readonly onRefused?: (refusal: Refusal) => void;
}

/**
 * PSK-TLS 1.2 on `port`. `connect` throws `unreachable`, `timeout`, `auth-failed`, `unsupported`, `downgrade`,
 * `key-unavailable`, `expired`, `closed`, and what the association throws; its time for all, the TCP connection
 * included, is `handshakeSeconds`. RangeError for options that make no sense.
 */
export function tls(options: TlsCarrierOptions): Carrier {
  return new TlsCarrier(options);
}

class TlsCarrier implements Carrier {
  readonly name = "tls";
  readonly #options: TlsCarrierOptions;
  readonly #over: StreamDialer;
  readonly #suites: readonly number[] | undefined;

  constructor(options: TlsCarrierOptions) {
    const { port, suites, over = { connect: connectTcp, listen: listenTcp } } = options;
    if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new RangeError("a port is 0 to 65535");
    this.#options = options;
    this.#over = over;
    this.#suites = suites && suiteNumbers(suites);
  }

  async connect(
    association: SecurityAssociation,
    options: Wait & { readonly platform: Platform },
  ): Promise<SecureChannel> {
    const { clock } = options.platform;
    const { host = association.serverName, port, handshakeSeconds = 10 } = this.#options;
    if (port === 0) throw new RangeError("a port to connect to is 1 to 65535");
    const engine = this.#engine(options.platform, association);
    using limit = deadline({
      clock,
      seconds: handshakeSeconds,
      reason: () => new SeccfError("timeout", `no secure connection within ${handshakeSeconds} s`),
      signal: options.signal,
    });
    const stream = await this.#over.connect(host, port, limit).catch((error: unknown) => {
      engine[Symbol.dispose]();
      throw error;
    });
    return await connectChannel(
      { ...this.#options, engine, stream, keys: association, clock, carrier: this.name },
      limit,
    );
  }

  async listen(keys: KeySource, options: Wait & { readonly platform: Platform }): Promise<Listener> {
    options.signal?.throwIfAborted();
    const { platform } = options;
    // Options that an engine refuses are found now, not at the first client.
    this.#engine(platform)[Symbol.dispose]();
    const streams = await this.#over.listen(this.#options.host, this.#options.port);
    return acceptChannels({
      ...this.#options,
      streams,
      url: new URL(`tls-psk://${streams.local}`),
      keys,
      clock: platform.clock,
      carrier: this.name,
      createEngine: () => this.#engine(platform),
    });
  }

  /** A client's with an association, else a server's. */
  #engine({ clock, random }: Platform, association?: SecurityAssociation): Engine {
    const { handshakeSeconds, macThenEncrypt, requireExtendedMasterSecret, keyLog, ownIdentities } = this.#options;
    const { hint = "3GPP-bootstrapping", serverName = dnsName(association?.serverName) } = this.#options;
    const common = {
      now: clock.now(),
      random,
      ...(this.#suites && { suites: this.#suites }),
      ...(handshakeSeconds !== undefined && { handshakeSeconds }),
      ...(macThenEncrypt !== undefined && { macThenEncrypt }),
      ...(requireExtendedMasterSecret !== undefined && { requireExtendedMasterSecret }),
      ...(keyLog && { keyLog }),
    };
    return association
      ? createTlsEngine({ ...common, role: "client", ...(serverName && { serverName }) })
      : createTlsEngine({
        ...common,
        role: "server",
        ...(hint && { hint: toUtf8(hint) }),
        ...(ownIdentities && { ownIdentities }),
      });
  }
}
