/** The key of one connection: who was asked for it, and what came of that. @module */

import type { FoundKey } from "../association/ports.ts";
import type { SecretBytes } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { Demand, Engine } from "../tls/engine.ts";
import type { DriverOptions } from "./driver_options.ts";
import { lookUp, requestOf } from "./key_lookup.ts";

/** One question at a time. */
export class Inquiry {
  readonly #options: Pick<DriverOptions, "keys" | "clock" | "keySeconds">;
  /** Ends the lookup when the connection ends first. */
  #lookup: AbortController | undefined;
  #identity: Uint8Array | undefined;
  #found: FoundKey | undefined;
  #refusal: unknown;

  constructor(options: Pick<DriverOptions, "keys" | "clock" | "keySeconds">) {
    this.#options = options;
  }

  /** Whether the engine waits for an answer that the key source has to give. */
  get isOpen(): boolean {
    return this.#lookup !== undefined;
  }

  /** The identity that the peer showed, authenticated or not. */
  get identity(): Uint8Array | undefined {
    return this.#identity;
  }

  /** What the source found; the key in it is for whoever asked to dispose. */
  get found(): FoundKey | undefined {
    return this.#found;
  }

  /** Why the handshake must fail, known before the engine knows: the key source's own word. */
  get refusal(): unknown {
    return this.#refusal;
  }

  /** Asks for what the engine demands; the caller disposes the key. Never rejects. */
  async ask(demand: Demand): Promise<SecretBytes | undefined> {
    const { keys, clock, keySeconds: seconds } = this.#options;
    const request = requestOf(demand);
    this.#identity = request.identity;
    this.#lookup = new AbortController();
    // A session that can not go on leads to another question: what was answered to the first is over.
    this.#found = undefined;
    this.#refusal = undefined;
    try {
      this.#found = await lookUp(keys, request, { clock, seconds, signal: this.#lookup.signal });
    } catch (error) {
      this.#refusal = error;
    }
    return this.#found?.key;
  }

  /**
   * Whether the engine gets no answer. Not refused but out of turn: no word to a peer whose key may be right. And a source
   * that fails before the first word of version 1.3 is not asked once more for the key of 1.2.
   */
  isUnanswered(demand: Demand): boolean {
    if (this.#refusal instanceof SeccfError && this.#refusal.code === "exhausted") return true;
    return this.#refusal !== undefined && isBeforeHello(demand);
  }

  /** Gives `engine` what was found; where that is nothing, or does not fit, it hears that there is none. */
  answer(demand: Demand, engine: Engine): void {
    const { clock } = this.#options;
    this.#lookup = undefined;
    if (this.#found) {
      const { identity, key, association: { expiresAt } } = this.#found;
      try {
        engine.answer(demand, { kind: "psk", identity, key, expiresAt }, clock.now());
        return;
      } catch (cause) {
        this.#refusal = new SeccfError("key-unavailable", "the key source gave a key that does not fit", { cause });
      }
    }
    engine.answer(demand, { kind: "unknown" }, clock.now());
  }

  /** Nobody needs the answer any more. */
  abort(reason: unknown): void {
    this.#lookup?.abort(reason);
  }

  /** The session is there: of what was found nothing is used any more. */
  forget(): void {
    this.#found = undefined;
  }
}

/** Whether a client is asked before it has said anything: for version 1.3, whose suites are 13xx (RFC 8446 B.4). */
function isBeforeHello({ identity, suite }: Demand): boolean {
  return identity === undefined && suite >> 8 === 0x13;
}
