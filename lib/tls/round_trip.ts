/**
 * How long the path takes to the peer and back, and what follows for the timer (RFC 6298 2; RFC 6347 4.2.4.1 and RFC 9147
 * 5.8.2 begin at one second only where that is not known).
 *
 * The floor is far below the second of RFC 6298 2.4, which is there for whole windows of data and for peers that hold
 * their acknowledgements back: here it is one flight of a few datagrams, answered at once or when a key is there, and
 * said half as often each time (RFC 9147 5.8.2 has no floor, and the measured time and a half). It is above what a busy
 * peer takes for a handshake's computations, and above the spread of a path that is as quick as that.
 *
 * @module
 */

/** Of one association. */
export class RoundTrip {
  #smoothed: number | undefined;
  #variation = 0;

  /** Until a flight is said again, the first time; at most `longest`, which it is where nothing was measured. Milliseconds. */
  intervalUpTo(longest: number): number {
    if (this.#smoothed === undefined) return longest;
    return Math.min(longest, Math.max(SHORTEST, this.#smoothed + 4 * this.#variation));
  }

  /** A flight was answered after `time` milliseconds. */
  measured(time: number): void {
    if (this.#smoothed === undefined) {
      this.#smoothed = time;
      this.#variation = time / 2;
      return;
    }
    this.#variation = 0.75 * this.#variation + 0.25 * Math.abs(this.#smoothed - time);
    this.#smoothed = 0.875 * this.#smoothed + 0.125 * time;
  }
}

/** Milliseconds. */
const SHORTEST = 100;
