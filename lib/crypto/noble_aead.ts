/** An AEAD of noble's behind the same face as the runtime's. @module */

import type { RawAead } from "./aead.ts";

type Construct = (key: Uint8Array, nonce: Uint8Array, aad: Uint8Array) => {
  encrypt(plaintext: Uint8Array): Uint8Array;
  decrypt(ciphertext: Uint8Array): Uint8Array;
};

/** One noble cipher a record: it takes its nonce when it is made. */
export class NobleAead implements RawAead {
  readonly longest: number = Number.MAX_SAFE_INTEGER;
  readonly #construct: Construct;
  readonly #key: Uint8Array;

  constructor(construct: Construct, key: Uint8Array) {
    this.#construct = construct;
    this.#key = new Uint8Array(key);
  }

  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array): void {
    out.set(this.#construct(this.#key, nonce, aad).encrypt(plaintext));
  }

  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out: Uint8Array): boolean {
    let plaintext: Uint8Array;
    try {
      plaintext = this.#construct(this.#key, nonce, aad).decrypt(sealed);
    } catch {
      // Lengths were checked before: noble throws for nothing but the tag.
      return false;
    }
    out.set(plaintext);
    plaintext.fill(0);
    return true;
  }

  dispose(): void {
    this.#key.fill(0);
  }
}
