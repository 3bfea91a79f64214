/**
 * One TLS connection on a stream: joins the record layer with a handshake's state machine, and answers to the driver.
 *
 * The order of the states is handshake, open, closed. A demand stops all reading: what the peer sends meanwhile waits,
 * unread and bounded, in the record layer.
 *
 * @module
 */

import type { SecretBytes } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import { type AlertName, decodeAlert, encodeAlert, errorOf, isCloseNotify, TlsFailure } from "./alert.ts";
import { ClientHandshake } from "./client.ts";
import type { Answer, Demand, Engine, Output, Resumable, Session } from "./engine.ts";
import { endingOf, endsConnection } from "./ending.ts";
import { exportedBy } from "./exporter.ts";
import type { Agreed, Handshake, HandshakeLink, Sequel } from "./handshake.ts";
import { decodeHelloRequest } from "./handshake/hello_request.ts";
import { decodeKeyUpdate } from "./handshake/key_update.ts";
import { frameMessage, HANDSHAKE, type HandshakeMessage, MessageJoiner, unexpected } from "./handshake/message.ts";
import { MAX_EARLY_DATA, MAX_EARLY_MESSAGE, MAX_HELD, MAX_IDLE_RECORDS, MAX_MESSAGE } from "./limits.ts";
import { isVersion13, type TlsOptions, toPolicy } from "./options.ts";
import { discard, OutputQueue } from "./output_queue.ts";
import { CONTENT } from "./record/content_type.ts";
import { RecordReader, type TlsRecord } from "./record/record_reader.ts";
import { RecordWriter } from "./record/record_writer.ts";
import { ServerHandshake } from "./server.ts";
import { StreamKeys } from "./tls13/stream_keys.ts";

/**
 * A PSK engine of TLS 1.3 and 1.2 for one connection over a stream. A client's first output is there at once, in version
 * 1.3 the demand for its key: poll first.
 *
 * Nothing is compressed, and there is no second handshake: in version 1.2 HelloRequest is passed over, and a second
 * ClientHello gets the warning no_renegotiation. No data is sent or taken before the handshake (RFC 8446 2.3). Throws
 * RangeError for options that make no sense.
 */
export function createTlsEngine(options: TlsOptions): Engine {
  return new StreamEngine(options);
}

class StreamEngine implements Engine {
  readonly #role: TlsOptions["role"];
  readonly #reader: RecordReader;
  readonly #writer = new RecordWriter();
  readonly #joiner = new MessageJoiner();
  readonly #outputs = new OutputQueue<Output>();
  #state: "handshake" | "open" | "closed" | "disposed" = "handshake";
  /** Until the session is established. */
  #handshake: Handshake | undefined;
  #deadline: number | undefined;
  #demand: Demand | undefined;
  #idleRecords = 0;
  #is13 = false;
  /** Those of version 1.3. */
  readonly #keys: StreamKeys;
  /** What goes on behind the handshake. */
  #sequel: Sequel | undefined;
  readonly #exports: boolean;

  constructor(options: TlsOptions) {
    const policy = toPolicy(options);
    this.#role = options.role;
    this.#exports = policy.exporter;
    this.#deadline = policy.deadline;
    const isClient = options.role === "client";
    this.#reader = new RecordReader(isClient ? [CONTENT.alert] : [CONTENT.alert, CONTENT.handshake]);
    this.#keys = new StreamKeys(this.#reader, this.#writer, policy.recordsPerKey);
    this.#handshake = options.role === "client"
      ? new ClientHandshake(this.#link(), policy, options)
      : new ServerHandshake(this.#link(), policy, options);
    this.#handshake.start();
  }

  get deadline(): number | undefined {
    return this.#deadline;
  }

  receive(bytes: Uint8Array, now: number): void {
    this.#enter();
    if (this.#state === "closed" || this.#late(now)) return;
    try {
      this.#reader.push(bytes);
      this.#read();
      if (this.#demand && this.#reader.held > MAX_HELD) {
        throw new TlsFailure("unexpected_message", "too-large", `more than ${MAX_HELD} bytes while a key is looked up`);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  send(plaintext: Uint8Array, _now: number): void {
    this.#enter();
    if (this.#state !== "open") throw new SeccfError("state", "nothing can be sent before or after the session");
    try {
      this.#keys.refresh();
      this.#writer.write(CONTENT.applicationData, plaintext);
    } catch (error) {
      this.#fail(error);
    }
  }

  answer(demand: Demand, answer: Answer, now: number): void {
    this.#enter();
    if (!this.#handshake || this.#demand !== demand) throw new SeccfError("state", "that is not what is demanded now");
    if (this.#late(now)) return;
    const go = this.#handshake.prepare(answer);
    this.#demand = undefined;
    try {
      go();
      this.#reader.push(NOTHING);
      this.#read();
    } catch (error) {
      this.#fail(error);
    }
  }

  expire(now: number): void {
    this.#enter();
    this.#late(now);
  }

  close(_now: number): void {
    this.#enter();
    if (this.#state === "closed") return;
    if (this.#state === "open") this.#alert("close_notify");
    this.#end();
  }

  exportKey(label: string, context: Uint8Array | undefined, length: number): SecretBytes {
    return exportedBy(this.#exports ? this.#sequel : undefined, { label, context, length });
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
    this.#wipe();
    discard(this);
    this.#state = "disposed";
  }

  #enter(): void {
    if (this.#state === "disposed") throw new SeccfError("state", "the engine was disposed");
    if (this.#writer.isWaiting || !this.#outputs.isEmpty) {
      throw new SeccfError("state", "outputs are waiting: poll first");
    }
  }

  /** Whether the handshake's time is over, which ends the connection. The peer is told nothing: it was silent too. */
  #late(now: number): boolean {
    if (this.#deadline === undefined || now < this.#deadline) return false;
    this.#end(new SeccfError("timeout", "the handshake took too long"));
    return true;
  }

  #read(): void {
    while (this.#state !== "closed" && !this.#demand) {
      const message = this.#joiner.next(this.#state === "open" ? MAX_MESSAGE : MAX_EARLY_MESSAGE);
      if (message) {
        this.#message(message);
        continue;
      }
      const record = this.#reader.next();
      if (!record) break;
      this.#record(record);
    }
    this.#joiner.settle();
    this.#reader.settle();
  }

  #record({ type, payload }: TlsRecord): void {
    if (type === CONTENT.alert) {
      this.#alertCame(payload);
      return;
    }
    if (type === CONTENT.handshake) {
      if (payload.length === 0) throw unexpected("an empty handshake record");
      this.#joiner.push(payload);
      return;
    }
    // RFC 5246 7.1: keys change between messages, never within one; nor does anything else come there.
    if (!this.#joiner.empty) throw unexpected("a record inside a handshake message");
    if (type === CONTENT.changeCipherSpec) this.#changeCipherSpec(payload);
    else this.#applicationData(payload.length);
  }

  #changeCipherSpec(payload: Uint8Array): void {
    if (!this.#handshake) throw unexpected("ChangeCipherSpec");
    if (payload.length !== 1 || payload[0] !== 1) {
      if (this.#is13) throw unexpected("ChangeCipherSpec");
      throw new TlsFailure("decode_error", "malformed", "no ChangeCipherSpec", { clause: "RFC 5246 7.1" });
    }
    this.#handshake.changeCipherSpec();
  }

  #applicationData(length: number): void {
    if (this.#state !== "open") throw unexpected("application data");
    if (length === 0) {
      this.#passOver();
      return;
    }
    this.#idleRecords = 0;
    this.#outputs.push(this.#reader.data);
  }

  #message(message: HandshakeMessage): void {
    if (this.#handshake) {
      this.#handshake.message(message);
    } else if (this.#is13) {
      this.#messageOf13(message);
    } else if (this.#role === "server" && message.type === HANDSHAKE.clientHello) {
      this.#passOver();
      this.#alert("no_renegotiation");
    } else if (this.#role === "client" && message.type === HANDSHAKE.helloRequest) {
      decodeHelloRequest(message.body);
      this.#passOver();
    } else {
      throw unexpected("a handshake message");
    }
  }

  #messageOf13(message: HandshakeMessage): void {
    this.#passOver();
    if (message.type !== HANDSHAKE.keyUpdate) {
      const state = this.#sequel?.message(message);
      if (state) this.#outputs.push({ kind: "resumable", state });
      return;
    }
    const { requested } = decodeKeyUpdate(message.body);
    this.#endMessage();
    this.#keys.updateReceived();
    if (requested) this.#keys.updateSent();
  }

  /** RFC 8446 5.1: what comes before a change of keys ends before it. */
  #endMessage(): void {
    if (!this.#joiner.empty) throw unexpected("a change of keys inside a handshake message");
  }

  #agreed({ version }: Agreed): void {
    this.#is13 = isVersion13(version);
    this.#reader.agreed();
    if (!this.#is13) return;
    // Padding may make any record as long as they get.
    this.#reader.trust();
    if (this.#role === "server") this.#reader.allowClearAlerts();
  }

  #alertCame(payload: Uint8Array): void {
    const alert = decodeAlert(payload);
    if (isCloseNotify(alert)) {
      if (this.#state === "open") {
        // RFC 5246 7.2.1: answered at once; what was not sent yet is dropped.
        this.#alert("close_notify");
        this.#end();
      } else {
        this.#end(new SeccfError("closed", "the peer closed during the handshake"));
      }
    } else if (endsConnection(alert, this.#is13)) {
      this.#end(errorOf(alert));
    } else {
      this.#passOver();
    }
  }

  /** A peer that sends without saying anything costs work and brings nothing. */
  #passOver(): void {
    if (++this.#idleRecords <= MAX_IDLE_RECORDS) return;
    throw new TlsFailure("unexpected_message", "too-large", "too many records that bring nothing");
  }

  #link(): HandshakeLink {
    return {
      send: (type, body) => {
        const framed = frameMessage(type, body);
        this.#writer.write(CONTENT.handshake, framed);
        return framed;
      },
      protectSent: (protection) => {
        this.#writer.write(CONTENT.changeCipherSpec, CHANGE_CIPHER_SPEC);
        this.#writer.protect(protection);
      },
      protectReceived: (protection) => this.#reader.protect(protection),
      sendUnder: (_epoch, secret) => this.#keys.sendUnder(secret),
      receiveUnder: (_epoch, secret) => {
        this.#endMessage();
        this.#keys.receiveUnder(secret);
      },
      compatibilityChange: () => this.#writer.writeClear(CONTENT.changeCipherSpec, CHANGE_CIPHER_SPEC),
      skipEarlyData: () => this.#reader.skip(MAX_EARLY_DATA),
      agreed: (agreed) => this.#agreed(agreed),
      limitRecords: ({ sent, received }) => {
        this.#writer.limit(sent);
        this.#reader.limit(received);
        // In version 1.3 everything from here on is protected.
        if (this.#is13) this.#reader.trust();
      },
      demand: (demand) => {
        this.#demand = demand;
        this.#outputs.push({ kind: "demand", demand });
      },
      passOver: () => this.#passOver(),
      established: (...made) => this.#established(...made),
    };
  }

  #established(session: Session, sequel?: Sequel, resumable?: Resumable): void {
    this.#sequel = sequel;
    this.#state = "open";
    this.#deadline = undefined;
    this.#idleRecords = 0;
    this.#reader.trust();
    this.#handshake?.[Symbol.dispose]();
    this.#handshake = undefined;
    this.#outputs.push({ kind: "established", session });
    if (resumable) this.#outputs.push({ kind: "resumable", state: resumable });
  }

  #alert(name: AlertName): void {
    try {
      this.#writer.write(CONTENT.alert, encodeAlert(name));
    } catch {
      // Without a record number, or without randomness, there is no way to say so.
    }
  }

  /** The connection ends because of `error`: the peer gets its alert, the driver the reason. */
  #fail(error: unknown): void {
    const { alert, reason } = endingOf(error, this.#handshake?.refusal);
    this.#alert(alert);
    this.#end(reason);
  }

  #end(error?: SeccfError): void {
    this.#outputs.push(error ? { kind: "closed", error } : { kind: "closed" });
    this.#state = "closed";
    this.#wipe();
  }

  #wipe(): void {
    this.#deadline = undefined;
    this.#demand = undefined;
    this.#handshake?.[Symbol.dispose]();
    this.#handshake = undefined;
    this.#reader[Symbol.dispose]();
    this.#writer[Symbol.dispose]();
    this.#joiner.clear();
    this.#keys[Symbol.dispose]();
    this.#sequel?.[Symbol.dispose]();
    this.#sequel = undefined;
  }
}

const CHANGE_CIPHER_SPEC: Uint8Array = Uint8Array.of(1);
const NOTHING: Uint8Array = new Uint8Array(0);
