/** The hellos whose handshakes were over last, well or not: whoever repeats one gets no other answer, and no second look at its key. @module */

/** One for each address, and the newest of those. */
export class SpentHellos {
  readonly #most: number;
  /** By address; oldest first. */
  readonly #hellos = new Map<string, string>();

  /** `most`: how many addresses are remembered. A count. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Remembers the random of a hello that came from `from`. */
  add(from: string, random: string): void {
    this.#hellos.delete(from);
    this.#hellos.set(from, random);
    if (this.#hellos.size <= this.#most) return;
    const [oldest] = this.#hellos.keys();
    this.#hellos.delete(oldest!);
  }

  /** Whether the last that was over from there was this one. */
  has(from: string, random: string): boolean {
    return this.#hellos.get(from) === random;
  }

  /** Forgets all. */
  clear(): void {
    this.#hellos.clear();
  }
}
