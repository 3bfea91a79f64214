/**
 * Which nonce counts were used: the replay protection of Digest (RFC 7616 3.4, `nc`). Only authenticated requests are noted, so
 * strangers take no memory, and those who can authenticate take a bounded amount.
 *
 * Beyond the bound the nonces minted first are forgotten, and everything minted until then is refused from then on as stale: a
 * forgotten count can never be used again, and whoever holds such a nonce is one round trip away from a new one.
 *
 * @module
 */

/** Remembers at most `capacity` nonces, or whatever text its caller counts by. */
export class NonceCounts {
  readonly #capacity: number;
  readonly #seen = new Map<string, { mintedAt: number; highest: number; window: bigint }>();
  /** Nonces minted up to here are forgotten. */
  #floor = -1;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /**
   * Takes a nonce's count: true once, and false ever after, as for counts too old to tell and nonces forgotten. What was minted
   * up to `expired` is no longer good by itself, and goes first when room is needed.
   */
  use(
    { nonce, count }: { readonly nonce: string; readonly count: number },
    mintedAt: number,
    expired: number,
  ): boolean {
    if (mintedAt <= this.#floor) return false;
    const known = this.#seen.get(nonce);
    if (!known) {
      if (this.#seen.size >= this.#capacity) this.#forget(expired);
      if (this.#seen.size >= this.#capacity) this.#forgetHalf();
      if (mintedAt <= this.#floor) return false;
      this.#seen.set(nonce, { mintedAt, highest: count, window: 1n });
      return true;
    }
    const ahead = count - known.highest;
    if (ahead > 0) {
      known.window = ahead >= WINDOW ? 1n : BigInt.asUintN(WINDOW, known.window << BigInt(ahead)) | 1n;
      known.highest = count;
      return true;
    }
    const bit = 1n << BigInt(-ahead);
    if (-ahead >= WINDOW || (known.window & bit) !== 0n) return false;
    known.window |= bit;
    return true;
  }

  /** How many nonces are remembered. */
  get size(): number {
    return this.#seen.size;
  }

  #forget(upTo: number): void {
    for (const [nonce, { mintedAt }] of this.#seen) if (mintedAt <= upTo) this.#seen.delete(nonce);
  }

  #forgetHalf(): void {
    const times = [...this.#seen.values()].map(({ mintedAt }) => mintedAt).sort((a, b) => a - b);
    this.#floor = times[times.length >> 1] ?? this.#floor;
    this.#forget(this.#floor);
  }
}

/** Requests in flight over one nonce may overtake each other by this many. */
const WINDOW = 64;
