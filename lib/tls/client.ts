/** The client's side of a handshake up to the server's choice of a version, and whom it leaves the rest to. @module */

import type { SeccfError } from "../error.ts";
import { equal } from "../bytes/mod.ts";
import { TlsFailure } from "./alert.ts";
import type { Answer } from "./engine.ts";
import type { Handshake, HandshakeLink } from "./handshake.ts";
import { type ClientHello, encodeClientHello } from "./handshake/client_hello.ts";
import { decodeHelloRequest } from "./handshake/hello_request.ts";
import { decodeHelloVerifyRequest } from "./handshake/hello_verify_request.ts";
import { HANDSHAKE, type HandshakeMessage, unexpected } from "./handshake/message.ts";
import { decodeServerHello, isRetryRequest, type ServerHello } from "./handshake/server_hello.ts";
import { MAX_COOKIES } from "./limits.ts";
import { type ClientOptions, isVersion13, type Policy } from "./options.ts";
import { DTLS_1_2, TLS_1_2 } from "./record/content_type.ts";
import { offerSizes } from "./record_sizes.ts";
import { Client12 } from "./tls12/client.ts";
import { earlierFor, offerToGoOn } from "./tls12/offer.ts";
import type { ResumableSession } from "./tls12/resumable.ts";
import { Client13 } from "./tls13/client.ts";
import { illegal, suitesOf } from "./tls13/negotiate.ts";
import { Offer13, type Saying } from "./tls13/offer.ts";
import { earlierFor13, Resumable13 } from "./tls13/resumable.ts";
import { checkDowngrade, checkVersion } from "./versions.ts";

/**
 * Says the ClientHello, again where a cookie is asked for, and goes on as a client of the version that comes of it.
 * Version 1.3 shows in its first word that it has the key, so that is asked for before.
 */
export class ClientHandshake implements Handshake {
  readonly #link: HandshakeLink;
  #policy: Policy;
  #offer: ClientHello;
  /** What version 1.3 offers, once there is a key. */
  #offered: Offer13 | undefined;
  #awaitsKey = false;
  /** The hello that was said last. */
  #saying: Saying | undefined;
  /** The same as the transcript of version 1.2 has it. */
  #framed: Uint8Array = new Uint8Array(0);
  #cookies = 0;
  #client: Handshake | undefined;
  /** The earlier session of version 1.2 that the hello offers to go on with. */
  readonly #resume: ResumableSession | undefined;
  /** The same of version 1.3. */
  readonly #resume13: Resumable13 | undefined;

  constructor(link: HandshakeLink, policy: Policy, options: Pick<ClientOptions, "serverName" | "resume">) {
    this.#link = link;
    this.#policy = policy;
    this.#offer = offerOf(policy, options);
    this.#resume13 = earlierFor13(policy, options);
    if (!(options.resume instanceof Resumable13)) this.#resume = earlierFor(this.#offer, policy, options);
    if (this.#resume) this.#offer = { ...this.#offer, ...offerToGoOn(this.#resume, this.#offer) };
  }

  get refusal(): SeccfError | undefined {
    return this.#client?.refusal;
  }

  get awaitsChangeCipherSpec(): boolean {
    return this.#client?.awaitsChangeCipherSpec ?? false;
  }

  start(): void {
    const version = this.#policy.versions.find(isVersion13);
    if (version === undefined) {
      this.#say();
      return;
    }
    const [suite] = suitesOf(this.#policy);
    this.#awaitsKey = true;
    // The policy has no version without a suite.
    this.#link.demand({ kind: "psk", version, suite: suite!.id });
  }

  message(message: HandshakeMessage): void {
    const { type, body } = message;
    if (type === HANDSHAKE.clientHello) {
      throw this.#clientHelloCame(body);
    } else if (type === HANDSHAKE.helloRequest && !(this.#client instanceof Client13)) {
      // RFC 5246 7.4.1.1: at any time, not in the transcript, and not heeded: there is no second handshake.
      decodeHelloRequest(body);
      this.#link.passOver();
    } else if (this.#client) {
      this.#client.message(message);
    } else if (type === HANDSHAKE.helloVerifyRequest && this.#offer.cookie) {
      this.#helloVerifyRequest(body);
    } else if (type === HANDSHAKE.serverHello) {
      this.#serverHello(message);
    } else {
      throw unexpected("a handshake message");
    }
  }

  changeCipherSpec(): void {
    if (this.#client) this.#client.changeCipherSpec();
    // RFC 8446 5: at any time after the first hello.
    else if (this.#saying && this.#offered) this.#link.passOver();
    else throw unexpected("ChangeCipherSpec");
  }

  prepare(answer: Answer): () => void {
    if (this.#client) return this.#client.prepare(answer);
    if (!this.#awaitsKey) throw unexpected("an answer");
    const offered = answer.kind === "psk" ? this.#offer13(answer) : undefined;
    return () => {
      this.#awaitsKey = false;
      this.#offered = offered;
      if (!offered) this.#goWithout();
      this.#say();
    };
  }

  [Symbol.dispose](): void {
    this.#client?.[Symbol.dispose]();
    this.#offered?.[Symbol.dispose]();
    this.#resume13?.[Symbol.dispose]();
    this.#resume?.[Symbol.dispose]();
  }

  /** With the earlier session, unless its ticket makes the hello too long for a server that takes it in one datagram. */
  #offer13(answer: Answer & { readonly kind: "psk" }): Offer13 {
    const { longestHello = Infinity } = this.#policy;
    const offered = new Offer13(this.#policy, answer, this.#resume13);
    if (!this.#resume13 || offered.say(this.#offer).body.length + RETRY_COOKIE <= longestHello) return offered;
    offered[Symbol.dispose]();
    return new Offer13(this.#policy, answer);
  }

  /** No key for version 1.3; the one of 1.2 is asked for when the server has chosen it. */
  #goWithout(): void {
    const versions = this.#policy.versions.filter((version) => !isVersion13(version));
    if (versions.length === 0) {
      throw new TlsFailure("handshake_failure", "key-unavailable", "there is no key for this server");
    }
    const suites = this.#policy.suites.filter(({ exchange }) => exchange !== "tls13");
    this.#policy = { ...this.#policy, versions, suites };
    const { supportedVersions: _, ...rest } = this.#offer;
    this.#offer = {
      ...rest,
      supportedVersions: undefined,
      sessionId: this.#resume ? rest.sessionId : new Uint8Array(0),
      suites: suites.map(({ id }) => id),
    };
  }

  #say(): void {
    this.#saying = this.#offered?.say(this.#offer) ?? { offer: this.#offer, body: encodeClientHello(this.#offer) };
    this.#framed = this.#link.send(HANDSHAKE.clientHello, this.#saying.body);
  }

  /** RFC 6347 4.2.1: the same hello once more, now with the server's cookie. */
  #helloVerifyRequest(body: Uint8Array): void {
    const { cookie } = decodeHelloVerifyRequest(body);
    if (++this.#cookies > MAX_COOKIES) throw unexpected("one more HelloVerifyRequest");
    this.#offer = { ...this.#offer, cookie: new Uint8Array(cookie) };
    this.#say();
  }

  #serverHello(message: HandshakeMessage): void {
    const saying = this.#saying;
    if (!saying) throw unexpected("ServerHello");
    const hello = decodeServerHello(message.body);
    const client = this.#offered && isOf13(hello, this.#policy)
      ? new Client13(this.#link, this.#policy, this.#offered, saying)
      : this.#clientOf12(hello, saying);
    client.message(message);
    this.#client = client;
  }

  #clientOf12(hello: ServerHello, { offer }: Saying): Client12 {
    checkVersion(hello.version, this.#policy);
    checkDowngrade(hello.random, this.#policy);
    return new Client12(this.#link, this.#policy, { offer, framed: this.#framed }, this.#resume);
  }

  /** Two clients on one line, or a mirror. */
  #clientHelloCame(body: Uint8Array): TlsFailure {
    const own = equal(body.subarray(2, 34), this.#offer.random);
    return own
      ? new TlsFailure("unexpected_message", "reflected", "our own ClientHello came back")
      : unexpected("ClientHello");
  }
}

/** Without what version 1.3 says of the key. */
function offerOf(policy: Policy, { serverName }: Pick<ClientOptions, "serverName">): ClientHello {
  const random = new Uint8Array(32);
  policy.random(random);
  const isDatagram = policy.transport === "datagram";
  const is13 = policy.versions.some(isVersion13);
  const is12 = policy.versions.some((version) => !isVersion13(version));
  // RFC 8446 D.4: a session to resume, as far as middleboxes can see.
  const sessionId = new Uint8Array(is13 && !isDatagram ? 32 : 0);
  policy.random(sessionId);
  return {
    version: isDatagram ? DTLS_1_2 : TLS_1_2,
    random,
    sessionId,
    suites: policy.suites.map((suite) => suite.id),
    serverName,
    extendedMasterSecret: is12,
    encryptThenMac: policy.suites.some((suite) => suite.protection.kind === "cbc"),
    renegotiationInfo: is12,
    supportedVersions: is13 ? policy.versions : undefined,
    ...(isDatagram && { cookie: new Uint8Array(0) }),
    ...(policy.suites.some(({ exchange }) => exchange === "ecdhe_psk") &&
      { supportedGroups: policy.groups, pointFormats: true }),
    ...offerSizes(policy),
    ...(is12 && policy.resumable && { sessionTicket: new Uint8Array(0) }),
    ...(policy.connectionId && { connectionId: policy.connectionId, returnRoutability: true }),
  };
}

/** RFC 8446 4.2.1: where the extension stands, it alone counts, and it names nothing below 1.3. */
function isOf13(hello: ServerHello, policy: Policy): boolean {
  const { supportedVersion } = hello;
  if (supportedVersion === undefined && !isRetryRequest(hello)) return false;
  if (supportedVersion === undefined || !isVersion13(supportedVersion)) {
    throw illegal("no version of the server's that can stand there", "RFC 8446 4.2.1");
  }
  checkVersion(supportedVersion, policy);
  return true;
}

/** What the cookie of a HelloRetryRequest adds to a hello, where it is of a kind with this library's. Bytes. */
const RETRY_COOKIE = 80;
