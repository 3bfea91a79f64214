/** What a connection is made of, and what it comes to. Types only. @module */

import type { KeySource, SecurityAssociation } from "../association/ports.ts";
import type { Clock } from "../clock.ts";
import type { Engine, Resumable, Session } from "../tls/engine.ts";
import type { SessionRecord } from "./saved_sessions.ts";
import type { Intake, Wire } from "./wire.ts";

/** What one driver joins: `engine` and `wire` are its own from the start, and it gives both back. */
export interface DriverOptions {
  readonly engine: Engine;
  readonly wire: Wire;
  readonly intake: Intake;
  readonly keys: KeySource;
  readonly clock: Clock;
  readonly keySeconds: number;
  readonly handshakeSeconds: number;
  /** How long a peer that is known by its address alone may say nothing. Default: for as long as the association lives. */
  readonly idleSeconds?: number | undefined;
  /** The engine was given an answer: what stands around it may have outputs. */
  readonly answered?: () => void;
  /** Where the session is kept, if it is. */
  readonly keep?: Keep | undefined;
  /** Client: for engines that may go on with an earlier session, and leave one to go on with. */
  readonly earlier?: Earlier | undefined;
  /** Instead of a handshake: the engine goes on with a session of this association, which is at this place. */
  readonly revived?: (Agreed & { readonly record: SessionRecord }) | undefined;
}

/** Whose sessions an engine goes on with. */
export interface Earlier {
  /** A session that goes on asks for no key: it is this one's. */
  readonly association: SecurityAssociation;
  /** Takes `state`, and owns it from here. */
  keep(state: Resumable): void;
}

/** How a session is kept. */
export interface Keep {
  /** A place for a new session. */
  place(session: Session, association: SecurityAssociation): Promise<SessionRecord>;
  /** What a restore has to know of the wire: `host:port`, or nothing. */
  where(session: Session): string;
  /** The engine had an input: what stands around it may have outputs. */
  granted?(): void;
}

/** How far a handshake came, and with whom. */
export interface Agreed {
  readonly session: Session;
  readonly association: SecurityAssociation;
}
