/** How an engine of datagrams begins, and who hears what becomes of it. Types only. @module */

import type { DatagramPolicy } from "./dtls_options.ts";
import type { Engine, Session } from "./engine.ts";
import type { Handshake, HandshakeLink } from "./handshake.ts";
import type { Policy } from "./options.ts";
import type { AnySavedSession } from "./saved_session.ts";

/** How an engine begins. */
export interface Birth {
  readonly role: "client" | "server";
  readonly policy: Policy;
  readonly datagrams: DatagramPolicy;
  readonly now: number;
  readonly start: (link: HandshakeLink, policy: Policy) => Handshake;
  /** A server goes on where its client is, since nothing was kept of what came before: message_seq and record number. */
  readonly first?: { readonly messageSeq: number; readonly recordNumber: number };
  readonly watcher?: Watcher;
  /** Instead of a handshake: an established session, whose keys are the engine's from here on. */
  readonly saved?: AnySavedSession;
}

/** Who has to know what becomes of an engine: the acceptor. */
export interface Watcher {
  established(engine: Engine, session: Session): void;
  /** For good, also by disposal. */
  ended(engine: Engine): void;
  /** The peer answered a return routability check (RFC 9853); what it brought back, 8 bytes. */
  pathAnswered(engine: Engine, cookie: Uint8Array): void;
  /** At most `count` other Connection IDs by which the engine is found from here on (RFC 9147 9). */
  issueIds(engine: Engine, count: number): readonly Uint8Array[];
  /** The engine is not found by `id` any more, which {@link issueIds} gave or it had from the beginning. */
  withdrawId(engine: Engine, id: Uint8Array): void;
  /** Record numbers came, which may have been missed before. */
  granted(engine: Engine, now: number): void;
}
