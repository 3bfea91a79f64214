/** A socket of `node:net` as a byte stream: pcscd's own by path, vpcd's by host and port. @module */

import { connect, type Socket } from "node:net";
import { Queue } from "../../lib/channel/mod.ts";
import { unlessAborted } from "../../lib/deadline.ts";
import { SeccfError } from "../../lib/error.ts";
import type { ByteStream } from "../../lib/link.ts";
import type { Wait } from "../../lib/platform.ts";

/** A UNIX socket, or a TCP port. */
export type SocketAddress = { readonly path: string } | { readonly host: string; readonly port: number };

/** Opens a connection. Throws `unreachable`, or the reason of an aborted signal. */
export async function openSocket(address: SocketAddress, { signal }: Wait = {}): Promise<ByteStream> {
  signal?.throwIfAborted();
  const socket = connect({ ...address });
  const opened = new Promise<void>((resolve, reject) => {
    socket.once("connect", () => resolve());
    socket.once("error", (cause) => reject(new SeccfError("unreachable", "nobody listens there", { cause })));
  });
  try {
    await unlessAborted(opened, signal);
    return new SocketStream(socket, "path" in address ? address.path : `${address.host}:${address.port}`);
  } catch (error) {
    opened.catch(() => undefined);
    socket.on("error", () => undefined);
    socket.destroy();
    throw error;
  }
}

class SocketStream implements ByteStream {
  readonly remote: string;
  readonly #socket: Socket;
  readonly #received = new Queue<Uint8Array>(READ_AHEAD, (piece) => piece.length);
  readonly #gone = new AbortController();

  constructor(socket: Socket, remote: string) {
    this.#socket = socket;
    this.remote = remote;
    socket.on("data", (piece) => this.#receive(piece));
    socket.once("end", () => this.#received.end());
    socket.once("error", (error) => this.#lose(error));
    socket.once("close", () => this.#lose());
  }

  async write(bytes: Uint8Array, { signal }: Wait = {}): Promise<void> {
    signal?.throwIfAborted();
    this.#gone.signal.throwIfAborted();
    const copy = bytes.slice();
    const taken = new Promise<void>((resolve, reject) => {
      this.#socket.write(copy, (error) => {
        // What was written may have been a PIN.
        copy.fill(0);
        if (error) reject(closed(error));
        else resolve();
      });
    });
    await unlessAborted(unlessAborted(taken, signal), this.#gone.signal);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return this.#received.iterate();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#lose();
    this.#received.drain();
    this.#socket.destroy();
    return Promise.resolve();
  }

  #receive(piece: Uint8Array): void {
    // A plain view: a Buffer's own slice() would not copy.
    if (!this.#received.push(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength))) return;
    if (this.#received.size < READ_AHEAD) return;
    this.#socket.pause();
    this.#received.room().then(() => this.#socket.resume());
  }

  #lose(cause?: Error): void {
    const error = closed(cause);
    this.#received.end(error);
    this.#gone.abort(error);
  }
}

function closed(cause?: Error): SeccfError {
  return new SeccfError("closed", "the connection is closed", { cause });
}

/** Bytes taken from the system before anybody asks for them. */
const READ_AHEAD = 65_536;
