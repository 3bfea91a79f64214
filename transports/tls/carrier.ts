import type { Carrier, KeySource, Listener, SecureChannel, SecurityAssociation } from "../../lib/association/ports.ts";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import {
  acceptChannels,
  type AcceptorLimits,
  connectChannel,
  dnsName,
  EarlierSessions,
  type PskOptions,
  type PskPolicy,
  pskPolicy,
} from "../../lib/channel/mod.ts";
import { deadline } from "../../lib/deadline.ts";
import { SeccfError } from "../../lib/error.ts";
import type { ByteStream, StreamListener } from "../../lib/link.ts";
import type { Platform, Wait } from "../../lib/platform.ts";
import type { Engine } from "../../lib/tls/engine.ts";
import { createResumption, createTlsEngine, type Resumption } from "../../lib/tls/mod.ts";
import { connectTcp, listenTcp } from "../tcp/mod.ts";

/** Where byte streams come from: TCP, or a network in memory. */
export interface StreamDialer {
  /** `host` without brackets. Throws `unreachable`, `timeout`, or the reason of an aborted signal. */
  connect(host: string, port: number, options?: Wait): Promise<ByteStream>;
  /** Every address of this machine without `host`; a free port for 0. Throws `unreachable`. */
  listen(host: string | undefined, port: number): Promise<StreamListener>;
}

/** What {@link tls} takes. */
export interface TlsCarrierOptions extends PskOptions, AcceptorLimits {
  /** Default: TCP. */
  readonly over?: StreamDialer;
}

/**
 * PSK-TLS 1.3 or 1.2 on `port`. `connect` throws `unreachable`, `timeout`, `auth-failed`, `unsupported`, `downgrade`,
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
  readonly #policy: PskPolicy;
  readonly #earlier: EarlierSessions | undefined;

  constructor(options: TlsCarrierOptions) {
    const { over = { connect: connectTcp, listen: listenTcp } } = options;
    this.#options = options;
    this.#over = over;
    this.#policy = pskPolicy(options, "stream");
    this.#earlier = options.resumption === false ? undefined : new EarlierSessions();
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
    const earlier = this.#earlier?.keeper(association);
    return await connectChannel(
      { ...this.#options, engine, stream, keys: association, clock, earlier, carrier: this.name },
      limit,
    ).catch((error: unknown) => {
      this.#earlier?.forget(association);
      throw error;
    });
  }

  async listen(keys: KeySource, options: Wait & { readonly platform: Platform }): Promise<Listener> {
    options.signal?.throwIfAborted();
    const { platform } = options;
    // Options that an engine refuses are found now, not at the first client.
    this.#engine(platform)[Symbol.dispose]();
    const streams = await this.#over.listen(this.#options.host, this.#options.port);
    const resumption = this.#earlier && createResumption(platform);
    return acceptChannels({
      ...this.#options,
      streams,
      resumption,
      url: new URL(`tls-psk://${streams.local}`),
      keys,
      clock: platform.clock,
      carrier: this.name,
      createEngine: () => this.#engine(platform, undefined, resumption),
    });
  }

  /** A client's with an association, else a server's. */
  #engine({ clock, random }: Platform, association?: SecurityAssociation, resumption?: Resumption): Engine {
    const { handshakeSeconds, ownIdentities } = this.#options;
    const { hint = "3GPP-bootstrapping", serverName = dnsName(association?.serverName) } = this.#options;
    const common = {
      now: clock.now(),
      random,
      ...this.#policy,
      ...(handshakeSeconds !== undefined && { handshakeSeconds }),
    };
    return association
      ? createTlsEngine({
        ...{ ...common, role: "client", ...this.#earlier?.offer(association) },
        ...(serverName && { serverName }),
      })
      : createTlsEngine({
        ...common,
        role: "server",
        ...(hint && { hint: toUtf8(hint) }),
        ...(resumption && { resumption }),
        ...(ownIdentities && { ownIdentities }),
      });
  }
}
