/** A card that comes and goes, as one identity module: opened again when it is back, empty of what the last one had bootstrapped. @module */

import { equal } from "../bytes/mod.ts";
import { type SecretBytes, secretSlice } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { Wait } from "../platform.ts";
import type { AkaModule, ApduChannel } from "./ports.ts";
import { type CardIdentity, usimIdentity, type UsimOptions } from "./usim.ts";
import { UsimCard } from "./usim_card.ts";

/** What {@link reopeningIdentity} takes. */
export type ReopeningOptions = UsimOptions & {
  /** A fresh channel to the card, if it is there. Throws `identity-unavailable` or `unreachable`. */
  readonly connect: (options?: Wait) => Promise<ApduChannel>;
};

/**
 * The card behind `connect`, opened now; throws as {@link usimIdentity} does. An operation that finds the card gone
 * throws `identity-unavailable`, and the next one looks for it again. What was bootstrapped goes with the card. The
 * PIN, kept as a copy until disposed, is presented again to the same card only: one with another EF_ICCID or, where it
 * is open, another private identity is `identity-unavailable`. A card made to lie about both gets the PIN.
 */
export async function reopeningIdentity(options: ReopeningOptions): Promise<CardIdentity> {
  const { connect, pin, ...rest } = options;
  const held = pin && secretSlice(pin, 0);
  // The signal is of this call, not of those that come.
  const { signal: _signal, ...lasting } = rest as UsimOptions;
  const slot = new Slot(connect, held ? { ...lasting, pin: held } : lasting as UsimOptions);
  try {
    const { application, keyManager, aka: { impi } } = await slot.card(options);
    return {
      application,
      keyManager,
      aka: new ReopeningAka(impi, slot),
      [Symbol.asyncDispose]: () => slot[Symbol.asyncDispose](),
    };
  } catch (error) {
    await slot[Symbol.asyncDispose]();
    throw error;
  }
}

/** Where the card is put: holds the one that is open, if there is one. */
class Slot implements AsyncDisposable {
  readonly #connect: ReopeningOptions["connect"];
  #options: UsimOptions;
  #open: Promise<CardIdentity> | undefined;
  #known: { readonly iccid: Uint8Array | undefined; impi?: string } | undefined;
  #closed = false;

  constructor(connect: ReopeningOptions["connect"], options: UsimOptions) {
    this.#connect = connect;
    this.#options = options;
  }

  /** The card, opened if it is not. */
  async card(wait: Wait): Promise<CardIdentity> {
    if (this.#closed) throw new SeccfError("closed", "the identity module was disposed");
    const open = this.#open ??= this.#reopen(wait);
    try {
      return await open;
    } catch (error) {
      if (this.#open === open) this.#open = undefined;
      throw error;
    }
  }

  /** Lets go of `card`, which is out of reach. */
  async lost(card: CardIdentity): Promise<void> {
    const open = this.#open;
    if (open && await open.catch(() => undefined) === card && this.#open === open) this.#open = undefined;
    await card[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const card = await this.#open?.catch(() => undefined);
    await card?.[Symbol.asyncDispose]();
    this.#options.pin?.[Symbol.dispose]();
  }

  async #reopen(wait: Wait): Promise<CardIdentity> {
    const channel = await this.#connect(wait);
    try {
      const iccid = await new UsimCard(channel).iccid(wait);
      if (this.#known && !same(this.#known.iccid, iccid)) throw anotherCard();
      this.#known ??= { iccid };
    } catch (error) {
      await channel[Symbol.asyncDispose]();
      throw error;
    }
    const card = await this.#present(channel, wait);
    this.#known.impi ??= card.aka.impi;
    if (this.#known.impi === card.aka.impi) return card;
    await card[Symbol.asyncDispose]();
    throw anotherCard();
  }

  /** A PIN that was wrong once is forgotten: presenting it again at each operation would block the card. */
  async #present(channel: ApduChannel, wait: Wait): Promise<CardIdentity> {
    try {
      return await usimIdentity(channel, { ...this.#options, ...wait });
    } catch (error) {
      const { pin, ...without } = this.#options;
      if (pin && error instanceof SeccfError && (error.code === "pin-required" || error.code === "pin-blocked")) {
        pin[Symbol.dispose]();
        this.#options = without as UsimOptions;
      }
      throw error;
    }
  }
}

class ReopeningAka implements AkaModule {
  readonly impi: string;
  readonly #slot: Slot;

  constructor(impi: string, slot: Slot) {
    this.impi = impi;
    this.#slot = slot;
  }

  answer(...[challenge, wait = {}]: Parameters<AkaModule["answer"]>): ReturnType<AkaModule["answer"]> {
    return this.#with(wait, (aka) => aka.answer(challenge, wait));
  }

  keep(...[bootstrap, wait = {}]: Parameters<AkaModule["keep"]>): Promise<void> {
    return this.#with(wait, (aka) => aka.keep(bootstrap, wait));
  }

  derive(...[naf, wait = {}]: Parameters<AkaModule["derive"]>): Promise<SecretBytes> {
    return this.#with(wait, (aka) => aka.derive(naf, wait));
  }

  /** Never tried twice: what a card had done before it went is not known, and a challenge must not be answered twice. */
  async #with<T>(wait: Wait, operation: (aka: AkaModule) => Promise<T>): Promise<T> {
    const card = await this.#slot.card(wait);
    try {
      return await operation(card.aka);
    } catch (error) {
      if (error instanceof SeccfError && GONE.includes(error.code)) await this.#slot.lost(card);
      throw error;
    }
  }
}

function same(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equal(a, b);
}

function anotherCard(): SeccfError {
  return new SeccfError("identity-unavailable", "another card was put in place of the one that was opened");
}

/** After these the channel is of no use. */
const GONE: readonly string[] = ["identity-unavailable", "unreachable", "closed", "timeout"];
