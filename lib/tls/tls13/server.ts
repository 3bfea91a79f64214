/** The server's side of a handshake of version 1.3: one state for each message that may come next (RFC 8446 A.2). @module */

import { equal } from "../../bytes/mod.ts";
import { createKeyShare, type SecretBytes } from "../../crypto/mod.ts";
import { SeccfError } from "../../error.ts";
import { TlsFailure } from "../alert.ts";
import { chooseConnectionIds } from "../connection_ids.ts";
import type { Answer } from "../engine.ts";
import type { Handshake, HandshakeLink, Retried } from "../handshake.ts";
import { type ClientHello, decodeClientHello, encodeClientHello } from "../handshake/client_hello.ts";
import { encodeEncryptedExtensions } from "../handshake/encrypted_extensions.ts";
import { HANDSHAKE, type HandshakeMessage, unexpected } from "../handshake/message.ts";
import { bindersLength } from "../handshake/pre_shared_key.ts";
import { encodeServerHello } from "../handshake/server_hello.ts";
import { MAX_IDENTITY } from "../limits.ts";
import type { Policy, ServerOptions } from "../options.ts";
import { chooseSizes } from "../record_sizes.ts";
import { checkKey, decoyKey, isOwn } from "../psk.ts";
import { type EarlierSession, isKeyOf, type KeyMark } from "../resumption.ts";
import { Agreement13 } from "./agreement.ts";
import { binder, earlySecret, type KeyOrigin, type Schedule } from "./key_schedule.ts";
import { agreeOn, chooseIdentity, chooseTerms, illegal, scheduleOf, type Terms } from "./negotiate.ts";
import { encodeRetryRequest } from "./retry.ts";
import { findTicket, keyOf, makeTicket, markOf, takesTickets } from "./tickets.ts";

/** What comes next. */
type Awaited = "client-hello" | "answer" | "finished" | "nothing";

/** A hello with what was chosen of it, while its key is looked up. */
interface Pending {
  readonly hello: ClientHello;
  readonly terms: Terms;
  readonly body: Uint8Array;
  /** Which of the client's keys. */
  readonly selected: number;
  /** Whose ticket that is. */
  readonly earlier?: EarlierSession;
}

/** A key that is looked for in a hello. */
interface Proof {
  readonly early: SecretBytes;
  readonly origin: KeyOrigin;
  readonly selected: number;
}

/** A retry that waits for its second hello, or that was answered without an engine. */
interface Retry extends Pick<Retried, "suite" | "group"> {
  /** Missing where nothing was kept of it. */
  readonly first?: ClientHello;
}

/**
 * Asks for the key when the client has named itself. Nothing was said by then, and what a stranger gets is always
 * decrypt_error: for an identity that nobody has, for one of our own, and for a binder of another key, after the same
 * work.
 */
export class Server13 implements Handshake {
  readonly awaitsChangeCipherSpec = false;
  readonly #link: HandshakeLink;
  readonly #policy: Policy;
  readonly #schedule: Schedule;
  readonly #agreement: Agreement13;
  readonly #ownIdentities: readonly Uint8Array[];
  #awaited: Awaited = "client-hello";
  #retry: Retry | undefined;
  #pending: Pending | undefined;
  #identity: Uint8Array = new Uint8Array(0);
  #serverName: string | undefined;
  #suite = 0;
  /** An earlier session goes on. */
  #goesOn = false;
  /** A ticket is to be made. */
  #mark: KeyMark | undefined;
  #refusal: SeccfError | undefined;

  /** Give it the client's hello next: the first, or with `retried` the second. `options` stay as they are. */
  constructor(
    link: HandshakeLink,
    policy: Policy,
    { ownIdentities = [] }: Pick<ServerOptions, "ownIdentities">,
    retried?: Retried,
  ) {
    this.#link = link;
    this.#policy = policy;
    this.#schedule = scheduleOf(policy);
    this.#agreement = new Agreement13(link, policy);
    this.#ownIdentities = ownIdentities;
    if (!retried) return;
    this.#agreement.transcript.retry(retried.firstHello);
    this.#agreement.accept({ type: HANDSHAKE.serverHello, body: retried.retryRequest });
    this.#retry = { suite: retried.suite, group: retried.group };
  }

  get refusal(): SeccfError | undefined {
    return this.#refusal;
  }

  start(): void {
    // The client has the first move.
  }

  message(message: HandshakeMessage): void {
    if (this.#awaited === "client-hello" && message.type === HANDSHAKE.clientHello) {
      this.#clientHello(message);
    } else if (this.#awaited === "finished" && message.type === HANDSHAKE.finished) {
      this.#finished(message);
    } else {
      throw unexpected("a handshake message");
    }
  }

  /** Streams alone: RFC 8446 5, it means nothing. */
  changeCipherSpec(): void {
    this.#link.passOver();
  }

  prepare(answer: Answer): () => void {
    const pending = this.#pending;
    if (!pending) throw unexpected("an answer");
    if (answer.kind === "psk") checkKey(answer.key);
    // Made in any case: what an unknown identity costs, a known one costs too.
    using decoy = decoyKey(this.#policy.random);
    const refusal = this.#refuse(answer, pending);
    const known = answer.kind === "psk" && !refusal ? answer : undefined;
    const key = known?.key ?? decoy;
    const mark = markOf(key, takesTickets(pending.hello) ? known?.expiresAt : undefined, this.#policy);
    const proof = this.#proofOf(pending, key, mark);
    return () => {
      using _early = proof.early;
      using _earlier = pending.earlier;
      this.#pending = undefined;
      this.#refusal = refusal;
      this.#mark = mark;
      this.#goesOn = proof.origin === "resumption";
      this.#checkBinder(pending, proof);
      this.#answerHello(pending, proof);
    };
  }

  [Symbol.dispose](): void {
    this.#pending?.earlier?.[Symbol.dispose]();
    this.#pending = undefined;
    this.#mark?.[Symbol.dispose]();
    this.#mark = undefined;
    this.#agreement[Symbol.dispose]();
  }

  /** Of the earlier session, if its key is still what it was; else of the key itself. */
  #proofOf({ earlier, selected, terms }: Pending, key: SecretBytes, mark: KeyMark | undefined): Proof {
    if (earlier && isKeyOf(earlier, mark, this.#policy.bornAt)) {
      using resumed = keyOf(earlier, this.#schedule.hash);
      return { early: earlySecret(this.#schedule, resumed), origin: "resumption", selected };
    }
    const early = earlySecret(this.#schedule, key);
    if (!earlier) return { early, origin: "external", selected };
    const byName = terms.offered.identities.findIndex(({ identity }) => equal(identity, this.#identity));
    return { early, origin: "external", selected: byName < 0 ? selected : byName };
  }

  #clientHello(message: HandshakeMessage): void {
    // Copied: what it was read from is overwritten while an answer is awaited.
    const body = new Uint8Array(message.body);
    const hello = decodeClientHello(body, this.#policy.transport);
    checkLegacy(hello);
    const terms = chooseTerms(hello, this.#policy);
    if (this.#retry) checkSecond(this.#retry, hello, terms);
    else if (hello.retryCookie) throw illegal("a cookie from nowhere", "RFC 8446 4.2.2");
    if (hello.earlyData) this.#link.skipEarlyData();
    if (terms.retryGroup !== undefined) this.#askAgain(hello, body, terms.suite.id, terms.retryGroup);
    else this.#demand(hello, body, terms);
  }

  #askAgain(first: ClientHello, body: Uint8Array, suite: number, group: number): void {
    this.#retry = { suite, group, first };
    this.#agreement.accept({ type: HANDSHAKE.clientHello, body });
    this.#agreement.transcript.retry();
    const request = encodeRetryRequest({ suite, group }, this.#policy, first.sessionId);
    this.#agreement.send(HANDSHAKE.serverHello, request);
    this.#compatibilityChange(first);
  }

  #demand(hello: ClientHello, body: Uint8Array, terms: Terms): void {
    const found = findTicket(hello, terms, this.#policy, this.#ownIdentities);
    const selected = found?.selected ?? chooseIdentity(terms.offered);
    this.#pending = { hello, terms, body, selected, ...(found && { earlier: found.session }) };
    const identity = found?.session.identity ?? terms.offered.identities[selected]!.identity;
    // What is too long to be a name has no key; it is asked for by as much of it as may be asked for.
    this.#identity = identity.slice(0, MAX_IDENTITY);
    this.#serverName = hello.serverName;
    this.#awaited = "answer";
    this.#link.demand({
      kind: "psk",
      version: this.#agreement.version,
      suite: terms.suite.id,
      identity: this.#identity.slice(),
      ...(hello.serverName !== undefined && { serverName: hello.serverName }),
    });
  }

  // req: SEC_CF-AUTH-001, SEC_CF-AUTH-002
  /** RFC 8446 4.2.11.2: of the one key that was chosen; the others' are nobody's business. */
  #checkBinder({ terms: { offered }, body }: Pending, { early, origin, selected }: Proof): void {
    const missing = bindersLength(offered.binders);
    const truncated = this.#agreement.transcript.digestTruncated(HANDSHAKE.clientHello, body, missing);
    const expected = binder(this.#schedule, early, origin, truncated);
    if (equal(offered.binders[selected]!, expected) && !this.#refusal) return;
    throw new TlsFailure("decrypt_error", "auth-failed", "the client does not have the key", {
      clause: "RFC 8446 4.2.11.2",
    });
  }

  #answerHello({ hello, terms, body }: Pending, { early, selected }: Proof): void {
    const { suite, share } = terms;
    const random = new Uint8Array(32);
    this.#policy.random(random);
    if (equal(random, hello.random)) {
      throw new TlsFailure("illegal_parameter", "reflected", "the client's random is our own");
    }
    using own = share && createKeyShare(share.group, this.#policy.random);
    using shared = share && own && agreeOn(own, share.publicKey);
    const connectionIds = chooseConnectionIds(hello, this.#policy);
    this.#agreement.accept({ type: HANDSHAKE.clientHello, body });
    this.#agreement.send(
      HANDSHAKE.serverHello,
      encodeServerHello({
        version: LEGACY_VERSION[this.#policy.transport],
        random,
        sessionId: this.#policy.transport === "datagram" ? new Uint8Array(0) : hello.sessionId,
        suite: suite.id,
        serverName: false,
        extendedMasterSecret: false,
        encryptThenMac: false,
        renegotiationInfo: false,
        supportedVersion: this.#agreement.version,
        ...(own && { keyShare: own }),
        selectedIdentity: selected,
        ...(connectionIds && { connectionId: connectionIds.server }),
        ...(connectionIds?.returnRoutability && { returnRoutability: true }),
      }),
    );
    this.#suite = suite.id;
    this.#agreement.agree({ suite, early, shared, connectionIds, clientRandom: hello.random });
    if (!this.#retry) this.#compatibilityChange(hello);
    this.#agreement.sendUnder(2, "server");
    this.#agreement.receiveUnder(2, "client");
    this.#sayRest(hello);
  }

  #sayRest(hello: ClientHello): void {
    const agreed = chooseSizes(hello, this.#policy, this.#agreement.version);
    // Already this message may be too long for the client.
    if (agreed) this.#link.limitRecords(agreed.sizes);
    this.#agreement.send(
      HANDSHAKE.encryptedExtensions,
      encodeEncryptedExtensions({ serverName: hello.serverName !== undefined, ...agreed?.answer }),
    );
    this.#agreement.finish("server");
    this.#agreement.proceed();
    this.#agreement.sendUnder(3, "server");
    this.#awaited = "finished";
  }

  #finished(message: HandshakeMessage): void {
    this.#agreement.acceptFinished(message, "client");
    this.#agreement.receiveUnder(3, "client");
    this.#awaited = "nothing";
    this.#giveTicket();
    const peer = { identity: this.#identity, serverName: this.#serverName };
    this.#agreement.establish("server", { ...peer, ...(this.#goesOn && { resumed: true }) });
  }

  /** The client has proved itself. */
  #giveTicket(): void {
    if (!this.#mark) return;
    // One ticket a session: its nonce is as good as any.
    const nonce = Uint8Array.of(0);
    using key = this.#agreement.ticketKey(nonce);
    const contents = { suite: this.#suite, key, nonce, identity: this.#identity, serverName: this.#serverName };
    const body = makeTicket(contents, this.#mark, this.#policy);
    if (body) this.#link.send(HANDSHAKE.newSessionTicket, body);
  }

  #refuse(answer: Answer, { earlier, selected, terms }: Pending): SeccfError | undefined {
    if (isOwn(this.#identity, this.#ownIdentities)) {
      return new SeccfError("reflected", "the client shows an identity of our own");
    }
    const isNoName = !earlier && terms.offered.identities[selected]!.identity.length > MAX_IDENTITY;
    if (answer.kind === "psk" && !isNoName) return undefined;
    return new SeccfError("auth-failed", "no key is known for the client's identity");
  }

  /** RFC 8446 D.4: behind the server's first message, where the client claims to resume an earlier version. */
  #compatibilityChange({ sessionId }: ClientHello): void {
    if (this.#policy.transport === "stream" && sessionId.length > 0) this.#link.compatibilityChange();
  }
}

/** RFC 9147 5.3: what version 1.2 had for cookies stays empty. */
function checkLegacy({ cookie }: ClientHello): void {
  if (cookie && cookie.length > 0) throw illegal("a cookie of version 1.2", "RFC 9147 5.3");
}

/** RFC 8446 4.1.2: the second hello is the first but for what was asked for. */
function checkSecond({ suite, group, first }: Retry, hello: ClientHello, terms: Terms): void {
  const isOther = terms.suite.id !== suite || terms.retryGroup !== undefined ||
    (group !== undefined && (hello.keyShares?.length !== 1 || terms.share?.group !== group)) ||
    hello.earlyData || (first !== undefined && !isSame(first, hello));
  if (isOther) throw illegal("a second hello that is not the first", "RFC 8446 4.1.2");
}

/** All that means anything here, but for what may change. */
function isSame(first: ClientHello, second: ClientHello): boolean {
  const lasting = ({ keyShares: _, offeredPsks: __, earlyData: ___, ...rest }: ClientHello) => encodeClientHello(rest);
  return equal(lasting(first), lasting(second));
}

const LEGACY_VERSION = { stream: 0x0303, datagram: 0xfefd } as const;
