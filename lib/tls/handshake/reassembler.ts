/** Messages from fragments that come in any order, twice, overlapping or not at all (RFC 6347 4.2.3). @module */

import { MAX_AHEAD, MAX_AHEAD_LENGTH, MAX_EARLY_MESSAGE } from "../limits.ts";
import { type Fragment, FRAGMENT_HEADER_LENGTH, frameWhole } from "./fragment.ts";
import type { HandshakeMessage } from "./message.ts";

interface Partial {
  readonly messageSeq: number;
  readonly type: number;
  readonly body: Uint8Array;
  /** 1 for each byte that is there. */
  readonly have: Uint8Array;
  missing: number;
}

/** Holds few messages and few bytes, as {@link MAX_AHEAD} and {@link MAX_AHEAD_LENGTH} have it, from the next one on. */
export class Reassembler {
  /** A few at most, and mostly none: less than a map. */
  #partials: Partial[] = [];
  #next: number;

  /** `next`: the message_seq that is awaited first. */
  constructor(next: number) {
    this.#next = next;
  }

  /** The message_seq that is awaited. */
  get next(): number {
    return this.#next;
  }

  /** Whether something is held of a message behind the awaited one. */
  get isAhead(): boolean {
    return this.#partials.some(({ messageSeq }) => messageSeq > this.#next);
  }

  /** Messages of which something is held. A count. */
  get held(): number {
    return this.#partials.length;
  }

  /**
   * Takes in a copy of a fragment. `stale`: of a message already taken. `ignored`: too far ahead, too long, or at odds
   * with what is held of its message; the first word stands.
   */
  push(fragment: Fragment): "taken" | "stale" | "ignored" {
    const { type, length, messageSeq, offset, body } = fragment;
    if (messageSeq < this.#next) return "stale";
    if (messageSeq >= this.#next + MAX_AHEAD || length > MAX_EARLY_MESSAGE) return "ignored";
    let partial = this.#find(messageSeq);
    if (!partial) {
      // A piece of nothing says nothing, except where nothing is all there is.
      if (body.length === 0 && length > 0) return "ignored";
      if (messageSeq > this.#next && this.#heldLength + length > MAX_AHEAD_LENGTH) return "ignored";
      partial = { messageSeq, type, body: new Uint8Array(length), have: new Uint8Array(length), missing: length };
      this.#partials.push(partial);
    } else if (partial.type !== type || partial.body.length !== length) {
      return "ignored";
    }
    for (let i = 0; i < body.length; i++) {
      if (partial.have[offset + i] === 1) continue;
      partial.have[offset + i] = 1;
      partial.body[offset + i] = body[i]!;
      partial.missing--;
    }
    return "taken";
  }

  get #heldLength(): number {
    return this.#partials.reduce((sum, { body }) => sum + body.length, 0);
  }

  /** The awaited message once it is whole; it stays until `advance` or `discard`. */
  peek(): HandshakeMessage | undefined {
    const partial = this.#find(this.#next);
    if (!partial || partial.missing > 0) return undefined;
    const framed = frameWhole(partial.type, this.#next, partial.body);
    return { type: partial.type, body: framed.subarray(FRAGMENT_HEADER_LENGTH), framed };
  }

  /** The awaited message was used. */
  advance(): void {
    this.discard();
    this.#next++;
  }

  /** The awaited message was none that could be meant: its place is free for another. */
  discard(): void {
    this.#partials = this.#partials.filter(({ messageSeq }) => messageSeq !== this.#next);
  }

  /** Forgets everything. */
  clear(): void {
    this.#partials = [];
  }

  #find(messageSeq: number): Partial | undefined {
    return this.#partials.find((partial) => partial.messageSeq === messageSeq);
  }
}
