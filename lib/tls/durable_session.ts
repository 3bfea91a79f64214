/** One established DTLS session that outlives its process: its numbers, and what is saved of it. @module */

import { equal } from "../bytes/mod.ts";
import type { SecretBytes } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { Claim, Durable, Session } from "./engine.ts";
import type { Handshake } from "./handshake.ts";
import { DurableNumbers, type EpochPair } from "./record/durable_numbers.ts";
import type { WindowState } from "./record/replay_window.ts";
import { checkOfKey, type SavedFields } from "./saved_fields.ts";

/** What changes with every record. */
export type Standing = Pick<SavedFields, "above" | "window"> & { readonly epochs: EpochPair };

/** What a session is kept with. */
export interface DurableSessionOptions extends Pick<SavedFields, "session" | "check" | "above"> {
  readonly now: number;
  /** The peer's highest number so far; -1 for none. */
  readonly newest: number;
  /** Version 1.3: what the session is in. */
  readonly epochs?: EpochPair | undefined;
  /** What was read in `epoch` until now. */
  readonly window: (epoch: number) => WindowState;
  /** The session as it is saved. */
  readonly encode: (standing: Standing) => SecretBytes;
  /** Carries a grant out at `now`: `grant` gives what was held until it was on record, to be read once more. */
  readonly granted: (grant: () => readonly Uint8Array[], now: number) => void;
}

/** One of either version. */
export class DurableSession implements Durable, Disposable {
  readonly numbers: DurableNumbers;
  readonly #options: DurableSessionOptions;
  #isOver = false;

  constructor(options: DurableSessionOptions) {
    const { above, newest, now, epochs } = options;
    this.#options = options;
    this.numbers = new DurableNumbers(above, newest, now, epochs);
  }

  get claim(): Claim | undefined {
    return this.#isOver ? undefined : this.numbers.claim;
  }

  get session(): Session {
    return this.#options.session;
  }

  get left(): number {
    const { left, sentEpoch } = this.numbers;
    // What the two ends say to each other beside data must not wait for a store.
    return sentEpoch === undefined ? left : Math.max(0, left - RESERVE);
  }

  isOf(key: SecretBytes): boolean {
    return equal(this.#options.check, checkOfKey(key));
  }

  save(pending?: { readonly claim: Claim; readonly first: number }): SecretBytes {
    this.#requireLive();
    const { window, encode } = this.#options;
    const { above: known, sentEpoch = 1, receivedEpoch, claimedEpoch } = this.numbers;
    if (!pending) {
      const epochs = { sent: sentEpoch, received: receivedEpoch };
      return encode({ above: known, window: window(receivedEpoch), epochs });
    }
    const { claim: { count, ceiling, epoch = 1 }, first } = pending;
    const before = epoch === sentEpoch ? known : 0;
    const above = count > 0 ? Math.max(before, first + count) : before;
    return encode({ above, window: allBelow(ceiling), epochs: { sent: epoch, received: claimedEpoch } });
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

/** Version 1.3: numbers that data leaves for KeyUpdate, ACK and the like. A count. */
export const RESERVE = 8;

/** A window in which everything below `ceiling` was read. */
function allBelow(ceiling: number): WindowState {
  return ceiling > 0 ? { highest: ceiling - 1, low: 0xffffffff, high: 0xffffffff } : { highest: -1, low: 0, high: 0 };
}
