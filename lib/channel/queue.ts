/** Items on their way from one producer to whoever asks, counted so that the producer can be made to wait. @module */

interface Waiter<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A bounded queue. It never refuses an item: the producer asks for {@link Queue.room} after each `push`, so at most
 * `limit` and one item are held.
 */
export class Queue<T> {
  readonly #limit: number;
  readonly #sizeOf: (item: T) => number;
  readonly #items: T[] = [];
  readonly #waiters: Waiter<T>[] = [];
  #size = 0;
  #ended = false;
  #error: unknown;
  #blocked: (() => void)[] = [];

  /** `limit` in the units of `sizeOf`. */
  constructor(limit: number, sizeOf: (item: T) => number) {
    this.#limit = limit;
    this.#sizeOf = sizeOf;
  }

  /** How much is held, in the units of `sizeOf`. */
  get size(): number {
    return this.#size;
  }

  /** Hands `item` to the first that waits, or keeps it. False once ended: the item stays the caller's. */
  push(item: T): boolean {
    if (this.#ended) return false;
    const waiter = this.#waiters.shift();
    if (waiter) {
      waiter.resolve({ done: false, value: item });
    } else {
      this.#items.push(item);
      this.#size += this.#sizeOf(item);
    }
    return true;
  }

  /** Resolves when less than `limit` is held, or nothing more can come. */
  room(): Promise<void> {
    if (this.#size < this.#limit || this.#ended) return Promise.resolve();
    return new Promise((resolve) => this.#blocked.push(resolve));
  }

  /** The last of it: what is held is still given out, then the end, or `error` if there is one, to all who ask. */
  end(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#release();
    for (const waiter of this.#waiters.splice(0)) {
      if (error === undefined) waiter.resolve({ done: true, value: undefined });
      else waiter.reject(error);
    }
  }

  /** The next item, when there is one; the end, once {@link Queue.end} was called. */
  next(): Promise<IteratorResult<T, undefined>> {
    const item = this.#items.shift();
    if (item !== undefined) {
      this.#size -= this.#sizeOf(item);
      if (this.#size < this.#limit) this.#release();
      return Promise.resolve({ done: false, value: item });
    }
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /** Takes out all that is held. */
  drain(): T[] {
    this.#size = 0;
    this.#release();
    return this.#items.splice(0);
  }

  /** Iterates over what comes. Leaving the loop ends nothing: another iterator goes on where this one stopped. */
  iterate(): AsyncIterator<T, undefined> {
    return {
      next: () => this.next(),
      return: () => Promise.resolve({ done: true, value: undefined }),
    };
  }

  #release(): void {
    for (const resume of this.#blocked.splice(0)) resume();
  }
}
