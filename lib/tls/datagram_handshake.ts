/**
 * A handshake on datagrams: between the state machine, which knows nothing of loss, and the record layer, which knows
 * nothing else. Reassembles what comes, keeps what goes, and says it again (RFC 6347 4.2, RFC 9147 5.8, 7).
 *
 * @module
 */

import { Reader } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";
import { Acknowledgements } from "./acknowledgements.ts";
import type { Answer, Demand, Resumable, Session } from "./engine.ts";
import { Epochs } from "./epochs.ts";
import { Flight } from "./flight.ts";
import type { Handshake, HandshakeLink, Sequel } from "./handshake.ts";
import { type Fragment, frameWhole, readFragment } from "./handshake/fragment.ts";
import { HANDSHAKE, unexpected } from "./handshake/message.ts";
import { Reassembler } from "./handshake/reassembler.ts";
import { PostHandshake } from "./post_handshake.ts";
import type { ConnectionIds } from "./connection_ids.ts";
import { decodeAck } from "./record/ack.ts";
import { CONTENT, DTLS_1_3 } from "./record/content_type.ts";
import type { Epoch } from "./record/datagram_header.ts";
import type { DatagramReader, DatagramRecord } from "./record/datagram_reader.ts";
import type { DatagramWriter } from "./record/datagram_writer.ts";

/** What a handshake is part of. */
export interface DatagramHandshakeOptions {
  readonly role: "client" | "server";
  readonly reader: DatagramReader;
  readonly writer: DatagramWriter;
  /** Milliseconds until a flight is said again, the first time. */
  readonly retransmit: number;
  /** message_seq of the first message of either side. */
  readonly messageSeq: number;
  /** Version 1.3: records after which this side changes its key. A count. */
  readonly recordsPerKey: number;
  readonly demand: (demand: Demand) => void;
  readonly established: (session: Session, resumable?: Resumable) => void;
}

/** One side. It outlives its end: the last flight may have to be said again. What it throws ends the association. */
export class DatagramHandshake implements Disposable {
  readonly #options: DatagramHandshakeOptions;
  readonly #reassembler: Reassembler;
  readonly #flight: Flight;
  /** Until the session is established. */
  #machine: Handshake | undefined;
  #demand: Demand | undefined;
  #connectionIds: ConnectionIds | undefined;
  #sendEpoch: Epoch = 0;
  #sendSeq: number;
  /** What is said next belongs to a new flight. */
  #flightIsOver = true;
  #hasSaid = false;
  /** The peer's ChangeCipherSpec came, perhaps before its turn. */
  #changeCame = false;
  #now = 0;
  #doubt: SeccfError | undefined;
  /** Version 1.3, from its first keys on. */
  #epochs: Epochs | undefined;
  readonly #acks: Acknowledgements;
  #mayHurryAt = -Infinity;
  /** The same, once the session is established. */
  #afterwards: PostHandshake | undefined;
  /** Once the session is established. */
  #sequel: Sequel | undefined;

  /** `begin` makes the state machine. */
  constructor(options: DatagramHandshakeOptions, begin: (link: HandshakeLink) => Handshake) {
    this.#options = options;
    this.#reassembler = new Reassembler(options.messageSeq);
    this.#flight = new Flight(options.retransmit);
    this.#acks = new Acknowledgements(options.retransmit / 4);
    this.#sendSeq = options.messageSeq;
    this.#machine = begin(this.#link());
  }

  /** When to call `repeat`; undefined while no answer is awaited. */
  get dueAt(): number | undefined {
    return earlier(earlier(this.#flight.dueAt, this.#acks.dueAt), this.#afterwards?.forgetAt);
  }

  /** Whether records say their epoch, and messages go on after the handshake: version 1.3. */
  get isVersion13(): boolean {
    return this.#epochs !== undefined;
  }

  /** The epoch that this side's records are in. */
  get sendEpoch(): Epoch {
    return this.#afterwards?.sendEpoch ?? this.#sendEpoch;
  }

  /** What was agreed of RFC 9146, from the hellos on. */
  get connectionIds(): ConnectionIds | undefined {
    return this.#connectionIds;
  }

  /** What goes on behind the handshake, until the end. */
  get sequel(): Sequel | undefined {
    return this.#sequel;
  }

  /** What is waited for, if it is not the peer. */
  get demand(): Demand | undefined {
    return this.#demand;
  }

  /** Why no record of the peer can be right, where that is already certain. */
  get refusal(): SeccfError | undefined {
    return this.#machine?.refusal;
  }

  /** The first thing in the clear that can not have been meant: the likely reason where the time runs out. */
  get doubt(): SeccfError | undefined {
    return this.#doubt;
  }

  /** The first move, if this side has it. */
  start(now: number): void {
    this.#now = now;
    this.#speak((machine) => machine.start());
  }

  /** Version 1.2: the handshake was made before, by an engine that was saved; nothing of it is left but what it agreed on. */
  resume(connectionIds: ConnectionIds | undefined): void {
    this.#machine?.[Symbol.dispose]();
    this.#machine = undefined;
    this.#connectionIds = connectionIds;
    this.#sendEpoch = 1;
  }

  /** A record's fragments (RFC 6347 4.2.3: it may hold several). What is none spoils the rest of its record. */
  fragments(record: DatagramRecord, now: number): void {
    if (!this.#machine && !this.#afterwards) return;
    this.#now = now;
    const { epoch, payload } = record;
    const outcomes = fragmentsIn(payload).map((fragment) => this.#fragment(fragment, epoch));
    // RFC 9147 7: never what was neither used nor is kept.
    if (outcomes.length > 0 && !outcomes.includes("ignored")) this.#acks.add(record);
    if (outcomes.includes("taken")) this.#advance();
    const isStale = outcomes.includes("stale");
    if (this.#epochs) this.#acknowledge(epoch, isStale);
    // A flight whose answer has begun has arrived.
    else if (isStale && this.#flight.dueAt !== undefined) this.answerRepetition(this.#now);
  }

  /** Version 1.3: ACK (RFC 9147 7.2). In the clear anybody can say it, and it says too much. */
  acknowledged({ epoch, payload }: DatagramRecord, now: number): void {
    if (!this.#epochs || epoch === 0) return;
    this.#now = now;
    // In any epoch: those of the two directions go on without each other.
    this.#flight.acknowledge(decodeAck(payload), this.#options.writer, now);
    if (!this.#flight.isKept) this.#afterwards?.acknowledged();
  }

  /**
   * Version 1.3: the client seems to say data, so its Finished was lost, and an ACK of nothing makes it say that again
   * (RFC 9147 5.8.1, 7.1). Anybody can make it seem so; so not more often than a flight is repeated.
   */
  hurry(now: number): void {
    if (this.#options.role === "client" || this.sendEpoch < 3 || now < this.#mayHurryAt) return;
    this.#mayHurryAt = now + this.#options.retransmit / 4;
    this.#now = now;
    this.#sayAck();
  }

  /** Version 1.3: looks after the keys. Throws `exhausted`. */
  refresh(now: number): void {
    this.#afterwards?.refresh(now);
  }

  /** RFC 6347 4.1.2: without a number, so it may come before its turn, and stands for itself whenever it came. */
  changeCipherSpec(payload: Uint8Array, now: number): void {
    if (!this.#machine || payload.length !== 1 || payload[0] !== 1) return;
    this.#now = now;
    this.#changeCame = true;
    this.#advance();
  }

  /** Throws before anything has changed if the answer does not fit; returns what goes on with it. */
  prepare(answer: Answer, now: number): () => void {
    if (!this.#machine) throw new SeccfError("state", "the handshake is over");
    const go = this.#machine.prepare(answer);
    this.#demand = undefined;
    return () => {
      this.#now = now;
      this.#speak(go);
      this.#advance();
    };
  }

  /** The timers: does what `now` is the time for. */
  repeat(now: number): void {
    this.#now = now;
    const { dueAt } = this.#flight;
    if (dueAt !== undefined && now >= dueAt) {
      if (this.#afterwards) this.#afterwards.repeat(now);
      else this.#flight.repeat(this.#options.writer, now);
    }
    if (this.#acks.dueAt !== undefined && now >= this.#acks.dueAt) this.#sayAck();
    this.#afterwards?.expire(now);
  }

  /** After the session's begin: RFC 6347 4.2.4, the peer repeats its Finished, so ours was lost. */
  isRepeatedFinished({ type, messageSeq }: Fragment): boolean {
    return type === HANDSHAKE.finished && messageSeq < this.#reassembler.next;
  }

  /** Says again what the peer has not heard. */
  answerRepetition(now: number): void {
    if (this.#flight.isKept) this.#flight.answerRepetition(this.#options.writer, now);
  }

  /** The peer says data. In version 1.2 it has our last flight, or could not have; in version 1.3 it acknowledges it. */
  settle(): void {
    if (!this.#epochs) this.#flight.clear();
  }

  /** Wipes the keys and forgets the flight. */
  [Symbol.dispose](): void {
    this.#machine?.[Symbol.dispose]();
    this.#machine = undefined;
    this.#demand = undefined;
    this.#flight.clear();
    this.#acks.clear();
    this.#reassembler.clear();
    this.#epochs?.[Symbol.dispose]();
    this.#afterwards = undefined;
    this.#sequel?.[Symbol.dispose]();
    this.#sequel = undefined;
  }

  #fragment(fragment: Fragment, epoch: Epoch): "taken" | "stale" | "ignored" {
    // RFC 5246 7.4.1.1: never in a handshake, and with a number that another message has.
    if (fragment.type === HANDSHAKE.helloRequest) return "ignored";
    const isNew = fragment.messageSeq >= this.#reassembler.next;
    if (!isNew || epoch === this.#options.reader.epoch) return this.#reassembler.push(fragment);
    // RFC 9147 8: KeyUpdate is the last word of its epoch.
    if (this.#afterwards && epoch >= 3) throw unexpected("a message behind KeyUpdate");
    return "ignored";
  }

  /** Says at once what came where the peer can not know it by what this end says next (RFC 9147 7.1). */
  #acknowledge(epoch: Epoch, isStale: boolean): void {
    const isUnheard = this.#flight.dueAt !== undefined;
    if (!this.#machine) {
      // The server's flight again: it does not have our Finished.
      if (this.#options.role === "client" && epoch < 3) {
        if (isUnheard) this.answerRepetition(this.#now);
        this.#acks.clear();
      } else if (!this.#acks.isEmpty) this.#sayAck();
    } else if (isStale && isUnheard) this.answerRepetition(this.#now);
    else if (this.#acks.isEmpty || this.#demand) return;
    else if (isStale || this.#reassembler.isAhead) this.#sayAck();
    else this.#acks.wait(this.#now);
  }

  #sayAck(): void {
    const { sendEpoch } = this;
    const { writer } = this.#options;
    // The epoch of the records, or a later one (RFC 9147 7): in the clear nothing is said.
    if (sendEpoch > 0) writer.write(sendEpoch, CONTENT.ack, this.#acks.encode(writer.most(sendEpoch)));
    // During a handshake each ACK has all of the flight.
    if (!this.#machine) this.#acks.clear();
  }

  /** Gives the state machine what it awaits, as far as it is there. */
  #advance(): void {
    while ((this.#machine || this.#afterwards) && !this.#demand) {
      if (this.#changeCame && this.#machine?.awaitsChangeCipherSpec) {
        this.#changeCame = false;
        this.#speak((machine) => machine.changeCipherSpec());
        continue;
      }
      const message = this.#reassembler.peek();
      // What is in the clear can not be Finished: keys change first.
      if (!message || this.#machine?.awaitsChangeCipherSpec) return;
      try {
        if (this.#machine) this.#speak((machine) => machine.message(message));
        else this.#afterwards?.message(message, this.#now);
      } catch (error) {
        if (this.#options.reader.epoch > 0 || !canBeForged(error)) throw error;
        this.#doubt ??= error;
        this.#reassembler.discard();
        this.#acks.clear();
        return;
      }
      this.#reassembler.advance();
    }
  }

  /** Lets the state machine act, and sends what it says as one flight. */
  #speak(act: (machine: Handshake) => void): void {
    if (!this.#machine) return;
    this.#flightIsOver = true;
    this.#hasSaid = false;
    act(this.#machine);
    const isOver = this.#machine === undefined;
    if (!this.#hasSaid) {
      // RFC 9147 7.1: what is said in answer acknowledges what it answers.
      if (this.#epochs) this.#flight.clear();
      return;
    }
    if (!isOver || this.#options.role === "client") this.#acks.clear();
    // The state machine is gone when its last word was said. Nobody answers that, but in version 1.3 it is acknowledged.
    this.#flight.send(this.#options.writer, this.#now, !isOver || this.#epochs !== undefined);
  }

  #nextSeq(): number {
    if (this.#sendSeq > 0xffff) throw new SeccfError("exhausted", "no message numbers are left");
    return this.#sendSeq++;
  }

  #nextFlight(): void {
    if (this.#flightIsOver) this.#flight.begin();
    this.#flightIsOver = false;
    this.#hasSaid = true;
  }

  #link(): HandshakeLink {
    const { role, reader, writer } = this.#options;
    return {
      send: (type, body) => {
        this.#nextFlight();
        const messageSeq = this.#nextSeq();
        this.#flight.add(this.#sendEpoch, type, messageSeq, body);
        return frameWhole(type, messageSeq, body);
      },
      protectSent: (protection) => {
        this.#nextFlight();
        this.#flight.addChangeCipherSpec();
        writer.protect(protection, this.#idOf(role === "client" ? "server" : "client"));
        this.#sendEpoch = 1;
      },
      protectReceived: (protection) => {
        reader.protect(protection, this.#idOf(role));
        // What came in the clear for a place behind the change of keys was never the peer's.
        this.#reassembler.clear();
      },
      sendUnder: (epoch, secret) => {
        this.#open().sendUnder(epoch, secret);
        this.#sendEpoch = epoch;
      },
      receiveUnder: (epoch, secret) => {
        this.#open().receiveUnder(epoch, secret);
        this.#reassembler.clear();
      },
      // On streams alone.
      compatibilityChange: () => {},
      skipEarlyData: () => {},
      agreed: ({ version, connectionIds }) => {
        this.#connectionIds = connectionIds;
        if (version !== DTLS_1_3) return;
        writer.address(this.#idOf(role === "client" ? "server" : "client"));
        reader.expectId(this.#idOf(role).length > 0);
      },
      limitRecords: ({ sent, received }) => {
        writer.limit(sent);
        reader.limit(received);
      },
      demand: (demand) => {
        this.#demand = demand;
        this.#flight.settle();
        this.#options.demand(demand);
      },
      // In the clear, where it costs nothing and proves nothing.
      passOver: () => {},
      established: (...made) => this.#established(...made),
    };
  }

  #open(): Epochs {
    const { reader, writer } = this.#options;
    this.#flight.track();
    this.#epochs ??= new Epochs(reader, writer);
    return this.#epochs;
  }

  #established(session: Session, sequel?: Sequel, resumable?: Resumable): void {
    this.#sequel = sequel;
    if (this.#epochs) this.#goOn(this.#epochs, sequel);
    else this.#goOnIn12();
    this.#machine?.[Symbol.dispose]();
    this.#machine = undefined;
    this.#doubt = undefined;
    this.#options.established(session, resumable);
  }

  #goOnIn12(): void {
    this.#acks.clear();
    // Who hears the last flight has nothing to say again; who says it keeps it. Who that is, resumption turns round.
    if (!this.#hasSaid) this.#flight.clear();
  }

  #goOn(epochs: Epochs, sequel: Sequel | undefined): void {
    const { role, reader, writer, recordsPerKey } = this.#options;
    this.#afterwards = new PostHandshake({
      ...{ role, reader, writer, recordsPerKey, epochs, sequel },
      ...{ connectionIds: this.#connectionIds, flight: this.#flight, now: this.#now },
      nextSeq: () => this.#nextSeq(),
    });
  }

  #idOf(side: "client" | "server"): Uint8Array {
    return this.#connectionIds?.[side] ?? NOTHING;
  }
}

function earlier(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.min(one, other);
}

/** The fragments in a record, up to what is none. */
export function fragmentsIn(payload: Uint8Array): Fragment[] {
  const reader = new Reader(payload);
  const found: Fragment[] = [];
  try {
    while (reader.remaining > 0) found.push(readFragment(reader));
  } catch {
    // RFC 6347 4.1.2.7: invalid, and silently so.
  }
  return found;
}

/** Whether anybody could have put this message in the peer's place, and the peer itself would not have said it. */
function canBeForged(error: unknown): error is SeccfError {
  return error instanceof SeccfError && error.code === "malformed";
}

const NOTHING: Uint8Array = new Uint8Array(0);
