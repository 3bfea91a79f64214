/** A virtual clock and a seeded source of bytes: every protocol test runs on these, and a seed replays the same run. */
import type { Clock } from "../../lib/clock.ts";
import type { Fetch, Platform, Random } from "../../lib/platform.ts";

/** Time that passes only when told to. Alarms fire in order of time, then of setting. */
export class VirtualClock implements Clock {
  #now = 0;
  #wall: number;
  #order = 0;
  readonly #alarms = new Set<{ at: number; order: number; wake: () => void }>();

  constructor(wall: number = Date.UTC(2026, 0, 1)) {
    this.#wall = wall;
  }

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#wall;
  }

  /** Sets the wall clock alone, as a user or NTP does. */
  setWall(wall: number): void {
    this.#wall = wall;
  }

  alarm(at: number, wake: () => void): Disposable {
    const alarm = { at, order: this.#order++, wake };
    this.#alarms.add(alarm);
    return { [Symbol.dispose]: () => void this.#alarms.delete(alarm) };
  }

  /** How many alarms are set: nothing left behind is 0. */
  get pending(): number {
    return this.#alarms.size;
  }

  /** Lets all that can happen without time passing happen: microtasks and the runtime's own queue. */
  async settle(turns = 20): Promise<void> {
    for (let i = 0; i < turns; i++) await new Promise<void>((resolve) => setImmediate(resolve));
  }

  /** Passes `ms`, stopping at each alarm on the way and settling there. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.settle();
    for (;;) {
      let next: { at: number; order: number; wake: () => void } | undefined;
      for (const alarm of this.#alarms) {
        if (alarm.at <= end && (!next || alarm.at < next.at || (alarm.at === next.at && alarm.order < next.order))) {
          next = alarm;
        }
      }
      if (!next) break;
      this.#alarms.delete(next);
      this.#pass(Math.max(0, next.at - this.#now));
      next.wake();
      await this.settle();
    }
    this.#pass(end - this.#now);
    await this.settle();
  }

  #pass(ms: number): void {
    this.#now += ms;
    this.#wall += ms;
  }
}

/** xorshift128 from a seed: repeatable, and good for nothing but tests. */
export function seededRandom(seed: number): Random {
  const next = seededNumbers(seed);
  return (out) => {
    for (let i = 0; i < out.length; i++) out[i] = Math.floor(next() * 256);
  };
}

/** Numbers in [0, 1) from a seed. */
export function seededNumbers(seed: number): () => number {
  let a = seed >>> 0 || 1;
  let b = 362436069;
  let c = 521288629;
  let d = 88675123;
  return () => {
    const t = a ^ (a << 11);
    a = b;
    b = c;
    c = d;
    d = (d ^ (d >>> 19) ^ t ^ (t >>> 8)) >>> 0;
    return d / 0x100000000;
  };
}

/** A whole platform for one test. */
export function virtualPlatform(seed = 1, fetch?: Fetch): Platform & { readonly clock: VirtualClock } {
  return {
    clock: new VirtualClock(),
    random: seededRandom(seed),
    fetch: fetch ?? (() => Promise.reject(new TypeError("no network in this test"))),
  };
}
