/**
 * What a handshake's state machine is to the engine around it, and the other way round. Types only.
 *
 * The machines of version 1.3 are the same on streams and datagrams, and this is what they count on:
 *
 * - `message` gets every message of the peer in order, with its body alone being looked at: the transcript of 1.3 has
 *   headers of four bytes everywhere (RFC 9147 5.2), which the machine makes itself from type and body.
 * - A client calls `send(clientHello)`; when ServerHello is there `agreed`, `receiveUnder(2)`, `sendUnder(2)`; when the
 *   server's Finished is there `receiveUnder(3)`, `send(finished)`, `sendUnder(3)`, `established`.
 * - A server calls `send(serverHello)`, `agreed`, `sendUnder(2)`, `receiveUnder(2)`, `send(encryptedExtensions)`,
 *   `send(finished)`, `sendUnder(3)`; and when the client's Finished is there `receiveUnder(3)`, `established`. A
 *   HelloRetryRequest is a `send(serverHello)` before all that, and the link forgets whatever came behind the hello.
 * - A secret that the link was given is the link's: it makes keys of it (tls13/key_schedule.ts `trafficKeys`), takes
 *   it on by KeyUpdate (`nextTrafficSecret`), and disposes it. KeyUpdate and ACK never reach a machine.
 * - On streams `receiveUnder` throws where part of a message waits: none may span a change of keys (RFC 8446 5.1).
 *
 * @module
 */

import type { SeccfError } from "../error.ts";
import type { CipherSuite, SecretBytes } from "../crypto/mod.ts";
import type { ConnectionIds } from "./connection_ids.ts";
import type { Answer, Demand, Resumable, Session } from "./engine.ts";
import type { ClientHello } from "./handshake/client_hello.ts";
import type { HandshakeMessage } from "./handshake/message.ts";
import type { Protection } from "./record/protection.ts";
import type { RecordSizes } from "./record_sizes.ts";

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
  /** Version 1.3: what follows is sent in `epoch`, under keys of `secret`, which the link owns from here. */
  sendUnder(epoch: KeyEpoch, secret: TrafficSecret): void;
  /** Version 1.3: what is received in `epoch` is under keys of `secret`, which the link owns from here. */
  receiveUnder(epoch: KeyEpoch, secret: TrafficSecret): void;
  /** Version 1.3 on streams: a ChangeCipherSpec that means nothing, for middleboxes (RFC 8446 D.4). On datagrams never called. */
  compatibilityChange(): void;
  /**
   * Version 1.3: the client may send data too early, under keys that do not exist here. On streams what no key opens is
   * passed over in bounds, until something opens or another hello comes (RFC 8446 4.2.10); on datagrams it always is.
   */
  skipEarlyData(): void;
  /** Both hellos are there, and with them the version and all else that is agreed. */
  agreed(agreed: Agreed): void;
  /** From here on no record is longer. */
  limitRecords(sizes: RecordSizes): void;
  /** Nothing more is given to the state machine until the answer is there. */
  demand(demand: Demand): void;
  /** A message was passed over: how often that may happen is the link's to limit. */
  passOver(): void;
  /** The state machine's last word: it is disposed of. `resumable` is the link's to hand on. */
  established(session: Session, sequel?: Sequel, resumable?: Resumable): void;
}

/** What of a session goes on when its handshake is over. The link owns it, and disposes it with the connection. */
export interface Sequel extends Disposable {
  /** RFC 5705 4, RFC 8446 7.5: a key for somebody else's use; `length` in bytes. */
  exportKey(label: string, context: Uint8Array | undefined, length: number): SecretBytes;
  /**
   * Version 1.3: a message of the peer in epoch 3 or later that is no KeyUpdate. What it leaves for a later handshake is
   * the link's to hand on. Throws what ends the connection.
   */
  message(message: HandshakeMessage): Resumable | undefined;
}

/** What the record layer has to know of the hellos. */
export interface Agreed {
  /** 0x0303, 0xfefd, 0x0304 or 0xfefc. */
  readonly version: number;
  /** Only on datagrams, and only where both sides know of Connection IDs (RFC 9146 3). */
  readonly connectionIds?: ConnectionIds;
}

/** The epochs of version 1.3 that a handshake opens: 2 for the handshake, 3 for data (RFC 9147 6.1). */
export type KeyEpoch = 2 | 3;

/** What the keys of one direction and epoch come from (RFC 8446 7.3). */
export interface TrafficSecret {
  readonly suite: CipherSuite;
  readonly secret: SecretBytes;
}

/** A client's hello, as it was said last. */
export interface Opening {
  readonly offer: ClientHello;
  /** As the transcript of version 1.2 has it. */
  readonly framed: Uint8Array;
}

/** A client's hello that was answered without keeping anything, by a HelloRetryRequest whose cookie has come back (RFC 8446 4.2.2). */
export interface Retried {
  /** The hash of the first hello, under the hash of `suite`. */
  readonly firstHello: Uint8Array;
  /** HelloRetryRequest's body as it was said. */
  readonly retryRequest: Uint8Array;
  /** IANA cipher suite that it named. */
  readonly suite: number;
  /** The group that it asked for, if any. */
  readonly group: number | undefined;
}
