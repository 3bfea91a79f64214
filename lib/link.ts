/** What a transport implements and all that a carrier knows of a socket. @module */

import type { Wait } from "./platform.ts";

/** An ordered byte pipe: TCP, a modem's serial line, memory. Iteration ends when the peer ends its side; it throws `closed` or `unreachable` when the pipe breaks. */
export interface ByteStream extends AsyncDisposable, AsyncIterable<Uint8Array> {
  /** `host:port`, for people and for limits per address. */
  readonly remote: string;
  /** Resolves when the transport has taken the bytes; `bytes` may be reused then. Throws `closed` once the pipe is gone. */
  write(bytes: Uint8Array, options?: Wait): Promise<void>;
}

/** A bound place that byte streams arrive at. */
export interface StreamListener extends AsyncDisposable, AsyncIterable<ByteStream> {
  /** Where it really listens: `host:port` with the port the system chose. */
  readonly local: string;
}

/** One bound datagram socket and all its peers; no state per stranger. */
export interface DatagramSocket
  extends AsyncDisposable, AsyncIterable<{ readonly bytes: Uint8Array; readonly from: string }> {
  /** Where it is bound: `host:port`. */
  readonly local: string;
  /** May drop, as the network may. */
  send(bytes: Uint8Array, to: string): void;
  /** When who has sent so much should go on, so that something can come in as well; `undefined`: at once. */
  flushed?(): Promise<void> | undefined;
  /**
   * Instead of iterating, from here on: each datagram goes to `taker` in the turn that brings it, and nothing is held. Who
   * disposes of the socket hears no more of it.
   */
  handTo?(taker: DatagramTaker): void;
}

/** Who takes what comes to a {@link DatagramSocket}. Neither may throw. */
export interface DatagramTaker {
  /** `bytes` are the taker's until it returns. */
  take(bytes: Uint8Array, from: string): void;
  /** What iterating would have thrown, `closed` at the end. False: nothing more is wanted. */
  fail(error: unknown): boolean;
}
