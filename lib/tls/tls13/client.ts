/** The client's side of a handshake of version 1.3 from the server's first word on: one state for each message that may come next (RFC 8446 A.1). @module */

import { TlsFailure } from "../alert.ts";
import { checkConnectionIds } from "../connection_ids.ts";
import type { Answer } from "../engine.ts";
import type { SeccfError } from "../../error.ts";
import type { Handshake, HandshakeLink } from "../handshake.ts";
import type { ClientHello } from "../handshake/client_hello.ts";
import { decodeEncryptedExtensions, type EncryptedExtensions } from "../handshake/encrypted_extensions.ts";
import type { KeyShareEntry } from "../handshake/key_share.ts";
import { HANDSHAKE, type HandshakeMessage, unexpected } from "../handshake/message.ts";
import { decodeServerHello, isRetryRequest, type ServerHello } from "../handshake/server_hello.ts";
import type { Policy } from "../options.ts";
import { checkSizes } from "../record_sizes.ts";
import { Agreement13 } from "./agreement.ts";
import { checkEncryptedExtensions, checkHello, illegal } from "./negotiate.ts";
import type { Offer13, Saying } from "./offer.ts";

/** What comes next. */
type Awaited = "server-hello" | "encrypted-extensions" | "finished" | "nothing";

/** Everything was asked and shown before: this checks the answer. */
export class Client13 implements Handshake {
  /** A client has nothing to hide: what it refuses, it refuses at once. */
  readonly refusal: SeccfError | undefined = undefined;
  readonly awaitsChangeCipherSpec = false;
  readonly #link: HandshakeLink;
  readonly #policy: Policy;
  readonly #agreement: Agreement13;
  readonly #offered: Offer13;
  #offer: ClientHello;
  #awaited: Awaited = "server-hello";
  /** The server took the earlier session. */
  #goesOn = false;
  /** What a HelloRetryRequest asked for. */
  #retry: ServerHello | undefined;

  /** `offered` stays the caller's, who disposes it later than this; `saying` is the hello that it made. */
  constructor(link: HandshakeLink, policy: Policy, offered: Offer13, saying: Saying) {
    this.#link = link;
    this.#policy = policy;
    this.#offered = offered;
    this.#offer = saying.offer;
    this.#agreement = new Agreement13(link, policy);
    this.#agreement.accept({ type: HANDSHAKE.clientHello, body: saying.body });
  }

  start(): void {
    // Its hello was said before.
  }

  message(message: HandshakeMessage): void {
    const { type } = message;
    if (this.#awaited === "server-hello" && type === HANDSHAKE.serverHello) {
      const hello = decodeServerHello(message.body);
      if (isRetryRequest(hello)) this.#retryRequest(hello, message);
      else this.#serverHello(hello, message);
    } else if (this.#awaited === "encrypted-extensions" && type === HANDSHAKE.encryptedExtensions) {
      this.#encryptedExtensions(decodeEncryptedExtensions(message.body));
      this.#agreement.accept(message);
      this.#awaited = "finished";
    } else if (this.#awaited === "finished" && type === HANDSHAKE.finished) {
      this.#finished(message);
    } else {
      // With a pre-shared key there is neither CertificateRequest nor Certificate (RFC 8446 4.3.2).
      throw unexpected("a handshake message");
    }
  }

  /** Streams alone: RFC 8446 5, it means nothing. */
  changeCipherSpec(): void {
    this.#link.passOver();
  }

  prepare(_answer: Answer): () => void {
    throw unexpected("an answer");
  }

  [Symbol.dispose](): void {
    this.#agreement[Symbol.dispose]();
  }

  /** RFC 8446 4.1.4: once, and so that the next hello differs. */
  #retryRequest(hello: ServerHello, message: HandshakeMessage): void {
    if (this.#retry) throw unexpected("a second HelloRetryRequest");
    checkHello(this.#offer, hello, this.#policy);
    if (hello.selectedIdentity !== undefined || hello.connectionId || hello.returnRoutability) {
      throw illegal("an extension that belongs into another message", "RFC 8446 4.2");
    }
    const { retryGroup, retryCookie } = hello;
    if (retryGroup === undefined && !retryCookie) throw illegal("a retry that changes nothing", "RFC 8446 4.1.4");
    if (retryGroup !== undefined) this.#changeGroup(retryGroup);
    this.#retry = { ...hello, sessionId: this.#offer.sessionId };
    this.#agreement.transcript.retry();
    this.#agreement.accept(message);
    this.#compatibilityChange();
    const cookie = retryCookie && { retryCookie: new Uint8Array(retryCookie) };
    const { offer, body } = this.#offered.say({ ...this.#offer, ...cookie }, this.#agreement.transcript);
    this.#offer = offer;
    this.#agreement.send(HANDSHAKE.clientHello, body);
  }

  #changeGroup(group: number): void {
    if (!this.#policy.groups.includes(group)) throw illegal("a group that was not offered", "RFC 8446 4.2.8");
    if (this.#offer.keyShares?.some((share) => share.group === group)) {
      throw illegal("a group of which the server has a share", "RFC 8446 4.2.8");
    }
    this.#offered.changeGroup(group);
  }

  #serverHello(hello: ServerHello, message: HandshakeMessage): void {
    const suite = checkHello(this.#offer, hello, this.#policy);
    if (hello.retryCookie) throw illegal("a cookie in ServerHello", "RFC 8446 4.2");
    const retry = this.#retry;
    if (retry && (retry.suite !== hello.suite || retry.supportedVersion !== hello.supportedVersion)) {
      throw illegal("ServerHello differs from its HelloRetryRequest", "RFC 8446 4.1.4");
    }
    if (hello.selectedIdentity === undefined) {
      throw new TlsFailure("handshake_failure", "downgrade", "the server wants to go on without the key", {
        clause: "RFC 8446 4.2.11",
      });
    }
    const early = this.#offered.early(hello.selectedIdentity);
    if (!early) throw illegal("a key that was not offered", "RFC 8446 4.2.11");
    const connectionIds = checkConnectionIds(this.#offer, hello);
    using shared = this.#agree(hello.keyShare);
    this.#agreement.accept(message);
    this.#goesOn = this.#offered.isEarlier(hello.selectedIdentity);
    const clientRandom = this.#offer.random;
    this.#agreement.agree({ suite, early, shared, connectionIds, clientRandom });
    this.#agreement.receiveUnder(2, "server");
    if (!retry) this.#compatibilityChange();
    this.#agreement.sendUnder(2, "client");
    this.#awaited = "encrypted-extensions";
  }

  #encryptedExtensions(extensions: EncryptedExtensions): void {
    checkEncryptedExtensions(this.#offer, extensions);
    const sizes = checkSizes(this.#offer, extensions, this.#agreement.version);
    if (sizes) this.#link.limitRecords(sizes);
  }

  #agree(share: KeyShareEntry | undefined): ReturnType<Offer13["agree"]> | undefined {
    if (share) {
      // After a retry for a group, that group is all that was offered.
      const isOffered = this.#offer.keyShares?.some(({ group }) => group === share.group);
      if (!isOffered) throw illegal("a key share of a group that was not sent", "RFC 8446 4.2.8");
      return this.#offered.agree(share.publicKey);
    }
    if (this.#policy.forwardSecrecy === "required" || this.#retry?.retryGroup !== undefined) {
      throw new TlsFailure("illegal_parameter", "downgrade", "the server leaves out the fresh agreement", {
        clause: "RFC 8446 4.2.9",
      });
    }
    return undefined;
  }

  #finished(message: HandshakeMessage): void {
    this.#agreement.acceptFinished(message, "server");
    this.#agreement.proceed();
    this.#agreement.receiveUnder(3, "server");
    this.#agreement.finish("client");
    this.#agreement.sendUnder(3, "client");
    this.#awaited = "nothing";
    const { identity, keyEndsAt } = this.#offered;
    const { serverName } = this.#offer;
    this.#agreement.establish("client", { identity, serverName, keyEndsAt, ...(this.#goesOn && { resumed: true }) });
  }

  /** RFC 8446 D.4: before the second flight, where the session id claims to be of an earlier version. */
  #compatibilityChange(): void {
    if (this.#policy.transport === "stream" && this.#offer.sessionId.length > 0) this.#link.compatibilityChange();
  }
}
