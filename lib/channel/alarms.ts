/** One alarm of the runtime for the alarms of thousands of connections, so that an idle one costs no timer. @module */

import type { Clock } from "../clock.ts";

interface Entry {
  readonly at: number;
  /** Absent once it is over. */
  wake: (() => void) | undefined;
}

/** A clock with the time of `clock` that never has more than one alarm of it set. */
export function sharedAlarms(clock: Clock): Clock {
  return new SharedAlarms(clock);
}

/** A binary heap by time. Cancelled entries stay until they come up or outnumber the others. */
class SharedAlarms implements Clock {
  readonly #clock: Clock;
  #heap: Entry[] = [];
  #live = 0;
  #alarm: Disposable | undefined;
  #alarmAt = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  wall(): number {
    return this.#clock.wall();
  }

  alarm(at: number, wake: () => void): Disposable {
    const entry: Entry = { at, wake };
    this.#heap.push(entry);
    this.#rise(this.#heap.length - 1);
    this.#live++;
    this.#arm();
    return { [Symbol.dispose]: () => this.#cancel(entry) };
  }

  #cancel(entry: Entry): void {
    if (!entry.wake) return;
    entry.wake = undefined;
    this.#live--;
    if (this.#heap.length > 2 * this.#live + 64) this.#rebuild();
    if (entry.at <= this.#alarmAt || this.#live === 0) this.#arm();
  }

  /** Sets the runtime's alarm for the first that is still wanted; one that is set for earlier stays, and rings in vain once. */
  #arm(): void {
    while (this.#heap[0] && !this.#heap[0].wake) this.#pop();
    const at = this.#heap[0]?.at ?? Infinity;
    if (this.#alarmAt <= at && at < Infinity) return;
    this.#alarm?.[Symbol.dispose]();
    this.#alarmAt = at;
    this.#alarm = at === Infinity ? undefined : this.#clock.alarm(at, () => this.#ring());
  }

  #ring(): void {
    this.#alarmAt = Infinity;
    this.#alarm = undefined;
    const now = this.#clock.now();
    const due: Entry[] = [];
    for (let first = this.#heap[0]; first && first.at <= now; first = this.#heap[0]) due.push(this.#pop());
    try {
      // One may cancel another that is due at the same time.
      for (let entry = due.shift(); entry; entry = due.shift()) this.#wake(entry);
    } finally {
      for (const entry of due) this.#heap.push(entry);
      if (due.length > 0) this.#rebuild();
      this.#arm();
    }
  }

  #wake(entry: Entry): void {
    const { wake } = entry;
    if (!wake) return;
    entry.wake = undefined;
    this.#live--;
    wake();
  }

  #rebuild(): void {
    const entries = this.#heap.filter((entry) => entry.wake).sort((a, b) => a.at - b.at);
    this.#heap = entries;
  }

  #pop(): Entry {
    const first = this.#heap[0]!;
    const last = this.#heap.pop()!;
    if (this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#sink();
    }
    return first;
  }

  #rise(from: number): void {
    const heap = this.#heap;
    for (let at = from; at > 0;) {
      const parent = (at - 1) >> 1;
      if (heap[parent]!.at <= heap[at]!.at) return;
      [heap[parent], heap[at]] = [heap[at]!, heap[parent]!];
      at = parent;
    }
  }

  #sink(): void {
    const heap = this.#heap;
    for (let at = 0;;) {
      const left = 2 * at + 1;
      let least = at;
      for (const child of [left, left + 1]) {
        if (child < heap.length && heap[child]!.at < heap[least]!.at) least = child;
      }
      if (least === at) return;
      [heap[least], heap[at]] = [heap[at]!, heap[least]!];
      at = least;
    }
  }
}
