/** A peer of version 1.3 moved by hand: it can say anything at any time, and protects it as a real one in that place would. */
import { concat } from "../../lib/bytes/mod.ts";
import { createKeyShare, type KeyShare, type SecretBytes, secretFrom, suiteById } from "../../lib/crypto/mod.ts";
import { type ClientHello, decodeClientHello, encodeClientHello } from "../../lib/tls/handshake/client_hello.ts";
import { encodeEncryptedExtensions, type EncryptedExtensions } from "../../lib/tls/handshake/encrypted_extensions.ts";
import { encodeKeyUpdate } from "../../lib/tls/handshake/key_update.ts";
import { frameMessage, HANDSHAKE, MessageJoiner } from "../../lib/tls/handshake/message.ts";
import { encodeNewSessionTicket } from "../../lib/tls/handshake/new_session_ticket.ts";
import type { PskIdentity } from "../../lib/tls/handshake/pre_shared_key.ts";
import {
  decodeServerHello,
  encodeServerHello,
  isRetryRequest,
  RETRY_RANDOM,
  type ServerHello,
} from "../../lib/tls/handshake/server_hello.ts";
import { CONTENT } from "../../lib/tls/record/content_type.ts";
import { InnerProtection } from "../../lib/tls/record/inner_protection.ts";
import { RecordReader } from "../../lib/tls/record/record_reader.ts";
import { RecordWriter } from "../../lib/tls/record/record_writer.ts";
import {
  applicationTraffic,
  binder,
  earlySecret,
  finishedData,
  handshakeSecret,
  handshakeTraffic,
  type KeyOrigin,
  mainSecret,
  nextTrafficSecret,
  type Schedule,
  type SecretPair,
  trafficKeys,
} from "../../lib/tls/tls13/key_schedule.ts";
import type { Resumable13 } from "../../lib/tls/tls13/resumable.ts";
import { Transcript13 } from "../../lib/tls/tls13/transcript.ts";
import { seededRandom } from "../support/virtual.ts";
import { IDENTITY, PSK } from "./pair.ts";
import type { Heard } from "./puppet.ts";
import { sealInner } from "./pads.ts";

/** What the puppet plays. */
export interface Puppet13Options {
  readonly suite?: number;
  readonly psk?: Uint8Array;
  /** Default {@link IDENTITY}. */
  readonly identity?: Uint8Array;
  /** Of its share. */
  readonly group?: number;
  /** It leaves out the fresh agreement. */
  readonly pskOnly?: boolean;
  /** It goes on with this session instead of showing its key. */
  readonly earlier?: Resumable13;
}

type Side = "client" | "server";

export class Puppet13 {
  readonly role: Side;
  readonly random = new Uint8Array(32);
  readonly transcript = new Transcript13("sha-256");
  /** As the client said it. */
  sessionId: Uint8Array = new Uint8Array(32).fill(9);
  share: KeyShare;
  readonly #suite;
  readonly #schedule: Schedule = { prefix: "tls13 ", hash: "sha-256" };
  readonly #pskOnly: boolean;
  readonly #identity: PskIdentity;
  readonly #origin: KeyOrigin;
  readonly #early: SecretBytes;
  readonly #writer = new RecordWriter();
  readonly #reader = new RecordReader([CONTENT.handshake, CONTENT.alert]);
  readonly #joiner = new MessageJoiner();
  #peerKey: Uint8Array | undefined;
  #handshake: SecretPair | undefined;
  #application: SecretPair | undefined;
  #main: SecretBytes | undefined;
  #sent: SecretBytes | undefined;
  #received: SecretBytes | undefined;

  constructor(role: Side, options: Puppet13Options = {}) {
    this.role = role;
    seededRandom(77)(this.random);
    this.#suite = suiteById(options.suite ?? 0x1301)!;
    this.#pskOnly = options.pskOnly ?? false;
    const { earlier } = options;
    this.#identity = earlier
      ? { identity: earlier.ticket, obfuscatedAge: earlier.obfuscatedAge(0) }
      : { identity: options.identity ?? IDENTITY, obfuscatedAge: 0 };
    this.#origin = earlier ? "resumption" : "external";
    this.#early = earlySecret(this.#schedule, earlier?.key ?? secretFrom(options.psk ?? PSK));
    this.share = createKeyShare(options.group ?? 0x001d, seededRandom(78));
  }

  /** A record of any type, under the keys in force. */
  record(type: number, payload: Uint8Array): Uint8Array {
    this.#writer.write(type, payload);
    return new Uint8Array(this.#writer.poll()?.bytes ?? []);
  }

  /** A record in the clear. */
  clear(type: number, payload: Uint8Array): Uint8Array {
    this.#writer.writeClear(type, payload);
    return new Uint8Array(this.#writer.poll()?.bytes ?? []);
  }

  /** One record under the keys in force whose inner plaintext is `inner`: type and padding by hand. */
  inner(inner: Uint8Array, number = 0): Uint8Array {
    const keys = trafficKeys("tls13 ", this.#suite, this.#sent!);
    // The last byte takes the place of the type.
    return sealInner(new InnerProtection(this.#suite, keys, number), inner.at(-1)!, inner.subarray(0, -1));
  }

  /** A handshake message that takes part in the transcript. */
  message(type: number, body: Uint8Array): Uint8Array {
    this.transcript.add(type, body);
    return this.record(CONTENT.handshake, frameMessage(type, body));
  }

  changeCipherSpec(payload: Uint8Array = Uint8Array.of(1)): Uint8Array {
    return this.clear(CONTENT.changeCipherSpec, payload);
  }

  clientHello(overrides: Partial<ClientHello> = {}): Uint8Array {
    return this.message(HANDSHAKE.clientHello, this.clientHelloBody(overrides));
  }

  /** With a binder for what is said, be it ever so wrong. */
  clientHelloBody(overrides: Partial<ClientHello> = {}): Uint8Array {
    const { group, publicKey } = this.share;
    const body = encodeClientHello({
      version: 0x0303,
      random: this.random,
      sessionId: this.sessionId,
      suites: [this.#suite.id],
      serverName: undefined,
      extendedMasterSecret: false,
      encryptThenMac: false,
      renegotiationInfo: false,
      supportedVersions: [0x0304],
      supportedGroups: [0x001d, 0x0017],
      keyShares: [{ group, publicKey }],
      pskModes: this.#pskOnly ? [0] : [1, 0],
      offeredPsks: {
        identities: [this.#identity],
        binders: [new Uint8Array(32)],
      },
      ...overrides,
    });
    if (overrides.offeredPsks || "offeredPsks" in overrides) return body;
    const truncated = this.transcript.digestTruncated(HANDSHAKE.clientHello, body, 35);
    body.set(binder(this.#schedule, this.#early, this.#origin, truncated), body.length - 32);
    return body;
  }

  serverHello(overrides: Partial<ServerHello> = {}): Uint8Array {
    const bytes = this.message(HANDSHAKE.serverHello, this.serverHelloBody(overrides));
    this.derive();
    return bytes;
  }

  serverHelloBody(overrides: Partial<ServerHello> = {}): Uint8Array {
    return encodeServerHello({
      version: 0x0303,
      random: this.random,
      sessionId: this.sessionId,
      suite: this.#suite.id,
      serverName: false,
      extendedMasterSecret: false,
      encryptThenMac: false,
      renegotiationInfo: false,
      supportedVersion: 0x0304,
      ...(!this.#pskOnly && { keyShare: this.share }),
      selectedIdentity: 0,
      ...overrides,
    });
  }

  retryRequest(overrides: Partial<ServerHello> = { retryGroup: 0x0017 }): Uint8Array {
    this.transcript.retry();
    const { keyShare: _, selectedIdentity: __, ...hello } = decodeServerHello(this.serverHelloBody());
    const { retryGroup, ...rest } = overrides;
    if (retryGroup !== undefined) this.share = createKeyShare(retryGroup, seededRandom(79));
    const body = encodeServerHello({ ...hello, random: RETRY_RANDOM, ...rest, ...(retryGroup && { retryGroup }) });
    return this.message(HANDSHAKE.serverHello, body);
  }

  encryptedExtensions(message: EncryptedExtensions = { serverName: false }): Uint8Array {
    return this.message(HANDSHAKE.encryptedExtensions, encodeEncryptedExtensions(message));
  }

  /** And what comes behind it is under the keys of data. */
  finished(body: Uint8Array = this.verifyData()): Uint8Array {
    const bytes = this.message(HANDSHAKE.finished, body);
    if (this.role === "server") this.#proceed();
    this.#send(this.#application?.[this.role]);
    return bytes;
  }

  verifyData(): Uint8Array {
    return finishedData(this.#schedule, this.#handshake![this.role], this.transcript.digest());
  }

  keyUpdate(requested = false): Uint8Array {
    const bytes = this.record(CONTENT.handshake, frameMessage(HANDSHAKE.keyUpdate, encodeKeyUpdate({ requested })));
    this.#send(nextTrafficSecret(this.#schedule, this.#sent!));
    return bytes;
  }

  newSessionTicket(): Uint8Array {
    const body = encodeNewSessionTicket({
      ...{ lifetime: 60, ageAdd: 1, nonce: new Uint8Array(1) },
      ticket: new Uint8Array(8),
    });
    return this.record(CONTENT.handshake, frameMessage(HANDSHAKE.newSessionTicket, body));
  }

  /** Opens what the engine sent, follows the transcript and the keys, and returns the records. */
  hear(bytes: Uint8Array): Heard[] {
    const heard: Heard[] = [];
    this.#reader.push(bytes);
    for (let record = this.#reader.next(); record; record = this.#reader.next()) {
      heard.push({ type: record.type, payload: new Uint8Array(record.payload) });
      if (record.type === CONTENT.handshake) this.#follow(record.payload);
    }
    this.#reader.settle();
    return heard;
  }

  /** Both hellos are in the transcript. */
  derive(): void {
    using shared = this.#peerKey && !this.#pskOnly ? this.share.agree(this.#peerKey) : undefined;
    const handshake = handshakeSecret(this.#schedule, this.#early, shared);
    this.#handshake = handshakeTraffic(this.#schedule, handshake, this.transcript.digest());
    this.#main = mainSecret(this.#schedule, handshake);
    this.#send(this.#handshake[this.role]);
    this.#receive(this.#handshake[other(this.role)]);
  }

  #proceed(): void {
    this.#application = applicationTraffic(this.#schedule, this.#main!, this.transcript.digest());
  }

  #send(secret: SecretBytes | undefined): void {
    if (!secret) return;
    this.#sent = secret;
    this.#writer.protectInner(new InnerProtection(this.#suite, trafficKeys("tls13 ", this.#suite, secret)));
  }

  #receive(secret: SecretBytes): void {
    this.#received = secret;
    this.#reader.protectInner(new InnerProtection(this.#suite, trafficKeys("tls13 ", this.#suite, secret)));
  }

  #follow(payload: Uint8Array): void {
    this.#joiner.push(payload);
    for (let message = this.#joiner.next(16_384); message; message = this.#joiner.next(16_384)) {
      const { type, body } = message;
      if (type === HANDSHAKE.keyUpdate) {
        this.#receive(nextTrafficSecret(this.#schedule, this.#received!));
        continue;
      }
      const hello = type === HANDSHAKE.serverHello ? decodeServerHello(body) : undefined;
      if (hello && isRetryRequest(hello)) this.transcript.retry();
      this.transcript.add(type, body);
      if (hello && !isRetryRequest(hello)) {
        this.#peerKey = hello.keyShare && new Uint8Array(hello.keyShare.publicKey);
        this.derive();
      } else if (type === HANDSHAKE.clientHello) {
        this.#clientHello(decodeClientHello(body));
      } else if (type === HANDSHAKE.finished) {
        if (this.role === "client") this.#proceed();
        this.#receive(this.#application![other(this.role)]);
      }
    }
    this.#joiner.settle();
  }

  #clientHello({ sessionId, keyShares }: ClientHello): void {
    this.sessionId = new Uint8Array(sessionId);
    const share = keyShares?.find(({ group }) => group === this.share.group);
    this.#peerKey = share && new Uint8Array(share.publicKey);
  }
}

function other(side: Side): Side {
  return side === "client" ? "server" : "client";
}

/** A server engine's whole handshake with a puppet client; returns what the engine said, opened. */
export function asClient13(puppet: Puppet13, receive: (bytes: Uint8Array) => Uint8Array): Heard[] {
  const heard = puppet.hear(receive(puppet.clientHello()));
  return [...heard, ...puppet.hear(receive(concat(puppet.changeCipherSpec(), puppet.finished())))];
}

/** A client engine's whole handshake with a puppet server; `first` is what the engine sent at birth. */
export function asServer13(puppet: Puppet13, first: Uint8Array, receive: (bytes: Uint8Array) => Uint8Array): Heard[] {
  puppet.hear(first);
  const flight = [puppet.serverHello(), puppet.changeCipherSpec(), puppet.encryptedExtensions(), puppet.finished()];
  return puppet.hear(receive(concat(...flight)));
}
