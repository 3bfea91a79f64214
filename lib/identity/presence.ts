/**
 * The user before the client (SEC_CF-AUTH-006): an identity module whose keys can be used only after a PIN, and only when the
 * one who is there agrees.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import type { SecretBytes } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { Wait } from "../platform.ts";
import type { AkaModule, AkaOutcome, IdentityModule, ProvisionedModule } from "./ports.ts";
import type { PresencePin } from "./presence_pin.ts";

/** What a user is asked about: an answer to a challenge, a key of a bootstrapping, a key from a provisioned one. */
export type GuardedOperation = "answer" | "derive" | "provisioned";

/** What {@link withUserPresence} takes: a PIN, a question, or both. */
export interface PresenceOptions {
  /** Every window is counted on its monotonic time. */
  readonly clock: Clock;
  /** Until it was verified no key can be used. A card's own PIN is given to the card instead. */
  readonly pin?: PresencePin;
  /** How long a PIN opens the module. Default 300. */
  readonly unlockSeconds?: number;
  /** Whether the user, who is there, agrees. One question at a time. What it throws ends the operation. */
  readonly ask?: (
    question: {
      readonly operation: GuardedOperation;
      /** The NAF_Id, or the label of a provisioned key's use: whom it is for. */
      readonly subject?: Uint8Array;
    },
    options?: Wait,
  ) => Promise<boolean>;
  /** How long one consent is good for operations of its kind. Default 0: each is asked for. `Infinity`: until it is locked. */
  readonly consentSeconds?: Partial<Record<GuardedOperation, number>>;
}

/** A module that is locked and opened. Its names can be read at any time, its keys not be used while it is locked. */
export interface GuardedIdentity extends IdentityModule {
  /** Whether the PIN is to be verified before a key can be used. */
  readonly locked: boolean;
  /** Verifies the PIN, which stays the caller's. Throws as `PresencePin.verify` does; without a PIN it does nothing. */
  unlock(pin: SecretBytes, options?: Wait): Promise<void>;
  /** Locks it, and forgets what the user agreed to. What is under way ends without a key. */
  lock(): void;
}

/**
 * A gate before `module`, which from here on is its to dispose. Operations throw `pin-required` while it is locked, and
 * `identity-unavailable` when the user does not agree. TypeError without a PIN and a question.
 */
// req: SEC_CF-AUTH-006
export function withUserPresence(module: IdentityModule, options: PresenceOptions): GuardedIdentity {
  if (!options.pin && !options.ask) throw new TypeError("a gate asks for a PIN, for consent, or for both");
  return new Guarded(module, new Gate(options));
}

class Guarded implements GuardedIdentity {
  readonly aka?: AkaModule;
  readonly provisioned?: ProvisionedModule;
  readonly #module: IdentityModule;
  readonly #gate: Gate;

  constructor(module: IdentityModule, gate: Gate) {
    this.#module = module;
    this.#gate = gate;
    if (module.aka) this.aka = guardedAka(module.aka, gate);
    if (module.provisioned) this.provisioned = guardedProvisioned(module.provisioned, gate);
  }

  get locked(): boolean {
    return this.#gate.locked;
  }

  unlock(pin: SecretBytes, options: Wait = {}): Promise<void> {
    return this.#gate.unlock(pin, options);
  }

  lock(): void {
    this.#gate.lock();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#gate.close();
    await this.#module[Symbol.asyncDispose]();
  }
}

function guardedAka(aka: AkaModule, gate: Gate): AkaModule {
  return {
    get impi() {
      return aka.impi;
    },
    answer: (challenge, wait = {}) =>
      gate.pass({ operation: "answer" }, wait, () => aka.answer(challenge, wait), disposeOutcome),
    // It only keeps what the user's consent to an answer made.
    keep: (bootstrap, wait = {}) => gate.pass(undefined, wait, () => aka.keep(bootstrap, wait), () => undefined),
    derive: (naf, wait = {}) => {
      const subject = naf.nafId.slice();
      return gate.pass({ operation: "derive", subject }, wait, () => aka.derive(naf, wait), disposeSecret);
    },
  };
}

function guardedProvisioned(keys: ProvisionedModule, gate: Gate): ProvisionedModule {
  return {
    get identities() {
      return keys.identities;
    },
    derive: (identity, label, wait = {}) => {
      const question = { operation: "provisioned" as const, subject: label.slice() };
      return gate.pass(question, wait, () => keys.derive(identity, label, wait), disposeSecret);
    },
  };
}

type Question = Parameters<NonNullable<PresenceOptions["ask"]>>[0];

class Gate {
  readonly #options: PresenceOptions;
  /** When the PIN has to be verified again. */
  #openUntil: number;
  /** Counted up by each lock: who passed before it gets nothing after it. */
  #locks = 0;
  #closed = false;
  readonly #consent = new Map<GuardedOperation, number>();
  #lastQuestion: Promise<unknown> = Promise.resolve();

  constructor(options: PresenceOptions) {
    this.#options = options;
    this.#openUntil = options.pin ? -Infinity : Infinity;
  }

  get locked(): boolean {
    return this.#options.clock.now() >= this.#openUntil;
  }

  async unlock(pin: SecretBytes, wait: Wait): Promise<void> {
    const { pin: known, clock, unlockSeconds = 300 } = this.#options;
    this.#requireOpen(true);
    const locks = this.#locks;
    await known?.verify(pin, wait);
    // Locked meanwhile: the later word counts.
    if (known && locks === this.#locks) this.#openUntil = clock.now() + unlockSeconds * 1000;
  }

  lock(): void {
    this.#locks++;
    this.#consent.clear();
    if (this.#options.pin) this.#openUntil = -Infinity;
  }

  close(): void {
    this.lock();
    this.#closed = true;
  }

  /** Runs `operation` behind the PIN and the question; `undo` is for an outcome that came when the gate was locked again. */
  async pass<T>(
    question: Question | undefined,
    wait: Wait,
    operation: () => Promise<T>,
    undo: (outcome: T) => void,
  ): Promise<T> {
    this.#requireOpen();
    const locks = this.#locks;
    if (question) await this.#requireConsent(question, wait);
    this.#requireOpen();
    if (locks !== this.#locks) throw locked();
    const outcome = await operation();
    if (locks === this.#locks) return outcome;
    undo(outcome);
    throw locked();
  }

  #requireOpen(forPin = false): void {
    if (this.#closed) throw new SeccfError("closed", "the identity module was disposed");
    if (!forPin && this.locked) throw locked();
  }

  async #requireConsent(question: Question, wait: Wait): Promise<void> {
    const { ask, clock, consentSeconds = {} } = this.#options;
    if (!ask) return;
    const { operation } = question;
    const locks = this.#locks;
    const mine = this.#lastQuestion.then(async () => {
      wait.signal?.throwIfAborted();
      if (locks !== this.#locks) throw locked();
      if (clock.now() < (this.#consent.get(operation) ?? -Infinity)) return;
      if (!await ask(question, wait)) throw new SeccfError("identity-unavailable", "the user does not agree");
      const seconds = consentSeconds[operation] ?? 0;
      if (seconds > 0 && locks === this.#locks) this.#consent.set(operation, clock.now() + seconds * 1000);
    });
    this.#lastQuestion = mine.catch(() => undefined);
    await mine;
  }
}

function locked(): SeccfError {
  return new SeccfError("pin-required", "the identity module is locked");
}

function disposeSecret(secret: SecretBytes): void {
  secret[Symbol.dispose]();
}

function disposeOutcome(outcome: AkaOutcome): void {
  if (outcome.kind === "answered") disposeSecret(outcome.password);
}
