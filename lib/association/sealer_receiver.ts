import { SeccfError } from "../error.ts";
import type { Wait } from "../platform.ts";
import { unlessAborted } from "../deadline.ts";
import { type ContextState, PeerContext, PeerContexts } from "./replay_contexts.ts";
import { needs, type ReplayLedger, waits } from "./replay_ledger.ts";
import { type DirectionKeys, epochAt, ID_CONTEXT_LENGTH } from "./sealer_context.ts";
import type { Form } from "./sealer_form.ts";

/** What a {@link Receiver} is made from. */
export interface ReceiverOptions {
  /** The peer's keys under an ID Context of its. */
  readonly derive: (idContext: Uint8Array) => DirectionKeys;
  /** Absent: what was received is known to this process and its snapshots alone. */
  readonly ledger?: ReplayLedger | undefined;
  readonly floor: number;
  readonly contexts: readonly ContextState[];
}

/** What a snapshot keeps of a {@link Receiver}. */
export interface ReceiverState {
  readonly generation: Uint8Array | undefined;
  readonly floor: number;
  readonly contexts: readonly ContextState[];
}

/** Delivers each message of the peer once: shared by all handles of a use, whatever each is bound to. */
export class Receiver implements Disposable {
  readonly #derive: (idContext: Uint8Array) => DirectionKeys;
  readonly #ledger: ReplayLedger | undefined;
  readonly #contexts: PeerContexts;
  #claim: Promise<void> | undefined;

  constructor({ derive, ledger, floor, contexts }: ReceiverOptions) {
    this.#derive = derive;
    this.#ledger = ledger;
    this.#contexts = new PeerContexts(floor);
    for (const state of contexts) {
      this.#contexts.all.push(new PeerContext(state.idContext, derive(state.idContext), state));
    }
  }

  /**
   * Opens the message that `form` has read. Throws `replayed`, `auth-failed`, or `exhausted` when it is good but may be
   * delivered only after {@link ready}. A message that is not authentic costs one derivation at most, and leaves nothing.
   */
  open(form: Form, sealed: Uint8Array, out: Uint8Array): number {
    const { idContextAt, partialIv } = form.found;
    const known = this.#contexts.find(sealed, idContextAt);
    const context = known ?? this.#candidate(sealed, idContextAt);
    context.window.check(partialIv);
    const length = form.open(context.keys, sealed, out, false);
    if (length < 0) {
      if (!known) context[Symbol.dispose]();
      throw new SeccfError("auth-failed", "the tag is wrong");
    }
    if (!known) this.#contexts.add(context);
    if (!this.#ledger) {
      context.onRecord = true;
    } else if (partialIv >= context.ceiling) {
      out.fill(0, 0, length);
      context.wanted = Math.max(context.wanted, partialIv + 1);
      this.#startClaim(this.#ledger);
      throw new SeccfError(
        "exhausted",
        "to be delivered only when that is on record: await ready(), then open it again",
      );
    }
    context.window.accept(partialIv);
    if (this.#ledger && needs(context)) this.#startClaim(this.#ledger);
    return length;
  }

  /** Resolves when no good message waits for the record; rejects with what the store threw. */
  async ready({ signal }: Wait): Promise<void> {
    while (this.#ledger && this.#contexts.all.some(waits)) {
      signal?.throwIfAborted();
      await unlessAborted(this.#startClaim(this.#ledger), signal);
    }
  }

  /** After this nothing is accepted before another visit to the record, so that the state stays exact until then. */
  async state({ signal }: Wait): Promise<ReceiverState> {
    // Whether a visit under way succeeds is told to whoever waits for it.
    while (this.#claim) await unlessAborted(this.#claim.catch(() => {}), signal);
    for (const context of this.#contexts.all) context.ceiling = 0;
    return {
      generation: this.#ledger?.generation,
      floor: this.#contexts.floor,
      contexts: this.#contexts.state(),
    };
  }

  [Symbol.dispose](): void {
    this.#contexts[Symbol.dispose]();
  }

  #candidate(sealed: Uint8Array, at: number): PeerContext {
    this.#contexts.check(epochAt(sealed, at));
    const idContext = sealed.slice(at, at + ID_CONTEXT_LENGTH);
    return new PeerContext(idContext, this.#derive(idContext));
  }

  /** One visit to the record at a time. A failure is told to whoever waits in `ready()`; else the next need tries again. */
  #startClaim(ledger: ReplayLedger): Promise<void> {
    this.#claim ??= ledger.claim(this.#contexts).finally(() => {
      this.#claim = undefined;
    });
    this.#claim.catch(() => {});
    return this.#claim;
  }
}
