/** What a handshake's state machine is to the engine around it, and the other way round. Types only. @module */

import type { SeccfError } from "../error.ts";
import type { Answer, Demand, Session } from "./engine.ts";
import type { HandshakeMessage } from "./handshake/message.ts";
import type { Parameters } from "./negotiate.ts";
import type { Protection } from "./record/protection.ts";

/** One side of one handshake. What it throws ends the connection. */
export interface Handshake extends Disposable {
  /** The first move, if this side has it. */
  start(): void;
  /** The peer's next message. */
  message(message: HandshakeMessage): void;
  /** The peer's ChangeCipherSpec, between messages. */
  changeCipherSpec(): void;
  /** Whether the peer's ChangeCipherSpec is what comes next: on datagrams it has no number to tell. */
  readonly awaitsChangeCipherSpec: boolean;
  /** Throws before anything has changed if the answer does not fit (RangeError, `state`); returns what goes on with it. */
  prepare(answer: Answer): () => void;
  /** Why no record of the peer can be right, where that is already certain: the local side of an answer that tells the peer nothing. */
  readonly refusal: SeccfError | undefined;
}

/** What a state machine can do to the outside. */
export interface HandshakeLink {
  /** Sends a message and returns it as the transcript has it. */
  send(type: number, body: Uint8Array): Uint8Array;
  /** Sends ChangeCipherSpec; what follows is under `protection`, which the link owns from here. */
  protectSent(protection: Protection): void;
  /** What is received next is under `protection`, which the link owns from here. */
  protectReceived(protection: Protection): void;
  /** Both hellos are there, and with them the version and all else that is agreed. */
  agreed(parameters: Parameters): void;
  /** Nothing more is given to the state machine until the answer is there. */
  demand(demand: Demand): void;
  /** A message was passed over: how often that may happen is the link's to limit. */
  passOver(): void;
  /** The state machine's last word: it is disposed of. */
  established(session: Session): void;
}
