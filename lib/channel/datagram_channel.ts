/** Datagrams, once both ends have proved that they know the key: the {@link SecureChannel} of DTLS. @module */

import type { Clock } from "../clock.ts";
import { SeccfError } from "../error.ts";
import type { DatagramSocket } from "../link.ts";
import type { Wait } from "../platform.ts";
import type { Binding, KeySource, Peer, Received, SecureChannel, SecurityAssociation } from "../association/ports.ts";
import type { Engine } from "../tls/engine.ts";
import type { Handshake } from "./admission.ts";
import { type ChannelLimits, payloads } from "./channel.ts";
import { Driver } from "./driver.ts";
import { establish, type Established } from "./establish.ts";
import { type Allowance, Inbox } from "./inbox.ts";
import type { Wire } from "./wire.ts";

/**
 * One `send` is one datagram and one {@link Received} at the other end, or none: the network loses, repeats are taken
 * out, the order is the network's. `send` throws `too-large` for what no record on this path can hold, and that changes
 * nothing; else it resolves at once, since nobody tells when a datagram has left.
 */
export interface DatagramChannel extends SecureChannel {
  /** No datagram is split, and no two are joined: what comes is what one `send` gave. */
  readonly boundaries: "kept";
  /** Messages that came and were dropped, because nobody took those before them. */
  readonly dropped: number;
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
      flushed: () => undefined,
      release: () => socket[Symbol.asyncDispose](),
    },
  });
  void read(driver, socket, remote);
  return open(wait);
}

/** What {@link startDatagrams} joins. */
export interface DatagramHandshakeOptions extends Omit<DatagramChannelOptions, "socket" | "remote"> {
  readonly wire: Wire;
  /** What all channels of one listener may hold together. Default: no limit but the channel's own. */
  readonly shared?: Allowance;
}

/** Starts the handshake; the engine's input is somebody else's affair. */
export function startDatagrams(options: DatagramHandshakeOptions): Handshake<DatagramChannel> {
  const { keySeconds = 5, handshakeSeconds = 30, receiveLimit = 262_144 } = options;
  const inbox = new Inbox(receiveLimit, options.shared);
  const driver = new Driver({ ...options, keySeconds, handshakeSeconds, intake: inbox });
  return {
    driver,
    open: async (wait) => new EngineChannel(driver, inbox, await establish(driver, options.carrier, wait)),
  };
}

async function read(driver: Driver, socket: DatagramSocket, remote: string): Promise<void> {
  while (!driver.ended) {
    try {
      for await (const { bytes, from } of socket) {
        if (from === remote) driver.receive(bytes);
        if (driver.ended) return;
      }
      driver.lose(new SeccfError("closed", "the socket is closed"));
    } catch (error) {
      const passing = error instanceof SeccfError && error.code === "unreachable";
      if (driver.shaking || !passing) driver.lose(error);
    }
  }
}

class EngineChannel implements DatagramChannel {
  readonly peer: Peer;
  readonly association: SecurityAssociation;
  readonly binding: Binding;
  readonly boundaries = "kept";
  readonly #driver: Driver;
  readonly #inbox: Inbox;

  constructor(driver: Driver, inbox: Inbox, { association, binding }: Established) {
    this.#driver = driver;
    this.#inbox = inbox;
    this.association = association;
    this.binding = binding;
    this.peer = association.peer;
  }

  get dropped(): number {
    return this.#inbox.dropped;
  }

  // deno-lint-ignore require-await -- what is thrown here is a rejection
  async send(payload: Uint8Array, { signal }: Wait = {}): Promise<void> {
    signal?.throwIfAborted();
    this.#driver.send(payload);
  }

  [Symbol.asyncIterator](): AsyncIterator<Received, undefined> {
    return payloads(this.#inbox);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#driver.close();
    return this.#driver.released;
  }
}
