/** Datagrams on their way to whoever asks: bounded, whole, and the newest dropped when nobody asks. @module */

import type { Received } from "../association/ports.ts";
import { Queue } from "./queue.ts";
import type { Intake } from "./wire.ts";

/** Bytes that many share: of all inboxes of one listener together. */
export class Allowance {
  readonly #limit: number;
  #held = 0;

  /** `limit` in bytes. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How much is held. */
  get held(): number {
    return this.#held;
  }

  /** False, and nothing taken, when it does not fit. */
  take(bytes: number): boolean {
    if (this.#held + bytes > this.#limit) return false;
    this.#held += bytes;
    return true;
  }

  /** Gives back what was taken. */
  give(bytes: number): void {
    this.#held -= bytes;
  }
}

/** One channel's received messages. An empty message is one too, so each costs a little beside its bytes. */
export class Inbox implements Intake {
  readonly #limit: number;
  readonly #shared: Allowance;
  readonly #messages = new Queue<Received>(Infinity, ({ payload }) => costOf(payload));
  #dropped = 0;
  #ended = false;

  /** `limit` in bytes, and less than that if `shared` has no more. */
  constructor(limit: number, shared: Allowance = new Allowance(Infinity)) {
    this.#limit = limit;
    this.#shared = shared;
  }

  /** Messages that found no room. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes a copy of `bytes`, or drops it: what is held is older, and a peer that floods pushes nothing out. */
  push(bytes: Uint8Array): void {
    const cost = costOf(bytes);
    const held = this.#messages.size;
    if (held + cost > this.#limit || !this.#shared.take(cost)) {
      this.#dropped++;
      return;
    }
    this.#messages.push({ payload: new Uint8Array(bytes) });
    // Who waited for it has it already.
    if (this.#messages.size === held) this.#shared.give(cost);
  }

  /** What is held is still given out. It counts no longer: nothing can come to it any more. */
  end(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#shared.give(this.#messages.size);
    this.#messages.end(error);
  }

  /** What a channel's iteration gives, from where the last one stopped. */
  iterate(): AsyncIterator<Received, undefined> {
    return { ...this.#messages.iterate(), next: () => this.#next() };
  }

  #next(): Promise<IteratorResult<Received, undefined>> {
    const held = this.#messages.size;
    const next = this.#messages.next();
    if (!this.#ended) this.#shared.give(held - this.#messages.size);
    return next;
  }
}

function costOf(message: Uint8Array): number {
  return message.length + OVERHEAD;
}

/** About what an array costs besides its bytes. */
const OVERHEAD = 128;
