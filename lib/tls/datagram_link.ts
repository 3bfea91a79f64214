/**
 * What a state machine can do to the outside on datagrams: what it says in one go becomes one flight (RFC 6347 4.2.4),
 * each message with a number of its own, and its keys become the record layer's.
 *
 * @module
 */

import { SeccfError } from "../error.ts";
import type { ConnectionIds } from "./connection_ids.ts";
import type { Demand, Resumable, Session } from "./engine.ts";
import { Epochs } from "./epochs.ts";
import type { Flight } from "./flight.ts";
import type { Agreed, HandshakeLink, KeyEpoch, Sequel, TrafficSecret } from "./handshake.ts";
import { frameWhole } from "./handshake/fragment.ts";
import type { Reassembler } from "./handshake/reassembler.ts";
import { DTLS_1_3 } from "./record/content_type.ts";
import type { Epoch } from "./record/datagram_header.ts";
import type { DatagramReader } from "./record/datagram_reader.ts";
import type { DatagramWriter } from "./record/datagram_writer.ts";
import type { Protection } from "./record/protection.ts";
import type { RecordSizes } from "./record_sizes.ts";
import type { SavedSession13 } from "./saved_session13.ts";

/** What it is part of; all of it stays its owner's. */
export interface DatagramLinkOptions {
  readonly role: "client" | "server";
  readonly reader: DatagramReader;
  readonly writer: DatagramWriter;
  readonly flight: Flight;
  readonly reassembler: Reassembler;
  /** message_seq of the first message. */
  readonly messageSeq: number;
  /** The session is to outlive its process. */
  readonly durable: boolean;
  readonly demand: (demand: Demand) => void;
  readonly established: (session: Session, sequel?: Sequel, resumable?: Resumable) => void;
}

/** Of one handshake; in version 1.3 its numbers and keys go on behind it. */
export class DatagramLink implements HandshakeLink {
  readonly #options: DatagramLinkOptions;
  #connectionIds: ConnectionIds | undefined;
  #sendEpoch: Epoch = 0;
  #sendSeq: number;
  /** What is said next belongs to a new flight. */
  #flightIsOver = true;
  #hasSaid = false;
  /** Version 1.3, from its first keys on. */
  #epochs: Epochs | undefined;

  constructor(options: DatagramLinkOptions) {
    this.#options = options;
    this.#sendSeq = options.messageSeq;
  }

  /** The epoch that this side's messages are in. */
  get sendEpoch(): Epoch {
    return this.#sendEpoch;
  }

  /** What was agreed of RFC 9146, from the hellos on. */
  get connectionIds(): ConnectionIds | undefined {
    return this.#connectionIds;
  }

  /** The keys of version 1.3, from the first on; whoever goes on with the session disposes them. */
  get epochs(): Epochs | undefined {
    return this.#epochs;
  }

  /** Whether anything was said since `begin`. */
  get hasSaid(): boolean {
    return this.#hasSaid;
  }

  /** It is this side's turn: what is said now is a flight. */
  begin(): void {
    this.#flightIsOver = true;
    this.#hasSaid = false;
  }

  /** Version 1.3: the handshake was made before, and `keys`, which are this link's from here on, are what comes of it. */
  resume(
    { sent, received, next, nextSent, isNextOpen }: SavedSession13["keys"],
    connectionIds: ConnectionIds | undefined,
  ): void {
    this.agreed({ version: DTLS_1_3, ...(connectionIds && { connectionIds }) });
    const epochs = this.#open();
    epochs.sendUnder(sent.epoch, sent.secret);
    epochs.receiveUnder(received.epoch, received.secret);
    if (next) epochs.receiveUnder(received.epoch + 1, next);
    else if (isNextOpen) epochs.renewReceived();
    this.#sendSeq = nextSent;
    this.#sendEpoch = sent.epoch;
  }

  /** The message_seq that the next message has. */
  get sendSeq(): number {
    return this.#sendSeq;
  }

  /** The message_seq of the next message. Throws `exhausted`. */
  nextSeq(): number {
    if (this.#sendSeq > 0xffff) throw new SeccfError("exhausted", "no message numbers are left");
    return this.#sendSeq++;
  }

  send(type: number, body: Uint8Array): Uint8Array {
    this.#nextFlight();
    const messageSeq = this.nextSeq();
    this.#options.flight.add(this.#sendEpoch, type, messageSeq, body);
    return frameWhole(type, messageSeq, body);
  }

  protectSent(protection: Protection): void {
    const { flight, writer } = this.#options;
    this.#nextFlight();
    flight.addChangeCipherSpec();
    writer.protect(protection, this.#theirId);
    this.#sendEpoch = 1;
  }

  protectReceived(protection: Protection): void {
    const { reader, reassembler } = this.#options;
    reader.protect(protection, this.#ownId);
    // What came in the clear for a place behind the change of keys was never the peer's.
    reassembler.clear();
  }

  sendUnder(epoch: KeyEpoch, secret: TrafficSecret): void {
    this.#open().sendUnder(epoch, secret);
    this.#sendEpoch = epoch;
  }

  receiveUnder(epoch: KeyEpoch, secret: TrafficSecret): void {
    this.#open().receiveUnder(epoch, secret);
    this.#options.reassembler.clear();
  }

  /** On streams alone. */
  compatibilityChange(): void {}

  /** On streams alone: here it always is. */
  skipEarlyData(): void {}

  agreed({ version, connectionIds }: Agreed): void {
    const { reader, writer } = this.#options;
    this.#connectionIds = connectionIds;
    if (version !== DTLS_1_3) return;
    writer.address(this.#theirId);
    reader.expectId(this.#ownId.length > 0);
  }

  limitRecords({ sent, received }: RecordSizes): void {
    this.#options.writer.limit(sent);
    this.#options.reader.limit(received);
  }

  demand(demand: Demand): void {
    this.#options.flight.settle();
    this.#options.demand(demand);
  }

  /** In the clear, where it costs nothing and proves nothing. */
  passOver(): void {}

  established(session: Session, sequel?: Sequel, resumable?: Resumable): void {
    this.#options.established(session, sequel, resumable);
  }

  #nextFlight(): void {
    if (this.#flightIsOver) this.#options.flight.begin();
    this.#flightIsOver = false;
    this.#hasSaid = true;
  }

  #open(): Epochs {
    const { flight, reader, writer, durable } = this.#options;
    flight.track();
    this.#epochs ??= new Epochs(reader, writer, durable);
    return this.#epochs;
  }

  /** What this side receives by. */
  get #ownId(): Uint8Array {
    return this.#connectionIds?.[this.#options.role] ?? NOTHING;
  }

  /** What the peer receives by. */
  get #theirId(): Uint8Array {
    return this.#connectionIds?.[this.#options.role === "client" ? "server" : "client"] ?? NOTHING;
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);
