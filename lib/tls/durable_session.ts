/** One established DTLS 1.2 session that outlives its process: its numbers, and what is saved of it. @module */

import { equal } from "../bytes/mod.ts";
import type { SecretBytes } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { Claim, Durable, Session } from "./engine.ts";
import type { Handshake } from "./handshake.ts";
import { DurableNumbers } from "./record/durable_numbers.ts";
import type { WindowState } from "./record/replay_window.ts";
import { checkOfKey, encodeSavedSession, type SavedSession } from "./saved_session.ts";

/** What a session is kept with. */
export interface DurableSessionOptions extends Omit<SavedSession, "window"> {
  readonly now: number;
  /** The peer's highest number so far; -1 for none. */
  readonly newest: number;
  /** What was read until now. */
  readonly window: () => WindowState;
  /** Carries a grant out at `now`: `grant` gives what was held until it was on record, to be read once more. */
  readonly granted: (grant: () => readonly Uint8Array[], now: number) => void;
}

/** Owns the keys it was given. */
export class DurableSession implements Durable, Disposable {
  readonly numbers: DurableNumbers;
  readonly #options: DurableSessionOptions;
  #isOver = false;

  constructor(options: DurableSessionOptions) {
    this.#options = options;
    this.numbers = new DurableNumbers(options.above, options.newest, options.now);
  }

  get claim(): Claim | undefined {
    return this.#isOver ? undefined : this.numbers.claim;
  }

  get session(): Session {
    return this.#options.session;
  }

  get left(): number {
    return this.numbers.left;
  }

  isOf(key: SecretBytes): boolean {
    return equal(this.#options.check, checkOfKey(key));
  }

  save(pending?: { readonly claim: Claim; readonly first: number }): SecretBytes {
    this.#requireLive();
    const { role, session, connectionIds, sizes, check, keys, window } = this.#options;
    const saved = { role, session, connectionIds, sizes, check, keys };
    if (!pending) return encodeSavedSession({ ...saved, above: this.numbers.above, window: window() });
    const { claim: { count, ceiling }, first } = pending;
    const above = count > 0 ? Math.max(this.numbers.above, first + count) : this.numbers.above;
    return encodeSavedSession({ ...saved, above, window: allBelow(ceiling) });
  }

  grant(claim: Claim, first: number, now: number): void {
    this.#requireLive();
    const isPresent = claim === this.numbers.claim;
    const isNew = claim.count === 0 || (Number.isSafeInteger(first) && first >= claim.above);
    if (!isPresent || !isNew) throw new SeccfError("state", "not a grant of what is claimed");
    this.#options.granted(() => this.numbers.grant(first), now);
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.numbers.clear();
    this.#options.keys[Symbol.dispose]();
  }

  #requireLive(): void {
    if (this.#isOver) throw new SeccfError("state", "the session is over");
  }
}

/** Stands where a restored session's handshake would be: it is over. */
export const NO_HANDSHAKE: Handshake = {
  start() {},
  message() {},
  changeCipherSpec() {},
  awaitsChangeCipherSpec: false,
  prepare() {
    throw new SeccfError("state", "the handshake is over");
  },
  refusal: undefined,
  [Symbol.dispose]() {},
};

/** A window in which everything below `ceiling` was read. */
function allBelow(ceiling: number): WindowState {
  return ceiling > 0 ? { highest: ceiling - 1, low: 0xffffffff, high: 0xffffffff } : { highest: -1, low: 0, high: 0 };
}
