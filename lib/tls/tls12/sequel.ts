/** What of a session of version 1.2 goes on when its handshake is over: the keys that it makes for others (RFC 5705). @module */

import { concat, Writer } from "../../bytes/mod.ts";
import { type CipherSuite, prf, type SecretBytes, secretSlice } from "../../crypto/mod.ts";
import type { Sequel } from "../handshake.ts";
import { unexpected } from "../handshake/message.ts";
import type { Randoms } from "./key_schedule.ts";

/** Keeps the master secret for as long as the session. */
export class Sequel12 implements Sequel {
  readonly #suite: CipherSuite;
  readonly #master: SecretBytes;
  readonly #randoms: Randoms;

  /** Copies `master`, which was made with the extended master secret (RFC 7627 5.4). */
  constructor(suite: CipherSuite, master: SecretBytes, randoms: Randoms) {
    this.#suite = suite;
    this.#master = secretSlice(master, 0);
    this.#randoms = randoms;
  }

  exportKey(label: string, context: Uint8Array | undefined, length: number): SecretBytes {
    const { client, server } = this.#randoms;
    // RFC 5705 4: an empty context is not the same as none.
    const behind = context ? new Writer().vector16(context).done() : new Uint8Array(0);
    return prf(this.#suite.prf, this.#master, label, concat(client, server, behind), length);
  }

  message(): never {
    throw unexpected("a handshake message");
  }

  [Symbol.dispose](): void {
    this.#master[Symbol.dispose]();
  }
}
