/**
 * The server's front: strangers come in as byte streams, only authenticated channels go out. What a stranger may hold
 * is counted, in all and per host, and a stalled one is the first to go when others need the place.
 *
 * @module
 */

import { SeccfError } from "../error.ts";
import type { ByteStream, StreamListener } from "../link.ts";
import type { Listener, SecureChannel } from "../association/ports.ts";
import type { Engine } from "../tls/engine.ts";
import { type ChannelOptions, createDriver, establish } from "./channel.ts";
import type { Driver } from "./driver.ts";
import { hostOf } from "./host.ts";
import { Queue } from "./queue.ts";

/** How much a listener takes upon itself; each has a default. */
export interface AcceptorLimits {
  /** Handshakes at the same time, from all. Default 256. */
  readonly maxHandshakes?: number;
  /** Handshakes at the same time from one host, an IPv4 address or 64 bits of IPv6. Default 32. */
  readonly maxHandshakesPerHost?: number;
  /** Channels open at the same time, taken from the listener or not. Default 10,000. */
  readonly maxChannels?: number;
}

/** One that was not let in: for the audit record. The peer knows only that it failed. */
export interface Refusal {
  /** `host:port`. */
  readonly remote: string;
  /** Why, mostly a {@link SeccfError}. `exhausted`: no place was left, or this one gave its own to a newer. */
  readonly error: unknown;
  /** The PSK identity as it was shown, at most 128 bytes that a stranger chose. */
  readonly identity: Uint8Array | undefined;
}

/** What {@link acceptChannels} joins. */
export interface AcceptorOptions extends Omit<ChannelOptions, "engine" | "stream">, AcceptorLimits {
  /** Owned by the listener from here on. */
  readonly streams: StreamListener;
  /** What the listener calls itself. */
  readonly url: URL;
  /** A fresh server engine for each stream. */
  readonly createEngine: () => Engine;
  /** Hears of every handshake that failed. */
  readonly onRefused?: ((refusal: Refusal) => void) | undefined;
}

/**
 * Runs a handshake on each stream that arrives, all independent of each other, and yields the channels that come of
 * them. Disposing it ends the handshakes under way and the channels that nobody took; those that were taken live on.
 */
export function acceptChannels(options: AcceptorOptions): Listener {
  return new Acceptor(options);
}

interface Attempt {
  readonly driver: Driver;
  readonly host: string;
}

class Acceptor implements Listener {
  readonly url: URL;
  readonly #options: AcceptorOptions;
  readonly #maxHandshakes: number;
  readonly #maxPerHost: number;
  readonly #maxChannels: number;
  /** In the order of arrival. */
  readonly #attempts = new Set<Attempt>();
  readonly #perHost = new Map<string, number>();
  readonly #ready = new Queue<SecureChannel>(Infinity, () => 1);
  #channels = 0;
  #disposed: Promise<void> | undefined;

  constructor(options: AcceptorOptions) {
    this.#options = options;
    this.url = options.url;
    this.#maxHandshakes = options.maxHandshakes ?? 256;
    this.#maxPerHost = options.maxHandshakesPerHost ?? 32;
    this.#maxChannels = options.maxChannels ?? 10_000;
    void this.#accept();
  }

  [Symbol.asyncIterator](): AsyncIterator<SecureChannel, undefined> {
    return this.#ready.iterate();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #dispose(): Promise<void> {
    const attempts = [...this.#attempts];
    for (const { driver } of attempts) driver.abort(new SeccfError("closed", "the listener is closed"));
    this.#ready.end();
    const untaken = this.#ready.drain().map((channel) => channel[Symbol.asyncDispose]());
    await Promise.all([this.#options.streams[Symbol.asyncDispose](), ...untaken]);
    await Promise.all(attempts.map(({ driver }) => driver.released));
  }

  async #accept(): Promise<void> {
    try {
      for await (const stream of this.#options.streams) this.#admit(stream);
      this.#ready.end();
    } catch (error) {
      this.#ready.end(error);
    }
  }

  #admit(stream: ByteStream): void {
    const host = hostOf(stream.remote);
    if (this.#disposed) this.#turnAway(stream, "closed", "the listener is closed");
    else if (this.#channels >= this.#maxChannels) this.#turnAway(stream, "exhausted", "too many channels are open");
    else if (!this.#makeRoom(host)) this.#turnAway(stream, "exhausted", "too many handshakes are under way");
    else void this.#handshake(stream, host);
  }

  #turnAway(stream: ByteStream, code: "closed" | "exhausted", message: string): void {
    this.#report({ remote: stream.remote, error: new SeccfError(code, message), identity: undefined });
    void giveUp(stream);
  }

  /**
   * The oldest handshake that waits for its peer gives way: a flood must then be faster than honest handshakes are,
   * instead of only holding every place until its time is over. One that waits for the key source keeps its place.
   */
  #makeRoom(host: string): boolean {
    if ((this.#perHost.get(host) ?? 0) >= this.#maxPerHost && !this.#evict(host)) return false;
    return this.#attempts.size < this.#maxHandshakes || this.#evict();
  }

  #evict(host?: string): boolean {
    for (const attempt of this.#attempts) {
      if (!attempt.driver.awaitsPeer || (host !== undefined && attempt.host !== host)) continue;
      this.#remove(attempt);
      attempt.driver.abort(new SeccfError("exhausted", "gave way to a newer handshake"));
      return true;
    }
    return false;
  }

  async #handshake(stream: ByteStream, host: string): Promise<void> {
    const { createEngine, ...options } = this.#options;
    let attempt: Attempt | undefined;
    try {
      const driver = createDriver({ ...options, stream, engine: createEngine() });
      attempt = { driver, host };
      this.#attempts.add(attempt);
      this.#perHost.set(host, (this.#perHost.get(host) ?? 0) + 1);
      this.#yield(await establish(driver, options, {}), driver);
    } catch (error) {
      this.#report({ remote: stream.remote, error, identity: attempt?.driver.shownIdentity });
      if (!attempt) await giveUp(stream);
    } finally {
      if (attempt) this.#remove(attempt);
    }
  }

  #yield(channel: SecureChannel, driver: Driver): void {
    if (this.#channels >= this.#maxChannels) {
      driver.close();
      throw new SeccfError("exhausted", "too many channels are open");
    }
    this.#channels++;
    driver.released.then(() => this.#channels--);
    if (!this.#ready.push(channel)) driver.close();
  }

  #remove(attempt: Attempt): void {
    if (!this.#attempts.delete(attempt)) return;
    const left = (this.#perHost.get(attempt.host) ?? 1) - 1;
    if (left > 0) this.#perHost.set(attempt.host, left);
    else this.#perHost.delete(attempt.host);
  }

  #report(refusal: Refusal): void {
    try {
      this.#options.onRefused?.(refusal);
    } catch {
      // An observer that fails must not take the server with it.
    }
  }
}

async function giveUp(stream: ByteStream): Promise<void> {
  try {
    await stream[Symbol.asyncDispose]();
  } catch {
    // Nothing was begun on it.
  }
}
