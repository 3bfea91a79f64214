/** The port of a (D)TLS engine: sans-IO, one connection, client or server. Types only. @module */

import type { SecretBytes } from "../crypto/mod.ts";

/** Something the engine cannot do alone. The driver answers, soon or late; the handshake's deadline keeps running. */
export type Demand = {
  readonly kind: "psk";
  /** IANA cipher suite, already chosen. */
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
  | { readonly kind: "psk"; readonly identity: Uint8Array; readonly key: SecretBytes }
  | { readonly kind: "unknown" };

/** What an engine hands back from `poll`. */
export type Output =
  | { readonly kind: "transmit"; readonly bytes: Uint8Array }
  | { readonly kind: "demand"; readonly demand: Demand }
  | { readonly kind: "established"; readonly session: Session }
  | { readonly kind: "data"; readonly bytes: Uint8Array }
  | { readonly kind: "closed"; readonly error?: Error };

/** What was agreed. */
export interface Session {
  /** 0x0303 for TLS 1.2, 0xfefd for DTLS 1.2. */
  readonly version: number;
  /** IANA cipher suite. */
  readonly suite: number;
  /** Server: the client's PSK identity. Client: the identity it showed. */
  readonly identity: Uint8Array;
  /** The name the client asked for. */
  readonly serverName: string | undefined;
  /** RFC 7627. */
  readonly extendedMasterSecret: boolean;
  /** RFC 7366; only ever with CBC suites. */
  readonly encryptThenMac: boolean;
  /** RFC 9146: what each side receives by, empty where its records come without; missing on streams and where none are used. */
  readonly connectionIds?: { readonly client: Uint8Array; readonly server: Uint8Array };
}

/**
 * One (D)TLS connection, client or server. Every input takes `now`; after each, `poll` until `undefined`,
 * or the next input throws `state`. Bytes in an output are valid until the next call.
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
  /** The next output, in order; `undefined` when all are out. */
  poll(): Output | undefined;
  /** When to call `expire`; `undefined` while nothing is awaited. */
  readonly deadline: number | undefined;
}

/** The front of a datagram server: strangers get a stateless cookie, the rest reaches its engine by address or Connection ID. */
export interface Acceptor extends Disposable {
  /** One datagram; not kept. `from` is whatever the socket calls the sender. */
  receive(datagram: Uint8Array, from: string, now: number): void;
  /** To be called when `now` has reached `deadline`. */
  expire(now: number): void;
  /** What is to be done next; until `undefined` after each input, or the next one throws `state`. */
  poll(): AcceptorOutput | undefined;
  /** When to call `expire`; `undefined` while nothing is awaited. */
  readonly deadline: number | undefined;
}

/** What an acceptor hands back from `poll`. */
export type AcceptorOutput =
  /** A cookie, never longer than what it answers; or the question whether a peer has moved, at most three times what came from there. */
  | { readonly kind: "transmit"; readonly bytes: Uint8Array; readonly to: string }
  /** A new engine, whose first input was already given to it: its driver polls it, answers its demands and sends for it. */
  | { readonly kind: "accepted"; readonly engine: Engine; readonly from: string }
  /** This engine was given a datagram: its driver polls it. */
  | { readonly kind: "ready"; readonly engine: Engine }
  /** From now on this engine's peer is reached at `to`: a newer record came from there, and it answered there. RFC 9146 6. */
  | { readonly kind: "moved"; readonly engine: Engine; readonly to: string };
