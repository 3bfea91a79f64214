/**
 * Whom a server lets in, whatever the carrier: strangers come as handshakes, only authenticated channels go out. What a
 * stranger may hold is counted, in all and per host, and a stalled one is the first to go when others need the place.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import { SeccfError } from "../error.ts";
import type { Wait } from "../platform.ts";
import type { KeySource, SecureChannel } from "../association/ports.ts";
import type { Driver } from "./driver.ts";
import { hostOf } from "./host.ts";
import { LookupBudget, type LookupLimits } from "./lookup_budget.ts";
import { Queue } from "./queue.ts";

/** How much a listener takes upon itself; each has a default. */
export interface AcceptorLimits extends LookupLimits {
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

/** What {@link Admission} takes. */
export interface AdmissionOptions extends AcceptorLimits {
  readonly clock: Clock;
  readonly keys: KeySource;
  /** Hears of every handshake that failed. */
  readonly onRefused?: ((refusal: Refusal) => void) | undefined;
}

/** A handshake on whatever carries it, and the channel that comes of it. */
export interface Handshake<C extends SecureChannel> {
  readonly driver: Driver;
  /** To be called once. */
  open(wait: Wait): Promise<C>;
}

interface Attempt {
  readonly driver: Driver;
  readonly host: string;
}

/** The books of one listener. */
export class Admission<C extends SecureChannel> {
  /** Channels that nobody took yet. */
  readonly ready: Queue<C> = new Queue<C>(Infinity, () => 1);
  readonly #options: AdmissionOptions;
  readonly #maxHandshakes: number;
  readonly #maxPerHost: number;
  readonly #maxChannels: number;
  readonly #budget: LookupBudget;
  /** In the order of arrival. */
  readonly #attempts = new Set<Attempt>();
  readonly #perHost = new Map<string, number>();
  #channels = 0;
  #closed = false;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#maxHandshakes = options.maxHandshakes ?? 256;
    this.#maxPerHost = options.maxHandshakesPerHost ?? 32;
    this.#maxChannels = options.maxChannels ?? 10_000;
    this.#budget = new LookupBudget(options.clock, options);
  }

  /** Makes room for one handshake of `remote`, if need be at the cost of another; why not, if there is none. */
  refusal(remote: string): SeccfError | undefined {
    if (this.#closed) return new SeccfError("closed", "the listener is closed");
    if (this.#channels >= this.#maxChannels) return new SeccfError("exhausted", "too many channels are open");
    if (!this.#makeRoom(hostOf(remote))) return new SeccfError("exhausted", "too many handshakes are under way");
    return undefined;
  }

  /** The key source for a handshake of `remote`, within the budget of its host. */
  keysFor(remote: string): KeySource {
    return this.#budget.source(this.#options.keys, hostOf(remote));
  }

  /** Follows a handshake to its end, which is a channel in {@link Admission.ready} or a {@link Refusal}. Never rejects. */
  async follow({ driver, open }: Handshake<C>): Promise<void> {
    const attempt = { driver, host: hostOf(driver.remote) };
    this.#attempts.add(attempt);
    this.#perHost.set(attempt.host, (this.#perHost.get(attempt.host) ?? 0) + 1);
    try {
      this.#yield(await open({}), attempt);
    } catch (error) {
      this.report({ remote: driver.remote, error, identity: driver.shownIdentity });
    } finally {
      this.#remove(attempt);
    }
  }

  /** Tells the one who wants to know. */
  report(refusal: Refusal): void {
    try {
      this.#options.onRefused?.(refusal);
    } catch {
      // An observer that fails must not take the server with it.
    }
  }

  /** Ends the handshakes under way and the channels that nobody took; resolves when nothing is left of them. */
  async close(): Promise<void> {
    this.#closed = true;
    const attempts = [...this.#attempts];
    for (const { driver } of attempts) driver.abort(new SeccfError("closed", "the listener is closed"));
    this.ready.end();
    await Promise.all(this.ready.drain().map((channel) => channel[Symbol.asyncDispose]()));
    await Promise.all(attempts.map(({ driver }) => driver.released));
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

  #yield(channel: C, { driver, host }: Attempt): void {
    if (this.#channels >= this.#maxChannels) {
      driver.close();
      throw new SeccfError("exhausted", "too many channels are open");
    }
    this.#budget.refund(host);
    this.#channels++;
    driver.released.then(() => this.#channels--);
    if (!this.ready.push(channel)) driver.close();
  }

  #remove(attempt: Attempt): void {
    if (!this.#attempts.delete(attempt)) return;
    const left = (this.#perHost.get(attempt.host) ?? 1) - 1;
    if (left > 0) this.#perHost.set(attempt.host, left);
    else this.#perHost.delete(attempt.host);
  }
}
