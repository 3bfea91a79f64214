/** A byte stream, once both ends have proved that they know the key: the {@link SecureChannel} of TLS. @module */

import type { Clock } from "../clock.ts";
import { unlessAborted } from "../deadline.ts";
import { SeccfError } from "../error.ts";
import type { ByteStream } from "../link.ts";
import type { Wait } from "../platform.ts";
import type { Binding, KeySource, Peer, Received, SecureChannel, SecurityAssociation } from "../association/ports.ts";
import type { Engine } from "../tls/engine.ts";
import type { Handshake } from "./admission.ts";
import { Driver } from "./driver.ts";
import type { Earlier } from "./driver_options.ts";
import { establish, type Established } from "./establish.ts";
import { Outbox } from "./outbox.ts";
import { Queue } from "./queue.ts";

/** Limits of a channel; each has a default. */
export interface ChannelLimits {
  /** How long a key source may take to answer. Default 5. */
  readonly keySeconds?: number;
  /** From the start to `established`. Default 10; on datagrams, which may get lost and be said again, 30. */
  readonly handshakeSeconds?: number;
  /**
   * Bytes held for a slow consumer. Default 262,144. A stream's peer is then made to wait, give or take one read; of
   * datagrams the newest are dropped.
   */
  readonly receiveLimit?: number;
}

/** What a handshake needs. */
export interface ChannelOptions extends ChannelLimits {
  /** Client or server, fresh; owned by the channel from here on. */
  readonly engine: Engine;
  /** Connected; owned by the channel from here on. */
  readonly stream: ByteStream;
  /** On a client the association itself. */
  readonly keys: KeySource;
  /** For every limit, and for the end of the association's life. */
  readonly clock: Clock;
  /** What the association's {@link Binding} will say: `"tls"`. */
  readonly carrier: string;
  /** Client: for an engine that may go on with an earlier session. */
  readonly earlier?: Earlier | undefined;
}

/**
 * The client's side: resolves when the server has proved that it knows the key.
 *
 * Throws `auth-failed`, `unsupported`, `downgrade`, `malformed`, `timeout`, `closed`, `expired`; what `keys` threw, or
 * `key-unavailable` when it did not answer properly or in time; the reason of an aborted `signal`. Nothing is left of a
 * handshake that failed.
 */
// req: SEC_CF-AUTH-002
export function connectChannel(options: ChannelOptions, wait: Wait = {}): Promise<SecureChannel> {
  return startStream(options).open(wait);
}

/**
 * The server's side: resolves when the client has proved that it knows the key. Throws as {@link connectChannel} does:
 * the codes are for this side's audit, the client sees one answer to every failed proof.
 */
// req: SEC_CF-AUTH-001
export function acceptChannel(options: ChannelOptions, wait: Wait = {}): Promise<SecureChannel> {
  return startStream(options).open(wait);
}

/** Starts the handshake. */
export function startStream(options: ChannelOptions): Handshake<SecureChannel> {
  const { stream, keySeconds = 5, handshakeSeconds = 10, receiveLimit = 262_144 } = options;
  const received = new Queue<Received>(receiveLimit, ({ payload }) => payload.length);
  const outbox = new Outbox(stream, (error) => driver.lose(error));
  const driver: Driver = new Driver({
    ...options,
    keySeconds,
    handshakeSeconds,
    wire: {
      remote: stream.remote,
      put: (bytes) => outbox.put(bytes),
      flushed: () => outbox.flushed(),
      release: () => stream[Symbol.asyncDispose](),
    },
    intake: {
      push: (bytes) => void received.push({ payload: new Uint8Array(bytes) }),
      end: (error) => received.end(error),
    },
  });
  void read(driver, stream, received);
  return {
    driver,
    open: async (wait) =>
      new StreamChannel({ driver, outbox, received, ...await establish(driver, options.carrier, wait) }),
  };
}

async function read(driver: Driver, stream: ByteStream, received: Queue<Received>): Promise<void> {
  try {
    for await (const bytes of stream) {
      driver.receive(bytes);
      await received.room();
      if (driver.ended) return;
    }
    // RFC 5246 7.2.1: without close_notify nobody knows whether this was all.
    driver.lose(new SeccfError("closed", "the stream ended without close_notify", { clause: "RFC 5246 7.2.1" }));
  } catch (error) {
    driver.lose(error);
  }
}

interface Parts extends Established {
  readonly driver: Driver;
  readonly outbox: Outbox;
  readonly received: Queue<Received>;
}

class StreamChannel implements SecureChannel {
  readonly peer: Peer;
  readonly association: SecurityAssociation;
  readonly binding: Binding;
  readonly boundaries = "none";
  readonly #parts: Parts;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.association = parts.association;
    this.binding = parts.binding;
    this.peer = parts.association.peer;
  }

  /**
   * Protects `payload` and resolves when the stream has taken all of it; calls keep their order. Throws `closed` or
   * `expired`; with an aborted signal its reason, and then a payload that was begun ends the connection, because the
   * rest of it can not be taken back.
   */
  async send(payload: Uint8Array, { signal }: Wait = {}): Promise<void> {
    signal?.throwIfAborted();
    const before = this.#turn;
    let done = () => {};
    this.#turn = Promise.all([before, new Promise<void>((resolve) => done = resolve)]);
    try {
      await unlessAborted(before, signal);
      this.#parts.driver.throwUnlessOpen();
      for (let at = 0; at < payload.length; at += PIECE) {
        await this.#sendPiece(payload.subarray(at, at + PIECE), signal);
      }
    } finally {
      done();
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<Received, undefined> {
    return this.#parts.received.iterate();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#parts.driver.close();
    return this.#parts.driver.released;
  }

  async #sendPiece(piece: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    const { driver, outbox } = this.#parts;
    driver.send(piece);
    try {
      await unlessAborted(outbox.flushed(), signal);
    } catch (error) {
      if (signal?.aborted) driver.abort(new SeccfError("closed", "a send was aborted midway", { cause: error }));
      else driver.throwUnlessOpen();
      throw error;
    }
  }
}

/** Bytes protected and written at a time: one TLS record (RFC 5246 6.2.1), so that a slow peer costs no more. */
const PIECE = 16_384;
