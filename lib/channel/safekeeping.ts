/**
 * What is different about a connection whose session is kept: nothing on which the peer could count leaves before the
 * session is on record, and with its record it ends.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import { SeccfError } from "../error.ts";
import type { Wait } from "../platform.ts";
import type { Durable } from "../tls/engine.ts";
import type { Agreed, Keep } from "./driver_options.ts";
import type { SessionRecord } from "./saved_sessions.ts";
import { SessionKeeper } from "./session_keeper.ts";
import type { Wire } from "./wire.ts";

/** What a {@link Safekeeping} is part of. */
export interface SafekeepingOptions {
  readonly keep: Keep;
  readonly clock: Clock;
  readonly wire: Wire;
  /** The engine has outputs; `agreed`: of the session, which is on record. */
  readonly granted: (agreed: Agreed) => void;
  /** The session can not go on here. */
  readonly lost: (error: unknown) => void;
}

/** Of one connection, from its first byte. */
export class Safekeeping {
  readonly #options: SafekeepingOptions;
  #keeper: SessionKeeper | undefined;
  #record: SessionRecord | undefined;
  /** What the peer hears only when the session is on record. */
  #withheld: Uint8Array[] = [];

  constructor(options: SafekeepingOptions) {
    this.#options = options;
  }

  /** Whether there is a session. */
  get hasBegun(): boolean {
    return this.#keeper !== undefined;
  }

  /** Whether the session is on record, so that nothing can lose it any more. */
  get isOnRecord(): boolean {
    return this.#keeper?.isOnRecord ?? false;
  }

  /** How long the record may be used; undefined while there is none. */
  get lifetime(): SessionRecord["lifetime"] | undefined {
    return this.#record?.lifetime;
  }

  /** Keeps the session of `durable`, at a new place or at the one where it was found. */
  begin(durable: Durable, agreed: Agreed, found?: SessionRecord): void {
    const { keep, clock, lost, granted } = this.#options;
    const record = found ? Promise.resolve(found) : keep.place(agreed.session, agreed.association);
    const placed = record.then((record) => this.#record = record);
    placed.catch(() => {});
    this.#keeper = new SessionKeeper({
      ...{ durable, clock, lost, record: placed },
      place: () => keep.where(agreed.session),
      granted: () => granted(agreed),
    });
  }

  /** Sends `bytes` to the peer, or holds a copy: whether they are the word on which it counts is not known yet. */
  put(bytes: Uint8Array): void {
    if (this.isOnRecord) this.#options.wire.put(bytes);
    else this.#withheld.push(new Uint8Array(bytes));
  }

  /** The engine has no more outputs: sends what does not have to wait. */
  release(): void {
    if ((this.#keeper && !this.isOnRecord) || this.#withheld.length === 0) return;
    for (const bytes of this.#withheld.splice(0)) this.#options.wire.put(bytes);
  }

  /** Carries out what the session wants on record; after `release`. */
  step(): void {
    this.#keeper?.step();
  }

  /** Resolves when more can be sent; rejects as the store does. */
  async ready(wait: Wait): Promise<void> {
    if (!this.#keeper) throw new SeccfError("exhausted", "no record numbers are left");
    await this.#keeper.ready(wait);
  }

  /** Puts the session on record as it is; see {@link SessionKeeper}. */
  async sleep(leave: () => void): Promise<void> {
    if (!this.#keeper) throw new SeccfError("state", "the session is not kept anywhere");
    await this.#keeper.sleep(leave);
  }

  /** Stops; `forget`: and nobody goes on. Resolves when the record is let go; undefined where there is none. */
  end(forget: boolean): Promise<void> | undefined {
    this.#withheld = [];
    return this.#keeper?.end(forget);
  }
}
