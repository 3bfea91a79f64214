/**
 * What a server of version 1.2 needs to go on with earlier sessions: the keys that tickets are sealed under (RFC 5077),
 * and the tickets of those whose clients take none, by session id (RFC 5246 7.3). It lives as long as its process, so a
 * ticket of another server, or of an earlier start, means nothing.
 *
 * @module
 */

import { concat, equal, fromUtf8, Reader, toHex, toUtf8, Writer } from "../bytes/mod.ts";
import {
  type Aead,
  createAead,
  hmacSecret,
  type SecretBytes,
  secretConcat,
  secretEqual,
  secretFrom,
  secretRandom,
  secretSlice,
  wipe,
} from "../crypto/mod.ts";
import { expose } from "../crypto/secret.ts";
import type { Random } from "../platform.ts";

/** What {@link createResumption} takes. */
export interface ResumptionOptions {
  /** Keys, nonces and session ids come from here. */
  readonly random: Random;
  /**
   * How long after its handshake a session can be gone on with; the end of its key comes first where that is earlier.
   * Default 28,800. Until then, and half as long again, whoever takes this process's memory reads what was recorded.
   */
  readonly lifetimeSeconds?: number;
  /** Sessions that are kept here for clients without tickets; the oldest give way. Default 1000. */
  readonly maxSessions?: number;
}

/** What tells a key from another, and how long what is made of it may live. */
export interface KeyMark extends Disposable {
  /** 16 bytes, that say nothing to who does not have the {@link SessionTickets}. */
  readonly check: SecretBytes;
  /** On the driver's clock, milliseconds; `undefined`: nothing may be made of it. */
  readonly expiresAt: number | undefined;
}

/** A session as its server finds it again. */
export interface EarlierSession extends SessionState, Disposable {}

/** What of a session goes into a ticket. */
export interface SessionState {
  readonly transport: "stream" | "datagram";
  /** IANA cipher suite. */
  readonly suite: number;
  /** 48 bytes, made with the extended master secret of RFC 7627. */
  readonly master: SecretBytes;
  /** Of its key's {@link KeyMark}. */
  readonly check: SecretBytes;
  readonly identity: Uint8Array;
  readonly serverName: string | undefined;
  /** On the driver's clock, milliseconds. */
  readonly expiresAt: number;
}

/** A server's memory of earlier sessions. Disposing wipes all keys: from then on its servers make full handshakes alone. */
export interface Resumption extends Disposable {
  /** Sessions kept by their id. A count. */
  readonly kept: number;
}

/** For any number of engines and acceptors of one process. Throws RangeError for options that make no sense. */
export function createResumption(options: ResumptionOptions): Resumption {
  return new SessionTickets(options);
}

/** What is behind `resumption`. Throws TypeError for one that {@link createResumption} did not make. */
export function ticketsOf(resumption: Resumption): SessionTickets {
  if (resumption instanceof SessionTickets) return resumption;
  throw new TypeError("a Resumption is made by createResumption");
}

interface TicketKey {
  /** 8 bytes, public. */
  readonly name: Uint8Array;
  readonly aead: Aead;
  readonly madeAt: number;
}

/** Seals, opens and keeps tickets. */
export class SessionTickets implements Resumption {
  readonly #random: Random;
  readonly #lifetime: number;
  readonly #maxSessions: number;
  readonly #checkKey: SecretBytes;
  #isOver = false;
  /** Newest first; at most four. */
  #keys: TicketKey[] = [];
  /** Tickets by session id in hexadecimal digits, in the order they came. */
  readonly #sessions = new Map<string, Uint8Array>();

  constructor({ random, lifetimeSeconds = 28_800, maxSessions = 1000 }: ResumptionOptions) {
    if (!(lifetimeSeconds > 0 && lifetimeSeconds <= LONGEST)) {
      throw new RangeError(`lifetimeSeconds is 1 to ${LONGEST}`);
    }
    if (!(maxSessions >= 0)) throw new RangeError("maxSessions is 0 at least");
    this.#random = random;
    this.#lifetime = lifetimeSeconds * 1000;
    this.#maxSessions = maxSessions;
    this.#checkKey = secretRandom(32, random);
  }

  get kept(): number {
    return this.#sessions.size;
  }

  /** Of a pre-shared key that ends at `keyEndsAt`, the caller's to dispose; the same work for any. `undefined` once disposed. */
  mark(key: SecretBytes, keyEndsAt: number | undefined, now: number): KeyMark | undefined {
    if (this.#isOver) return undefined;
    using tag = hmacSecret("sha-256", this.#checkKey, key);
    const check = secretSlice(tag, 0, CHECK_LENGTH);
    const expiresAt = keyEndsAt === undefined ? undefined : Math.min(keyEndsAt, now + this.#lifetime);
    return { check, expiresAt, [Symbol.dispose]: () => check[Symbol.dispose]() };
  }

  /** A ticket: `session`, which stays the caller's, under the present key; `undefined` once disposed. */
  seal(session: SessionState, now: number): Uint8Array | undefined {
    if (this.#isOver) return undefined;
    const { name, aead } = this.#present(now);
    using plaintext = encodeSession(session);
    const nonce = new Uint8Array(NONCE_LENGTH);
    this.#random(nonce);
    const sealed = new Uint8Array(plaintext.byteLength + aead.tagLength);
    aead.sealInto(nonce, name, expose(plaintext), sealed);
    return concat(name, nonce, sealed);
  }

  /** The session of a ticket made here for `transport`, the caller's to dispose; `undefined` for all else, and for what is over. */
  open(ticket: Uint8Array, transport: EarlierSession["transport"], now: number): EarlierSession | undefined {
    this.#forgetOld(now);
    const key = this.#keys.find(({ name }) => equal(name, ticket.subarray(0, NAME_LENGTH)));
    const sealed = ticket.subarray(NAME_LENGTH + NONCE_LENGTH);
    if (!key || sealed.length <= key.aead.tagLength) return undefined;
    const out = new Uint8Array(sealed.length - key.aead.tagLength);
    try {
      const nonce = ticket.subarray(NAME_LENGTH, NAME_LENGTH + NONCE_LENGTH);
      if (key.aead.openInto(nonce, key.name, sealed, out) < 0) return undefined;
      const session = decodeSession(out);
      if (session.transport === transport && session.expiresAt > now) return session;
      session[Symbol.dispose]();
      return undefined;
    } finally {
      wipe(out);
    }
  }

  /** Keeps `ticket` for a client that took none, and has proved itself. Copies. */
  keep(sessionId: Uint8Array, ticket: Uint8Array): void {
    if (this.#maxSessions === 0 || this.#isOver) return;
    for (const oldest of this.#sessions.keys()) {
      if (this.#sessions.size < this.#maxSessions) break;
      this.#sessions.delete(oldest);
    }
    this.#sessions.set(toHex(sessionId), new Uint8Array(ticket));
  }

  /** The ticket kept for `sessionId`. */
  find(sessionId: Uint8Array): Uint8Array | undefined {
    return this.#sessions.get(toHex(sessionId));
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    for (const { aead } of this.#keys) aead[Symbol.dispose]();
    this.#keys = [];
    this.#sessions.clear();
    this.#checkKey[Symbol.dispose]();
  }

  #present(now: number): TicketKey {
    this.#forgetOld(now);
    const [newest] = this.#keys;
    if (newest && now - newest.madeAt < this.#lifetime / 2) return newest;
    const name = new Uint8Array(NAME_LENGTH);
    this.#random(name);
    using key = secretRandom(KEY_LENGTH, this.#random);
    const made = { name, aead: createAead({ cipher: "aes-gcm" }, key), madeAt: now };
    this.#keys.unshift(made);
    return made;
  }

  /** A key seals for half a lifetime, and opens for one more. */
  #forgetOld(now: number): void {
    while (this.#keys.length > 0 && now - this.#keys.at(-1)!.madeAt >= 1.5 * this.#lifetime) {
      this.#keys.pop()!.aead[Symbol.dispose]();
    }
  }
}

/** Whether `mark` is of the key that `session` was made with, and that key is not over. */
export function isKeyOf({ check }: EarlierSession, mark: KeyMark | undefined, now: number): boolean {
  if (!mark) return false;
  const isSame = secretEqual(mark.check, check);
  return isSame && mark.expiresAt !== undefined && mark.expiresAt > now;
}

/** transport (1), suite (2), end of life (8), master secret, check, identity, name. */
function encodeSession(session: SessionState): SecretBytes {
  const head = new Uint8Array(HEAD_LENGTH);
  const view = new DataView(head.buffer);
  view.setUint8(0, session.transport === "datagram" ? 1 : 0);
  view.setUint16(1, session.suite);
  view.setFloat64(3, session.expiresAt);
  const tail = new Writer().vector8(session.identity).vector16(toUtf8(session.serverName ?? "")).done();
  return secretConcat(head, session.master, session.check, tail);
}

function decodeSession(plaintext: Uint8Array): EarlierSession {
  const view = new DataView(plaintext.buffer, plaintext.byteOffset, HEAD_LENGTH);
  const checkAt = HEAD_LENGTH + MASTER_LENGTH;
  const tail = new Reader(plaintext.subarray(checkAt + CHECK_LENGTH));
  const identity = new Uint8Array(tail.vector8());
  const name = fromUtf8(tail.vector16());
  const master = secretFrom(plaintext.subarray(HEAD_LENGTH, checkAt));
  const check = secretFrom(plaintext.subarray(checkAt, checkAt + CHECK_LENGTH));
  return {
    transport: view.getUint8(0) === 1 ? "datagram" : "stream",
    suite: view.getUint16(1),
    master,
    check,
    identity,
    serverName: name === "" ? undefined : name,
    expiresAt: view.getFloat64(3),
    [Symbol.dispose]() {
      master[Symbol.dispose]();
      check[Symbol.dispose]();
    },
  };
}

/** Seconds: a week, beyond which RFC 8446 4.6.1 lets no ticket live. */
const LONGEST = 604_800;
const NAME_LENGTH = 8;
const NONCE_LENGTH = 12;
const KEY_LENGTH = 32;
const HEAD_LENGTH = 11;
const MASTER_LENGTH = 48;
const CHECK_LENGTH = 16;
