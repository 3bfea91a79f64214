/** A peer moved by hand: it can say anything at any time, and protects it as a real one in that place would. */
import { concat } from "../../lib/bytes/mod.ts";
import { secretFrom, secretSlice, suiteById } from "../../lib/crypto/mod.ts";
import { encodeClientHello } from "../../lib/tls/handshake/client_hello.ts";
import { encodeClientKeyExchange } from "../../lib/tls/handshake/client_key_exchange.ts";
import { frameMessage, HANDSHAKE, MessageJoiner } from "../../lib/tls/handshake/message.ts";
import { decodeServerHello, encodeServerHello } from "../../lib/tls/handshake/server_hello.ts";
import { decodeClientHello } from "../../lib/tls/handshake/client_hello.ts";
import { encodeServerKeyExchange } from "../../lib/tls/handshake/server_key_exchange.ts";
import { extendedMasterSecret, masterSecret, trafficKeys, verifyData } from "../../lib/tls/tls12/key_schedule.ts";
import { CONTENT, TLS_1_2 } from "../../lib/tls/record/content_type.ts";
import { createProtection, type Protection } from "../../lib/tls/record/protection.ts";
import { RecordReader } from "../../lib/tls/record/record_reader.ts";
import { RecordWriter } from "../../lib/tls/record/record_writer.ts";
import { RecordSequence } from "../../lib/tls/record/sequence.ts";
import { Transcript } from "../../lib/tls/transcript.ts";
import { seededRandom } from "../support/virtual.ts";
import { GCM, IDENTITY, PSK } from "./pair.ts";
import { PuppetShare } from "./puppet_share.ts";
import { sealWith } from "./pads.ts";

/** What the puppet plays. */
export interface PuppetOptions {
  readonly suite?: number;
  readonly extendedMasterSecret?: boolean;
  readonly encryptThenMac?: boolean;
  readonly psk?: Uint8Array;
  /** What its hello says beside. */
  readonly offer?: Partial<Parameters<typeof encodeClientHello>[0]>;
  /** It goes on with the session of this one, whose master secret it has. */
  readonly earlier?: Puppet;
}

/** A record as the puppet read it. */
export interface Heard {
  readonly type: number;
  readonly payload: Uint8Array;
}

export class Puppet {
  readonly role: "client" | "server";
  readonly random = new Uint8Array(32);
  /** The other side's, once heard. */
  peerRandom = new Uint8Array(32);
  /** Its part of a fresh agreement, where the suite has one. */
  readonly fresh: PuppetShare;
  readonly #suite;
  readonly #ems: boolean;
  readonly #etm: boolean;
  readonly #psk: Uint8Array;
  readonly #earlier: Puppet | undefined;
  readonly #offer: PuppetOptions["offer"];
  readonly #writer = new RecordWriter();
  readonly #reader = new RecordReader([CONTENT.handshake, CONTENT.alert]);
  readonly #joiner = new MessageJoiner();
  readonly #transcript = new Transcript();
  #keys: { master: ReturnType<typeof masterSecret>; client: Protection; server: Protection } | undefined;

  constructor(role: "client" | "server", options: PuppetOptions = {}) {
    this.role = role;
    seededRandom(77)(this.random);
    this.#suite = suiteById(options.suite ?? GCM)!;
    this.#ems = options.extendedMasterSecret ?? true;
    this.#etm = options.encryptThenMac ?? this.#suite.protection.kind === "cbc";
    this.#psk = options.psk ?? PSK;
    this.#earlier = options.earlier;
    this.#offer = options.offer;
    this.fresh = new PuppetShare(this.#suite);
    this.#transcript.start(this.#suite.prf);
  }

  /** A record of any type, under the keys in force. */
  record(type: number, payload: Uint8Array): Uint8Array {
    this.#writer.write(type, payload);
    return new Uint8Array(this.#writer.poll()?.bytes ?? []);
  }

  /** A protected record of `length` zeros, be it none or too many, with the number that it must have. */
  sealed(type: number, number: number, length: number): Uint8Array {
    const sequence = new RecordSequence(TLS_1_2, number);
    const sealed = sealWith(this.#derived()[this.role], sequence.next(type), new Uint8Array(length));
    return concat(Uint8Array.of(type, 3, 3, sealed.length >> 8, sealed.length), sealed);
  }

  /** A handshake message that takes part in the transcript. */
  message(type: number, body: Uint8Array): Uint8Array {
    const framed = frameMessage(type, body);
    this.#transcript.add(framed);
    return this.record(CONTENT.handshake, framed);
  }

  clientHello(overrides: Partial<Parameters<typeof encodeClientHello>[0]> = {}): Uint8Array {
    return this.message(HANDSHAKE.clientHello, this.clientHelloBody(overrides));
  }

  clientHelloBody(overrides: Partial<Parameters<typeof encodeClientHello>[0]> = {}): Uint8Array {
    return encodeClientHello({
      version: 0x0303,
      random: this.random,
      sessionId: new Uint8Array(0),
      suites: [this.#suite.id],
      serverName: undefined,
      extendedMasterSecret: this.#ems,
      encryptThenMac: this.#etm,
      renegotiationInfo: true,
      supportedVersions: undefined,
      ...this.fresh.offer,
      ...this.#offer,
      ...overrides,
    });
  }

  serverHello(overrides: Partial<Parameters<typeof encodeServerHello>[0]> = {}): Uint8Array {
    return this.message(HANDSHAKE.serverHello, this.serverHelloBody(overrides));
  }

  serverHelloBody(overrides: Partial<Parameters<typeof encodeServerHello>[0]> = {}): Uint8Array {
    return encodeServerHello({
      version: 0x0303,
      random: this.random,
      sessionId: new Uint8Array(0),
      suite: this.#suite.id,
      serverName: false,
      extendedMasterSecret: this.#ems,
      encryptThenMac: this.#etm,
      renegotiationInfo: true,
      ...overrides,
    });
  }

  serverKeyExchange(hint: Uint8Array): Uint8Array {
    return this.message(HANDSHAKE.serverKeyExchange, encodeServerKeyExchange({ hint, ...this.fresh.share }));
  }

  serverHelloDone(): Uint8Array {
    return this.message(HANDSHAKE.serverHelloDone, new Uint8Array(0));
  }

  /** Also makes the keys: the transcript ends here. */
  clientKeyExchange(identity: Uint8Array = IDENTITY): Uint8Array {
    const bytes = this.message(HANDSHAKE.clientKeyExchange, encodeClientKeyExchange({ identity, ...this.fresh.point }));
    this.derive();
    return bytes;
  }

  /** ChangeCipherSpec; what follows is protected. */
  changeCipherSpec(): Uint8Array {
    const bytes = this.record(CONTENT.changeCipherSpec, Uint8Array.of(1));
    this.#writer.protect(this.#derived()[this.role]);
    return bytes;
  }

  finished(): Uint8Array {
    return this.message(HANDSHAKE.finished, this.verifyData());
  }

  verifyData(): Uint8Array {
    return verifyData(this.#suite, this.#derived().master, this.role, this.#transcript.digest());
  }

  /** Opens what the engine sent, follows the transcript and the keys, and returns the records. */
  hear(bytes: Uint8Array): Heard[] {
    const heard: Heard[] = [];
    this.#reader.push(bytes);
    for (let record = this.#reader.next(); record; record = this.#reader.next()) {
      heard.push({ type: record.type, payload: new Uint8Array(record.payload) });
      if (record.type === CONTENT.changeCipherSpec) {
        this.#reader.protect(this.#derived()[this.role === "client" ? "server" : "client"]);
      } else if (record.type === CONTENT.handshake) {
        this.#follow(record.payload);
      }
    }
    this.#reader.settle();
    return heard;
  }

  derive(): void {
    const randoms = this.role === "client"
      ? { client: this.random, server: this.peerRandom }
      : { client: this.peerRandom, server: this.random };
    using key = secretFrom(this.#psk);
    using premaster = this.fresh.premaster(key);
    const master = this.#earlier
      ? secretSlice(this.#earlier.#derived().master, 0)
      : this.#ems
      ? extendedMasterSecret(this.#suite, premaster, this.#transcript.digest())
      : masterSecret(this.#suite, premaster, randoms);
    const keys = trafficKeys(this.#suite, master, randoms);
    const options = { encryptThenMac: this.#etm, random: seededRandom(78) };
    this.#keys = {
      master,
      client: createProtection(this.#suite, keys.client, options),
      server: createProtection(this.#suite, keys.server, options),
    };
  }

  #follow(payload: Uint8Array): void {
    this.#joiner.push(payload);
    for (let message = this.#joiner.next(16_384); message; message = this.#joiner.next(16_384)) {
      this.#transcript.add(message.framed);
      if (message.type === HANDSHAKE.serverHello) {
        this.peerRandom = new Uint8Array(decodeServerHello(message.body).random);
      } else if (message.type === HANDSHAKE.clientHello) {
        this.peerRandom = new Uint8Array(decodeClientHello(message.body).random);
      } else if (message.type === HANDSHAKE.serverKeyExchange) {
        this.fresh.hearServer(message.body);
      } else if (message.type === HANDSHAKE.clientKeyExchange) {
        this.fresh.hearClient(message.body);
        this.derive();
      }
    }
    this.#joiner.settle();
  }

  #derived(): { master: ReturnType<typeof masterSecret>; client: Protection; server: Protection } {
    if (!this.#keys) this.derive();
    return this.#keys!;
  }
}

/** A server engine's whole handshake with a puppet client; returns what the engine sent last, opened. */
export function asClient(puppet: Puppet, receive: (bytes: Uint8Array) => Uint8Array): Heard[] {
  puppet.hear(receive(puppet.clientHello()));
  return puppet.hear(receive(concat(puppet.clientKeyExchange(), puppet.changeCipherSpec(), puppet.finished())));
}

/** A client engine's whole handshake with a puppet server; `first` is what the engine sent at birth. */
export function asServer(
  puppet: Puppet,
  first: Uint8Array,
  receive: (bytes: Uint8Array) => Uint8Array,
  hint?: Uint8Array,
  hello?: Partial<Parameters<typeof encodeServerHello>[0]>,
): Heard[] {
  puppet.hear(first);
  const exchange = hint ? () => puppet.serverKeyExchange(hint) : () => new Uint8Array(0);
  puppet.hear(receive(concat(puppet.serverHello(hello), exchange(), puppet.serverHelloDone())));
  return puppet.hear(receive(concat(puppet.changeCipherSpec(), puppet.finished())));
}
