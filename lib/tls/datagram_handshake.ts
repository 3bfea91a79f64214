/**
 * A handshake on datagrams: between the state machine, which knows nothing of loss, and the record layer, which knows
 * nothing else. Reassembles what comes, keeps what goes, and says it again (RFC 6347 4.2, RFC 9147 5.8, 7).
 *
 * @module
 */

import { SeccfError } from "../error.ts";
import { Acknowledgements } from "./acknowledgements.ts";
import type { ConnectionIds } from "./connection_ids.ts";
import { type Conversation, settled } from "./conversation.ts";
import { DatagramLink } from "./datagram_link.ts";
import type { Answer, Demand, Resumable, Session } from "./engine.ts";
import type { Epochs } from "./epochs.ts";
import { Flight } from "./flight.ts";
import type { Handshake, HandshakeLink, Sequel } from "./handshake.ts";
import { type Fragment, fragmentsIn } from "./handshake/fragment.ts";
import type { IdSource } from "./id_exchange.ts";
import { HANDSHAKE, unexpected } from "./handshake/message.ts";
import { Reassembler } from "./handshake/reassembler.ts";
import { PostHandshake } from "./post_handshake.ts";
import { decodeAck } from "./record/ack.ts";
import type { Epoch } from "./record/datagram_header.ts";
import type { DatagramReader } from "./record/datagram_reader.ts";
import type { DatagramRecord } from "./record/datagram_record.ts";
import type { DatagramWriter } from "./record/datagram_writer.ts";
import type { DurableNumbers } from "./record/durable_numbers.ts";
import type { Progress13, SavedSession13 } from "./saved_session13.ts";

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
  /** The session is to outlive its process. */
  readonly durable: boolean;
  /** Version 1.3: where other Connection IDs of this end come from. */
  readonly ids: IdSource;
  /** Version 1.3: names of the peer's to have beyond the first. A count. */
  readonly spareIds: number;
  /** Version 1.3: takes what a ticket leaves for a later handshake. */
  readonly resumable: (state: Resumable) => void;
}

/** Who has to know how far it is; forgotten once it is over. */
export interface HandshakeWatcher {
  readonly demanded: (demand: Demand) => void;
  readonly established: (session: Session, handshake: DatagramHandshake, resumable?: Resumable) => void;
}

/** One side. It outlives its end: the last flight may have to be said again. What it throws ends the association. */
export class DatagramHandshake implements Conversation {
  readonly #options: DatagramHandshakeOptions;
  readonly #reassembler: Reassembler;
  readonly #flight: Flight;
  /** Until the session is established. */
  #watcher: HandshakeWatcher | undefined;
  /** Until the session is established. */
  #machine: Handshake | undefined;
  /** What the machine speaks by; in version 1.3 for as long as there is something to say. */
  #link: DatagramLink | undefined;
  /** Version 1.2 has none once the session is established. */
  #acks: Acknowledgements | undefined;
  #demand: Demand | undefined;
  /** The peer's ChangeCipherSpec came, perhaps before its turn. */
  #changeCame = false;
  #now = 0;
  /** The first thing in the clear that can not have been meant. */
  #doubt: SeccfError | undefined;
  /** The last fatal alert in the clear, which anybody may have sent. */
  #heard: SeccfError | undefined;
  #connectionIds: ConnectionIds | undefined;
  /** Version 1.3, once the session is established. */
  #afterwards: PostHandshake | undefined;
  /** Once the session is established. */
  #sequel: Sequel | undefined;
  /** Version 1.3, where the session outlives its process: what has to be on record before others count on it. */
  #numbers: DurableNumbers | undefined;
  /** An ACK is to be said when what it acknowledges is on record. */
  #ackWaits = false;
  /** Reports the session of a client that is to outlive its process, when the server has acknowledged its Finished. */
  #report: (() => void) | undefined;

  /** `begin` makes the state machine. */
  constructor(
    options: DatagramHandshakeOptions,
    watcher: HandshakeWatcher,
    begin: (link: HandshakeLink) => Handshake,
  ) {
    const { role, reader, writer, messageSeq } = options;
    this.#options = options;
    this.#watcher = watcher;
    this.#reassembler = new Reassembler(messageSeq);
    this.#flight = new Flight(options.retransmit);
    this.#acks = new Acknowledgements(options.retransmit / 4);
    this.#link = new DatagramLink({
      ...{ role, reader, writer, messageSeq, flight: this.#flight, reassembler: this.#reassembler },
      durable: options.durable,
      demand: (demand) => {
        this.#demand = demand;
        this.#watcher?.demanded(demand);
      },
      established: (...made) => this.#established(...made),
    });
    this.#machine = begin(this.#link);
  }

  /** When to call `repeat`; undefined while no answer is awaited. */
  get dueAt(): number | undefined {
    return earlier(earlier(this.#flight.dueAt, this.#acks?.dueAt), this.#afterwards?.forgetAt);
  }

  /** Whether records say their epoch, and messages go on after the handshake: version 1.3. */
  get isVersion13(): boolean {
    return this.#link?.epochs !== undefined;
  }

  /** The epoch that this side's records are in. */
  get sendEpoch(): Epoch {
    return this.#afterwards?.sendEpoch ?? this.#link?.sendEpoch ?? 1;
  }

  /** What was agreed of RFC 9146, once the session is established. */
  get connectionIds(): ConnectionIds | undefined {
    return this.#connectionIds;
  }

  get checksPaths(): boolean {
    return this.#connectionIds?.returnRoutability ?? false;
  }

  goOn(): Conversation {
    if (this.#machine || this.isVersion13 || this.#flight.isKept) return this;
    this.#options.writer.forget(1);
    return settled(this.checksPaths, this.#sequel);
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

  /** Why it ends where the time runs out; the cause is no more than likely. */
  get lateness(): SeccfError {
    if (this.refusal) return this.refusal;
    const unopened = this.#options.reader.unopened > 0
      ? new SeccfError("auth-failed", "records came that the key does not open")
      : undefined;
    return new SeccfError("timeout", "the handshake took too long", { cause: this.#heard ?? this.#doubt ?? unopened });
  }

  /** A fatal alert came in the clear: remembered until there is a session. */
  hear(alert: SeccfError): void {
    if (this.#machine) this.#heard = alert;
  }

  /** The first move, if this side has it. */
  start(now: number): void {
    this.#now = now;
    this.#speak((machine) => machine.start());
  }

  /** Version 1.3, once the session is established: how far the two ends are, to be asked at any time. */
  get progress(): (() => Progress13) | undefined {
    const [link, afterwards, epochs] = [this.#link, this.#afterwards, this.#link?.epochs];
    if (!link || !afterwards || !epochs) return undefined;
    return () => ({
      ...{ sent: epochs.sent, received: epochs.received, earlier: epochs.earlier },
      ...{ said: afterwards.said, isUpdating: afterwards.isUpdating },
      ...{ nextSent: link.sendSeq, nextReceived: this.#reassembler.next },
    });
  }

  moved(): void {
    this.#afterwards?.moved();
  }

  rename(now: number): boolean {
    return this.#afterwards?.rename(now) ?? false;
  }

  /** Version 1.3: the session outlives its process by `numbers`. */
  endure(numbers: DurableNumbers): void {
    this.#numbers = numbers;
    this.#afterwards?.endure(numbers);
  }

  /** Version 1.3: the handshake was made before, by an engine that was saved; whose `keys` are this one's from here on. */
  resume13({ keys, connectionIds }: SavedSession13, now: number): void {
    const link = this.#link;
    if (!link) return;
    this.#leave();
    link.resume(keys, connectionIds);
    this.#connectionIds = connectionIds;
    if (link.epochs) this.#goOn(link, link.epochs, keys, now);
  }

  /** Version 1.2: the handshake was made before, by an engine that was saved; nothing of it is left but what it agreed on. */
  resume(connectionIds: ConnectionIds | undefined): void {
    this.#leave();
    this.#endIn12();
    this.#connectionIds = connectionIds;
  }

  /** A record's fragments (RFC 6347 4.2.3: it may hold several). What is none spoils the rest of its record. */
  fragments(record: DatagramRecord, now: number): void {
    if (!this.#machine && !this.#afterwards) return;
    this.#now = now;
    const { epoch, payload, number } = record;
    const fragments = fragmentsIn(payload);
    const outcomes = fragments.map((fragment) => this.#fragment(fragment, epoch));
    // RFC 9147 7: never what was neither used nor is kept.
    if (outcomes.length > 0 && !outcomes.includes("ignored")) this.#acks?.add(record);
    if (outcomes.includes("taken")) {
      // RFC 6347 4.2.1: a HelloVerifyRequest has the record number of the hello that it answers. Afterwards nothing answers.
      const isMirrored = fragments[0]?.type === HANDSHAKE.helloVerifyRequest;
      if (this.#machine) this.#flight.heard(now, isMirrored ? number : undefined);
      this.#advance();
    }
    const isStale = outcomes.includes("stale");
    if (this.isVersion13) this.#acknowledge(epoch, isStale);
    // A flight whose answer has begun has arrived.
    else if (isStale && this.#flight.dueAt !== undefined) this.answerRepetition(this.#now);
  }

  /** Version 1.3: ACK (RFC 9147 7.2). In the clear anybody can say it, and it says too much. */
  acknowledged({ epoch, payload }: DatagramRecord, now: number): void {
    if (!this.isVersion13 || epoch === 0) return;
    this.#now = now;
    // Nothing could be said again that is missing: as if it had been lost.
    if (this.#afterwards?.isAble === false) return;
    // In any epoch: those of the two directions go on without each other.
    this.#flight.acknowledge(decodeAck(payload), this.#options.writer, now);
    if (this.#flight.isKept) return;
    this.#afterwards?.acknowledged(now);
    this.#report?.();
    this.#report = undefined;
  }

  /**
   * Version 1.3: the client seems to say data, so its Finished was lost, and an ACK of nothing makes it say that again
   * (RFC 9147 5.8.1, 7.1). Anybody can make it seem so; so not more often than a flight is repeated.
   */
  hurry(now: number): void {
    if (this.#options.role === "client" || this.sendEpoch < 3 || !this.#acks?.mayHurry(now)) return;
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
    if (this.#acks?.dueAt !== undefined && now >= this.#acks.dueAt) this.#sayAck();
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
    if (!this.isVersion13) this.#flight.clear();
  }

  /** Wipes the keys and forgets the flight. */
  [Symbol.dispose](): void {
    this.#leave();
    this.#demand = undefined;
    this.#flight.clear();
    this.#acks?.clear();
    this.#reassembler.clear();
    this.#link?.epochs?.[Symbol.dispose]();
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
    const acks = this.#acks;
    if (!acks) return;
    const isUnheard = this.#flight.dueAt !== undefined;
    if (!this.#machine) {
      // The server's flight again: it does not have our Finished.
      if (this.#options.role === "client" && epoch < 3) {
        if (isUnheard) this.answerRepetition(this.#now);
        acks.clear();
      } else if (!acks.isEmpty) this.#sayAck();
    } else if (isStale && isUnheard) this.answerRepetition(this.#now);
    else if (acks.isEmpty || this.#demand) return;
    else if (isStale || this.#reassembler.isAhead) this.#sayAck();
    else acks.wait(this.#now);
  }

  #sayAck(): void {
    if (this.#numbers) this.#sayAckLater(this.#numbers);
    else this.#sayAckNow();
  }

  /** Who acknowledges what a crash makes it forget leaves its peer alone with it; a message of which a piece is missing is forgotten. */
  #sayAckLater(numbers: DurableNumbers): void {
    if (this.#ackWaits || this.#reassembler.held > 0) return;
    this.#ackWaits = true;
    numbers.after(() => {
      this.#ackWaits = false;
      if (this.#afterwards?.isAble) this.#sayAckNow();
    });
  }

  #sayAckNow(): void {
    this.#acks?.say(this.#options.writer, this.sendEpoch);
    // During a handshake each ACK has all of the flight.
    if (!this.#machine) this.#acks?.clear();
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
        this.#acks?.clear();
        return;
      }
      this.#reassembler.advance();
    }
  }

  /** Lets the state machine act, and sends what it says as one flight. */
  #speak(act: (machine: Handshake) => void): void {
    const link = this.#link;
    if (!this.#machine || !link) return;
    link.begin();
    act(this.#machine);
    const isOver = this.#machine === undefined;
    if (!link.hasSaid) {
      // RFC 9147 7.1: what is said in answer acknowledges what it answers.
      if (link.epochs) this.#flight.clear();
      return;
    }
    if (!isOver || this.#options.role === "client") this.#acks?.clear();
    // The state machine is gone when its last word was said. Nobody answers that, but in version 1.3 it is acknowledged.
    this.#flight.send(this.#options.writer, this.#now, !isOver || link.epochs !== undefined);
  }

  #established(session: Session, sequel?: Sequel, resumable?: Resumable): void {
    const watcher = this.#watcher;
    this.#sequel = sequel;
    this.#connectionIds = this.#link?.connectionIds;
    if (this.#link?.epochs) this.#goOn(this.#link, this.#link.epochs);
    else this.#endIn12();
    this.#leave();
    this.#doubt = this.#heard = undefined;
    const report = () => watcher?.established(session, this, resumable);
    // What is on record of a client must not wait for a Finished that nobody could say again.
    if (this.#options.durable && this.#afterwards && this.#options.role === "client") this.#report = report;
    else report();
  }

  /** An idle session keeps nothing that it has no more use for. */
  #endIn12(): void {
    this.#acks = undefined;
    // Who hears the last flight has nothing to say again; who says it keeps it. Who that is, resumption turns round.
    if (!this.#link?.hasSaid) this.#flight.clear();
    this.#link = undefined;
  }

  #goOn(link: DatagramLink, epochs: Epochs, saved?: SavedSession13["keys"], now: number = this.#now): void {
    const { role, reader, writer, recordsPerKey, resumable, ids, spareIds } = this.#options;
    this.#afterwards = new PostHandshake({
      ...{ role, reader, writer, recordsPerKey, epochs, resumable, ids, sequel: this.#sequel },
      ...{ connectionIds: this.#connectionIds, flight: this.#flight, now, saved, spareIds },
      nextSeq: () => link.nextSeq(),
    });
  }

  /** The state machine is done. */
  #leave(): void {
    this.#machine?.[Symbol.dispose]();
    this.#machine = undefined;
    this.#watcher = undefined;
  }
}

/** Of two times, either of which may never come. */
export function earlier(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.min(one, other);
}

/** Whether anybody could have put this message in the peer's place, and the peer itself would not have said it. */
function canBeForged(error: unknown): error is SeccfError {
  return error instanceof SeccfError && error.code === "malformed";
}
