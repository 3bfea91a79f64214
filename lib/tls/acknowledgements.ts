/** What this end has to acknowledge of what came, and when (RFC 9147 7.1). @module */

import { encodeAck, RECORD_NUMBER_LENGTH, type RecordNumber } from "./record/ack.ts";
import { CONTENT } from "./record/content_type.ts";
import type { Epoch } from "./record/datagram_header.ts";
import type { DatagramWriter } from "./record/datagram_writer.ts";

/** The records of the peer's present flight, the last {@link MOST} of them. */
export class Acknowledgements {
  /** Milliseconds that the rest of a flight may take. */
  readonly #patience: number;
  #records: RecordNumber[] = [];
  #dueAt: number | undefined;
  #mayHurryAt = -Infinity;

  constructor(patience: number) {
    this.#patience = patience;
  }

  /** When to say what came, though the rest did not. */
  get dueAt(): number | undefined {
    return this.#dueAt;
  }

  /** Whether there is nothing to say. */
  get isEmpty(): boolean {
    return this.#records.length === 0;
  }

  /** A record came, and all in it was used or is kept. */
  add({ epoch, number }: RecordNumber): void {
    if (this.#records.length >= MOST) this.#records.shift();
    this.#records.push({ epoch, number });
  }

  /** The rest of the flight may still be on its way. */
  wait(now: number): void {
    this.#dueAt ??= now + this.#patience;
  }

  /** Says what came, the last of it in any case, in the epoch of the records or a later one (RFC 9147 7); in the clear nothing. */
  say(writer: DatagramWriter, epoch: Epoch): void {
    if (epoch === 0) return;
    this.#dueAt = undefined;
    const most = Math.floor((writer.most(epoch) - 2) / RECORD_NUMBER_LENGTH);
    writer.write(epoch, CONTENT.ack, encodeAck(this.#records.slice(-Math.max(most, 1))));
  }

  /** Whether to say it for no more than a suspicion; not more often than a flight is repeated. */
  mayHurry(now: number): boolean {
    if (now < this.#mayHurryAt) return false;
    this.#mayHurryAt = now + this.#patience;
    return true;
  }

  /** The flight was answered, or what was kept of it thrown away. */
  clear(): void {
    this.#records = [];
    this.#dueAt = undefined;
  }
}

/** A count. A flight here has five messages at most. */
const MOST = 32;
