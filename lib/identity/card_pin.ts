/** The application PIN of the soft USIM: tries counted down before the comparison, so that no power cut gives one back. @module */

import { type SecretBytes, secretConcat, secretEqual } from "../crypto/mod.ts";
import { SW } from "./status.ts";

/** Tries that a right PIN restores (TS 102 221 9.5.1). */
export const PIN_TRIES = 3;

/** One PIN, kept as the 8 bytes that VERIFY carries. */
export class CardPin implements Disposable {
  readonly #value: SecretBytes | undefined;
  #tries: number;
  #verified = false;

  /** Without `value` the PIN is disabled. `value` is 4 to 8 digits in ASCII, else RangeError. */
  constructor(value: SecretBytes | undefined, tries: number) {
    if (value) {
      if (value.byteLength < 4 || value.byteLength > 8) throw new RangeError("a PIN is 4 to 8 digits");
      this.#value = secretConcat(value, new Uint8Array(8 - value.byteLength).fill(0xff));
    }
    if (!Number.isInteger(tries) || tries < 0 || tries > PIN_TRIES) throw new RangeError(`0 to ${PIN_TRIES} tries`);
    this.#tries = tries;
  }

  get tries(): number {
    return this.#tries;
  }

  /** Whether files and functions behind the PIN are open. */
  get open(): boolean {
    return this.#value === undefined || this.#verified;
  }

  /** After a reset of the card the PIN must be verified again. */
  reset(): void {
    this.#verified = false;
  }

  /** The answer to VERIFY without data. */
  status(): number {
    if (this.open) return SW.ok;
    return this.#tries === 0 ? SW.pinBlocked : 0x63c0 | this.#tries;
  }

  /** The answer to VERIFY with the 8 bytes of `block`. `save` stores the state; false: it could not. */
  async verify(block: Uint8Array, save: () => Promise<boolean>): Promise<number> {
    if (this.#value === undefined) return SW.conditionsOfUse;
    if (this.#tries === 0) return SW.pinBlocked;
    this.#tries--;
    this.#verified = false;
    if (!await save()) return SW.memoryProblem;
    if (!secretEqual(this.#value, block)) return 0x63c0 | this.#tries;
    this.#tries = PIN_TRIES;
    this.#verified = true;
    return await save() ? SW.ok : SW.memoryProblem;
  }

  [Symbol.dispose](): void {
    this.#value?.[Symbol.dispose]();
  }
}
