/** Between an engine that claims and a record that grants: one claim at a time, in the order that no crash can use. @module */

import type { Clock } from "../clock.ts";
import { unlessAborted } from "../deadline.ts";
import { SeccfError } from "../error.ts";
import type { Wait } from "../platform.ts";
import type { Claim, Durable } from "../tls/engine.ts";
import type { SessionRecord } from "./saved_sessions.ts";

/** What {@link SessionKeeper} joins. */
export interface KeeperOptions {
  readonly durable: Durable;
  /** Owned from here on. May still be looked for. */
  readonly record: SessionRecord | Promise<SessionRecord>;
  readonly clock: Clock;
  /** What {@link SessionRecord.place} is by now. */
  readonly place: () => string;
  /** The engine has outputs. */
  readonly granted: () => void;
  /** The session can not go on here. */
  readonly lost: (error: unknown) => void;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Keeps one session for as long as it is awake. */
export class SessionKeeper {
  readonly #options: KeeperOptions;
  #record: SessionRecord | undefined;
  #busy: Promise<void> | undefined;
  #waiters: Waiter[] = [];
  #isOnRecord = false;
  #isOver = false;
  #again: Disposable | undefined;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** Whether the session is on record, so that nothing can lose it any more. */
  get isOnRecord(): boolean {
    return this.#isOnRecord;
  }

  /** To be called when the engine has no more outputs. */
  step(): void {
    if (this.#busy || this.#isOver || this.#again) return;
    const { claim } = this.#options.durable;
    if (!claim) return;
    this.#busy = this.#carryOut(claim);
  }

  /** Resolves when the next claim is granted; rejects with what the store throws, or `closed`. */
  ready({ signal }: Wait = {}): Promise<void> {
    if (this.#isOver) return Promise.reject(new SeccfError("closed", "the session is over"));
    if (!this.#options.durable.claim) return Promise.reject(new SeccfError("exhausted", "no record numbers are left"));
    const granted = new Promise<void>((resolve, reject) => this.#waiters.push({ resolve, reject }));
    return unlessAborted(granted, signal);
  }

  /**
   * The last that is written: the session exactly as it is, to be restored without loss. `leave` ends the engine, in the same
   * turn in which its state is taken. Throws what the store throws, and `closed` where another has the session; it can be
   * restored from what was on record before.
   */
  async sleep(leave: () => void): Promise<void> {
    while (this.#busy) await this.#busy;
    if (this.#isOver || !this.#record) throw new SeccfError("closed", "the session is over");
    this.#record.place = this.#options.place();
    using state = this.#options.durable.save();
    this.#end();
    leave();
    try {
      await this.#record.write(state);
    } finally {
      this.#record.release();
    }
  }

  /** Stops; `forget`: and nobody goes on. Resolves when the record is let go. Never rejects. */
  async end(forget: boolean): Promise<void> {
    if (this.#isOver) return;
    this.#end();
    await this.#busy;
    try {
      const record = this.#record ?? await this.#options.record;
      record.release();
      if (forget) await record.forget();
    } catch {
      // Its time in the store ends it as well.
    }
  }

  #end(): void {
    this.#isOver = true;
    this.#again?.[Symbol.dispose]();
    const error = new SeccfError("closed", "the session is over");
    for (const { reject } of this.#waiters.splice(0)) reject(error);
  }

  /** Numbers first, then the state that knows of them, then the grant: whatever is missing after a crash was not used. */
  async #carryOut(claim: Claim): Promise<void> {
    const { durable, clock, granted } = this.#options;
    try {
      const record = this.#record ??= await this.#options.record;
      const first = await record.reserve(claim);
      if (this.#isOver) return;
      record.place = this.#options.place();
      using state = durable.save({ claim, first });
      await record.write(state);
      if (this.#isOver) return;
      this.#isOnRecord = true;
      this.#busy = undefined;
      durable.grant(claim, first, clock.now());
      // In the same turn: an engine takes no input before its outputs are out.
      granted();
      for (const { resolve } of this.#waiters.splice(0)) resolve();
    } catch (error) {
      this.#busy = undefined;
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    if (this.#isOver) return;
    const isOver = error instanceof SeccfError && (error.code === "closed" || error.code === "expired");
    if (isOver || !this.#isOnRecord) {
      this.#options.lost(error);
      return;
    }
    // What is granted still goes; a store that is away for a while must not end thousands of sessions.
    for (const { reject } of this.#waiters.splice(0)) reject(error);
    const { clock } = this.#options;
    this.#again = clock.alarm(clock.now() + AGAIN_AFTER, () => {
      this.#again = undefined;
      this.step();
    });
  }
}

/** Milliseconds. */
const AGAIN_AFTER = 1000;
