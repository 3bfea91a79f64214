import type { Carrier, KeySource, Listener, SecurityAssociation } from "../../lib/association/ports.ts";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import {
  acceptDatagrams,
  connectDatagrams,
  connectKept,
  type DatagramAcceptorLimits,
  type DatagramChannel,
  dnsName,
  EarlierSessions,
  hostOf,
  type PskOptions,
  type PskPolicy,
  pskPolicy,
  type SavedSessions,
} from "../../lib/channel/mod.ts";
import { deadline } from "../../lib/deadline.ts";
import { SeccfError } from "../../lib/error.ts";
import type { DatagramSocket } from "../../lib/link.ts";
import type { Platform, Wait } from "../../lib/platform.ts";
import type { Acceptor, Engine } from "../../lib/tls/engine.ts";
import { createDtlsAcceptor, createDtlsEngine, createResumption, type Resumption } from "../../lib/tls/mod.ts";
import { bindUdp, type ConnectedDatagrams, type ConnectOptions, connectUdp } from "../udp/mod.ts";

/** Where datagram sockets come from: UDP, or a network in memory. */
export interface DatagramDialer {
  /** A socket for one peer; `host` without brackets. Throws `unreachable`, or the reason of an aborted signal. */
  connect(host: string, port: number, options?: ConnectOptions): Promise<ConnectedDatagrams>;
  /** Every address of this machine without `host`; a free port for 0. Throws `unreachable`. */
  bind(host: string | undefined, port: number): Promise<DatagramSocket>;
}

/** What {@link dtls} takes. */
export interface DtlsCarrierOptions extends PskOptions, DatagramAcceptorLimits {
  /**
   * Connection IDs (RFC 9146), by which a server knows a peer again behind a new address. Listening: the bytes of those
   * it gives out, 0 or 4 to 255, default 8. Connecting: 0 asks for the server's and gives none, the default; more are
   * given to the server as well. `false`: not spoken of.
   */
  readonly connectionId?: number | false;
  /**
   * Connecting, in version 1.3: Connection IDs that the server is asked for beyond its first, for `channel.rename()` after a
   * move; 0 to 3. It takes one message of a few bytes behind the handshake. Default 0, since a server that does not know
   * that message ends the session. Sessions that are kept have none.
   */
  readonly spareConnectionIds?: number;
  /** Listening: how each Connection ID begins, so that a cluster's front can tell whose it is. Default: none. */
  readonly nodeId?: Uint8Array;
  /**
   * Bytes of the longest datagram that is sent, without the headers of IP and UDP. 128 to 65507, default 1232 (IPv6's
   * 1280). Under 200 a client's hello goes in pieces, which not every server takes, unless it names fewer suites.
   */
  readonly mtu?: number;
  /**
   * Until a flight that nobody answers is said again the first time; each time twice as long, up to 60. Default 1. A client
   * goes by the round trip, once it was measured, and waits no longer than this.
   */
  readonly retransmitSeconds?: number;
  /**
   * Where sessions are kept, so that they outlive this process and its machine's sleep. Connecting: the session that this
   * association had with this server goes on, without a word to the server, and only where there is none is one agreed.
   * Whether the server still has it, nobody says: where no answer comes, dispose of the channel, and `bind` agrees a new one.
   * Listening: peers go on in the sessions that they have. Without a Connection ID a session goes on only where both addresses
   * stay. Default: sessions end with the process.
   */
  readonly sessions?: SavedSessions;
  /** Default: UDP. */
  readonly over?: DatagramDialer;
}

/**
 * DTLS 1.3 and 1.2 with pre-shared keys on `port`. `connect` throws `unreachable`, `timeout`, `auth-failed`, `unsupported`,
 * `downgrade`, `key-unavailable`, `expired`, `closed`, and what the association throws; its time for all is
 * `handshakeSeconds`. RangeError for options that make no sense.
 */
export function dtls(options: DtlsCarrierOptions): Carrier<DatagramChannel> {
  return new DtlsCarrier(options);
}

class DtlsCarrier implements Carrier<DatagramChannel> {
  readonly name = "dtls";
  readonly #options: DtlsCarrierOptions;
  readonly #over: DatagramDialer;
  readonly #policy: PskPolicy;
  readonly #earlier: EarlierSessions | undefined;

  constructor(options: DtlsCarrierOptions) {
    const { over = { connect: connectUdp, bind: bindUdp } } = options;
    this.#options = options;
    this.#over = over;
    this.#policy = pskPolicy(options, "datagram");
    this.#earlier = options.resumption === false ? undefined : new EarlierSessions();
  }

  async connect(
    association: SecurityAssociation,
    options: Wait & { readonly platform: Platform },
  ): Promise<DatagramChannel> {
    const { clock } = options.platform;
    const { host = association.serverName, port, handshakeSeconds = 30 } = this.#options;
    if (port === 0) throw new RangeError("a port to connect to is 1 to 65535");
    // Options that an engine refuses are found now, not once there is a socket.
    const { sessions, mtu } = this.#options;
    // What is kept whole needs no second way back.
    const engine = this.#engine(options.platform, association, sessions ? undefined : this.#earlier);
    using limit = deadline({
      clock,
      seconds: handshakeSeconds,
      reason: () => new SeccfError("timeout", `no secure connection within ${handshakeSeconds} s`),
      signal: options.signal,
    });
    if (sessions) {
      engine[Symbol.dispose]();
      return await connectKept({
        ...{ ...this.#options, saved: sessions, association, platform: options.platform, carrier: this.name },
        address: `${host}:${port}`,
        connect: (localPort) =>
          this.#over.connect(host, port, localPort === undefined ? limit : { ...limit, localPort }),
        create: () => this.#engine(options.platform, association),
        ...(mtu !== undefined && { mtu }),
      }, limit);
    }
    const { socket, remote } = await this.#over.connect(host, port, limit).catch((error: unknown) => {
      engine[Symbol.dispose]();
      throw error;
    });
    const earlier = this.#earlier?.keeper(association);
    return await connectDatagrams(
      { ...this.#options, engine, socket, remote, keys: association, clock, earlier, carrier: this.name },
      limit,
    ).catch((error: unknown) => {
      this.#earlier?.forget(association);
      throw error;
    });
  }

  async listen(
    keys: KeySource,
    options: Wait & { readonly platform: Platform },
  ): Promise<Listener<DatagramChannel>> {
    options.signal?.throwIfAborted();
    const { platform: { clock, random } } = options;
    const resumption = this.#earlier && createResumption({ random });
    const acceptor = this.#acceptor(random, resumption);
    const socket = await this.#over.bind(this.#options.host, this.#options.port).catch((error: unknown) => {
      acceptor[Symbol.dispose]();
      throw error;
    });
    const url = new URL(`dtls://${socket.local}`);
    const { sessions: saved, ...rest } = this.#options;
    const sessions = saved && { saved, random };
    return acceptDatagrams({ ...rest, resumption, sessions, socket, acceptor, url, keys, clock, carrier: this.name });
  }

  #engine({ clock, random }: Platform, association: SecurityAssociation, earlier?: EarlierSessions): Engine {
    const { serverName = dnsName(association.serverName), connectionId = 0, spareConnectionIds } = this.#options;
    const id = connectionId === false ? false : new Uint8Array(connectionId);
    if (id) random(id);
    return createDtlsEngine({
      ...this.#common(),
      role: "client",
      now: clock.now(),
      random,
      connectionId: id,
      ...(spareConnectionIds !== undefined && { spareConnectionIds }),
      ...(serverName && { serverName }),
      ...earlier?.offer(association),
    });
  }

  #acceptor(random: Platform["random"], resumption: Resumption | undefined): Acceptor {
    const { hint = "3GPP-bootstrapping", ownIdentities, connectionId = 8, nodeId } = this.#options;
    const { maxHandshakes = 256, maxHandshakesPerHost = 32, maxChannels = 10_000 } = this.#options;
    return createDtlsAcceptor({
      ...this.#common(),
      ...{ random, hostOf, maxHandshakes, maxHandshakesPerHost },
      maxEngines: maxChannels + maxHandshakes,
      connectionIdLength: connectionId,
      ...(nodeId && { nodeId }),
      ...(hint && { hint: toUtf8(hint) }),
      ...(ownIdentities && { ownIdentities }),
      ...(resumption && { resumption }),
    });
  }

  /** What both roles are told. */
  #common() {
    const { handshakeSeconds = 30, mtu, retransmitSeconds, sessions } = this.#options;
    return {
      durable: sessions !== undefined,
      ...this.#policy,
      handshakeSeconds,
      ...(mtu !== undefined && { mtu }),
      ...(retransmitSeconds !== undefined && { retransmitSeconds }),
    };
  }
}
