/** A connected socket as a {@link ByteStream}, with back-pressure both ways. @module */

import type { Socket } from "node:net";
import type { ByteStream } from "../../lib/link.ts";
import type { Wait } from "../../lib/platform.ts";
import { joinAddress, Queue } from "../../lib/channel/mod.ts";
import { unlessAborted } from "../../lib/deadline.ts";
import { broken } from "./failure.ts";

/** Takes `socket` over; it must have been made with `allowHalfOpen` and not be read yet. */
export function tcpStream(socket: Socket): ByteStream {
  return new TcpStream(socket);
}

class TcpStream implements ByteStream {
  readonly remote: string;
  readonly #socket: Socket;
  readonly #received = new Queue<Uint8Array>(READ_AHEAD, (piece) => piece.length);
  readonly #closed: Promise<void>;
  /** Ends the writes that the socket forgets when it is destroyed. */
  readonly #gone = new AbortController();

  constructor(socket: Socket) {
    this.#socket = socket;
    this.remote = joinAddress(socket.remoteAddress ?? "unknown", socket.remotePort ?? 0);
    socket.setNoDelay(true);
    this.#closed = new Promise((resolve) => socket.once("close", () => resolve()));
    socket.on("data", (piece) => this.#receive(piece));
    socket.once("end", () => this.#received.end());
    socket.once("error", (error) => this.#lose(broken(error)));
    socket.once("close", () => this.#lose(broken()));
    socket.resume();
  }

  async write(bytes: Uint8Array, { signal }: Wait = {}): Promise<void> {
    signal?.throwIfAborted();
    this.#gone.signal.throwIfAborted();
    const taken = new Promise<void>((resolve, reject) => {
      this.#socket.write(bytes, (error) => error ? reject(broken(error)) : resolve());
    });
    await unlessAborted(unlessAborted(taken, signal), this.#gone.signal);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return this.#received.iterate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const socket = this.#socket;
    this.#received.end(broken());
    this.#received.drain();
    if (socket.writableLength === 0 && !socket.destroyed && !this.#gone.signal.aborted) {
      // Bytes left unread would turn our close into a reset, which can cost the peer what we wrote last.
      socket.resume();
      const ended = new Promise<void>((resolve) => socket.end(() => setImmediate(resolve)));
      await Promise.race([ended, this.#closed]);
    }
    this.#lose(broken());
    socket.destroy();
    await this.#closed;
  }

  #receive(piece: Uint8Array): void {
    // A plain view: a Buffer's own slice() would not copy.
    if (!this.#received.push(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength))) return;
    if (this.#received.size < READ_AHEAD) return;
    this.#socket.pause();
    this.#received.room().then(() => this.#socket.resume());
  }

  #lose(error: Error): void {
    this.#received.end(error);
    this.#gone.abort(error);
  }
}

/** Bytes taken from the system before the reader asks for them. */
const READ_AHEAD = 65_536;
