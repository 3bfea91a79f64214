/** What an engine, or the front of a server, wants done: in order, and until all of it is out. @module */

import type { Engine } from "./engine.ts";

/** Mostly there is one at a time, and then nothing is allocated; while none waits, nothing is held. */
export class OutputQueue<T> {
  #first: T | undefined;
  #others: T[] | undefined;

  /** Adds what is to be done last. */
  push(output: T): void {
    if (this.isEmpty) this.#first = output;
    else (this.#others ??= []).push(output);
  }

  /** The next one; `undefined` when all are out. */
  poll(): T | undefined {
    const output = this.#first;
    this.#first = this.#others?.shift();
    if (this.#others?.length === 0) this.#others = undefined;
    return output;
  }

  /** Whether all are out. */
  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  /** Forgets all. */
  clear(): void {
    this.#first = this.#others = undefined;
  }
}

/** Forgets what `engine` wanted done: nobody has taken it, so nobody else owns it. */
export function discard(engine: Pick<Engine, "poll">): void {
  for (let output = engine.poll(); output; output = engine.poll()) {
    if (output.kind === "resumable") output.state[Symbol.dispose]();
  }
}
