/** What the roles need from the machine. `mod.ts` supplies the web platform's, tests a virtual one. @module */

import type { Clock } from "./clock.ts";

/** Fills `out` with unpredictable bytes; seeded in tests. */
export type Random = (out: Uint8Array) => void;

/** The web's own shape of an HTTP client: the runtime's `fetch`, a handler called in memory, or one over a channel. */
export type Fetch = (request: Request) => Promise<Response>;

/** What every operation that waits accepts. */
export interface Wait {
  /** Ends the wait: what waits throws its reason. */
  readonly signal?: AbortSignal;
}

/** Time, randomness and the way out. */
export interface Platform {
  /** All times and waits. */
  readonly clock: Clock;
  /** All nonces, keys and names that nobody may guess. */
  readonly random: Random;
  /** The way out. */
  readonly fetch: Fetch;
}
