/** The frame of a handshake message on a stream (RFC 5246 7.4), and the joiner that finds messages in records. @module */

import { Writer } from "../../bytes/mod.ts";
import { TlsFailure } from "../alert.ts";
import { Backlog } from "../backlog.ts";

/** Message types that take part in anything here. */
export const HANDSHAKE = {
  helloRequest: 0,
  clientHello: 1,
  serverHello: 2,
  helloVerifyRequest: 3,
  newSessionTicket: 4,
  encryptedExtensions: 8,
  requestConnectionId: 9,
  newConnectionId: 10,
  serverKeyExchange: 12,
  serverHelloDone: 14,
  clientKeyExchange: 16,
  finished: 20,
  keyUpdate: 24,
} as const;

/** One whole message. Views, valid until the joiner is used again. */
export interface HandshakeMessage {
  readonly type: number;
  readonly body: Uint8Array;
  /** As the transcript has it: with its header. */
  readonly framed: Uint8Array;
}

/** `body` behind its header: type (1), length (3). */
export function frameMessage(type: number, body: Uint8Array): Uint8Array {
  return new Writer().u8(type).vector24(body).done();
}

/** Joins messages from records that cut them anywhere, or carry several. */
export class MessageJoiner {
  readonly #backlog = new Backlog();

  /** Whether no part of a message waits. */
  get empty(): boolean {
    return this.#backlog.size === 0;
  }

  /** Adds a record's plaintext, which must stay as it is until `settle`. */
  push(plaintext: Uint8Array): void {
    this.#backlog.push(plaintext);
  }

  /** The next whole message, if it is there. A header that claims more than `limit` bytes throws `too-large` at once. */
  next(limit: number): HandshakeMessage | undefined {
    const backlog = this.#backlog;
    if (backlog.size < HEADER_LENGTH) return undefined;
    const length = (backlog.at(1) << 16) | (backlog.at(2) << 8) | backlog.at(3);
    if (length > limit) {
      throw new TlsFailure("illegal_parameter", "too-large", `a handshake message beyond ${limit} bytes`);
    }
    if (backlog.size < HEADER_LENGTH + length) return undefined;
    const type = backlog.at(0);
    const framed = backlog.take(HEADER_LENGTH + length);
    return { type, body: framed.subarray(HEADER_LENGTH), framed };
  }

  /** Copies what waits. */
  settle(): void {
    this.#backlog.settle();
  }

  /** Forgets everything. */
  clear(): void {
    this.#backlog.clear();
  }
}

/** The failure of a peer that says what it may not say now. */
export function unexpected(what: string): TlsFailure {
  return new TlsFailure("unexpected_message", "malformed", `${what} at the wrong time`, { clause: "RFC 5246 7.3" });
}

const HEADER_LENGTH = 4;
