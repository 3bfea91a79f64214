/** The client's side of a TLS 1.2 PSK handshake: one state for each message that may come next (RFC 5246 7.3). @module */

import type { SeccfError } from "../error.ts";
import { equal } from "../bytes/mod.ts";
import { Agreement } from "./agreement.ts";
import { TlsFailure } from "./alert.ts";
import type { Answer } from "./engine.ts";
import type { Handshake, HandshakeLink } from "./handshake.ts";
import { type ClientHello, encodeClientHello } from "./handshake/client_hello.ts";
import { encodeClientKeyExchange } from "./handshake/client_key_exchange.ts";
import { decodeHelloRequest } from "./handshake/hello_request.ts";
import { decodeHelloVerifyRequest } from "./handshake/hello_verify_request.ts";
import { HANDSHAKE, type HandshakeMessage, unexpected } from "./handshake/message.ts";
import { decodeServerHello } from "./handshake/server_hello.ts";
import { decodeServerHelloDone } from "./handshake/server_hello_done.ts";
import { decodeServerKeyExchange } from "./handshake/server_key_exchange.ts";
import { pskPremaster } from "./key_schedule.ts";
import { checkParameters } from "./negotiate.ts";
import { MAX_COOKIES, MAX_IDENTITY } from "./limits.ts";
import type { ClientOptions, Policy } from "./options.ts";
import { checkKey } from "./psk.ts";
import { DTLS_1_2 } from "./record/content_type.ts";

/** What comes next. */
type Awaited =
  | "server-hello"
  | "key-exchange-or-done"
  | "done"
  | "answer"
  | "change-cipher-spec"
  | "finished"
  | "nothing";

/** Asks for the key when the server has said all: suite and hint are known then. */
export class ClientHandshake implements Handshake {
  /** A client has nothing to hide: what it refuses, it refuses at once. */
  readonly refusal: SeccfError | undefined = undefined;
  readonly #link: HandshakeLink;
  readonly #policy: Policy;
  readonly #agreement: Agreement;
  #offer: ClientHello;
  #cookies = 0;
  #awaited: Awaited = "server-hello";
  #hint: Uint8Array | undefined;
  #identity: Uint8Array = new Uint8Array(0);

  constructor(link: HandshakeLink, policy: Policy, options: Pick<ClientOptions, "serverName">) {
    this.#link = link;
    this.#policy = policy;
    this.#agreement = new Agreement(link, policy);
    const random = new Uint8Array(32);
    policy.random(random);
    this.#offer = {
      version: policy.version,
      random,
      sessionId: new Uint8Array(0),
      suites: policy.suites.map((suite) => suite.id),
      serverName: options.serverName,
      extendedMasterSecret: true,
      encryptThenMac: policy.suites.some((suite) => suite.protection.kind === "cbc"),
      renegotiationInfo: true,
      supportedVersions: undefined,
      ...(policy.version === DTLS_1_2 && { cookie: new Uint8Array(0) }),
      ...(policy.connectionId && { connectionId: policy.connectionId, returnRoutability: true }),
    };
  }

  get awaitsChangeCipherSpec(): boolean {
    return this.#awaited === "change-cipher-spec";
  }

  start(): void {
    this.#agreement.send(HANDSHAKE.clientHello, encodeClientHello(this.#offer));
  }

  message(message: HandshakeMessage): void {
    const { type, body } = message;
    if (type === HANDSHAKE.helloRequest) {
      // RFC 5246 7.4.1.1: at any time, not in the transcript, and not heeded: there is no second handshake.
      decodeHelloRequest(body);
      this.#link.passOver();
      return;
    }
    if (type === HANDSHAKE.clientHello) throw this.#clientHelloCame(body);
    if (this.#awaited === "server-hello" && type === HANDSHAKE.helloVerifyRequest && this.#offer.cookie) {
      this.#helloVerifyRequest(body);
    } else if (this.#awaited === "server-hello" && type === HANDSHAKE.serverHello) {
      this.#serverHello(message);
    } else if (this.#awaited === "key-exchange-or-done" && type === HANDSHAKE.serverKeyExchange) {
      const { hint } = decodeServerKeyExchange(body);
      // RFC 4279 2: an empty hint says no more than none.
      if (hint.length > 0) this.#hint = new Uint8Array(hint);
      this.#agreement.accept(message);
      this.#awaited = "done";
    } else if (
      (this.#awaited === "key-exchange-or-done" || this.#awaited === "done") && type === HANDSHAKE.serverHelloDone
    ) {
      this.#serverHelloDone(message);
    } else if (this.#awaited === "finished" && type === HANDSHAKE.finished) {
      this.#finished(message);
    } else {
      throw unexpected("a handshake message");
    }
  }

  changeCipherSpec(): void {
    if (this.#awaited !== "change-cipher-spec") throw unexpected("ChangeCipherSpec");
    this.#agreement.protectReceived("server");
    this.#awaited = "finished";
  }

  prepare(answer: Answer): () => void {
    if (answer.kind === "unknown") {
      return () => {
        throw new TlsFailure("handshake_failure", "key-unavailable", "there is no key for this server");
      };
    }
    const { identity, key } = answer;
    if (identity.length > MAX_IDENTITY) throw new RangeError(`an identity is at most ${MAX_IDENTITY} bytes`);
    checkKey(key);
    const premaster = pskPremaster(key);
    this.#identity = new Uint8Array(identity);
    return () => {
      this.#agreement.send(HANDSHAKE.clientKeyExchange, encodeClientKeyExchange({ identity: this.#identity }));
      this.#agreement.derive(premaster);
      this.#agreement.finish("client");
      this.#awaited = "change-cipher-spec";
    };
  }

  [Symbol.dispose](): void {
    this.#agreement[Symbol.dispose]();
  }

  /** RFC 6347 4.2.1: the same hello once more, now with the server's cookie. */
  #helloVerifyRequest(body: Uint8Array): void {
    const { cookie } = decodeHelloVerifyRequest(body);
    if (++this.#cookies > MAX_COOKIES) throw unexpected("one more HelloVerifyRequest");
    this.#offer = { ...this.#offer, cookie: new Uint8Array(cookie) };
    this.#agreement.restart();
    this.start();
  }

  #serverHello(message: HandshakeMessage): void {
    const hello = decodeServerHello(message.body);
    const parameters = checkParameters(this.#offer, hello, this.#policy);
    this.#agreement.choose(parameters, { client: this.#offer.random, server: hello.random });
    this.#agreement.accept(message);
    this.#awaited = "key-exchange-or-done";
  }

  #serverHelloDone(message: HandshakeMessage): void {
    decodeServerHelloDone(message.body);
    this.#agreement.accept(message);
    this.#awaited = "answer";
    const suite = this.#agreement.parameters.suite.id;
    this.#link.demand({ kind: "psk", suite, ...(this.#hint && { hint: this.#hint }) });
  }

  #finished(message: HandshakeMessage): void {
    this.#agreement.acceptFinished(message, "server");
    this.#awaited = "nothing";
    this.#link.established(this.#agreement.session(this.#identity, this.#offer.serverName));
  }

  /** Two clients on one line, or a mirror. */
  #clientHelloCame(body: Uint8Array): TlsFailure {
    const own = equal(body.subarray(2, 34), this.#offer.random);
    return own
      ? new TlsFailure("unexpected_message", "reflected", "our own ClientHello came back")
      : unexpected("ClientHello");
  }
}
