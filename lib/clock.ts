/** The time port. `lib/` reads no clock of its own: every wait and lifetime runs on one of these, virtual in tests. @module */

/** Time as a driver of engines sees it. Milliseconds. */
export interface Clock {
  /** Monotonic, from an arbitrary origin. Every lifetime and deadline is counted on it. */
  now(): number;
  /** Since 1970-01-01 UTC. May jump; only ever compared with a stated tolerance. */
  wall(): number;
  /** Calls `wake` once when `now()` reaches `at`. Disposing the result cancels it. */
  alarm(at: number, wake: () => void): Disposable;
}
