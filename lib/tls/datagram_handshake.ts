/**
 * A handshake on datagrams: between the state machine, which knows nothing of loss, and the record layer, which knows
 * nothing else. Reassembles what comes, keeps what goes, and says it again (RFC 6347 4.2).
 *
 * @module
 */

import { Reader } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";
import type { Answer, Demand, Session } from "./engine.ts";
import { Flight } from "./flight.ts";
import type { Handshake, HandshakeLink } from "./handshake.ts";
import { type Fragment, frameWhole, readFragment } from "./handshake/fragment.ts";
import { HANDSHAKE } from "./handshake/message.ts";
import { Reassembler } from "./handshake/reassembler.ts";
import type { ConnectionIds } from "./negotiate.ts";
import type { Epoch } from "./record/datagram_header.ts";
import type { DatagramReader } from "./record/datagram_reader.ts";
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
  readonly demand: (demand: Demand) => void;
  readonly established: (session: Session) => void;
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

  /** `begin` makes the state machine. */
  constructor(options: DatagramHandshakeOptions, begin: (link: HandshakeLink) => Handshake) {
    this.#options = options;
    this.#reassembler = new Reassembler(options.messageSeq);
    this.#flight = new Flight(options.retransmit);
    this.#sendSeq = options.messageSeq;
    this.#machine = begin(this.#link());
  }

  /** When to call `repeat`; undefined while no answer is awaited. */
  get dueAt(): number | undefined {
    return this.#flight.dueAt;
  }

  /** The epoch that this side's records are in. */
  get sendEpoch(): Epoch {
    return this.#sendEpoch;
  }

  /** What was agreed of RFC 9146, from the hellos on. */
  get connectionIds(): ConnectionIds | undefined {
    return this.#connectionIds;
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

  /** A record's fragments (RFC 6347 4.2.3: it may hold several). What is none spoils the rest of its record. */
  fragments(payload: Uint8Array, now: number): void {
    this.#now = now;
    for (const fragment of fragmentsIn(payload)) {
      if (!this.#machine) return;
      this.#fragment(fragment);
    }
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

  /** The timer: says the flight again if `now` is its time. */
  repeat(now: number): void {
    const { dueAt } = this.#flight;
    if (dueAt !== undefined && now >= dueAt) this.#flight.repeat(this.#options.writer, now);
  }

  /** After the session's begin: RFC 6347 4.2.4, the peer repeats its Finished, so ours was lost. */
  isRepeatedFinished({ type, messageSeq }: Fragment): boolean {
    return type === HANDSHAKE.finished && messageSeq < this.#reassembler.next;
  }

  /** Says again what the peer has not heard. */
  answerRepetition(now: number): void {
    if (this.#flight.isKept) this.#flight.answerRepetition(this.#options.writer, now);
  }

  /** The peer has our last flight: it could not have said what it said otherwise. */
  settle(): void {
    this.#flight.clear();
  }

  /** Wipes the keys and forgets the flight. */
  [Symbol.dispose](): void {
    this.#machine?.[Symbol.dispose]();
    this.#machine = undefined;
    this.#demand = undefined;
    this.#flight.clear();
    this.#reassembler.clear();
  }

  #fragment(fragment: Fragment): void {
    // RFC 5246 7.4.1.1: never in a handshake, and with a number that another message has.
    if (fragment.type === HANDSHAKE.helloRequest) return;
    const outcome = this.#reassembler.push(fragment);
    if (outcome === "taken") this.#advance();
    // A flight whose answer has begun has arrived.
    else if (outcome === "stale" && this.#flight.dueAt !== undefined) this.answerRepetition(this.#now);
  }

  /** Gives the state machine what it awaits, as far as it is there. */
  #advance(): void {
    while (this.#machine && !this.#demand) {
      if (this.#changeCame && this.#machine.awaitsChangeCipherSpec) {
        this.#changeCame = false;
        this.#speak((machine) => machine.changeCipherSpec());
        continue;
      }
      const message = this.#reassembler.peek();
      // What is in the clear can not be Finished: keys change first.
      if (!message || this.#machine.awaitsChangeCipherSpec) return;
      try {
        this.#speak((machine) => machine.message(message));
      } catch (error) {
        if (this.#options.reader.epoch === 1 || !canBeForged(error)) throw error;
        this.#doubt ??= error;
        this.#reassembler.discard();
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
    // The state machine is gone when its last word was said: nobody answers that.
    if (this.#hasSaid) this.#flight.send(this.#options.writer, this.#now, this.#machine !== undefined);
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
        const messageSeq = this.#sendSeq++;
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
      agreed: ({ connectionIds }) => {
        this.#connectionIds = connectionIds;
      },
      demand: (demand) => {
        this.#demand = demand;
        this.#flight.settle();
        this.#options.demand(demand);
      },
      // In the clear, where it costs nothing and proves nothing.
      passOver: () => {},
      established: (session) => this.#established(session),
    };
  }

  #established(session: Session): void {
    // The client has heard the server's last flight; the server keeps its own.
    if (this.#options.role === "client") this.#flight.clear();
    this.#machine?.[Symbol.dispose]();
    this.#machine = undefined;
    this.#doubt = undefined;
    this.#options.established(session);
  }

  #idOf(side: "client" | "server"): Uint8Array {
    return this.#connectionIds?.[side] ?? NOTHING;
  }
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
