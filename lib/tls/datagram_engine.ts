/**
 * One DTLS association: joins the record layer of datagrams with a handshake's state machine, and answers to the driver
 * (RFC 6347, RFC 9146, RFC 9147).
 *
 * Anybody can send a datagram. So what is not authenticated ends nothing: records that do not open are dropped, alerts in
 * the clear are remembered and the timer goes on, messages that can not be meant make room for one that can. Only what
 * a peer says in its turn, and what is refused for its content, ends a handshake before its time.
 *
 * @module
 */

import type { SecretBytes } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import { type AlertName, decodeAlert, encodeAlert, errorOf, isCloseNotify, TlsFailure } from "./alert.ts";
import type { Conversation } from "./conversation.ts";
import { DatagramHandshake, earlier, type HandshakeWatcher } from "./datagram_handshake.ts";
import { Durability } from "./durability.ts";
import { endingOf, endsConnection } from "./ending.ts";
import type { Answer, Demand, Durable, Engine, Output, Resumable, Session } from "./engine.ts";
import type { Birth, Watcher } from "./engine_birth.ts";
import { exportedBy } from "./exporter.ts";
import { fragmentsIn } from "./handshake/fragment.ts";
import { HANDSHAKE } from "./handshake/message.ts";
import type { IdSource } from "./id_exchange.ts";
import { MAX_IDLE_RECORDS } from "./limits.ts";
import type { Policy } from "./options.ts";
import { discard, OutputQueue } from "./output_queue.ts";
import { CONTENT } from "./record/content_type.ts";
import { DatagramReader } from "./record/datagram_reader.ts";
import type { DatagramRecord } from "./record/datagram_record.ts";
import { DatagramWriter } from "./record/datagram_writer.ts";
import { answerTo, decodePathMessage, encodePathMessage } from "./return_routability.ts";
import { type AnySavedSession, keptKeys } from "./saved_session.ts";
import { isSaved13 } from "./saved_session13.ts";

/** The engine of either role. */
export class DatagramEngine implements Engine {
  readonly #role: "client" | "server";
  readonly #reader: DatagramReader;
  readonly #writer: DatagramWriter;
  #handshake: Conversation;
  readonly #watcher: Watcher | undefined;
  readonly #exports: boolean;
  readonly #outputs = new OutputQueue<Output>();
  #now: number;
  #state: "handshake" | "open" | "closed" | "disposed" = "handshake";
  #endsAt: number | undefined;
  #idleRecords = 0;
  /** Where the session is to outlive its process. */
  readonly #durability: Durability | undefined;

  constructor(birth: Birth) {
    const { role, datagrams, saved, first = { messageSeq: firstSeqOf(saved), recordNumber: 0 } } = birth;
    this.#role = role;
    this.#reader = new DatagramReader(birth.policy.connectionId ?? NOTHING);
    this.#writer = new DatagramWriter(datagrams.mtu, first.recordNumber);
    if (datagrams.durable) this.#durability = this.#endure();
    const policy = this.#keeping(birth.policy);
    this.#watcher = birth.watcher;
    this.#exports = policy.exporter;
    this.#now = birth.now;
    this.#endsAt = policy.deadline;
    const options = {
      ...{ role, reader: this.#reader, writer: this.#writer, retransmit: datagrams.retransmit },
      ...{ messageSeq: first.messageSeq, recordsPerKey: policy.recordsPerKey, durable: datagrams.durable },
      spareIds: datagrams.spareIds,
      ids: this.#idSource(),
      resumable: (state: Resumable) => this.#outputs.push({ kind: "resumable", state }),
    };
    const handshake = new DatagramHandshake(options, this.#watch(), (link) => birth.start(link, policy));
    this.#handshake = handshake;
    if (saved) this.#resume(handshake, saved, policy);
    else handshake.start(birth.now);
    this.#durability?.settle();
  }

  get deadline(): number | undefined {
    const due = earlier(this.#handshake.dueAt, this.#durability?.session?.numbers.dueAt);
    return this.#state === "open" ? due : this.#endsAt === undefined ? undefined : earlier(due, this.#endsAt);
  }

  get durable(): Durable | undefined {
    return this.#durability?.session;
  }

  /** Whether nothing can be sent before record numbers are granted. */
  get awaitsNumbers(): boolean {
    return this.#durability?.session?.left === 0;
  }

  /** The highest number of a record that opened; -1 before the first. */
  get newest(): number {
    return this.#reader.newest;
  }

  /** Whether nothing but the peer can bring the handshake on. */
  get awaitsPeer(): boolean {
    return this.#state === "handshake" && this.#handshake.demand === undefined;
  }

  receive(bytes: Uint8Array, now: number): void {
    this.#enter(now);
    if (this.#state === "closed" || this.#late()) return;
    this.#reader.push(bytes);
    this.#read();
    this.#durability?.settle();
  }

  send(plaintext: Uint8Array, now: number): void {
    this.#enter(now);
    if (this.#state !== "open") throw new SeccfError("state", "nothing can be sent before or after the session");
    const epoch = this.#handshake.sendEpoch;
    const most = this.#writer.most(epoch);
    if (plaintext.length > most) throw new SeccfError("too-large", `a datagram of this path carries ${most} bytes`);
    if (this.awaitsNumbers) throw new SeccfError("exhausted", "the next record numbers are not on record yet");
    try {
      this.#writer.write(epoch, CONTENT.applicationData, plaintext);
      this.#handshake.refresh(now);
    } catch (error) {
      this.#fail(error);
    }
    this.#durability?.settle();
  }

  answer(demand: Demand, answer: Answer, now: number): void {
    this.#enter(now);
    if (this.#handshake.demand !== demand) throw new SeccfError("state", "that is not what is demanded now");
    if (this.#late()) return;
    const go = this.#handshake.prepare(answer, now);
    this.#durability?.answered(answer.kind === "psk" ? answer.key : undefined);
    this.#reader.push(NOTHING);
    this.#try(() => {
      go();
      this.#readAll();
    });
    this.#durability?.settle();
  }

  expire(now: number): void {
    this.#enter(now);
    if (this.#late()) return;
    this.#try(() => this.#handshake.repeat(now));
    this.#durability?.settle();
  }

  close(now: number): void {
    this.#enter(now);
    if (this.#state === "closed") return;
    if (this.#state === "open") this.#alert("close_notify");
    this.#end();
    this.#durability?.settle();
  }

  exportKey(label: string, context: Uint8Array | undefined, length: number): SecretBytes {
    return exportedBy(this.#exports && this.#state === "open" ? this.#handshake.sequel : undefined, {
      ...{ label, context, length },
    });
  }

  poll(): Output | undefined {
    // What was written leaves before anything that the driver may do next.
    const output = this.#writer.poll() ?? this.#outputs.poll();
    if (output) return output;
    this.#reader.trim();
    this.#writer.trim();
    return undefined;
  }

  [Symbol.dispose](): void {
    if (this.#state === "disposed") return;
    const ended = this.#state === "closed";
    this.#wipe();
    discard(this);
    this.#state = "disposed";
    if (!ended) this.#watcher?.ended(this);
  }

  /** Ends without a word to the peer, because of `error`; outputs may be waiting. */
  abort(error: SeccfError): void {
    if (this.#state === "handshake" || this.#state === "open") this.#end(error);
  }

  /** Whether the peer answers return routability checks (RFC 9853). */
  get answersPathChecks(): boolean {
    return this.#handshake.checksPaths;
  }

  /**
   * Data for an address that is not yet the peer's, in a datagram of its own that is the caller's; undefined where there is
   * no session or no record number. Throws `too-large`. Outputs may be waiting.
   */
  sendApart(plaintext: Uint8Array): Uint8Array | undefined {
    if (this.#state !== "open" || this.awaitsNumbers) return undefined;
    const epoch = this.#handshake.sendEpoch;
    const most = this.#writer.most(epoch);
    if (plaintext.length > most) throw new SeccfError("too-large", `a datagram of this path carries ${most} bytes`);
    return this.#writer.apart(epoch, CONTENT.applicationData, plaintext);
  }

  /**
   * A return routability check for an address that is not yet the peer's, in a datagram of its own that is the caller's;
   * undefined where the peer does not know of RFC 9853. Outputs may be waiting.
   */
  checkPath(cookie: Uint8Array): Uint8Array | undefined {
    if (this.#state !== "open" || !this.answersPathChecks) return undefined;
    return this.#writer.apart(
      this.#handshake.sendEpoch,
      CONTENT.returnRoutability,
      encodePathMessage({ kind: "challenge", cookie }),
    );
  }

  rename(now: number): boolean {
    this.#enter(now);
    if (this.#state !== "open") throw new SeccfError("state", "nobody has a name before or after the session");
    let isRenamed = false;
    this.#try(() => isRenamed = this.#handshake.rename(now));
    this.#durability?.settle();
    return isRenamed;
  }

  /** The peer is somewhere else, and has proved it. */
  moved(): void {
    this.#handshake.moved();
  }

  #enter(now: number): void {
    if (this.#state === "disposed") throw new SeccfError("state", "the engine was disposed");
    if (this.#writer.isWaiting || !this.#outputs.isEmpty) {
      throw new SeccfError("state", "outputs are waiting: poll first");
    }
    this.#now = now;
    this.#durability?.session?.numbers.tell(now);
  }

  #watch(): HandshakeWatcher {
    return {
      demanded: (demand) => this.#outputs.push({ kind: "demand", demand }),
      established: (...made) => this.#established(...made),
    };
  }

  /** A session that is kept is found by its first name alone, and a client's has no table to be found in. */
  #idSource(): IdSource {
    return {
      issue: (count) => this.#durability ? [] : this.#watcher?.issueIds(this, count) ?? [],
      withdraw: (id) => this.#watcher?.withdrawId(this, id),
    };
  }

  /** Not in the constructor, with all of whose birth a session would be kept. */
  #endure(): Durability {
    return new Durability({
      ...{ role: this.#role, reader: this.#reader, writer: this.#writer },
      granted: (grant, now) => this.#granted(grant, now),
    });
  }

  #keeping(policy: Policy): Policy {
    const durability = this.#durability;
    return durability ? { ...policy, keepKeys: (...keys) => durability.keep(keptKeys(...keys)) } : policy;
  }

  /** Goes on with a session instead of a handshake. */
  #resume(handshake: DatagramHandshake, saved: AnySavedSession, { random }: Policy): void {
    if (isSaved13(saved)) {
      handshake.resume13(saved, this.#now);
      this.#durability?.resume13(saved, handshake.progress!, this.#now);
      this.#endureHandshake(handshake);
    } else {
      this.#durability?.resume(saved, { random, now: this.#now });
      handshake.resume(saved.connectionIds);
    }
    this.#handshake = handshake.goOn();
    this.#state = "open";
    this.#endsAt = undefined;
  }

  /** Version 1.3 has messages behind its handshake. */
  #endureHandshake(handshake: DatagramHandshake): void {
    const numbers = this.#durability?.session?.numbers;
    if (numbers && handshake.isVersion13) handshake.endure(numbers);
  }

  #granted(grant: () => readonly Uint8Array[], now: number): void {
    this.#enter(now);
    this.#reader.push(NOTHING);
    this.#try(() => {
      for (const whole of grant()) {
        this.#reader.pushAgain(whole);
        this.#readAll();
      }
      this.#readAll();
    });
    this.#durability?.settle();
    this.#watcher?.granted(this, now);
  }

  /** Whether the handshake's time is over, which ends the association. The peer is told nothing: it was silent too. */
  #late(): boolean {
    if (this.#endsAt === undefined || this.#now < this.#endsAt) return false;
    this.#end(this.#handshake.lateness);
    return true;
  }

  #try(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fail(error);
    }
  }

  #read(): void {
    try {
      this.#readAll();
    } catch (error) {
      this.#fail(error);
    }
  }

  #readAll(): void {
    while (this.#state !== "closed") {
      const record = this.#reader.next();
      if (!record) break;
      this.#record(record);
    }
    if (this.#state === "open") {
      this.#handshake = this.#handshake.goOn();
      this.#handshake.refresh(this.#now);
    } else if (this.#state === "handshake" && this.#reader.isEarly) {
      this.#handshake.hurry(this.#now);
    }
  }

  #record(record: DatagramRecord): void {
    const { type, epoch, payload } = record;
    if (type === CONTENT.handshake) this.#handshakeRecord(record);
    else if (type === CONTENT.alert) this.#alertCame(record);
    else if (type === CONTENT.changeCipherSpec) this.#handshake.changeCipherSpec(payload, this.#now);
    // RFC 9147 5.8.1: epoch 2 is for the handshake alone.
    else if (type === CONTENT.applicationData && epoch !== 2) this.#applicationData();
    else if (type === CONTENT.ack) this.#handshake.acknowledged(record, this.#now);
    else if (type === CONTENT.returnRoutability) this.#pathMessage(payload);
  }

  #handshakeRecord(record: DatagramRecord): void {
    if (this.#state === "handshake" || this.#handshake.isVersion13) {
      this.#handshake.fragments(record, this.#now);
      return;
    }
    // Under the keys, and new: nobody but the peer says this.
    for (const fragment of fragmentsIn(record.payload)) {
      if (fragment.type === (this.#role === "server" ? HANDSHAKE.clientHello : HANDSHAKE.helloRequest)) {
        this.#passOver();
        this.#alert("no_renegotiation");
      } else if (this.#handshake.isRepeatedFinished(fragment) && !this.awaitsNumbers) {
        this.#handshake.answerRepetition(this.#now);
      }
    }
  }

  #applicationData(): void {
    if (this.#state !== "open") return;
    this.#handshake.settle();
    this.#idleRecords = 0;
    this.#outputs.push(this.#reader.data);
  }

  #alertCame({ epoch, payload }: DatagramRecord): void {
    let alert;
    try {
      alert = decodeAlert(payload);
    } catch {
      return;
    }
    if (epoch === 0) {
      if (alert.fatal) this.#handshake.hear(errorOf(alert));
    } else if (isCloseNotify(alert)) {
      const early = this.#state === "handshake";
      if (!early) this.#alert("close_notify");
      this.#end(early ? new SeccfError("closed", "the peer closed during the handshake") : undefined);
    } else if (endsConnection(alert, this.#handshake.isVersion13)) {
      this.#end(errorOf(alert));
    } else {
      this.#passOver();
    }
  }

  #pathMessage(payload: Uint8Array): void {
    if (this.#state !== "open" || !this.answersPathChecks) return;
    const message = decodePathMessage(payload);
    if (message?.kind === "challenge" && !this.awaitsNumbers) {
      this.#writer.write(
        this.#handshake.sendEpoch,
        CONTENT.returnRoutability,
        encodePathMessage(answerTo(message)),
      );
    } else if (message?.kind === "response") {
      this.#watcher?.pathAnswered(this, message.cookie);
    }
  }

  /** A peer that sends without saying anything costs work and brings nothing. */
  #passOver(): void {
    if (++this.#idleRecords <= MAX_IDLE_RECORDS) return;
    throw new TlsFailure("unexpected_message", "too-large", "too many records that bring nothing");
  }

  #established(session: Session, handshake: DatagramHandshake, resumable?: Resumable): void {
    this.#state = "open";
    this.#endsAt = undefined;
    this.#durability?.establish(session, handshake, this.#now);
    this.#endureHandshake(handshake);
    this.#outputs.push({ kind: "established", session });
    if (resumable) this.#outputs.push({ kind: "resumable", state: resumable });
    this.#watcher?.established(this, session);
  }

  #alert(name: AlertName): void {
    try {
      this.#writer.write(this.#handshake.sendEpoch, CONTENT.alert, encodeAlert(name));
    } catch {
      // Without a record number, or without randomness, there is no way to say so.
    }
  }

  /** The association ends because of `error`: the peer gets its alert, the driver the reason. */
  #fail(error: unknown): void {
    const { alert, reason } = endingOf(error, this.#handshake.refusal);
    this.#alert(alert);
    this.#end(reason);
  }

  #end(error?: SeccfError): void {
    this.#outputs.push(error ? { kind: "closed", error } : { kind: "closed" });
    this.#state = "closed";
    this.#wipe();
    this.#watcher?.ended(this);
  }

  #wipe(): void {
    this.#endsAt = undefined;
    this.#handshake[Symbol.dispose]();
    this.#reader[Symbol.dispose]();
    this.#writer[Symbol.dispose]();
    this.#durability?.[Symbol.dispose]();
  }
}

/** The peer's next message_seq. */
function firstSeqOf(saved: AnySavedSession | undefined): number {
  return saved && isSaved13(saved) ? saved.keys.nextReceived : 0;
}

const NOTHING: Uint8Array = new Uint8Array(0);
