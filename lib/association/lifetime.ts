import type { Clock } from "../clock.ts";

/** What a {@link Lifetime} is made from. */
export interface LifetimeOptions {
  /** What it is counted on. */
  readonly clock: Clock;
  /** How long from now, seconds. */
  readonly seconds: number;
  /** An end on the wall clock that was fixed before, milliseconds since 1970. Default `seconds` from now. */
  readonly expiresAtWall?: number;
}

/**
 * An end that no clock can postpone: the earlier of the monotonic and the wall clock (DESIGN 4.9). The monotonic clock
 * stands still while a machine is suspended, and the wall clock may be set back; each catches what the other misses.
 */
export interface Lifetime {
  /** On the monotonic clock, milliseconds. */
  readonly expiresAt: number;
  /** On the wall clock, milliseconds since 1970. */
  readonly expiresAtWall: number;
  /** Whether nothing is left. */
  readonly expired: boolean;
  /** Milliseconds left by whichever clock has less, at least 0. */
  readonly left: number;
}

/** Starts a lifetime now. Throws RangeError unless `seconds` is finite and not negative. */
export function startLifetime(options: LifetimeOptions): Lifetime {
  const { clock, seconds, expiresAtWall = clock.wall() + seconds * 1000 } = options;
  if (!Number.isFinite(seconds) || seconds < 0) throw new RangeError("a lifetime is a finite number of seconds");
  const expiresAt = clock.now() + seconds * 1000;
  const left = () => Math.max(0, Math.min(expiresAt - clock.now(), expiresAtWall - clock.wall()));
  return {
    expiresAt,
    expiresAtWall,
    get expired() {
      return left() === 0;
    },
    get left() {
      return left();
    },
  };
}
