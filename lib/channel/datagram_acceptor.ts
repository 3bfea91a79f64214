/**
 * A server on one datagram socket: the TLS room's acceptor tells strangers from peers, here each peer gets a driver.
 * All share the socket, one alarm and one allowance of bytes.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import { SeccfError } from "../error.ts";
import type { DatagramSocket } from "../link.ts";
import type { KeySource, Listener } from "../association/ports.ts";
import type { Acceptor, AcceptorOutput, Engine } from "../tls/engine.ts";
import { type AcceptorLimits, Admission, type Refusal } from "./admission.ts";
import { sharedAlarms } from "./alarms.ts";
import type { ChannelLimits } from "./channel.ts";
import { type DatagramChannel, startDatagrams } from "./datagram_channel.ts";
import type { Driver } from "./driver.ts";
import { Allowance } from "./inbox.ts";

/** What a listener on datagrams takes upon itself beside {@link AcceptorLimits}. */
export interface DatagramAcceptorLimits extends AcceptorLimits {
  /** Received bytes that all its channels hold together for slow consumers; beyond, the newest are dropped. Default 67,108,864. */
  readonly maxQueuedBytes?: number;
}

/** What {@link acceptDatagrams} joins. */
export interface DatagramAcceptorOptions extends ChannelLimits, DatagramAcceptorLimits {
  /** Owned by the listener from here on. */
  readonly socket: DatagramSocket;
  /** Fresh; owned by the listener from here on. An engine that is disposed of must leave it at once. */
  readonly acceptor: Acceptor;
  /** What the listener calls itself. */
  readonly url: URL;
  readonly keys: KeySource;
  readonly clock: Clock;
  /** What the association's binding will say: `"dtls"`. */
  readonly carrier: string;
  /** Hears of every handshake that failed. */
  readonly onRefused?: ((refusal: Refusal) => void) | undefined;
}

/**
 * Yields a channel for each peer that proved who it is. Disposing it ends the handshakes under way and the channels
 * that nobody took; those that were taken live on, and the socket, which is theirs, with them.
 */
export function acceptDatagrams(options: DatagramAcceptorOptions): Listener<DatagramChannel> {
  return new DatagramAcceptor(options);
}

interface Member {
  readonly driver: Driver;
  /** Moves with the peer. */
  readonly wire: { remote: string };
}

class DatagramAcceptor implements Listener<DatagramChannel> {
  readonly url: URL;
  readonly #options: DatagramAcceptorOptions;
  readonly #clock: Clock;
  readonly #admission: Admission<DatagramChannel>;
  readonly #shared: Allowance;
  readonly #members = new Map<Engine, Member>();
  #alarm: Disposable | undefined;
  #alarmAt = Infinity;
  #disposed: Promise<void> | undefined;
  #released: Promise<void> | undefined;

  constructor(options: DatagramAcceptorOptions) {
    this.#options = options;
    this.url = options.url;
    this.#clock = sharedAlarms(options.clock);
    this.#admission = new Admission({ ...options, clock: this.#clock });
    this.#shared = new Allowance(options.maxQueuedBytes ?? 67_108_864);
    void this.#read();
  }

  [Symbol.asyncIterator](): AsyncIterator<DatagramChannel, undefined> {
    return this.#admission.ready.iterate();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #dispose(): Promise<void> {
    await this.#admission.close();
    if (this.#members.size === 0) await this.#release();
  }

  async #read(): Promise<void> {
    const { socket, acceptor } = this.#options;
    let reason: unknown = new SeccfError("closed", "the socket is closed");
    try {
      for await (const { bytes, from } of socket) {
        if (this.#released) return;
        this.#act(() => acceptor.receive(bytes, from, this.#clock.now()), from);
      }
    } catch (error) {
      reason = error;
    }
    this.#lose(reason);
  }

  /** An input, and all that comes of it. Should a datagram make something fail, that is no other peer's failure. */
  #act(input: () => void, remote: string): void {
    const { acceptor } = this.#options;
    try {
      input();
    } catch (error) {
      this.#admission.report({ remote, error, identity: undefined });
    }
    for (let output = acceptor.poll(); output; output = acceptor.poll()) this.#do(output);
    this.#arm();
  }

  #do(output: AcceptorOutput): void {
    switch (output.kind) {
      case "transmit":
        this.#options.socket.send(output.bytes, output.to);
        break;
      case "accepted":
        this.#admit(output.engine, output.from);
        break;
      case "ready":
        this.#pump(output.engine);
        break;
      case "moved": {
        const member = this.#members.get(output.engine);
        if (member) member.wire.remote = output.to;
        break;
      }
      default:
        output satisfies never;
    }
  }

  #pump(engine: Engine): void {
    const member = this.#members.get(engine);
    if (member) member.driver.pump();
  }

  #admit(engine: Engine, from: string): void {
    const refusal = this.#admission.refusal(from);
    if (refusal) {
      engine[Symbol.dispose]();
      this.#admission.report({ remote: from, error: refusal, identity: undefined });
      return;
    }
    const { socket } = this.#options;
    const wire = {
      remote: from,
      put: (bytes: Uint8Array) => socket.send(bytes, wire.remote),
      flushed: () => undefined,
      release: () => this.#leave(engine),
    };
    const handshake = startDatagrams({
      ...this.#options,
      clock: this.#clock,
      keys: this.#admission.keysFor(from),
      shared: this.#shared,
      engine,
      wire,
    });
    // It may be over before it has begun.
    if (!handshake.driver.ended) this.#members.set(engine, { driver: handshake.driver, wire });
    void this.#admission.follow(handshake);
  }

  /** The last of those that were taken takes the socket with it. */
  #leave(engine: Engine): undefined {
    this.#members.delete(engine);
    if (this.#disposed && this.#members.size === 0) void this.#release();
  }

  /** The socket is gone, and with it everything. */
  #lose(reason: unknown): void {
    this.#admission.ready.end(this.#disposed ? undefined : reason);
    for (const { driver } of [...this.#members.values()]) driver.lose(reason);
    void this.#release();
  }

  #release(): Promise<void> {
    this.#released ??= (async () => {
      const { socket, acceptor } = this.#options;
      this.#alarm?.[Symbol.dispose]();
      acceptor[Symbol.dispose]();
      await socket[Symbol.asyncDispose]();
    })();
    return this.#released;
  }

  #wake(): void {
    const { acceptor, socket } = this.#options;
    this.#alarmAt = Infinity;
    const now = this.#clock.now();
    if (acceptor.deadline !== undefined && acceptor.deadline <= now) {
      this.#act(() => acceptor.expire(now), socket.local);
    } else this.#arm();
  }

  #arm(): void {
    const at = this.#released ? Infinity : this.#options.acceptor.deadline ?? Infinity;
    if (at === this.#alarmAt) return;
    this.#alarm?.[Symbol.dispose]();
    this.#alarmAt = at;
    this.#alarm = at === Infinity ? undefined : this.#clock.alarm(at, () => this.#wake());
  }
}
