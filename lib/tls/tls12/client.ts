/** The client's side of a TLS 1.2 PSK handshake from ServerHello on: one state for each message that may come next (RFC 5246 7.3). @module */

import type { SeccfError } from "../../error.ts";
import { equal } from "../../bytes/mod.ts";
import { createKeyShare, type SecretBytes } from "../../crypto/mod.ts";
import { Agreement } from "./agreement.ts";
import { TlsFailure } from "../alert.ts";
import type { Answer } from "../engine.ts";
import type { Handshake, HandshakeLink, Opening } from "../handshake.ts";
import type { ClientHello } from "../handshake/client_hello.ts";
import { encodeClientKeyExchange } from "../handshake/client_key_exchange.ts";
import { HANDSHAKE, type HandshakeMessage, unexpected } from "../handshake/message.ts";
import { decodeServerHello, type ServerHello } from "../handshake/server_hello.ts";
import { decodeServerHelloDone } from "../handshake/server_hello_done.ts";
import { decodeServerKeyExchange, type ServerShare } from "../handshake/server_key_exchange.ts";
import { decodeSessionTicket, type SessionTicket } from "../handshake/session_ticket.ts";
import { agreeWith, premasterSecret } from "./key_exchange.ts";
import { checkGoingOn, checkParameters, type Parameters } from "./negotiate.ts";
import { MAX_IDENTITY, MAX_TICKET } from "../limits.ts";
import type { Policy } from "../options.ts";
import { checkKey } from "../psk.ts";
import { ResumableSession } from "./resumable.ts";

/** What comes next. */
type Awaited =
  | "server-hello"
  | "key-exchange"
  | "key-exchange-or-done"
  | "done"
  | "answer"
  | "ticket"
  | "change-cipher-spec"
  | "finished"
  | "nothing";

/** Asks for the key when the server has said all: suite and hint are known then. */
export class Client12 implements Handshake {
  /** A client has nothing to hide: what it refuses, it refuses at once. */
  readonly refusal: SeccfError | undefined = undefined;
  readonly #link: HandshakeLink;
  readonly #policy: Policy;
  readonly #agreement: Agreement;
  readonly #offer: ClientHello;
  #awaited: Awaited = "server-hello";
  #hint: Uint8Array | undefined;
  #identity: Uint8Array = new Uint8Array(0);
  /** The earlier session that was offered; borrowed. */
  readonly #resume: ResumableSession | undefined;
  #goesOn = false;
  /** What the server gave to come back with: an id, and the promise of a ticket. */
  #given: { readonly sessionId: Uint8Array; readonly ticket: boolean } = { sessionId: NOTHING, ticket: false };
  #ticket: SessionTicket | undefined;
  /** On the driver's clock; `undefined`: nobody said. */
  #keyEndsAt: number | undefined;
  /** With a suite of ECDHE_PSK, from the server's point on. */
  #fresh: { readonly publicKey: Uint8Array; readonly agreed: SecretBytes } | undefined;

  /** `resume`: what the hello in `opening` offers to go on with. */
  constructor(link: HandshakeLink, policy: Policy, opening: Opening, resume?: ResumableSession) {
    this.#link = link;
    this.#policy = policy;
    this.#agreement = new Agreement(link, policy);
    this.#offer = opening.offer;
    this.#resume = resume;
    this.#agreement.accept(opening);
  }

  get awaitsChangeCipherSpec(): boolean {
    return this.#awaited === "change-cipher-spec";
  }

  start(): void {
    // Its hello was said before.
  }

  message(message: HandshakeMessage): void {
    const { type } = message;
    if (this.#awaited === "server-hello" && type === HANDSHAKE.serverHello) {
      this.#serverHello(message);
    } else if (
      (this.#awaited === "key-exchange" || this.#awaited === "key-exchange-or-done") &&
      type === HANDSHAKE.serverKeyExchange
    ) {
      this.#serverKeyExchange(message);
    } else if (
      (this.#awaited === "key-exchange-or-done" || this.#awaited === "done") && type === HANDSHAKE.serverHelloDone
    ) {
      this.#serverHelloDone(message);
    } else if (this.#awaited === "ticket" && type === HANDSHAKE.newSessionTicket) {
      this.#newSessionTicket(message);
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
    const { identity, key, expiresAt } = answer;
    if (identity.length > MAX_IDENTITY) throw new RangeError(`an identity is at most ${MAX_IDENTITY} bytes`);
    checkKey(key);
    const premaster = premasterSecret(key, this.#fresh?.agreed);
    this.#identity = new Uint8Array(identity);
    return () => {
      const publicKey = this.#fresh?.publicKey;
      const message = { identity: this.#identity, ...(publicKey && { publicKey }) };
      this.#forget();
      this.#agreement.send(HANDSHAKE.clientKeyExchange, encodeClientKeyExchange(message));
      this.#agreement.derive(premaster);
      this.#agreement.finish("client");
      this.#keyEndsAt = expiresAt;
      this.#awaited = this.#given.ticket ? "ticket" : "change-cipher-spec";
    };
  }

  [Symbol.dispose](): void {
    this.#forget();
    this.#agreement[Symbol.dispose]();
  }

  #forget(): void {
    this.#fresh?.agreed[Symbol.dispose]();
    this.#fresh = undefined;
  }

  #serverHello(message: HandshakeMessage): void {
    const hello = decodeServerHello(message.body);
    const parameters = checkParameters(this.#offer, hello, this.#policy);
    const resume = this.#resumedBy(hello, parameters);
    this.#agreement.choose(parameters, { client: this.#offer.random, server: hello.random });
    this.#agreement.accept(message);
    this.#given = { sessionId: new Uint8Array(hello.sessionId), ticket: hello.sessionTicket ?? false };
    if (resume) this.#goOn(resume);
    else this.#awaited = parameters.suite.exchange === "ecdhe_psk" ? "key-exchange" : "key-exchange-or-done";
  }

  /** What the server goes on with, by the id that it says back (RFC 5246 7.4.1.3, RFC 5077 3.4). */
  #resumedBy({ sessionId }: ServerHello, parameters: Parameters): ResumableSession | undefined {
    if (sessionId.length === 0 || !equal(sessionId, this.#offer.sessionId)) return undefined;
    if (!this.#resume) {
      throw new TlsFailure("illegal_parameter", "malformed", "an earlier session that was not offered", {
        clause: "RFC 5246 7.4.1.3",
      });
    }
    checkGoingOn(this.#resume.suite, parameters);
    return this.#resume;
  }

  #goOn({ identity, master, expiresAt }: ResumableSession): void {
    this.#goesOn = true;
    this.#identity = identity;
    this.#keyEndsAt = expiresAt;
    this.#agreement.goOn(master);
    this.#awaited = this.#given.ticket ? "ticket" : "change-cipher-spec";
  }

  #newSessionTicket(message: HandshakeMessage): void {
    const { lifetime, ticket } = decodeSessionTicket(message.body);
    // A ticket goes into a hello later, and that has to stay one that servers take.
    if (ticket.length > 0 && ticket.length <= MAX_TICKET) this.#ticket = { lifetime, ticket: new Uint8Array(ticket) };
    this.#agreement.accept(message);
    this.#awaited = "change-cipher-spec";
  }

  #serverKeyExchange(message: HandshakeMessage): void {
    const { exchange } = this.#agreement.parameters.suite;
    const { hint, share } = decodeServerKeyExchange(message.body, exchange === "ecdhe_psk" ? exchange : "psk");
    // Before anything is kept: on datagrams a point that is none may be somebody else's word.
    if (share) this.#agreeTo(share);
    // RFC 4279 2: an empty hint says no more than none.
    if (hint.length > 0) this.#hint = new Uint8Array(hint);
    this.#agreement.accept(message);
    this.#awaited = "done";
  }

  #agreeTo({ group, publicKey }: ServerShare): void {
    if (!this.#policy.groups.includes(group)) {
      throw new TlsFailure("illegal_parameter", "malformed", "a group that was not offered", {
        clause: "RFC 8422 5.4",
      });
    }
    using own = createKeyShare(group, this.#policy.random);
    this.#fresh = { publicKey: own.publicKey, agreed: agreeWith(own, publicKey) };
  }

  #serverHelloDone(message: HandshakeMessage): void {
    decodeServerHelloDone(message.body);
    this.#agreement.accept(message);
    this.#awaited = "answer";
    const suite = this.#agreement.parameters.suite.id;
    this.#link.demand({
      kind: "psk",
      version: this.#agreement.version,
      suite,
      ...(this.#hint && { hint: this.#hint }),
    });
  }

  #finished(message: HandshakeMessage): void {
    this.#agreement.acceptFinished(message, "server");
    if (this.#goesOn) this.#agreement.finish("client");
    this.#awaited = "nothing";
    const serverName = this.#offer.serverName;
    const peer = { identity: this.#identity, serverName, ...(this.#goesOn && { resumed: true } as const) };
    this.#link.established(this.#agreement.session(peer), this.#agreement.sequel(), this.#resumable());
  }

  /** What this session leaves for the next, where there is more than there was. */
  #resumable(): ResumableSession | undefined {
    const { resumable, bornAt } = this.#policy;
    const { suite, extendedMasterSecret } = this.#agreement.parameters;
    const ticket = this.#ticket?.ticket;
    const sessionId = ticket || this.#goesOn ? NOTHING : this.#given.sessionId;
    if (!resumable || !extendedMasterSecret || this.#keyEndsAt === undefined) return undefined;
    if (!ticket && sessionId.length === 0) return undefined;
    const seconds = this.#ticket?.lifetime || LONGEST;
    const expiresAt = Math.min(this.#keyEndsAt, bornAt + 1000 * Math.min(seconds, LONGEST));
    return new ResumableSession({
      ...{ version: this.#agreement.version, suite: suite.id, identity: this.#identity, expiresAt },
      ...{ serverName: this.#offer.serverName, master: this.#agreement.master },
      ...(ticket ? { ticket } : { sessionId }),
    });
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);
/** Seconds that a session can be gone on with at most, whatever its server says (RFC 5246 F.1.4 has a day). */
const LONGEST = 86_400;
