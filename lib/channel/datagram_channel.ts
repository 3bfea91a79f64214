/** Datagrams, once both ends have proved that they know the key: the {@link SecureChannel} of DTLS. @module */

import type { Clock } from "../clock.ts";
import { SeccfError } from "../error.ts";
import type { DatagramSocket } from "../link.ts";
import type { Wait } from "../platform.ts";
import type { Binding, KeySource, Peer, Received, SecureChannel, SecurityAssociation } from "../association/ports.ts";
import type { Engine } from "../tls/engine.ts";
import type { Handshake } from "./admission.ts";
import type { ChannelLimits } from "./channel.ts";
import { Driver } from "./driver.ts";
import type { DriverOptions, Keep } from "./driver_options.ts";
import { type Elsewhere, elsewhereOf, type Whereabouts } from "./elsewhere.ts";
import { establish, type Established } from "./establish.ts";
import { handOver } from "./handover.ts";
import { type Allowance, Inbox } from "./inbox.ts";
import type { Wire } from "./wire.ts";

/**
 * One `send` is one datagram and one {@link Received} at the other end, or none: the network loses, repeats are taken
 * out, the order is the network's. `send` throws `too-large` for what no record on this path can hold, and that changes
 * nothing; else it resolves at once, since nobody tells when a datagram has left, but for one in many, so that a loop of
 * sends lets something come in.
 */
export interface DatagramChannel extends SecureChannel {
  /** No datagram is split, and no two are joined: what comes is what one `send` gave. */
  readonly boundaries: "kept";
  /** Messages that came and were dropped, because nobody took those before them. */
  readonly dropped: number;
  /**
   * A listener's: where the peer was heard from last, if it is answered at another address and does not speak the check by
   * which it moves on its own (RFC 9853). To be looked at after each message, while it is the newest.
   */
  readonly elsewhere?: Elsewhere | undefined;
  /**
   * A client's of DTLS 1.3 with spare Connection IDs: to be called when this end is on another network, before anything is
   * sent there, so that who sees both does not know it again by the name in its records (RFC 9147 11). Whether there was another
   * name; the server is asked for one in its place. Throws `closed` and `expired`.
   */
  rename?(): boolean;
  /**
   * Ends the channel without a word to the peer and keeps the session, exactly as it is, where `sessions` are kept: the next
   * `bind` to the same place, or the peer's next datagram, goes on with it. What came and was not taken is lost. Throws
   * `state` where sessions are not kept, `closed`, `expired`, and what the store throws: the session is then as a crash leaves it.
   */
  sleep(): Promise<void>;
}

/** What a client's handshake needs. */
export interface DatagramChannelOptions extends ChannelLimits {
  /** A client's, fresh; owned by the channel from here on. */
  readonly engine: Engine;
  /** For this channel alone, and owned by it. Iterating it may throw `unreachable` and can then go on. */
  readonly socket: DatagramSocket;
  /** The other end, as the socket calls it. What comes from elsewhere is not looked at. */
  readonly remote: string;
  /** The association itself. */
  readonly keys: KeySource;
  /** For every limit, and for the end of the association's life. */
  readonly clock: Clock;
  /** What the association's {@link Binding} will say: `"dtls"`. */
  readonly carrier: string;
  /** For an engine that may go on with an earlier session. */
  readonly earlier?: DriverOptions["earlier"];
  /** Where the session is kept, if it is: the engine is a durable one then. */
  readonly keep?: Keep | undefined;
  /** Whose session it is that the engine goes on with, instead of a handshake. */
  readonly revived?: DriverOptions["revived"];
  /** See {@link DriverOptions}. */
  readonly idleSeconds?: DriverOptions["idleSeconds"];
  /** See {@link DriverOptions}. */
  readonly answered?: () => void;
}

/**
 * Resolves when the server has proved that it knows the key. Throws as `connectChannel` does, and `unreachable` when
 * the network says so before that; afterwards it is not believed, because anybody can say it (RFC 5927).
 */
export function connectDatagrams(options: DatagramChannelOptions, wait: Wait = {}): Promise<DatagramChannel> {
  const { socket, remote } = options;
  const { driver, open } = startDatagrams({
    ...options,
    wire: {
      remote,
      put: (bytes) => socket.send(bytes, remote),
      flushed: () => socket.flushed?.(),
      release: () => socket[Symbol.asyncDispose](),
    },
  });
  handOver(socket, {
    take: (bytes, from) => {
      if (from === remote) driver.receive(bytes);
    },
    fail: (error) => {
      const passing = error instanceof SeccfError && error.code === "unreachable";
      if (driver.shaking || !passing) driver.lose(error);
      return !driver.ended;
    },
  });
  return open(wait);
}

/** What {@link startDatagrams} joins. */
export interface DatagramHandshakeOptions extends Omit<DatagramChannelOptions, "socket" | "remote"> {
  readonly wire: Wire;
  /** What all channels of one listener may hold together. Default: no limit but the channel's own. */
  readonly shared?: Allowance;
  /** Where a listener's peer is heard from. */
  readonly whereabouts?: Whereabouts;
}

/** Starts the handshake; the engine's input is somebody else's affair. */
export function startDatagrams(options: DatagramHandshakeOptions): Handshake<DatagramChannel> {
  const { keySeconds = 5, handshakeSeconds = 30, receiveLimit = 262_144 } = options;
  const inbox = new Inbox(receiveLimit, options.shared);
  const driver = new Driver({ ...options, keySeconds, handshakeSeconds, intake: inbox });
  return {
    driver,
    open: async (wait) => {
      const established = await establish(driver, options.carrier, wait);
      return new EngineChannel({ driver, inbox, whereabouts: options.whereabouts }, established);
    },
  };
}

interface Parts {
  readonly driver: Driver;
  readonly inbox: Inbox;
  readonly whereabouts: Whereabouts | undefined;
}

class EngineChannel implements DatagramChannel {
  readonly peer: Peer;
  readonly association: SecurityAssociation;
  readonly binding: Binding;
  readonly boundaries = "kept";
  readonly #driver: Driver;
  readonly #inbox: Inbox;
  readonly #whereabouts: Whereabouts | undefined;

  constructor({ driver, inbox, whereabouts }: Parts, { association, binding }: Established) {
    this.#driver = driver;
    this.#inbox = inbox;
    this.#whereabouts = whereabouts;
    this.association = association;
    this.binding = binding;
    this.peer = association.peer;
  }

  get dropped(): number {
    return this.#inbox.dropped;
  }

  get elsewhere(): Elsewhere | undefined {
    return this.#whereabouts && elsewhereOf(this.#whereabouts, () => this.#driver.throwUnlessOpen());
  }

  async send(payload: Uint8Array, wait: Wait = {}): Promise<void> {
    wait.signal?.throwIfAborted();
    for (;;) {
      try {
        this.#driver.send(payload);
        const turn = this.#driver.flushed();
        if (turn) await turn;
        return;
      } catch (error) {
        const isWaiting = error instanceof SeccfError && error.code === "exhausted" && this.#driver.isKept;
        if (!isWaiting) throw error;
      }
      // Only of a session that is kept, and faster than its store.
      await this.#driver.ready(wait);
    }
  }

  rename(): boolean {
    return this.#driver.rename();
  }

  sleep(): Promise<void> {
    return this.#driver.sleep();
  }

  [Symbol.asyncIterator](): AsyncIterator<Received, undefined> {
    return this.#inbox.iterate();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#driver.close();
    return this.#driver.released;
  }
}
