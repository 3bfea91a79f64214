/** What a server of version 1.2 gives its client to come back with: a ticket (RFC 5077 3.3), or a session id (RFC 5246 7.3). @module */

import type { SecretBytes } from "../../crypto/mod.ts";
import type { ClientHello } from "../handshake/client_hello.ts";
import { HANDSHAKE } from "../handshake/message.ts";
import { encodeSessionTicket } from "../handshake/session_ticket.ts";
import type { Policy } from "../options.ts";
import type { KeyMark } from "../resumption.ts";
import type { Agreement } from "./agreement.ts";

/** Promised in ServerHello, kept when the client has proved itself. */
export class Later implements Disposable {
  readonly #policy: Policy;
  #ticket = false;
  #sessionId: Uint8Array = NOTHING;
  /** Of the pre-shared key. */
  #mark: KeyMark | undefined;

  constructor(policy: Policy) {
    this.#policy = policy;
  }

  /** What ServerHello says of it; nothing where none is given. */
  promise(hello: ClientHello): { readonly sessionId: Uint8Array; readonly ticket: boolean } {
    const { resumption, random } = this.#policy;
    // RFC 7627 5.3 has no way on for a session without its extended master secret: none is begun.
    if (resumption && hello.extendedMasterSecret) {
      this.#ticket = hello.sessionTicket !== undefined;
      this.#sessionId = new Uint8Array(this.#ticket ? 0 : SESSION_ID_LENGTH);
      random(this.#sessionId);
    }
    return { sessionId: this.#sessionId, ticket: this.#ticket };
  }

  /** Notes which key it was, the same work for any; `endsAt`: `undefined` for one of which nothing is to be made. */
  mark(key: SecretBytes, endsAt: number | undefined): void {
    const { resumption, bornAt } = this.#policy;
    this.#mark?.[Symbol.dispose]();
    this.#mark = resumption?.mark(key, endsAt, bornAt);
  }

  /** Sends the ticket, or keeps it here. Of none that was promised, an empty one (RFC 5077 3.3). */
  keep(agreement: Agreement, peer: { readonly identity: Uint8Array; readonly serverName: string | undefined }): void {
    if (!this.#ticket && this.#sessionId.length === 0) return;
    const made = this.#seal(agreement, peer);
    if (this.#ticket) {
      agreement.send(HANDSHAKE.newSessionTicket, encodeSessionTicket(made ?? { lifetime: 0, ticket: NOTHING }));
    } else if (made) {
      this.#policy.resumption?.keep(this.#sessionId, made.ticket);
    }
  }

  /** Wipes what it knows of the key. */
  [Symbol.dispose](): void {
    this.#mark?.[Symbol.dispose]();
    this.#mark = undefined;
  }

  #seal(
    agreement: Agreement,
    peer: { readonly identity: Uint8Array; readonly serverName: string | undefined },
  ): { readonly lifetime: number; readonly ticket: Uint8Array } | undefined {
    const { resumption, transport, bornAt } = this.#policy;
    const { check, expiresAt } = this.#mark ?? {};
    if (!resumption || !check || expiresAt === undefined) return undefined;
    const suite = agreement.parameters.suite.id;
    const session = { ...peer, transport, suite, master: agreement.master, check, expiresAt };
    const ticket = resumption.seal(session, bornAt);
    return ticket && { lifetime: Math.max(Math.floor((expiresAt - bornAt) / 1000), 0), ticket };
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);
/** RFC 5246 7.4.1.2: the most. */
const SESSION_ID_LENGTH = 32;
