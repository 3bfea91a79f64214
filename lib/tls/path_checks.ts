/**
 * The questions that an acceptor has open: peers that said something new from an address where they were not (RFC 9853).
 * A peer that does not know of such questions is not asked any; it can be asked by what it speaks inside (RFC 9146 6).
 *
 * @module
 */

import { equal } from "../bytes/mod.ts";
import type { Random } from "../platform.ts";
import { PathCheck } from "./path_check.ts";
import type { Peer } from "./peer_table.ts";

/** One question at most for each peer: where it was seen last. */
export class PathChecks {
  readonly #random: Random;
  /** Sends a question. */
  readonly #transmit: (bytes: Uint8Array, to: string) => void;
  readonly #open = new Map<Peer, PathCheck>();

  constructor(random: Random, transmit: (bytes: Uint8Array, to: string) => void) {
    this.#random = random;
    this.#transmit = transmit;
  }

  /** Open questions. A count. */
  get size(): number {
    return this.#open.size;
  }

  /** When to call `expire`; undefined while nothing is asked. */
  get deadline(): number | undefined {
    let first: number | undefined;
    for (const { dueAt } of this.#open.values()) if (dueAt < (first ?? Infinity)) first = dueAt;
    return first;
  }

  /** `length` bytes came from `from`, with a record of `peer` newer than all before it: asks there. */
  begin(peer: Peer, from: string, length: number, now: number): void {
    let check = this.#open.get(peer);
    if (check?.to !== from) {
      check = new PathCheck(from, this.#random);
      this.#open.set(peer, check);
    }
    check.received(length);
    if (peer.engine.answersPathChecks) this.#ask(peer, check, now);
  }

  /** Something newer came from where `peer` is: who can not be asked is there, and nowhere else. */
  back(peer: Peer): void {
    if (this.#unasked(peer)) this.#open.delete(peer);
  }

  /** Where `peer` was heard from last, if it can not be asked there. */
  elsewhere(peer: Peer): string | undefined {
    return this.#unasked(peer)?.to;
  }

  /** Sends `peer` there what its application has to say; false where that would be too much for who did not ask for it. */
  say(peer: Peer, plaintext: Uint8Array): boolean {
    const check = this.#unasked(peer);
    const bytes = check && peer.engine.sendApart(plaintext);
    if (!bytes || !check.maySend(bytes.length)) return false;
    this.#transmit(bytes, check.to);
    return true;
  }

  /** Asks what could not be asked before there were record numbers to ask with. */
  resume(peer: Peer, now: number): void {
    const check = this.#open.get(peer);
    if (check && peer.engine.answersPathChecks) this.#ask(peer, check, now);
  }

  /** Asks again, or no more, where it is time. */
  expire(now: number): void {
    for (const [peer, check] of [...this.#open]) {
      if (now < check.dueAt) continue;
      if (check.isGivenUp) this.#open.delete(peer);
      else this.#ask(peer, check, now);
    }
  }

  /** Whether `cookie`, which came from `from`, shows that `peer` is there: the question is answered then. */
  settle(peer: Peer, from: string, cookie: Uint8Array): boolean {
    const check = this.#open.get(peer);
    if (!check || check.to !== from || !equal(check.cookie, cookie)) return false;
    return this.#open.delete(peer);
  }

  /** Nothing more is asked of `peer`. */
  drop(peer: Peer): void {
    this.#open.delete(peer);
  }

  /** Forgets all. */
  clear(): void {
    this.#open.clear();
  }

  #unasked(peer: Peer): PathCheck | undefined {
    return peer.engine.answersPathChecks ? undefined : this.#open.get(peer);
  }

  #ask(peer: Peer, check: PathCheck, now: number): void {
    if (peer.engine.awaitsNumbers) return;
    const bytes = peer.engine.checkPath(check.cookie);
    if (!bytes) this.#open.delete(peer);
    else if (check.mayAsk(bytes.length, now)) this.#transmit(bytes, check.to);
  }
}
