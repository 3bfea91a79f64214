/**
 * One DTLS association: joins the record layer of datagrams with a handshake's state machine, and answers to the driver
 * (RFC 6347, RFC 9146).
 *
 * Anybody can send a datagram. So what is not authenticated ends nothing: records that do not open are dropped, alerts in
 * the clear are remembered and the timer goes on, messages that can not be meant make room for one that can. Only what
 * a peer says in its turn, and what is refused for its content, ends a handshake before its time.
 *
 * @module
 */

import { SeccfError } from "../error.ts";
import { type AlertName, alertOf, decodeAlert, encodeAlert, errorOf, isCloseNotify, TlsFailure } from "./alert.ts";
import { ClientHandshake } from "./client.ts";
import { DatagramHandshake, type DatagramHandshakeOptions, fragmentsIn } from "./datagram_handshake.ts";
import { type DatagramPolicy, type DtlsOptions, toClientPolicy, toDatagramPolicy } from "./dtls_options.ts";
import type { Answer, Demand, Engine, Output, Session } from "./engine.ts";
import type { Handshake, HandshakeLink } from "./handshake.ts";
import { HANDSHAKE } from "./handshake/message.ts";
import { MAX_IDLE_RECORDS } from "./limits.ts";
import type { Policy } from "./options.ts";
import { CONTENT } from "./record/content_type.ts";
import { DatagramReader, type DatagramRecord } from "./record/datagram_reader.ts";
import { DatagramWriter } from "./record/datagram_writer.ts";
import { answerTo, decodePathMessage, encodePathMessage } from "./return_routability.ts";

/**
 * A DTLS 1.2 PSK client for one association. Its first output is there at once: poll first. Each `receive` takes one
 * datagram, each `transmit` is one, each `data` is one record.
 *
 * A wrong key looks like a line that is dead: it ends in `timeout`. Nothing is resumed or compressed, and there is no
 * second handshake. Throws RangeError for options that make no sense.
 */
export function createDtlsEngine(options: DtlsOptions): Engine {
  return new DatagramEngine({
    role: "client",
    policy: toClientPolicy(options),
    datagrams: toDatagramPolicy(options),
    now: options.now,
    start: (link, policy) => new ClientHandshake(link, policy, options),
  });
}

/** How an engine begins. */
export interface Birth {
  readonly role: "client" | "server";
  readonly policy: Policy;
  readonly datagrams: DatagramPolicy;
  readonly now: number;
  readonly start: (link: HandshakeLink, policy: Policy) => Handshake;
  /** A server goes on where its client is, since nothing was kept of what came before: message_seq and record number. */
  readonly first?: { readonly messageSeq: number; readonly recordNumber: number };
  readonly watcher?: Watcher;
}

/** Who has to know what becomes of an engine: the acceptor. */
export interface Watcher {
  established(session: Session): void;
  /** For good, also by disposal. */
  ended(): void;
  /** The peer answered a return routability check (RFC 9853); what it brought back, 8 bytes. */
  pathAnswered(cookie: Uint8Array): void;
}

/** The engine of either role. */
export class DatagramEngine implements Engine {
  readonly #role: "client" | "server";
  readonly #reader: DatagramReader;
  readonly #writer: DatagramWriter;
  readonly #handshake: DatagramHandshake;
  readonly #watcher: Watcher | undefined;
  readonly #outputs: Output[] = [];
  #polled = 0;
  #now: number;
  #state: "handshake" | "open" | "closed" | "disposed" = "handshake";
  #endsAt: number | undefined;
  /** The last fatal alert in the clear, which anybody may have sent. */
  #heard: SeccfError | undefined;
  #idleRecords = 0;

  constructor(birth: Birth) {
    const { role, policy, datagrams, first = { messageSeq: 0, recordNumber: 0 } } = birth;
    this.#role = role;
    this.#reader = new DatagramReader(policy.connectionId ?? NOTHING);
    this.#writer = new DatagramWriter(datagrams.mtu, first.recordNumber);
    this.#watcher = birth.watcher;
    this.#now = birth.now;
    this.#endsAt = policy.deadline;
    const options: DatagramHandshakeOptions = {
      role,
      reader: this.#reader,
      writer: this.#writer,
      retransmit: datagrams.retransmit,
      messageSeq: first.messageSeq,
      demand: (demand) => this.#outputs.push({ kind: "demand", demand }),
      established: (session) => this.#established(session),
    };
    this.#handshake = new DatagramHandshake(options, (link) => birth.start(link, policy));
    this.#handshake.start(birth.now);
    this.#flush();
  }

  get deadline(): number | undefined {
    const due = this.#handshake.dueAt;
    return due === undefined || this.#endsAt === undefined ? this.#endsAt : Math.min(due, this.#endsAt);
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
    this.#try(() => this.#read());
    this.#flush();
  }

  send(plaintext: Uint8Array, now: number): void {
    this.#enter(now);
    if (this.#state !== "open") throw new SeccfError("state", "nothing can be sent before or after the session");
    const most = this.#writer.most(1);
    if (plaintext.length > most) throw new SeccfError("too-large", `a datagram of this path carries ${most} bytes`);
    this.#try(() => this.#writer.write(1, CONTENT.applicationData, plaintext));
    this.#flush();
  }

  answer(demand: Demand, answer: Answer, now: number): void {
    this.#enter(now);
    if (this.#handshake.demand !== demand) throw new SeccfError("state", "that is not what is demanded now");
    if (this.#late()) return;
    const go = this.#handshake.prepare(answer, now);
    this.#reader.push(NOTHING);
    this.#try(() => {
      go();
      this.#read();
    });
    this.#flush();
  }

  expire(now: number): void {
    this.#enter(now);
    if (this.#late()) return;
    this.#try(() => this.#handshake.repeat(now));
    this.#flush();
  }

  close(now: number): void {
    this.#enter(now);
    if (this.#state === "closed") return;
    if (this.#state === "open") this.#alert("close_notify");
    this.#end();
    this.#flush();
  }

  poll(): Output | undefined {
    const output = this.#outputs[this.#polled];
    if (output) {
      this.#polled++;
      return output;
    }
    this.#outputs.length = 0;
    this.#polled = 0;
    this.#reader.trim();
    this.#writer.trim();
    return undefined;
  }

  [Symbol.dispose](): void {
    if (this.#state === "disposed") return;
    const ended = this.#state === "closed";
    this.#wipe();
    this.#outputs.length = 0;
    this.#polled = 0;
    this.#state = "disposed";
    if (!ended) this.#watcher?.ended();
  }

  /** Ends without a word to the peer, because of `error`; outputs may be waiting. */
  abort(error: SeccfError): void {
    if (this.#state === "handshake" || this.#state === "open") this.#end(error);
  }

  /**
   * A return routability check for an address that is not yet the peer's, in a datagram of its own that is the caller's;
   * undefined where the peer does not know of RFC 9853. Outputs may be waiting.
   */
  checkPath(cookie: Uint8Array): Uint8Array | undefined {
    if (this.#state !== "open" || !this.#handshake.connectionIds?.returnRoutability) return undefined;
    return this.#writer.apart(1, CONTENT.returnRoutability, encodePathMessage({ kind: "challenge", cookie }));
  }

  #enter(now: number): void {
    if (this.#state === "disposed") throw new SeccfError("state", "the engine was disposed");
    if (this.#polled < this.#outputs.length) throw new SeccfError("state", "outputs are waiting: poll first");
    this.#outputs.length = 0;
    this.#polled = 0;
    this.#now = now;
  }

  /** Whether the handshake's time is over, which ends the association. The peer is told nothing: it was silent too. */
  #late(): boolean {
    if (this.#endsAt === undefined || this.#now < this.#endsAt) return false;
    const unopened = this.#reader.unopened > 0
      ? new SeccfError("auth-failed", "records came that the key does not open")
      : undefined;
    const cause = this.#heard ?? this.#handshake.doubt ?? unopened;
    const reason = this.#handshake.refusal;
    this.#end(reason ?? new SeccfError("timeout", "the handshake took too long", { cause }));
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
    while (this.#state !== "closed") {
      const record = this.#reader.next();
      if (!record) return;
      this.#record(record);
    }
  }

  #record({ type, payload }: DatagramRecord): void {
    if (type === CONTENT.handshake) this.#handshakeRecord(payload);
    else if (type === CONTENT.alert) this.#alertCame(payload);
    else if (type === CONTENT.changeCipherSpec) this.#handshake.changeCipherSpec(payload, this.#now);
    else if (type === CONTENT.applicationData) this.#applicationData(payload);
    else if (type === CONTENT.returnRoutability) this.#pathMessage(payload);
  }

  #handshakeRecord(payload: Uint8Array): void {
    if (this.#state === "handshake") {
      this.#handshake.fragments(payload, this.#now);
      return;
    }
    // Under the keys, and new: nobody but the peer says this.
    for (const fragment of fragmentsIn(payload)) {
      if (fragment.type === (this.#role === "server" ? HANDSHAKE.clientHello : HANDSHAKE.helloRequest)) {
        this.#passOver();
        this.#alert("no_renegotiation");
      } else if (this.#handshake.isRepeatedFinished(fragment)) {
        this.#handshake.answerRepetition(this.#now);
      }
    }
  }

  #applicationData(payload: Uint8Array): void {
    if (this.#state !== "open") return;
    this.#handshake.settle();
    this.#idleRecords = 0;
    this.#outputs.push({ kind: "data", bytes: payload });
  }

  #alertCame(payload: Uint8Array): void {
    let alert;
    try {
      alert = decodeAlert(payload);
    } catch {
      return;
    }
    if (this.#reader.epoch === 0) {
      if (alert.fatal) this.#heard = errorOf(alert);
    } else if (isCloseNotify(alert)) {
      const early = this.#state === "handshake";
      if (!early) this.#alert("close_notify");
      this.#end(early ? new SeccfError("closed", "the peer closed during the handshake") : undefined);
    } else if (alert.fatal) {
      this.#end(errorOf(alert));
    } else {
      this.#passOver();
    }
  }

  #pathMessage(payload: Uint8Array): void {
    if (this.#state !== "open" || !this.#handshake.connectionIds?.returnRoutability) return;
    const message = decodePathMessage(payload);
    if (message?.kind === "challenge") {
      this.#writer.write(1, CONTENT.returnRoutability, encodePathMessage(answerTo(message)));
    } else if (message?.kind === "response") {
      this.#watcher?.pathAnswered(message.cookie);
    }
  }

  /** A peer that sends without saying anything costs work and brings nothing. */
  #passOver(): void {
    if (++this.#idleRecords <= MAX_IDLE_RECORDS) return;
    throw new TlsFailure("unexpected_message", "too-large", "too many records that bring nothing");
  }

  #established(session: Session): void {
    this.#state = "open";
    this.#endsAt = undefined;
    this.#heard = undefined;
    this.#outputs.push({ kind: "established", session });
    this.#watcher?.established(session);
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
    let reason = error instanceof SeccfError
      ? error
      : new SeccfError("state", "the engine failed in itself", { cause: error });
    const alert = alertOf(reason);
    const { refusal } = this.#handshake;
    if (refusal && reason.code === "auth-failed") reason = refusal;
    this.#alert(alert);
    this.#end(reason);
  }

  #end(error?: SeccfError): void {
    this.#outputs.push(error ? { kind: "closed", error } : { kind: "closed" });
    this.#state = "closed";
    this.#wipe();
    this.#watcher?.ended();
  }

  #wipe(): void {
    this.#endsAt = undefined;
    this.#handshake[Symbol.dispose]();
    this.#reader[Symbol.dispose]();
    this.#writer[Symbol.dispose]();
  }

  /** What was written leaves before anything that the driver may do next. */
  #flush(): void {
    const datagrams = this.#writer.take();
    if (datagrams.length === 0) return;
    this.#outputs.unshift(...datagrams.map((bytes): Output => ({ kind: "transmit", bytes })));
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);
