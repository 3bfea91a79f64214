/** The server's side of a TLS 1.2 PSK handshake: one state for each message that may come next (RFC 5246 7.3). @module */

import { equal } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";
import { Agreement } from "./agreement.ts";
import { TlsFailure } from "./alert.ts";
import type { Answer } from "./engine.ts";
import type { Handshake, HandshakeLink } from "./handshake.ts";
import { decodeClientHello } from "./handshake/client_hello.ts";
import { decodeClientKeyExchange } from "./handshake/client_key_exchange.ts";
import { HANDSHAKE, type HandshakeMessage, unexpected } from "./handshake/message.ts";
import { encodeServerHello } from "./handshake/server_hello.ts";
import { encodeServerHelloDone } from "./handshake/server_hello_done.ts";
import { encodeServerKeyExchange } from "./handshake/server_key_exchange.ts";
import { pskPremaster } from "./key_schedule.ts";
import { chooseParameters } from "./negotiate.ts";
import type { Policy, ServerOptions } from "./options.ts";
import { checkKey, decoyKey, isOwn } from "./psk.ts";
import { DTLS_1_2 } from "./record/content_type.ts";

/** What comes next. */
type Awaited = "client-hello" | "client-key-exchange" | "answer" | "change-cipher-spec" | "finished" | "nothing";

/**
 * Asks for the key when the client has named itself. From then on nothing that is sent, in what order or of what
 * length, depends on whether there was one: a stranger's Finished fails as a record that does not open, and gets
 * bad_record_mac as RFC 5246 7.2.2 demands of every such record. (decrypt_error, which RFC 4279 2 names, is left to a
 * Finished that opens but differs; only the holder of the key can make one.)
 */
export class ServerHandshake implements Handshake {
  readonly #link: HandshakeLink;
  readonly #policy: Policy;
  readonly #agreement: Agreement;
  readonly #hint: Uint8Array | undefined;
  readonly #ownIdentities: readonly Uint8Array[];
  #awaited: Awaited = "client-hello";
  #identity: Uint8Array = new Uint8Array(0);
  #serverName: string | undefined;
  #refusal: SeccfError | undefined;

  constructor(link: HandshakeLink, policy: Policy, options: Pick<ServerOptions, "hint" | "ownIdentities">) {
    this.#link = link;
    this.#policy = policy;
    this.#agreement = new Agreement(link, policy);
    this.#hint = options.hint && new Uint8Array(options.hint);
    this.#ownIdentities = (options.ownIdentities ?? []).map((identity) => new Uint8Array(identity));
  }

  get refusal(): SeccfError | undefined {
    return this.#refusal;
  }

  get awaitsChangeCipherSpec(): boolean {
    return this.#awaited === "change-cipher-spec";
  }

  start(): void {
    // The client has the first move.
  }

  message(message: HandshakeMessage): void {
    if (this.#awaited === "client-hello" && message.type === HANDSHAKE.clientHello) {
      this.#clientHello(message);
    } else if (this.#awaited === "client-key-exchange" && message.type === HANDSHAKE.clientKeyExchange) {
      this.#clientKeyExchange(message);
    } else if (this.#awaited === "finished" && message.type === HANDSHAKE.finished) {
      this.#finished(message);
    } else {
      throw unexpected("a handshake message");
    }
  }

  changeCipherSpec(): void {
    if (this.#awaited !== "change-cipher-spec") throw unexpected("ChangeCipherSpec");
    this.#agreement.protectReceived("client");
    this.#awaited = "finished";
  }

  prepare(answer: Answer): () => void {
    if (answer.kind === "psk") checkKey(answer.key);
    // Made in any case: what an unknown identity costs, a known one costs too.
    using decoy = decoyKey(this.#policy.random);
    const refusal = this.#refuse(answer);
    const premaster = pskPremaster(answer.kind === "psk" && !refusal ? answer.key : decoy);
    return () => {
      this.#refusal = refusal;
      this.#agreement.derive(premaster);
      this.#awaited = "change-cipher-spec";
    };
  }

  [Symbol.dispose](): void {
    this.#agreement[Symbol.dispose]();
  }

  #clientHello(message: HandshakeMessage): void {
    const hello = decodeClientHello(message.body, this.#policy.version === DTLS_1_2 ? "datagram" : "stream");
    const parameters = chooseParameters(hello, this.#policy);
    const random = new Uint8Array(32);
    this.#policy.random(random);
    if (equal(random, hello.random)) {
      throw new TlsFailure("illegal_parameter", "reflected", "the client's random is our own");
    }
    this.#agreement.accept(message);
    this.#agreement.choose(parameters, { client: hello.random, server: random });
    this.#serverName = hello.serverName;
    const { connectionIds } = parameters;
    this.#agreement.send(
      HANDSHAKE.serverHello,
      encodeServerHello({
        version: this.#policy.version,
        random,
        sessionId: new Uint8Array(0),
        suite: parameters.suite.id,
        serverName: hello.serverName !== undefined,
        extendedMasterSecret: parameters.extendedMasterSecret,
        encryptThenMac: parameters.encryptThenMac,
        renegotiationInfo: hello.renegotiationInfo,
        ...(connectionIds && { connectionId: connectionIds.server }),
        ...(connectionIds?.returnRoutability && { returnRoutability: true }),
      }),
    );
    if (this.#hint) this.#agreement.send(HANDSHAKE.serverKeyExchange, encodeServerKeyExchange({ hint: this.#hint }));
    this.#agreement.send(HANDSHAKE.serverHelloDone, encodeServerHelloDone());
    this.#awaited = "client-key-exchange";
  }

  #clientKeyExchange(message: HandshakeMessage): void {
    this.#identity = new Uint8Array(decodeClientKeyExchange(message.body).identity);
    this.#agreement.accept(message);
    this.#awaited = "answer";
    this.#link.demand({
      kind: "psk",
      suite: this.#agreement.parameters.suite.id,
      identity: new Uint8Array(this.#identity),
      ...(this.#serverName !== undefined && { serverName: this.#serverName }),
    });
  }

  #finished(message: HandshakeMessage): void {
    // Only a broken source of randomness can bring a stranger here.
    if (this.#refusal) throw new TlsFailure("decrypt_error", this.#refusal.code, this.#refusal.message);
    this.#agreement.acceptFinished(message, "client");
    this.#agreement.finish("server");
    this.#awaited = "nothing";
    this.#link.established(this.#agreement.session(this.#identity, this.#serverName));
  }

  #refuse(answer: Answer): SeccfError | undefined {
    if (isOwn(this.#identity, this.#ownIdentities)) {
      return new SeccfError("reflected", "the client shows an identity of our own");
    }
    if (answer.kind === "unknown") return new SeccfError("auth-failed", "no key is known for the client's identity");
    return undefined;
  }
}
