/** The running hash over all handshake messages (RFC 5246 7.4.9, RFC 7627 3). @module */

import { SeccfError } from "../error.ts";
import { concat } from "../bytes/mod.ts";
import { createHasher, type Hasher, type HashName } from "../crypto/mod.ts";

/** Keeps what comes before the hash function is agreed, then hashes. */
export class Transcript {
  #early: Uint8Array | undefined = new Uint8Array(0);
  #hasher: Hasher | undefined;

  /** Adds one message with its header. */
  add(framed: Uint8Array): void {
    if (this.#hasher) this.#hasher.update(framed);
    else this.#early = concat(this.#early ?? new Uint8Array(0), framed);
  }

  /** The suite is chosen, and with it the hash. */
  start(hash: HashName): void {
    if (this.#early === undefined) throw new SeccfError("state", "the transcript has its hash");
    this.#hasher = createHasher(hash).update(this.#early);
    this.#early = undefined;
  }

  /** The hash of all that was added so far. */
  digest(): Uint8Array {
    if (!this.#hasher) throw new SeccfError("state", "the transcript has no hash yet");
    return this.#hasher.clone().digest();
  }
}
