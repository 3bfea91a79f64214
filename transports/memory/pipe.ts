/** One direction of a byte stream: ordered, bounded, late. @module */

import { SeccfError } from "../../lib/error.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Wait } from "../../lib/platform.ts";
import { concat } from "../../lib/bytes/mod.ts";
import { unlessAborted } from "../../lib/deadline.ts";

/** How a {@link Pipe} behaves. */
export interface PipeOptions {
  readonly clock: Clock;
  readonly delayMs: number;
  /** Bytes under way and not yet read before a write has to wait. */
  readonly capacity: number;
  /** How many of the bytes that are there the next read gets, at least 1; absent: a piece as it was written. */
  readonly pieceLength: (() => number) | undefined;
}

/** What one end writes and the other reads. */
export class Pipe {
  readonly #options: PipeOptions;
  readonly #arrived: Uint8Array[] = [];
  /** Bytes written and not yet read. */
  #held = 0;
  /** The writer is done; the reader may not know yet. */
  #finished = false;
  #ended = false;
  #broken = false;
  #turn: Promise<void> = Promise.resolve();
  readonly #readers: (() => void)[] = [];
  readonly #writers: (() => void)[] = [];

  constructor(options: PipeOptions) {
    this.#options = options;
  }

  /** Resolves when all of `bytes` is under way, after all that was written before; throws `closed` if the pipe broke first. */
  write(bytes: Uint8Array, wait: Wait = {}): Promise<void> {
    const written = this.#turn.then(() => this.#write(bytes, wait));
    this.#turn = written.catch(() => {});
    return written;
  }

  /** The writer is done: the reader gets what is under way, then the end. */
  end(): void {
    if (this.#finished || this.#broken) return;
    this.#finished = true;
    this.#later(() => this.#ended = true);
    wake(this.#writers);
  }

  /** The reader is gone: what is under way is lost, and the writer is told. */
  break(): void {
    this.#broken = true;
    this.#arrived.length = 0;
    wake(this.#readers);
    wake(this.#writers);
  }

  /** The next bytes; `undefined` at the end. */
  async read(): Promise<Uint8Array | undefined> {
    while (this.#arrived.length === 0) {
      if (this.#ended || this.#broken) return undefined;
      await new Promise<void>((resolve) => this.#readers.push(resolve));
    }
    const piece = this.#take(this.#options.pieceLength?.() ?? this.#arrived[0]?.length ?? 0);
    this.#held -= piece.length;
    wake(this.#writers);
    return piece;
  }

  async #write(bytes: Uint8Array, { signal }: Wait): Promise<void> {
    signal?.throwIfAborted();
    for (let at = 0; at < bytes.length;) {
      if (this.#finished || this.#broken) throw new SeccfError("closed", "the stream is closed");
      const room = this.#options.capacity - this.#held;
      if (room > 0) {
        const piece = new Uint8Array(bytes.subarray(at, at + room));
        at += piece.length;
        this.#held += piece.length;
        this.#later(() => this.#arrived.push(piece));
      } else {
        await unlessAborted(new Promise<void>((resolve) => this.#writers.push(resolve)), signal);
      }
    }
  }

  #take(most: number): Uint8Array {
    const parts: Uint8Array[] = [];
    let length = 0;
    for (let first = this.#arrived[0]; first && length < most; first = this.#arrived[0]) {
      const part = first.subarray(0, most - length);
      parts.push(part);
      length += part.length;
      if (part.length === first.length) this.#arrived.shift();
      else this.#arrived[0] = first.subarray(part.length);
    }
    return concat(...parts);
  }

  #later(happen: () => void): void {
    const { clock, delayMs } = this.#options;
    const arrive = () => {
      if (this.#broken) return;
      happen();
      wake(this.#readers);
    };
    if (delayMs === 0) arrive();
    else clock.alarm(clock.now() + delayMs, arrive);
  }
}

function wake(sleepers: (() => void)[]): void {
  for (const resume of sleepers.splice(0)) resume();
}
