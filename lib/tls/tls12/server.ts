/** The server's side of a TLS 1.2 PSK handshake: one state for each message that may come next (RFC 5246 7.3). @module */

import { equal } from "../../bytes/mod.ts";
import { createKeyShare, type KeyShare, type SecretBytes } from "../../crypto/mod.ts";
import { SeccfError } from "../../error.ts";
import { Agreement } from "./agreement.ts";
import { TlsFailure } from "../alert.ts";
import type { Answer } from "../engine.ts";
import type { Handshake, HandshakeLink, Opening } from "../handshake.ts";
import { decodeClientHello } from "../handshake/client_hello.ts";
import { FRAGMENT_HEADER_LENGTH } from "../handshake/fragment.ts";
import { decodeClientKeyExchange } from "../handshake/client_key_exchange.ts";
import { HANDSHAKE, type HandshakeMessage, unexpected } from "../handshake/message.ts";
import { encodeServerHello } from "../handshake/server_hello.ts";
import { encodeServerHelloDone } from "../handshake/server_hello_done.ts";
import { encodeServerKeyExchange } from "../handshake/server_key_exchange.ts";
import { agreeWith, premasterSecret } from "./key_exchange.ts";
import { chooseParameters, type Parameters } from "./negotiate.ts";
import { Later } from "./later.ts";
import { type Earlier, findEarlier } from "./earlier.ts";
import type { Policy, ServerOptions } from "../options.ts";
import { type EarlierSession, isKeyOf } from "../resumption.ts";
import { checkKey, decoyKey, isOwn } from "../psk.ts";
import { chooseSizes } from "../record_sizes.ts";
import { DTLS_1_2, TLS_1_2 } from "../record/content_type.ts";
import { markDowngrade } from "../versions.ts";

/** What comes next. */
type Awaited = "client-key-exchange" | "answer" | "change-cipher-spec" | "finished" | "nothing";

/**
 * Asks for the key when the client has named itself. From then on nothing that is sent, in what order or of what
 * length, depends on whether there was one: a stranger's Finished fails as a record that does not open, and gets
 * bad_record_mac as RFC 5246 7.2.2 demands of every such record. (decrypt_error, which RFC 4279 2 names, is left to a
 * Finished that opens but differs; only the holder of the key can make one.)
 */
export class Server12 implements Handshake {
  readonly #link: HandshakeLink;
  readonly #policy: Policy;
  readonly #agreement: Agreement;
  readonly #hint: Uint8Array | undefined;
  readonly #ownIdentities: readonly Uint8Array[];
  #opening: Opening | undefined;
  #awaited: Awaited = "client-key-exchange";
  #identity: Uint8Array = new Uint8Array(0);
  #serverName: string | undefined;
  #refusal: SeccfError | undefined;
  /** With a suite of ECDHE_PSK, until the client's point is there. */
  #share: KeyShare | undefined;
  #agreed: SecretBytes | undefined;
  /** Whose key is being asked for. */
  #earlier: Earlier & { readonly opening: Opening } | undefined;
  #goesOn = false;
  readonly #later: Later;

  /** `opening` is the hello that brought version 1.2 about; `options` stay as they are. */
  constructor(
    link: HandshakeLink,
    policy: Policy,
    options: Pick<ServerOptions, "hint" | "ownIdentities">,
    opening: Opening,
  ) {
    this.#link = link;
    this.#policy = policy;
    this.#agreement = new Agreement(link, policy);
    this.#later = new Later(policy);
    this.#hint = options.hint;
    this.#ownIdentities = options.ownIdentities ?? [];
    this.#opening = opening;
  }

  get refusal(): SeccfError | undefined {
    return this.#refusal;
  }

  get awaitsChangeCipherSpec(): boolean {
    return this.#awaited === "change-cipher-spec";
  }

  start(): void {
    const opening = this.#opening;
    this.#opening = undefined;
    if (!opening) return;
    const earlier = findEarlier(opening.offer, this.#policy, this.#ownIdentities);
    if (!earlier) {
      this.#answerHello(opening);
      return;
    }
    this.#earlier = { ...earlier, opening: copyOf(opening, this.#policy) };
    this.#awaited = "answer";
    // A session that goes on needs no key, but there has to be one still: else it would outlive it.
    const { identity, serverName } = earlier.session;
    this.#demand(earlier.parameters.suite.id, identity, serverName);
  }

  message(message: HandshakeMessage): void {
    if (this.#awaited === "client-key-exchange" && message.type === HANDSHAKE.clientKeyExchange) {
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
    if (this.#earlier) return this.#prepareEarlier(this.#earlier, answer);
    // Made in any case: what an unknown identity costs, a known one costs too.
    using decoy = decoyKey(this.#policy.random);
    const refusal = this.#refuse(answer);
    const known = answer.kind === "psk" && !refusal ? answer : undefined;
    const premaster = premasterSecret(known?.key ?? decoy, this.#agreed);
    this.#later.mark(known?.key ?? decoy, known?.expiresAt);
    return () => {
      this.#forget();
      this.#refusal = refusal;
      this.#agreement.derive(premaster);
      this.#awaited = "change-cipher-spec";
    };
  }

  [Symbol.dispose](): void {
    this.#forget();
    this.#later[Symbol.dispose]();
    this.#agreement[Symbol.dispose]();
  }

  #forget(): void {
    this.#share?.[Symbol.dispose]();
    this.#agreed?.[Symbol.dispose]();
    this.#earlier?.session[Symbol.dispose]();
    this.#share = undefined;
    this.#agreed = undefined;
    this.#earlier = undefined;
  }

  /** The key is the same: the session goes on. Else as if nothing had been shown. */
  #prepareEarlier(
    { session, parameters, opening }: Earlier & { readonly opening: Opening },
    answer: Answer,
  ): () => void {
    const { resumption, bornAt, random } = this.#policy;
    using decoy = decoyKey(random);
    const { key, expiresAt } = answer.kind === "psk" ? answer : { key: decoy, expiresAt: undefined };
    using mark = resumption?.mark(key, expiresAt, bornAt);
    const isSame = isKeyOf(session, mark, bornAt);
    return () => {
      if (isSame) this.#goOn(session, parameters, opening);
      else this.#answerHello(opening);
      session[Symbol.dispose]();
      this.#earlier = undefined;
    };
  }

  #goOn(session: EarlierSession, parameters: Parameters, opening: Opening): void {
    this.#goesOn = true;
    this.#identity = session.identity;
    this.#serverHello(parameters, opening, { ticket: false, sessionId: opening.offer.sessionId });
    this.#agreement.goOn(session.master);
    this.#agreement.finish("server");
    this.#awaited = "change-cipher-spec";
  }

  #answerHello(opening: Opening): void {
    const parameters = chooseParameters(opening.offer, this.#policy);
    this.#serverHello(parameters, opening, this.#later.promise(opening.offer));
    this.#serverKeyExchange(parameters.group);
    this.#agreement.send(HANDSHAKE.serverHelloDone, encodeServerHelloDone());
    this.#awaited = "client-key-exchange";
  }

  #serverHello(
    parameters: Parameters,
    { offer: hello, framed }: Opening,
    later: { readonly sessionId: Uint8Array; readonly ticket: boolean },
  ): void {
    const random = new Uint8Array(32);
    this.#policy.random(random);
    markDowngrade(random, this.#policy);
    if (equal(random, hello.random)) {
      throw new TlsFailure("illegal_parameter", "reflected", "the client's random is our own");
    }
    this.#agreement.accept({ framed });
    this.#agreement.choose(parameters, { client: hello.random, server: random });
    this.#serverName = hello.serverName;
    const { connectionIds, group } = parameters;
    this.#agreement.send(
      HANDSHAKE.serverHello,
      encodeServerHello({
        version: this.#policy.transport === "datagram" ? DTLS_1_2 : TLS_1_2,
        random,
        sessionId: later.sessionId,
        suite: parameters.suite.id,
        // RFC 6066 3: of a session that goes on it says nothing.
        serverName: hello.serverName !== undefined && !this.#goesOn,
        extendedMasterSecret: parameters.extendedMasterSecret,
        encryptThenMac: parameters.encryptThenMac,
        renegotiationInfo: hello.renegotiationInfo,
        // RFC 8422 5.2: only with a curve, and only to who speaks of it.
        ...(group !== undefined && hello.pointFormats && { pointFormats: true }),
        ...chooseSizes(hello, this.#policy, this.#agreement.version)?.answer,
        ...(connectionIds && { connectionId: connectionIds.server }),
        ...(connectionIds?.returnRoutability && { returnRoutability: true }),
        ...(later.ticket && { sessionTicket: true }),
      }),
    );
  }

  #serverKeyExchange(group: number | undefined): void {
    if (group !== undefined) this.#share = createKeyShare(group, this.#policy.random);
    const { group: id, publicKey } = this.#share ?? {};
    const share = id !== undefined && publicKey ? { share: { group: id, publicKey } } : {};
    if (!this.#hint && !this.#share) return;
    const body = encodeServerKeyExchange({ hint: this.#hint ?? new Uint8Array(0), ...share });
    this.#agreement.send(HANDSHAKE.serverKeyExchange, body);
  }

  #clientKeyExchange(message: HandshakeMessage): void {
    const { identity, publicKey } = decodeClientKeyExchange(message.body, this.#share ? "ecdhe_psk" : "psk");
    // Before it is known whose identity it is: what an agreement costs, it costs with every one.
    if (this.#share && publicKey) this.#agreed = agreeWith(this.#share, publicKey);
    this.#identity = new Uint8Array(identity);
    this.#agreement.accept(message);
    this.#awaited = "answer";
    this.#demand(this.#agreement.parameters.suite.id, this.#identity, this.#serverName);
  }

  #demand(suite: number, identity: Uint8Array, serverName: string | undefined): void {
    this.#link.demand({
      kind: "psk",
      version: this.#agreement.version,
      suite,
      identity: new Uint8Array(identity),
      ...(serverName !== undefined && { serverName }),
    });
  }

  #finished(message: HandshakeMessage): void {
    // Only a broken source of randomness can bring a stranger here.
    if (this.#refusal) throw new TlsFailure("decrypt_error", this.#refusal.code, this.#refusal.message);
    this.#agreement.acceptFinished(message, "client");
    if (!this.#goesOn) {
      this.#later.keep(this.#agreement, { identity: this.#identity, serverName: this.#serverName });
      this.#agreement.finish("server");
    }
    this.#awaited = "nothing";
    const peer = {
      identity: this.#identity,
      serverName: this.#serverName,
      ...(this.#goesOn && { resumed: true } as const),
    };
    this.#link.established(this.#agreement.session(peer), this.#agreement.sequel());
  }

  #refuse(answer: Answer): SeccfError | undefined {
    if (isOwn(this.#identity, this.#ownIdentities)) {
      return new SeccfError("reflected", "the client shows an identity of our own");
    }
    if (answer.kind === "unknown") return new SeccfError("auth-failed", "no key is known for the client's identity");
    return undefined;
  }
}

/** What waits for an answer must not be a view of what comes meanwhile. */
function copyOf({ framed }: Opening, { transport }: Policy): Opening {
  const copy = new Uint8Array(framed);
  const bodyAt = transport === "datagram" ? FRAGMENT_HEADER_LENGTH : 4;
  return { offer: decodeClientHello(copy.subarray(bodyAt), transport), framed: copy };
}
