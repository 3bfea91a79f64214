/** What of a session of version 1.3 goes on when its handshake is over. @module */

import type { SecretBytes } from "../../crypto/mod.ts";
import { SeccfError } from "../../error.ts";
import type { Resumable } from "../engine.ts";
import type { Sequel } from "../handshake.ts";
import { HANDSHAKE, type HandshakeMessage, unexpected } from "../handshake/message.ts";
import { decodeNewSessionTicket } from "../handshake/new_session_ticket.ts";
import { MAX_TICKET } from "../limits.ts";
import { exportedKey, resumptionKey, type Schedule } from "./key_schedule.ts";
import { type Remembered13, Resumable13 } from "./resumable.ts";

/** What a client needs to keep tickets. */
export interface TicketTaker extends Omit<Remembered13, "ageAdd" | "ticket" | "key"> {
  /** resumption_master_secret; the sequel's from its construction on. */
  readonly resumption: SecretBytes;
}

/** Makes keys for others, and takes what the peer says after the handshake. */
export class Sequel13 implements Sequel {
  readonly #schedule: Schedule;
  readonly #exporter: SecretBytes | undefined;
  readonly #side: "client" | "server";
  readonly #taker: TicketTaker | undefined;

  /** Secrets are this object's from here. Without `exporter` no keys are made for others, without `taker` tickets are passed over. */
  constructor(
    schedule: Schedule,
    side: "client" | "server",
    { exporter, taker }: { readonly exporter: SecretBytes | undefined; readonly taker: TicketTaker | undefined },
  ) {
    this.#schedule = schedule;
    this.#exporter = exporter;
    this.#side = side;
    this.#taker = taker;
  }

  exportKey(label: string, context: Uint8Array | undefined, length: number): SecretBytes {
    if (!this.#exporter) throw new SeccfError("state", "nothing was kept that keys could be made of");
    // RFC 8446 7.5: none is the same as an empty one.
    return exportedKey(this.#schedule, this.#exporter, { label, context: context ?? new Uint8Array(0), length });
  }

  message({ type, body }: HandshakeMessage): Resumable | undefined {
    // A client that said post_handshake_auth could be asked for a certificate; nobody here says so.
    if (this.#side !== "client" || type !== HANDSHAKE.newSessionTicket) throw unexpected("a handshake message");
    const { lifetime, ageAdd, nonce, ticket } = decodeNewSessionTicket(body);
    // What goes into a hello later has to leave it one that servers take.
    if (!this.#taker || lifetime === 0 || ticket.length > MAX_TICKET) return undefined;
    const { resumption, madeAt, ...session } = this.#taker;
    using key = resumptionKey(this.#schedule, resumption, nonce);
    const expiresAt = Math.min(session.expiresAt, madeAt + 1000 * lifetime);
    return new Resumable13({ ...session, expiresAt, madeAt, ageAdd, ticket, key });
  }

  [Symbol.dispose](): void {
    this.#exporter?.[Symbol.dispose]();
    this.#taker?.resumption[Symbol.dispose]();
  }
}
