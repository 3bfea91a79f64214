/**
 * How often strangers may make a server ask its key source: a lookup costs the Key Manager, and whoever shows random
 * identities pays nothing for it. What ended in an authenticated channel is paid back, so that many honest devices
 * behind one address are not held back by their number.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import { SeccfError } from "../error.ts";
import type { KeySource } from "../association/ports.ts";

/** How many key lookups strangers may cause; each limit has a default. */
export interface LookupLimits {
  /** Lookups in each 10 s that led to no channel, or not yet, for all together. Default 10,000. */
  readonly maxLookups?: number;
  /** The same for one host, an IPv4 address or 64 bits of IPv6. Default 64. */
  readonly maxLookupsPerHost?: number;
}

/** Counts in windows of 10 s; holds a number for each host of the window that asked, at most `maxLookups` of them. */
export class LookupBudget {
  readonly #clock: Clock;
  readonly #inAll: number;
  readonly #perHost: number;
  readonly #spent = new Map<string, number>();
  #total = 0;
  #windowEnd = -Infinity;

  constructor(clock: Clock, { maxLookups = 10_000, maxLookupsPerHost = 64 }: LookupLimits) {
    this.#clock = clock;
    this.#inAll = maxLookups;
    this.#perHost = maxLookupsPerHost;
  }

  /** `keys`, asked on behalf of `host` while its budget lasts; then `find` throws `exhausted`. */
  source(keys: KeySource, host: string): KeySource {
    return {
      find: (request, options) => {
        this.spend(host);
        return keys.find(request, options);
      },
    };
  }

  /** One of the lookups of `host` led to a channel. */
  refund(host: string): void {
    const spent = this.#spent.get(host);
    if (spent === undefined) return;
    this.#total--;
    if (spent > 1) this.#spent.set(host, spent - 1);
    else this.#spent.delete(host);
  }

  /** One lookup on behalf of `host`. Throws `exhausted` once its budget, or that of all, is spent. */
  spend(host: string): void {
    if (this.#clock.now() >= this.#windowEnd) {
      this.#spent.clear();
      this.#total = 0;
      this.#windowEnd = this.#clock.now() + WINDOW_MS;
    }
    const spent = this.#spent.get(host) ?? 0;
    if (spent >= this.#perHost || this.#total >= this.#inAll) {
      throw new SeccfError("exhausted", "too many keys were asked for without being proved");
    }
    this.#spent.set(host, spent + 1);
    this.#total++;
  }
}

const WINDOW_MS = 10_000;
