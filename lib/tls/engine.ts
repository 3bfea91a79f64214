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
  /** 0x0303 for TLS 1.2. */
  readonly version: number;
  readonly suite: number;
  /** Server: the client's PSK identity. Client: the identity it showed. */
  readonly identity: Uint8Array;
  readonly serverName: string | undefined;
  readonly extendedMasterSecret: boolean;
  readonly encryptThenMac: boolean;
}

/**
 * One (D)TLS connection, client or server. Every input takes `now`; after each, `poll` until `undefined`,
 * or the next input throws `state`. Bytes in an output are valid until the next call.
 */
export interface Engine extends Disposable {
  /** One datagram, or any piece of the stream. Input is not kept. */
  receive(bytes: Uint8Array, now: number): void;
  /** Throws `state` before `established` and after `closed`. */
  send(plaintext: Uint8Array, now: number): void;
  /** A second, late or foreign answer throws `state` and changes nothing; the key's bytes are copied, not kept. */
  answer(demand: Demand, answer: Answer, now: number): void;
  /** To be called when `now` has reached `deadline`. */
  expire(now: number): void;
  /** Ends with close_notify; before `established`, silently. */
  close(now: number): void;
  poll(): Output | undefined;
  /** When to call `expire`; `undefined` while nothing is awaited. */
  readonly deadline: number | undefined;
}
