/**
 * What an engine of datagrams has beside its records: the handshake, and what of it goes on. Types, and the one that has
 * nothing more to say.
 *
 * @module
 */

import { SeccfError } from "../error.ts";
import type { Answer, Demand } from "./engine.ts";
import type { Sequel } from "./handshake.ts";
import type { Fragment } from "./handshake/fragment.ts";
import type { Epoch } from "./record/datagram_header.ts";
import type { DatagramRecord } from "./record/datagram_record.ts";

/** What may be said to it, and asked of it, at any time. What it throws ends the association. */
export interface Conversation extends Disposable {
  /** When to call `repeat`; undefined while no answer is awaited. */
  readonly dueAt: number | undefined;
  /** Whether records say their epoch, and messages go on after the handshake: version 1.3. */
  readonly isVersion13: boolean;
  /** The epoch that this side's records are in. */
  readonly sendEpoch: Epoch;
  /** Whether both ends answer return routability checks (RFC 9853), once the session is established. */
  readonly checksPaths: boolean;
  /** What goes on behind the handshake, until the end. */
  readonly sequel: Sequel | undefined;
  /** What is waited for, if it is not the peer. */
  readonly demand: Demand | undefined;
  /** Why no record of the peer can be right, where that is already certain. */
  readonly refusal: SeccfError | undefined;
  /** Why it ends where the time runs out; the cause is no more than likely. */
  readonly lateness: SeccfError;
  /** Who goes on with what may be said from here on: itself, as long as it may have something to say again. */
  goOn(): Conversation;
  /** A fatal alert came in the clear: remembered until there is a session. */
  hear(alert: SeccfError): void;
  /** A record's fragments (RFC 6347 4.2.3: it may hold several). What is none spoils the rest of its record. */
  fragments(record: DatagramRecord, now: number): void;
  /** Version 1.3: ACK (RFC 9147 7.2). */
  acknowledged(record: DatagramRecord, now: number): void;
  /** Version 1.3: the client seems to say data under keys that are not there yet. */
  hurry(now: number): void;
  /** Version 1.3: looks after the keys. Throws `exhausted`. */
  refresh(now: number): void;
  /** Version 1.2. */
  changeCipherSpec(payload: Uint8Array, now: number): void;
  /** Throws before anything has changed if the answer does not fit; returns what goes on with it. */
  prepare(answer: Answer, now: number): () => void;
  /** The timers: does what `now` is the time for. */
  repeat(now: number): void;
  /** After the session's begin: RFC 6347 4.2.4, the peer repeats its Finished, so ours was lost. */
  isRepeatedFinished(fragment: Fragment): boolean;
  /** Says again what the peer has not heard. */
  answerRepetition(now: number): void;
  /** The peer is somewhere else, and has proved it: in version 1.3 it may go by another name there (RFC 9147 9, 11). */
  moved(): void;
  /** This end is somewhere else: whether it calls the peer by another name there. */
  rename(now: number): boolean;
  /** The peer says data: in version 1.2 it has our last flight, or could not have. */
  settle(): void;
}

/** A session of version 1.2 of which nothing has to be said again: all idle ones are that, so it keeps next to nothing. */
export class Settled implements Conversation {
  readonly checksPaths: boolean;
  readonly sequel: Sequel | undefined;

  /** `sequel` is this object's to dispose. */
  constructor(checksPaths: boolean, sequel: Sequel | undefined) {
    this.checksPaths = checksPaths;
    this.sequel = sequel;
  }

  get dueAt(): undefined {
    return undefined;
  }

  get isVersion13(): false {
    return false;
  }

  get sendEpoch(): Epoch {
    return 1;
  }

  get demand(): undefined {
    return undefined;
  }

  get refusal(): undefined {
    return undefined;
  }

  get lateness(): SeccfError {
    return new SeccfError("state", "the handshake is over");
  }

  goOn(): Conversation {
    return this;
  }

  prepare(): never {
    throw new SeccfError("state", "the handshake is over");
  }

  isRepeatedFinished(): boolean {
    return false;
  }

  hear(): void {}
  fragments(): void {}
  acknowledged(): void {}
  hurry(): void {}
  refresh(): void {}
  changeCipherSpec(): void {}
  repeat(): void {}
  answerRepetition(): void {}
  moved(): void {}
  rename(): boolean {
    return false;
  }
  settle(): void {}

  [Symbol.dispose](): void {
    this.sequel?.[Symbol.dispose]();
  }
}

/** Without a key for others: one each for all sessions. */
const SILENT = { true: new Settled(true, undefined), false: new Settled(false, undefined) } as const;

/** What goes on of a session of version 1.2; `sequel` is the caller's no more. */
export function settled(checksPaths: boolean, sequel: Sequel | undefined): Conversation {
  return sequel ? new Settled(checksPaths, sequel) : SILENT[checksPaths ? "true" : "false"];
}
