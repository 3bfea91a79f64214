/** A client's half of a session of version 1.2 that it may go on with (RFC 5077 3.4, RFC 5246 7.3). @module */

import { type SecretBytes, secretSlice } from "../../crypto/mod.ts";
import type { Resumable } from "../engine.ts";

/** What a client remembers. */
export interface Remembered {
  /** 0x0303 or 0xfefd. */
  readonly version: number;
  readonly suite: number;
  readonly identity: Uint8Array;
  readonly serverName: string | undefined;
  readonly expiresAt: number;
  /** 48 bytes, made with the extended master secret of RFC 7627. */
  readonly master: SecretBytes;
  /** Of the server's that gives no tickets, 1 to 32 bytes. */
  readonly sessionId?: Uint8Array;
  /** At least a byte. */
  readonly ticket?: Uint8Array;
}

/** One that was made here: nothing else is one. */
export class ResumableSession implements Resumable {
  readonly version: number;
  readonly suite: number;
  readonly identity: Uint8Array;
  readonly serverName: string | undefined;
  readonly expiresAt: number;
  readonly sessionId: Uint8Array | undefined;
  readonly ticket: Uint8Array | undefined;
  readonly #master: SecretBytes;

  /** Copies. */
  constructor({ master, ...rest }: Remembered) {
    this.version = rest.version;
    this.suite = rest.suite;
    this.identity = new Uint8Array(rest.identity);
    this.serverName = rest.serverName;
    this.expiresAt = rest.expiresAt;
    this.sessionId = rest.sessionId && new Uint8Array(rest.sessionId);
    this.ticket = rest.ticket && new Uint8Array(rest.ticket);
    this.#master = secretSlice(master, 0);
  }

  /** 48 bytes, this object's. */
  get master(): SecretBytes {
    return this.#master;
  }

  /** The same once more, for an owner of its own. Throws `state` after disposal. */
  copy(): ResumableSession {
    const { version, suite, identity, serverName, expiresAt, sessionId, ticket } = this;
    return new ResumableSession({
      ...{ version, suite, identity, serverName, expiresAt, master: this.#master },
      ...(sessionId && { sessionId }),
      ...(ticket && { ticket }),
    });
  }

  /** Wipes the secret. */
  [Symbol.dispose](): void {
    this.#master[Symbol.dispose]();
  }
}
