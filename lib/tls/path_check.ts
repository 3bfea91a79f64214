/** One question to one address: is the peer there that sent from there (RFC 9853)? @module */

import type { Random } from "../platform.ts";
import { PATH_COOKIE_LENGTH } from "./return_routability.ts";

/** Counts what went to an address that nobody has proved to be at, against what came from there. */
export class PathCheck {
  /** The address in question. */
  readonly to: string;
  /** 8 bytes that only who receives there can know. */
  readonly cookie: Uint8Array = new Uint8Array(PATH_COOKIE_LENGTH);
  #received = 0;
  #sent = 0;
  #tries = 0;
  #dueAt = Infinity;

  constructor(to: string, random: Random) {
    this.to = to;
    random(this.cookie);
  }

  /** When to ask again, or to give up. */
  get dueAt(): number {
    return this.#dueAt;
  }

  /** Whether it was asked often enough. What comes from there later begins again. */
  get isGivenUp(): boolean {
    return this.#tries >= TRIES;
  }

  /** So many bytes came from there, in a datagram with a record newer than all before it. */
  received(length: number): void {
    this.#received += length;
    this.#tries = 0;
  }

  /** Whether a question of so many bytes may go there now; it is asked again later, or for the first time. */
  mayAsk(length: number, now: number): boolean {
    this.#tries++;
    this.#dueAt = now + AGAIN_AFTER;
    return this.maySend(length);
  }

  /** Whether so many bytes may go there, which are then counted: three times what came, at most (RFC 9146 6). */
  maySend(length: number): boolean {
    if (this.#sent + length > AMPLIFICATION * this.#received) return false;
    this.#sent += length;
    return true;
  }
}

const AMPLIFICATION = 3;
const TRIES = 3;
/** Milliseconds. */
const AGAIN_AFTER = 1000;
