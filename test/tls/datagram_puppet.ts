/** A peer on datagrams moved by hand: it can say anything at any time, and protects it as a real one in that place would. */
import { Reader } from "../../lib/bytes/mod.ts";
import { secretFrom, secretSlice, suiteById } from "../../lib/crypto/mod.ts";
import { DatagramEngine } from "../../lib/tls/datagram_engine.ts";
import { toDatagramPolicy, toServerPolicy } from "../../lib/tls/dtls_options.ts";
import { type ClientHello, decodeClientHello, encodeClientHello } from "../../lib/tls/handshake/client_hello.ts";
import { encodeClientKeyExchange } from "../../lib/tls/handshake/client_key_exchange.ts";
import { encodeFragment, readFragment } from "../../lib/tls/handshake/fragment.ts";
import { HANDSHAKE } from "../../lib/tls/handshake/message.ts";
import { Reassembler } from "../../lib/tls/handshake/reassembler.ts";
import { decodeServerHello, encodeServerHello, type ServerHello } from "../../lib/tls/handshake/server_hello.ts";
import { encodeServerKeyExchange } from "../../lib/tls/handshake/server_key_exchange.ts";
import { extendedMasterSecret, masterSecret, trafficKeys, verifyData } from "../../lib/tls/tls12/key_schedule.ts";
import type { ResumableSession } from "../../lib/tls/tls12/resumable.ts";
import type { DtlsAcceptorOptions } from "../../lib/tls/mod.ts";
import { CONTENT } from "../../lib/tls/record/content_type.ts";
import type { Epoch } from "../../lib/tls/record/datagram_header.ts";
import { DatagramReader } from "../../lib/tls/record/datagram_reader.ts";
import { DatagramWriter } from "../../lib/tls/record/datagram_writer.ts";
import { createProtection, type Protection } from "../../lib/tls/record/protection.ts";
import { ServerHandshake } from "../../lib/tls/server.ts";
import { Transcript } from "../../lib/tls/transcript.ts";
import { seededRandom } from "../support/virtual.ts";
import { Peer } from "./datagrams.ts";
import { type Answerer, GCM, IDENTITY, PSK } from "./pair.ts";
import { PuppetShare } from "./puppet_share.ts";

const NO_ID = new Uint8Array(0);

/** What the puppet plays. */
export interface PuppetOptions {
  readonly suite?: number;
  readonly encryptThenMac?: boolean;
  readonly extendedMasterSecret?: boolean;
  /** Both go on with this session. */
  readonly earlier?: ResumableSession;
}

export class Puppet {
  readonly role: "client" | "server";
  readonly random = new Uint8Array(32);
  peerRandom = new Uint8Array(32);
  peerConnectionId: Uint8Array | undefined;
  /** Of the client's hello. */
  peerSessionId: Uint8Array = NO_ID;
  /** The next message_seq. */
  seq = 0;
  epoch: Epoch = 0;
  /** Its part of a fresh agreement, where the suite has one. */
  readonly fresh: PuppetShare;
  readonly #suite;
  readonly #etm: boolean;
  readonly #ems: boolean;
  readonly #earlier: ResumableSession | undefined;
  readonly #writer = new DatagramWriter(60_000);
  readonly #reader = new DatagramReader(NO_ID);
  readonly #reassembler = new Reassembler(0);
  readonly #transcript = new Transcript();
  #keys: { master: ReturnType<typeof masterSecret>; client: Protection; server: Protection } | undefined;

  constructor(role: "client" | "server", options: PuppetOptions = {}) {
    this.role = role;
    seededRandom(77)(this.random);
    this.#suite = suiteById(options.suite ?? GCM)!;
    this.#etm = options.encryptThenMac ?? this.#suite.protection.kind === "cbc";
    this.#ems = options.extendedMasterSecret ?? true;
    this.#earlier = options.earlier;
    this.fresh = new PuppetShare(this.#suite);
    this.#transcript.start(this.#suite.prf);
  }

  /** A server engine without an acceptor before it, whose client is this. */
  server(options: Partial<DtlsAcceptorOptions> = {}, answerer?: Answerer): Peer {
    const all = { random: seededRandom(2), suites: [this.#suite.id], ...options };
    const engine = new DatagramEngine({
      role: "server",
      policy: toServerPolicy(all, 0, NO_ID),
      datagrams: toDatagramPolicy({}),
      now: 0,
      start: (link, policy) => new ServerHandshake(link, policy, all),
    });
    return new Peer(engine, answerer);
  }

  /** A record of any type, under the keys in force or those of `epoch`. */
  record(type: number, payload: Uint8Array, epoch: Epoch = this.epoch): Uint8Array {
    if (epoch === 1) this.#protectWriter();
    this.#writer.write(epoch, type, payload);
    return this.#writer.poll()!.bytes.slice();
  }

  /** A handshake message that takes part in the transcript. */
  message(type: number, body: Uint8Array, epoch: Epoch = this.epoch): Uint8Array {
    const messageSeq = this.seq++;
    const framed = encodeFragment({ type, length: body.length, messageSeq, offset: 0, body });
    this.#transcript.add(framed);
    return this.record(CONTENT.handshake, framed, epoch);
  }

  clientHello(overrides: Partial<ClientHello> = {}): Uint8Array {
    return this.message(HANDSHAKE.clientHello, this.clientHelloBody(overrides));
  }

  clientHelloBody(overrides: Partial<ClientHello> = {}): Uint8Array {
    return encodeClientHello({
      version: 0xfefd,
      random: this.random,
      sessionId: new Uint8Array(0),
      cookie: new Uint8Array(0),
      suites: [this.#suite.id],
      serverName: undefined,
      extendedMasterSecret: this.#ems,
      encryptThenMac: this.#etm,
      renegotiationInfo: true,
      supportedVersions: undefined,
      ...this.fresh.offer,
      ...overrides,
    });
  }

  serverHello(overrides: Partial<ServerHello> = {}): Uint8Array {
    return this.message(HANDSHAKE.serverHello, this.serverHelloBody(overrides));
  }

  serverHelloBody(overrides: Partial<ServerHello> = {}): Uint8Array {
    return encodeServerHello({
      version: 0xfefd,
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

  clientKeyExchange(): Uint8Array {
    const body = encodeClientKeyExchange({ identity: IDENTITY, ...this.fresh.point });
    const bytes = this.message(HANDSHAKE.clientKeyExchange, body);
    this.derive();
    return bytes;
  }

  changeCipherSpec(): Uint8Array {
    const bytes = this.record(CONTENT.changeCipherSpec, Uint8Array.of(1), 0);
    this.epoch = 1;
    return bytes;
  }

  finished(): Uint8Array {
    return this.message(HANDSHAKE.finished, this.verifyData());
  }

  verifyData(): Uint8Array {
    return verifyData(this.#suite, this.#derived().master, this.role, this.#transcript.digest());
  }

  /** Opens what the engine sent, follows transcript and keys, and returns the records. */
  hear(...datagrams: readonly Uint8Array[]): { readonly type: number; readonly payload: Uint8Array }[] {
    const heard: { readonly type: number; readonly payload: Uint8Array }[] = [];
    for (const datagram of datagrams) {
      this.#reader.push(datagram);
      for (let record = this.#reader.next(); record; record = this.#reader.next()) {
        heard.push({ type: record.type, payload: new Uint8Array(record.payload) });
        if (record.type === CONTENT.changeCipherSpec && this.#reader.epoch === 0) {
          this.#reader.protect(this.#derived()[this.role === "client" ? "server" : "client"], NO_ID);
        } else if (record.type === CONTENT.handshake) {
          this.#follow(record.payload);
        }
      }
    }
    return heard;
  }

  derive(): void {
    const randoms = this.role === "client"
      ? { client: this.random, server: this.peerRandom }
      : { client: this.peerRandom, server: this.random };
    using key = secretFrom(PSK);
    using premaster = this.fresh.premaster(key);
    const master = this.#earlier
      ? secretSlice(this.#earlier.master, 0)
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
    const reader = new Reader(payload);
    while (reader.remaining > 0) this.#reassembler.push(readFragment(reader));
    for (let message = this.#reassembler.peek(); message; message = this.#reassembler.peek()) {
      this.#reassembler.advance();
      this.#transcript.add(message.framed);
      if (message.type === HANDSHAKE.serverHello) {
        const hello = decodeServerHello(message.body);
        this.peerRandom = new Uint8Array(hello.random);
        this.peerConnectionId = hello.connectionId;
      } else if (message.type === HANDSHAKE.clientHello) {
        const hello = decodeClientHello(message.body, "datagram");
        this.peerRandom = new Uint8Array(hello.random);
        this.peerSessionId = new Uint8Array(hello.sessionId);
      } else if (message.type === HANDSHAKE.serverKeyExchange) {
        this.fresh.hearServer(message.body);
      } else if (message.type === HANDSHAKE.clientKeyExchange) {
        this.fresh.hearClient(message.body);
        this.derive();
      }
    }
  }

  #isProtected = false;
  #protectWriter(): void {
    if (this.#isProtected) return;
    this.#isProtected = true;
    this.#writer.protect(this.#derived()[this.role], NO_ID);
  }

  #derived(): { master: ReturnType<typeof masterSecret>; client: Protection; server: Protection } {
    if (!this.#keys) this.derive();
    return this.#keys!;
  }
}
