/**
 * A server on one datagram socket: the TLS room's acceptor tells strangers from peers, here each peer gets a driver.
 * All share the socket, one alarm and one allowance of bytes.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import { SeccfError } from "../error.ts";
import type { DatagramSocket } from "../link.ts";
import type { Random } from "../platform.ts";
import type { KeySource, Listener } from "../association/ports.ts";
import type { Acceptor, AcceptorOutput, Engine, Session } from "../tls/engine.ts";
import { type AcceptorLimits, Admission, type Refusal } from "./admission.ts";
import { sharedAlarms } from "./alarms.ts";
import type { ChannelLimits } from "./channel.ts";
import { type DatagramChannel, startDatagrams } from "./datagram_channel.ts";
import type { Driver } from "./driver.ts";
import type { Keep } from "./driver_options.ts";
import type { Whereabouts } from "./elsewhere.ts";
import { handOver } from "./handover.ts";
import { Allowance } from "./inbox.ts";
import { Revival, type Revived } from "./revival.ts";
import { type SavedSessions, shelfOf } from "./saved_sessions.ts";

/** What a listener on datagrams takes upon itself beside {@link AcceptorLimits}. */
export interface DatagramAcceptorLimits extends AcceptorLimits {
  /** Received bytes that all its channels hold together for slow consumers; beyond, the newest are dropped. Default 67,108,864. */
  readonly maxQueuedBytes?: number;
  /**
   * How long an established peer without a Connection ID may send nothing before its channel is closed: its address may
   * long be somebody else's. Default: as long as its association lives.
   */
  readonly idleSeconds?: number;
}

/** What {@link acceptDatagrams} joins. */
export interface DatagramAcceptorOptions extends ChannelLimits, DatagramAcceptorLimits {
  /** Owned by the listener from here on. */
  readonly socket: DatagramSocket;
  /** What the acceptor's engines go on with earlier sessions by; ends with the listener's socket. */
  readonly resumption?: Disposable | undefined;
  /** Fresh; owned by the listener from here on. An engine that is disposed of must leave it at once. */
  readonly acceptor: Acceptor;
  /** What the listener calls itself. */
  readonly url: URL;
  readonly keys: KeySource;
  readonly clock: Clock;
  /** What the association's binding will say: `"dtls"`. */
  readonly carrier: string;
  /** Where sessions are kept, and found again after a restart; the acceptor's engines are durable ones then. */
  readonly sessions?: { readonly saved: SavedSessions; readonly random: Random } | undefined;
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
  readonly #revival: Revival | undefined;
  /** What came from where a peer proved to have a session, while the key source is asked whose it is. */
  readonly #guests = new Map<string, Uint8Array[]>();
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
    if (options.sessions) {
      const { saved, random } = options.sessions;
      this.#revival = new Revival({
        ...{ shelf: shelfOf(saved), clock: this.#clock, random, limits: options, port: options.url.port },
        receive: (bytes, from) => this.#receive(bytes, from),
        revive: (input, from) => this.#act(input, from),
      });
    }
    handOver(options.socket, {
      take: (bytes, from) => this.#take(bytes, from),
      fail: (error) => {
        this.#lose(error);
        return false;
      },
    });
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

  #take(bytes: Uint8Array, from: string): void {
    if (this.#released) return;
    const { acceptor } = this.#options;
    try {
      const name = this.#revival && acceptor.missing?.(bytes, from);
      if (name !== undefined) this.#revival?.look(name, acceptor, bytes, from);
      else this.#receive(bytes, from);
    } catch (error) {
      this.#lose(error);
    }
  }

  #receive(bytes: Uint8Array, from: string): void {
    if (this.#released) return;
    const waiting = this.#guests.get(from);
    if (!waiting) this.#act(() => this.#options.acceptor.receive(bytes, from, this.#clock.now()), from);
    else if (waiting.length < MAX_WAITING) waiting.push(new Uint8Array(bytes));
  }

  /** An input, and all that comes of it. Should a datagram make something fail, that is no other peer's failure. */
  #act(input: () => void, remote: string): void {
    const { acceptor } = this.#options;
    try {
      input();
    } catch (error) {
      this.#admission.report({ remote, error, identity: undefined });
    }
    for (let output = acceptor.poll(); output; output = acceptor.poll()) this.#do(output, remote);
    this.#arm();
  }

  /** `remote`: where the input came from, which is not always where the peer is answered. */
  #do(output: AcceptorOutput, remote: string): void {
    switch (output.kind) {
      case "transmit":
        this.#options.socket.send(output.bytes, output.to);
        break;
      case "accepted":
        this.#admit(output.engine, output.from, output.revived && { session: output.revived, remote });
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

  #admit(
    engine: Engine,
    from: string,
    revived: { readonly session: Session; readonly remote: string } | undefined,
  ): void {
    const refusal = this.#admission.refusal(from);
    if (refusal) this.#refuse(engine, from, refusal);
    else if (revived) void this.#welcome(engine, from, revived);
    else this.#start(engine, from);
  }

  #refuse(engine: Engine, remote: string, error: unknown, identity?: Uint8Array): void {
    engine[Symbol.dispose]();
    this.#admission.report({ remote, error, identity });
  }

  /** A session that its peer has proved to have: whose it is, the key source tells, which may have been told that it is over. */
  async #welcome(
    engine: Engine,
    from: string,
    { session, remote }: { readonly session: Session; readonly remote: string },
  ): Promise<void> {
    // Its engine takes nothing before what it has said is taken.
    const waiting: Uint8Array[] = [];
    this.#guests.set(remote, waiting);
    try {
      const { durable } = engine;
      if (!durable || !this.#revival) throw new SeccfError("state", "the engine has no session to go on with");
      const keys = this.#admission.keysFor(from);
      const { keySeconds: seconds = 5 } = this.#options;
      const revived = await this.#revival.welcome(durable, { keys, clock: this.#clock, seconds });
      if (this.#disposed) throw new SeccfError("closed", "the listener is closed");
      this.#start(engine, from, revived);
    } catch (error) {
      this.#refuse(engine, from, error, session.identity);
    }
    // Behind one address two may be asked about: each takes its own away.
    if (this.#guests.get(remote) === waiting) this.#guests.delete(remote);
    for (const bytes of waiting) this.#receive(bytes, remote);
  }

  #start(engine: Engine, from: string, revived?: Revived): void {
    const { socket } = this.#options;
    const wire = {
      remote: from,
      put: (bytes: Uint8Array) => socket.send(bytes, wire.remote),
      flushed: () => socket.flushed?.(),
      release: () => this.#leave(engine),
    };
    const handshake = startDatagrams({
      ...this.#options,
      clock: this.#clock,
      keys: this.#admission.keysFor(from),
      shared: this.#shared,
      engine,
      wire,
      keep: this.#keep(wire),
      answered: () => this.#act(() => {}, wire.remote),
      whereabouts: this.#whereabouts(engine),
      ...(revived && { revived }),
    });
    // It may be over before it has begun.
    if (!handshake.driver.ended) this.#members.set(engine, { driver: handshake.driver, wire });
    void this.#admission.follow(handshake);
  }

  #whereabouts(engine: Engine): Whereabouts {
    const { acceptor } = this.#options;
    const after = (done: boolean): boolean => {
      this.#act(() => {}, "");
      return done;
    };
    return {
      elsewhere: () => acceptor.elsewhere?.(engine),
      send: (payload) => after(acceptor.sendElsewhere?.(engine, payload) ?? false),
      follow: (address) => after(acceptor.follow?.(engine, address) ?? false),
    };
  }

  #keep(wire: { readonly remote: string }): Keep | undefined {
    const revival = this.#revival;
    return revival && {
      place: (session, association) => revival.place(session, wire.remote, association),
      where: () => wire.remote,
      granted: () => this.#act(() => {}, wire.remote),
    };
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
      this.#options.resumption?.[Symbol.dispose]();
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
    if (this.#alarmAt <= at && at < Infinity) return;
    this.#alarm?.[Symbol.dispose]();
    this.#alarmAt = at;
    this.#alarm = at === Infinity ? undefined : this.#clock.alarm(at, () => this.#wake());
  }
}

/** Datagrams that wait for one of those who are asked about. */
const MAX_WAITING = 8;
