/** What an engine, or the front of a server, wants done: in order, and until all of it is out. @module */

import type { Output } from "./engine.ts";

/** Keeps what is out as well, until all is: what comes meanwhile goes behind it. */
export class OutputQueue<T> {
  readonly #outputs: T[] = [];
  #polled = 0;

  /** Adds what is to be done last. */
  push(output: T): void {
    this.#outputs.push(output);
  }

  /** Adds what is to be done before all else; only while none is out. */
  unshift(output: T): void {
    this.#outputs.unshift(output);
  }

  /** The next one; `undefined` when all are out. */
  poll(): T | undefined {
    const output = this.#outputs[this.#polled];
    if (output) this.#polled++;
    else this.clear();
    return output;
  }

  /** Whether all are out; they are forgotten then. */
  settle(): boolean {
    if (this.#polled < this.#outputs.length) return false;
    this.clear();
    return true;
  }

  /** What is not out yet, which is the caller's then. */
  drain(): T[] {
    const left = this.#outputs.slice(this.#polled);
    this.clear();
    return left;
  }

  /** Forgets all. */
  clear(): void {
    this.#outputs.length = 0;
    this.#polled = 0;
  }
}

/** Forgets what an engine wanted done: nobody has taken it, so nobody else owns it. */
export function discard(outputs: OutputQueue<Output>): void {
  for (const output of outputs.drain()) if (output.kind === "resumable") output.state[Symbol.dispose]();
}
