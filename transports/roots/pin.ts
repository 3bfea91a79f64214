/** The PIN of a token, or the authorization value of a key: asked for when it is needed, and never tried twice when it was wrong. @module */

import { type SecretBytes, secretEqual, secretSlice } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import type { Wait } from "../../lib/platform.ts";

/** Gets the PIN from where it is: a person, a file, a keyring. Called for each derivation; the module disposes what it returns. */
export type AskPin = (options: Wait) => Promise<SecretBytes>;

/**
 * Remembers the PIN that the token refused. A program that connects again and again would otherwise use up every try
 * within a second, and block a token that its owner has to unblock by hand.
 */
// req: SEC_CF-AUTH-006
export class PinGate implements Disposable {
  readonly #ask: AskPin | undefined;
  #refused: SecretBytes | undefined;

  constructor(ask: AskPin | undefined) {
    this.#ask = ask;
  }

  /** The caller's to dispose. Throws `pin-required` when nobody can be asked, or when it is the one that was refused. */
  async get(options: Wait): Promise<SecretBytes> {
    if (!this.#ask) throw new SeccfError("pin-required", "the token asks for a PIN, and none was given");
    const pin = await this.#ask(options);
    if (this.#refused && secretEqual(this.#refused, pin)) {
      pin[Symbol.dispose]();
      throw new SeccfError("pin-required", "the token has refused this PIN before: it is not tried again");
    }
    return pin;
  }

  /** Keeps a copy of what the token refused. */
  refuse(pin: SecretBytes): void {
    this.#refused?.[Symbol.dispose]();
    this.#refused = secretSlice(pin, 0);
  }

  [Symbol.dispose](): void {
    this.#refused?.[Symbol.dispose]();
    this.#refused = undefined;
  }
}
