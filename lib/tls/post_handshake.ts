/**
 * What two ends of version 1.3 still say to each other in handshake messages once their session is there: new keys, other
 * Connection IDs, tickets (RFC 9147 5.8.4, 8, 9). All of it is acknowledged, none of it answered.
 *
 * @module
 */

import { SeccfError } from "../error.ts";
import type { ConnectionIds } from "./connection_ids.ts";
import type { Resumable } from "./engine.ts";
import { RESERVE } from "./durable_session.ts";
import type { Epochs } from "./epochs.ts";
import type { Flight } from "./flight.ts";
import type { Sequel } from "./handshake.ts";
import { IdExchange, type IdSource } from "./id_exchange.ts";
import { encodeRequestConnectionId } from "./handshake/connection_id_update.ts";
import { decodeKeyUpdate, encodeKeyUpdate } from "./handshake/key_update.ts";
import { HANDSHAKE, type HandshakeMessage, unexpected } from "./handshake/message.ts";
import type { Epoch } from "./record/datagram_header.ts";
import type { DatagramReader } from "./record/datagram_reader.ts";
import type { DatagramWriter } from "./record/datagram_writer.ts";
import type { DurableNumbers } from "./record/durable_numbers.ts";
import type { Said, SavedSession13 } from "./saved_session13.ts";

/** What it is part of; all of it stays its owner's. */
export interface PostHandshakeOptions {
  readonly role: "client" | "server";
  readonly reader: DatagramReader;
  readonly writer: DatagramWriter;
  readonly epochs: Epochs;
  /** The client's Finished is in it until the server has acknowledged it. */
  readonly flight: Flight;
  readonly connectionIds: ConnectionIds | undefined;
  readonly ids: IdSource;
  /** Names of the peer's to have beyond the first. A count. */
  readonly spareIds: number;
  readonly sequel: Sequel | undefined;
  /** Takes what a ticket leaves for a later handshake. */
  readonly resumable: (state: Resumable) => void;
  /** Records after which this side changes its key. A count. */
  readonly recordsPerKey: number;
  /** message_seq of the next message. */
  readonly nextSeq: () => number;
  readonly now: number;
  /** Instead of a handshake that is just over: what the session was saved with. */
  readonly saved?: SavedSession13["keys"] | undefined;
}

/** One established session. What it throws ends the association. */
export class PostHandshake {
  readonly #options: PostHandshakeOptions;
  /** From the first word about Connection IDs on: most sessions say none. */
  #exchange: IdExchange | undefined;
  #sendEpoch: Epoch = FIRST_OF_DATA;
  /** This side's KeyUpdate was said, and its new keys are not in use. */
  #isUpdating = false;
  /** It is acknowledged, and the new keys have no numbers yet. */
  #isSwitching = false;
  /** Client: the server has acknowledged its Finished. */
  #isHeard = false;
  /** The peer's epoch in which it was asked for new keys. */
  #askedIn: Epoch = 0;
  #forgetAt: number | undefined;
  /** The peer has new keys, and was not heard under them yet. */
  #isRenewed = false;

  /** The peer was asked for names, and has given none yet. */
  #isAsking = false;

  /** What has to be on record before it is said, or before others count on it. */
  #numbers: DurableNumbers | undefined;
  /** What is said when it is on record. */
  #waiting: Said[] = [];
  /** What the peer asked for, and is given when the new keys are in use. */
  #asked: Uint8Array | undefined;

  constructor(options: PostHandshakeOptions) {
    this.#options = options;
    if (options.saved) {
      this.#resume(options.saved);
      return;
    }
    if (options.role === "client") return;
    // The client has heard the server's flight, and says its own again until it hears of it (RFC 9147 5.8.1).
    options.writer.forget(FIRST_OF_DATA);
    this.#forgetAt = options.now + RETENTION;
  }

  /** The epoch that this side's records are in. */
  get sendEpoch(): Epoch {
    return this.#sendEpoch;
  }

  /** When the peer's earlier epochs are not needed any more, and `expire` is to be called. */
  get forgetAt(): number | undefined {
    return this.#forgetAt;
  }

  /** Whether a KeyUpdate of this side is under way. */
  get isUpdating(): boolean {
    return this.#isUpdating;
  }

  /** What was said, or is about to be, and is not acknowledged. */
  get said(): readonly Said[] {
    return [...this.#options.flight.messagesIn(this.#sendEpoch), ...this.#waiting];
  }

  /** Whether there are record numbers for what is not data. */
  get isAble(): boolean {
    return this.#numbers === undefined || this.#numbers.left >= RESERVE / 2;
  }

  /** The session is to outlive its process: from here on nothing is said before it is on record. */
  endure(numbers: DurableNumbers): void {
    const { flight, writer } = this.#options;
    this.#numbers = numbers;
    if (!this.#options.saved) return;
    if (flight.isKept) numbers.after(() => flight.send(writer, numbers.now, true));
    else if (this.#isUpdating) this.#switch(numbers.now);
  }

  /** The peer's next message. */
  message(message: HandshakeMessage, now: number): void {
    const { type, body } = message;
    if (type === HANDSHAKE.keyUpdate) this.#keyUpdate(decodeKeyUpdate(body).requested, now);
    else if (type === HANDSHAKE.newConnectionId) this.#takeIds(body);
    else if (type === HANDSHAKE.requestConnectionId) this.#giveIds(body, now);
    else this.#sequelMessage(message);
  }

  get #ids(): IdExchange {
    return this.#exchange ??= new IdExchange(this.#options);
  }

  #takeIds(given: Uint8Array): void {
    this.#ids.newConnectionId(given);
    this.#isAsking = false;
  }

  /** Once at a time, and not behind KeyUpdate, which is the last word of its epoch (RFC 9147 8): the next move is time enough. */
  #askForIds(now: number): void {
    const { spareIds, connectionIds, role } = this.#options;
    const isCalled = connectionIds !== undefined && connectionIds[role === "client" ? "server" : "client"].length > 0;
    if (spareIds === 0 || !isCalled || this.#isAsking || this.#isUpdating) return;
    const missing = spareIds - this.#ids.spare;
    if (missing <= 0) return;
    this.#isAsking = true;
    this.#say(HANDSHAKE.requestConnectionId, encodeRequestConnectionId(missing), now);
  }

  #giveIds(request: Uint8Array, now: number): void {
    // RFC 9147 8: KeyUpdate is the last word of its epoch. Who asks and asks is answered once.
    if (this.#isUpdating) this.#asked ??= new Uint8Array(request);
    else this.#say(HANDSHAKE.newConnectionId, this.#ids.requestConnectionId(request), now);
  }

  #sequelMessage(message: HandshakeMessage): void {
    const { sequel, resumable, role } = this.#options;
    // A session that was saved keeps nothing that keys for others could be made of: its tickets are passed over.
    if (!sequel && role === "client" && message.type === HANDSHAKE.newSessionTicket) return;
    if (!sequel) throw unexpected("a handshake message");
    const state = sequel.message(message);
    if (state) resumable(state);
  }

  /** The peer is somewhere else. */
  moved(): void {
    this.#exchange?.useSpare();
  }

  /** This end is somewhere else: whether the peer has another name for that. What was used is asked for again. */
  rename(now: number): boolean {
    const isRenamed = this.#exchange?.useSpare() ?? false;
    this.#askForIds(now);
    return isRenamed;
  }

  /**
   * Something was said or heard: new keys before the old ones are worn out (RFC 9147 4.5.3), and once more what was not
   * acknowledged. Throws `exhausted` where it is too late.
   */
  refresh(now: number): void {
    const { reader, writer, flight, epochs } = this.#options;
    this.#exchange?.refresh();
    if (this.isAble) flight.urge(writer, now);
    if (this.#numbers?.ceilingEpoch === reader.epoch) epochs.forgetEarlier();
    if (this.#isRenewed && reader.heardEpoch === reader.epoch) {
      this.#isRenewed = false;
      this.#forgetAt = now + RETENTION;
    }
    if (reader.wear >= 1) throw new SeccfError("exhausted", "too many records came that the key does not open");
    const asks = reader.wear >= WORN && this.#askedIn !== reader.epoch;
    if (asks || writer.written >= this.#options.recordsPerKey) this.#updateKeys(asks, now);
  }

  /** The peer has all that was said. */
  acknowledged(now: number): void {
    const { role, reader, writer } = this.#options;
    const isFirst = !this.#isHeard;
    this.#isHeard = true;
    if (role === "client" && this.#sendEpoch === FIRST_OF_DATA) {
      // The server has our Finished: epoch 2 has nothing to say any more.
      writer.forget(FIRST_OF_DATA);
      if (this.#forgetAt === undefined) reader.forget(FIRST_OF_DATA);
    }
    // What waits to be on record was not said yet, so nobody can have it.
    if (this.#isUpdating && !this.#isSwitching && this.#waiting.length === 0) this.#switch(now);
    if (isFirst) this.#askForIds(now);
  }

  /** The time has come to say again what the peer does not acknowledge. */
  repeat(now: number): void {
    const { role, flight, writer } = this.#options;
    if (flight.repetitions < MAX_REPETITIONS) {
      if (this.isAble) flight.repeat(writer, now);
      else flight.postpone(now);
      return;
    }
    flight.settle();
    if (role === "server" || this.#isHeard) return;
    throw new SeccfError("timeout", "the server never acknowledged the end of the handshake");
  }

  /** Forgets what it is time for. */
  expire(now: number): void {
    if (this.#forgetAt === undefined || now < this.#forgetAt) return;
    const { reader } = this.#options;
    this.#forgetAt = undefined;
    reader.forget(reader.epoch);
  }

  #keyUpdate(isRequested: boolean, now: number): void {
    const { reader, epochs } = this.#options;
    const epoch = epochs.renewReceived();
    // RFC 9147 8: the peer goes on in the old one until it has our ACK, which may never come to it.
    reader.forget(epoch - 2);
    this.#forgetAt = undefined;
    this.#isRenewed = true;
    if (isRequested) this.#updateKeys(false, now);
  }

  /** RFC 9147 8: the new keys are used when the peer has acknowledged that they come. */
  #updateKeys(requested: boolean, now: number): void {
    const { reader, writer, flight } = this.#options;
    if (this.#isUpdating) {
      // For long nobody was there to hear it: now somebody may be.
      if (flight.isKept && flight.dueAt === undefined && this.isAble) flight.send(writer, now, true);
      return;
    }
    this.#isUpdating = true;
    if (requested) this.#askedIn = reader.epoch;
    this.#say(HANDSHAKE.keyUpdate, encodeKeyUpdate({ requested }), now);
  }

  /** Says a message; where the session is kept, once it is on record that this is the message of its number. */
  #say(type: number, body: Uint8Array, now: number): void {
    const message = { type, messageSeq: this.#options.nextSeq(), body };
    if (!this.#numbers) {
      this.#sayNow([message], now);
      return;
    }
    this.#waiting.push(message);
    this.#numbers.after(() => this.#sayNow(this.#waiting.splice(0), this.#numbers!.now));
  }

  #sayNow(messages: readonly Said[], now: number): void {
    const { flight, writer } = this.#options;
    if (messages.length === 0) return;
    if (!flight.isKept) flight.begin();
    for (const { type, messageSeq, body } of messages) flight.add(this.#sendEpoch, type, messageSeq, body);
    flight.send(writer, now, true);
  }

  /** The peer reads the next epoch: it is this side's as soon as it has numbers there. */
  #switch(now: number): void {
    const { epochs, writer } = this.#options;
    const numbers = this.#numbers;
    if (!numbers) {
      this.#renew(now);
      return;
    }
    this.#isSwitching = true;
    numbers.renew(epochs.sent.epoch + 1, () => {
      this.#renew(numbers.now);
      writer.endure(numbers);
    });
  }

  #renew(now: number): void {
    const { epochs, writer } = this.#options;
    this.#isUpdating = this.#isSwitching = false;
    this.#sendEpoch = epochs.renewSent();
    writer.forget(this.#sendEpoch);
    const asked = this.#asked;
    this.#asked = undefined;
    if (asked) this.#giveIds(asked, now);
  }

  #resume({ sent, received, said, isUpdating, isNextOpen }: SavedSession13["keys"]): void {
    const { reader, writer, flight } = this.#options;
    this.#sendEpoch = sent.epoch;
    this.#isUpdating = isUpdating;
    this.#isRenewed = isNextOpen;
    this.#isHeard = true;
    writer.forget(sent.epoch);
    reader.forget(received.epoch);
    for (const { type, messageSeq, body } of said) flight.add(sent.epoch, type, messageSeq, body);
  }
}

/** RFC 9147 6.1. */
const FIRST_OF_DATA: Epoch = 3;
/** Twice the longest that a datagram lives (RFC 9147 5.8.1, RFC 793 3.3): milliseconds. */
const RETENTION = 240_000;
/** How often what only an ACK answers is said again. A count: some five minutes, two where the path is short. */
const MAX_REPETITIONS = 10;
/** How much of what may fail under one key, which leaves the rest for the change to the next. */
const WORN = 0.5;
