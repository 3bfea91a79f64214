/**
 * Sessions that a server had before it was started again: looked for when a peer says something in one, since nobody knows
 * which of thousands will. A stranger who guesses costs one look into the store, and few of those; nothing is written,
 * and nothing kept, before a record came that the session's own key opens and that was never seen.
 *
 * @module
 */

import type { KeySource, SecurityAssociation } from "../association/ports.ts";
import type { Clock } from "../clock.ts";
import { SeccfError } from "../error.ts";
import type { Random } from "../platform.ts";
import type { Acceptor, Durable, Session } from "../tls/engine.ts";
import { sessionName } from "../tls/mod.ts";
import type { Agreed } from "./driver_options.ts";
import { hostOf } from "./host.ts";
import { lookUp } from "./key_lookup.ts";
import { LookupBudget, type LookupLimits } from "./lookup_budget.ts";
import type { FoundSession, SessionRecord, Shelf } from "./saved_sessions.ts";

/** What a {@link Revival} is made from. */
export interface RevivalOptions {
  readonly shelf: Shelf;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: LookupLimits;
  /** Of the listener: peers without a Connection ID are known by address, and that only at one port. */
  readonly port: string;
  /** Gives a datagram to the acceptor. */
  readonly receive: (bytes: Uint8Array, from: string) => void;
  /** Runs an input to the acceptor and does all that comes of it, in this turn. */
  readonly revive: (input: () => void, from: string) => void;
}

/** A session that is welcome. */
export type Revived = Agreed & { readonly record: SessionRecord };

/** Of one listener. */
export class Revival {
  readonly #options: RevivalOptions;
  readonly #budget: LookupBudget;
  /** What came for sessions that are being looked for. */
  readonly #waiting = new Map<string, { readonly bytes: Uint8Array; readonly from: string }[]>();
  /** In the turn in which its engine is accepted. */
  #found: FoundSession | undefined;

  constructor(options: RevivalOptions) {
    this.#options = options;
    this.#budget = new LookupBudget(options.clock, options.limits);
  }

  /** A place for a new session with the peer at `from`. */
  async place(session: Session, from: string, association: SecurityAssociation): Promise<SessionRecord> {
    const name = this.#nameOf(sessionName(session.connectionIds?.server, from));
    return await this.#options.shelf.place(name, association, this.#options);
  }

  /** Looks for the session that `acceptor` misses and `bytes` belong to. */
  look(name: string, acceptor: Acceptor, bytes: Uint8Array, from: string): void {
    const waiting = this.#waiting.get(name);
    const datagram = { bytes: new Uint8Array(bytes), from };
    if (waiting) {
      if (waiting.length < MAX_WAITING) waiting.push(datagram);
      return;
    }
    if (this.#waiting.size >= MAX_LOOKS) return;
    this.#waiting.set(name, [datagram]);
    void this.#look(name, acceptor);
  }

  /**
   * Whose `durable` is, which was accepted in this turn. Throws as the key source does, `key-unavailable` where it has no such key
   * any more: where it has another, the session is over for good.
   */
  async welcome(
    durable: Durable,
    options: { readonly keys: KeySource; readonly clock: Clock; readonly seconds: number },
  ): Promise<Revived> {
    const found = this.#found;
    if (!found) throw new SeccfError("state", "nothing was found");
    const { keys, clock, seconds } = options;
    const { session } = durable;
    const { suite, identity, serverName } = session;
    const request = { use: { kind: "tls", suite } as const, identity, ...(serverName !== undefined && { serverName }) };
    try {
      const { signal } = new AbortController();
      const answer = await lookUp(keys, request, { clock, seconds, signal });
      if (!answer) throw new SeccfError("key-unavailable", "the session's key is not known any more");
      using key = answer.key;
      if (!durable.isOf(key)) {
        await found.record.forget();
        throw new SeccfError("key-unavailable", "the session's key has been replaced by another");
      }
      if (answer.association.expired) throw new SeccfError("expired", "the association has expired");
      return { session, association: answer.association, record: found.record };
    } catch (error) {
      found.record.release();
      throw error;
    }
  }

  async #look(name: string, acceptor: Acceptor): Promise<void> {
    const { shelf, receive } = this.#options;
    const [first] = this.#waiting.get(name)!;
    const host = hostOf(first!.from);
    try {
      this.#budget.spend(host);
      const found = await shelf.find(this.#nameOf(name), this.#options);
      if (found && this.#revive(found, acceptor, this.#waiting.get(name)!)) this.#budget.refund(host);
    } catch {
      // Out of budget, or the store is away: whoever is there will say it again.
    }
    const waiting = this.#waiting.get(name)!;
    this.#waiting.delete(name);
    for (const { bytes, from } of waiting) receive(bytes, from);
  }

  /** Tries each of what came, until one proves that the peer is there. */
  #revive(found: FoundSession, acceptor: Acceptor, waiting: { bytes: Uint8Array; from: string }[]): boolean {
    const { clock, revive } = this.#options;
    using state = found.state;
    const saved = { state, from: found.place };
    let isBack = false;
    this.#found = found;
    try {
      for (let next = waiting.shift(); next && !isBack; next = isBack ? undefined : waiting.shift()) {
        const { bytes, from } = next;
        revive(() => isBack = acceptor.revive?.(saved, bytes, from, clock.now()) ?? false, from);
      }
    } finally {
      this.#found = undefined;
      if (!isBack) found.record.release();
    }
    return isBack;
  }

  #nameOf(name: string): string {
    return `dtls/${this.#options.port}/${name}`;
  }
}

/** Sessions that are looked for at a time. */
const MAX_LOOKS = 256;
/** Datagrams that wait for one of them. */
const MAX_WAITING = 8;
