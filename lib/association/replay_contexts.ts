import { SeccfError } from "../error.ts";
import { type DirectionKeys, epochAt, ID_CONTEXT_LENGTH } from "./sealer_context.ts";
import { type ReplayState, ReplayWindow } from "./replay.ts";

/** How many of a sender's contexts are remembered: as many starts as may have messages under way at once. */
export const CONTEXTS = 8;

/** A sender's context as a snapshot keeps it. */
export interface ContextState extends ReplayState {
  /** 15 bytes. */
  readonly idContext: Uint8Array;
}

/** One context of the peer: its keys, and what was accepted under them. */
export class PeerContext implements Disposable {
  readonly idContext: Uint8Array;
  readonly epoch: number;
  readonly keys: DirectionKeys;
  readonly window: ReplayWindow;
  /** Numbers below may be accepted: that they may have been is on record. */
  ceiling = 0;
  /** One above the highest authentic number that came above the ceiling. */
  wanted = 0;
  /** Whether what the durable record says of it is ours, or was taken over. Without a record nothing else could say more. */
  onRecord: boolean;

  constructor(idContext: Uint8Array, keys: DirectionKeys, state?: ReplayState) {
    this.idContext = idContext;
    this.epoch = epochAt(idContext, 0);
    this.keys = keys;
    this.window = new ReplayWindow(state);
    this.onRecord = state !== undefined;
  }

  [Symbol.dispose](): void {
    this.keys[Symbol.dispose]();
  }
}

/**
 * The contexts that the peer has proved to have, newest epochs first to stay. A full table forgets its oldest, and from
 * then on refuses every context that is not younger: what is forgotten is never accepted again.
 */
export class PeerContexts implements Disposable {
  /** In no order; at most {@link CONTEXTS}. */
  readonly all: PeerContext[] = [];
  #floor: number;

  constructor(floor: number) {
    this.#floor = floor;
  }

  /** Contexts with an epoch below are refused. */
  get floor(): number {
    return this.#floor;
  }

  /** The context whose ID Context stands at `at` in `bytes`. Allocates nothing. */
  find(bytes: Uint8Array, at: number): PeerContext | undefined {
    for (let i = 0; i < this.all.length; i++) {
      if (same(this.all[i]!.idContext, bytes, at)) return this.all[i];
    }
    return undefined;
  }

  /** Throws `replayed` for an unknown context that is too old to tell whether it was known. */
  check(epoch: number): void {
    if (epoch < this.#floor || (this.all.length >= CONTEXTS && epoch <= this.#oldest().epoch)) {
      throw new SeccfError("replayed", "from a context older than those remembered");
    }
  }

  /** Takes in a context that passed {@link check} and whose first message was authentic. */
  add(context: PeerContext): void {
    if (this.all.length >= CONTEXTS) this.raise(this.#oldest().epoch + 1);
    this.all.push(context);
  }

  /** From now on nothing with an epoch below `floor` is accepted, known or not. */
  raise(floor: number): void {
    this.#floor = Math.max(floor, this.#floor);
    for (let i = this.all.length - 1; i >= 0; i--) {
      const context = this.all[i]!;
      if (context.epoch >= this.#floor) continue;
      this.all.splice(i, 1);
      context[Symbol.dispose]();
    }
  }

  /** Of the contexts whose windows tell everything. */
  state(): ContextState[] {
    return this.all.filter(({ onRecord }) => onRecord).map(({ idContext, window }) => ({
      idContext,
      ...window.state(),
    }));
  }

  [Symbol.dispose](): void {
    for (const context of this.all) context[Symbol.dispose]();
    this.all.length = 0;
  }

  #oldest(): PeerContext {
    return this.all.reduce((oldest, context) => context.epoch < oldest.epoch ? context : oldest);
  }
}

function same(idContext: Uint8Array, bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < ID_CONTEXT_LENGTH; i++) if (idContext[i] !== bytes[at + i]) return false;
  return true;
}
