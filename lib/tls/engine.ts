/** The port of a (D)TLS engine: sans-IO, one connection, client or server. Types only. @module */

import type { SecretBytes } from "../crypto/mod.ts";

/** Something the engine cannot do alone. The driver answers, soon or late; the handshake's deadline keeps running. */
export type Demand = {
  readonly kind: "psk";
  /** 0x0303, 0xfefd; 0x0304 and 0xfefc, where the client is asked before its first hello. */
  readonly version: number;
  /** IANA cipher suite, already chosen; in version 1.3, whose keys are the same for all its suites, the best of the policy. */
  readonly suite: number;
  /** Server: the client's PSK identity, at most 128 bytes. */
  readonly identity?: Uint8Array;
  /** Client: the server's PSK identity hint, at most 128 bytes. */
  readonly hint?: Uint8Array;
  /** Server: the server_name the client sent. */
  readonly serverName?: string;
};

/** The answer of the same kind; `unknown` is answered to the peer exactly as a wrong key is. */
export type Answer =
  | {
    readonly kind: "psk";
    readonly identity: Uint8Array;
    readonly key: SecretBytes;
    /** On the driver's clock, milliseconds: what is made of the key for later, tickets above all, ends with it. Default: never made. */
    readonly expiresAt?: number;
  }
  | { readonly kind: "unknown" };

/** What an engine hands back from `poll`. */
export type Output =
  | { readonly kind: "transmit"; readonly bytes: Uint8Array }
  | { readonly kind: "demand"; readonly demand: Demand }
  | { readonly kind: "established"; readonly session: Session }
  /** Client, where it was asked for: what the next handshake can go on with. Whoever takes it owns it. */
  | { readonly kind: "resumable"; readonly state: Resumable }
  | { readonly kind: "data"; readonly bytes: Uint8Array }
  | { readonly kind: "closed"; readonly error?: Error };

/**
 * A client's half of an earlier session, for `resume`: opaque, and as secret as the session was. It can be
 * used more than once. Disposing wipes it.
 */
export interface Resumable extends Disposable {
  /** 0x0303, 0xfefd, 0x0304 or 0xfefc: no other goes on with it. */
  readonly version: number;
  /** IANA cipher suite. */
  readonly suite: number;
  /** The identity that was shown. */
  readonly identity: Uint8Array;
  /** The name that was asked for; only who asks for the same can go on. */
  readonly serverName: string | undefined;
  /** On the driver's clock, milliseconds: the end of the key, or before. */
  readonly expiresAt: number;
}

/** What was agreed. */
export interface Session {
  /** 0x0303 for TLS 1.2, 0xfefd for DTLS 1.2, 0x0304 for TLS 1.3, 0xfefc for DTLS 1.3. */
  readonly version: number;
  /** IANA cipher suite. */
  readonly suite: number;
  /** Server: the client's PSK identity. Client: the identity it showed. */
  readonly identity: Uint8Array;
  /** The name the client asked for. */
  readonly serverName: string | undefined;
  /** A fresh agreement went into the keys: who learns the pre-shared key later still reads nothing. */
  readonly forwardSecret: boolean;
  /** An earlier session went on, whose keys these are made of; on a client no key was asked for. */
  readonly resumed?: true;
  /** RFC 7627; in version 1.3 always. */
  readonly extendedMasterSecret: boolean;
  /** RFC 7366; only ever with CBC suites. */
  readonly encryptThenMac: boolean;
  /** RFC 9146: what each side receives by, empty where its records come without; missing on streams and where none are used. */
  readonly connectionIds?: { readonly client: Uint8Array; readonly server: Uint8Array };
}

/**
 * One (D)TLS connection, client or server. Every input takes `now`; after each, `poll` until `undefined`,
 * or the next input throws `state`. Bytes in an output are valid until the next call, `poll` included: the one that gives
 * `undefined` wipes them.
 */
export interface Engine extends Disposable {
  /** One datagram, or any piece of the stream. Input is not kept. */
  receive(bytes: Uint8Array, now: number): void;
  /**
   * Throws `state` before `established` and after `closed`. On datagrams one call is one record in one datagram, and
   * what is too long for the path is `too-large`, with nothing sent and nothing changed.
   */
  send(plaintext: Uint8Array, now: number): void;
  /** A second, late or foreign answer throws `state` and changes nothing; the key's bytes are copied, not kept. */
  answer(demand: Demand, answer: Answer, now: number): void;
  /** To be called when `now` has reached `deadline`. */
  expire(now: number): void;
  /** Ends with close_notify; before `established`, silently. */
  close(now: number): void;
  /**
   * On datagrams: this end is on another network, or is about to be, where nobody is to know it again by the Connection ID
   * in its records (RFC 9147 11): the peer is called by a spare one from here on. False, and the name as it was, where the
   * peer has given none. Throws `state` before `established` and after `closed`.
   */
  rename?(now: number): boolean;
  /**
   * A key for somebody else's use, made of the session and bound to it (RFC 5705 4, RFC 8446 7.5); the caller disposes it.
   * `label` is registered or begins with EXPERIMENTAL; in version 1.2 no `context` and an empty one are two. `length` is 1
   * to 8160 bytes. Throws `state` where the option `exporter` was not given, before `established` and after `closed`, and
   * in a session without extended master secret (RFC 7627 5.4); RangeError for a label or length that can not be.
   */
  exportKey(label: string, context: Uint8Array | undefined, length: number): SecretBytes;
  /** The next output, in order; `undefined` when all are out. */
  poll(): Output | undefined;
  /** When to call `expire`; `undefined` while nothing is awaited. */
  readonly deadline: number | undefined;
  /** What makes the session outlive its process: of DTLS engines that were asked for it, once established. */
  readonly durable?: Durable | undefined;
}

/**
 * A session that can be saved and restored. Its numbers come from a counter that never goes back, and what it delivers is
 * on record before: whoever restores it from any save of it, once or twice, now or late, repeats no nonce; and from the
 * last one on record delivers nothing a second time.
 */
export interface Durable {
  /** What has to be on record before more can be sent or delivered; `undefined` while nothing has to. Look after each `poll` that gave `undefined`. */
  readonly claim: Claim | undefined;
  /** What was agreed. */
  readonly session: Session;
  /**
   * Whether the session was agreed with `key`: who lets a peer go on in a session of an identity whose key has been replaced
   * since lets in whoever had the old one. Also after the end.
   */
  isOf(key: SecretBytes): boolean;
  /** How many records can be sent without another grant; `send` throws `exhausted` where none can. */
  readonly left: number;
  /**
   * The session, keys and all: what `restoreDtlsEngine` and an acceptor's `revive` take. With a claim it is as the claim wants it on
   * record, whose numbers begin at `first` (0 where it has no count): to be durable before `grant`. Without, it is as it is
   * now, and the engine must do nothing after: dispose of it. The caller disposes the result. Throws `state` after the end.
   */
  save(pending?: { readonly claim: Claim; readonly first: number }): SecretBytes;
  /** The claim is on record, its numbers from `first` on are this engine's alone. Throws `state` for a claim that is not the present one, or a number below what was claimed. */
  grant(claim: Claim, first: number, now: number): void;
}

/** What a session wants on record. */
export interface Claim {
  /** How many numbers it wants to send with; 0 for none. */
  readonly count: number;
  /** The least that the first of them may be. */
  readonly above: number;
  /** The peer's numbers below it are delivered from then on; whoever restores refuses them. */
  readonly ceiling: number;
  /**
   * Version 1.3: the epoch that the numbers are of. Each epoch of each session has a counter of its own, which begins with
   * 0: the peer sees 16 bits of a number, and can not follow one that stands 32768 above all that it has heard.
   */
  readonly epoch?: number;
}

/** The front of a datagram server: strangers get a stateless cookie, the rest reaches its engine by address or Connection ID. */
export interface Acceptor extends Disposable {
  /**
   * Under which name the session would have been saved that `datagram` from `from` belongs to, if it is none that is here:
   * `undefined` for what is here, and for what belongs to no session. See {@link sessionName}.
   */
  missing?(datagram: Uint8Array, from: string): string | undefined;
  /**
   * Brings back a session that was saved under the name that {@link Acceptor.missing} gave, if `datagram` has a record that it opens and
   * has not seen: then `accepted` is the next output, with its session, and where it was is where it still is until it
   * has answered from elsewhere. False, and nothing kept, for any other; throws `malformed`, `unsupported` for what is no saved session.
   */
  revive?(saved: RevivedSession, datagram: Uint8Array, from: string, now: number): boolean;
  /** One datagram; not kept. `from` is whatever the socket calls the sender. */
  receive(datagram: Uint8Array, from: string, now: number): void;
  /**
   * The address from which the peer of `engine` sent its newest record, if it is not answered there and does not speak the
   * return routability check (RFC 9853) by which it could move.
   */
  elsewhere?(engine: Engine): string | undefined;
  /** Sends data to {@link Acceptor.elsewhere}; false, and nothing sent, beyond three times what came from there. Throws `too-large`. */
  sendElsewhere?(engine: Engine, plaintext: Uint8Array): boolean;
  /**
   * Whoever speaks with the peer vouches that it receives at `to` (RFC 9146 6): `moved` is the next output. False, and nothing
   * moved, unless that is {@link Acceptor.elsewhere} still.
   */
  follow?(engine: Engine, to: string): boolean;
  /** To be called when `now` has reached `deadline`. */
  expire(now: number): void;
  /** What is to be done next; until `undefined` after each input, or the next one throws `state`. */
  poll(): AcceptorOutput | undefined;
  /** When to call `expire`; `undefined` while nothing is awaited. */
  readonly deadline: number | undefined;
}

/** A session that comes back. */
export interface RevivedSession {
  /** As {@link Durable.save} gave it; borrowed. */
  readonly state: SecretBytes;
  /** Where its peer was. */
  readonly from: string;
}

/** What an acceptor hands back from `poll`. */
export type AcceptorOutput =
  /** A cookie, never longer than what it answers; or the question whether a peer has moved, at most three times what came from there. */
  | { readonly kind: "transmit"; readonly bytes: Uint8Array; readonly to: string }
  /** A new engine, whose first input was already given to it: its driver polls it, answers its demands and sends for it. */
  | { readonly kind: "accepted"; readonly engine: Engine; readonly from: string; readonly revived?: Session }
  /** This engine was given a datagram: its driver polls it. */
  | { readonly kind: "ready"; readonly engine: Engine }
  /** From now on this engine's peer is reached at `to`: a newer record came from there, and it answered there, or its application says so. RFC 9146 6. */
  | { readonly kind: "moved"; readonly engine: Engine; readonly to: string };
