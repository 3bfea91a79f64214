/** A bound socket as a {@link DatagramSocket}: bounded both ways, since datagrams may be dropped and memory may not. @module */

import type { RemoteInfo, Socket } from "node:dgram";
import type { DatagramSocket } from "../../lib/link.ts";
import { joinAddress, Queue, splitAddress } from "../../lib/channel/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { systemCode } from "./failure.ts";

/** One datagram as it came. */
export interface Datagram {
  readonly bytes: Uint8Array;
  readonly from: string;
}

/** Takes `socket` over, which is bound; `connected`: it has one peer, to whom everything goes. */
export class UdpSocket implements DatagramSocket {
  readonly local: string;
  readonly #socket: Socket;
  readonly #connected: boolean;
  readonly #mapped: boolean;
  readonly #arrived = new Queue<Datagram | SeccfError>(Infinity, sizeOf);
  #leaving = 0;
  #closed: Promise<void> | undefined;

  constructor(socket: Socket, connected: boolean) {
    const { address, port, family } = socket.address();
    this.local = joinAddress(address, port);
    this.#socket = socket;
    this.#connected = connected;
    this.#mapped = family === "IPv6";
    socket.on("message", (bytes, from) => this.#receive(bytes, from));
    socket.on("error", (error) => this.#complain(error));
    socket.once("close", () => this.#arrived.end(new SeccfError("closed", "the socket is closed")));
  }

  send(bytes: Uint8Array, to: string): void {
    if (this.#closed || this.#leaving + bytes.length > SEND_AHEAD) return;
    // The runtimes send in a later turn, and the bytes are the caller's again in this one.
    const copy = new Uint8Array(bytes);
    const sent = (error: Error | null) => {
      this.#leaving -= copy.length;
      if (error) this.#complain(error);
    };
    this.#leaving += copy.length;
    try {
      if (this.#connected) this.#socket.send(copy, sent);
      else this.#sendTo(copy, to, sent);
    } catch (error) {
      // An address that is none, a socket that is just going: lost, as any datagram may be.
      sent(error instanceof Error ? error : null);
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<Datagram, undefined> {
    return {
      next: async () => {
        const result = await this.#arrived.next();
        if (result.value instanceof SeccfError) throw result.value;
        return result.done ? result : { done: false, value: result.value };
      },
      return: () => Promise.resolve({ done: true, value: undefined }),
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#arrived.end();
    this.#arrived.drain();
    // The last word, a close_notify mostly, is on its way in the turns that the runtime takes for it.
    for (let turn = 0; this.#leaving > 0 && turn < 8; turn++) {
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    await new Promise<void>((resolve) => {
      try {
        this.#socket.close(resolve);
      } catch {
        resolve();
      }
    });
  }

  #sendTo(bytes: Uint8Array, to: string, sent: (error: Error | null) => void): void {
    const { host, port } = splitAddress(to);
    this.#socket.send(bytes, port, this.#mapped && !host.includes(":") ? `::ffff:${host}` : host, sent);
  }

  #receive(bytes: Uint8Array, from: RemoteInfo): void {
    if (this.#arrived.size >= READ_AHEAD) return;
    // A copy: what the runtime gives can be a small view of a large buffer, or of one that it uses again.
    this.#arrived.push({ bytes: new Uint8Array(bytes), from: joinAddress(from.address, from.port) });
  }

  /** What the network says about the one peer of a connected socket; about one of many it says nothing worth keeping. */
  #complain(error: Error): void {
    if (!this.#connected || this.#arrived.size >= READ_AHEAD) return;
    const code = systemCode(error);
    if (code === undefined || !UNREACHABLE.has(code)) return;
    this.#arrived.push(new SeccfError("unreachable", `no answer but ${code}`, { cause: error }));
  }
}

function sizeOf(item: Datagram | SeccfError): number {
  return OVERHEAD + (item instanceof SeccfError ? 0 : item.bytes.length);
}

const UNREACHABLE = new Set(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EHOSTDOWN", "ENETDOWN", "ECONNRESET"]);
/** Bytes held between the system and the reader; what comes then is dropped, as the system does with its own. */
const READ_AHEAD = 1_048_576;
/** Bytes given to the runtime and not yet to the system. */
const SEND_AHEAD = 1_048_576;
/** About what a datagram costs besides its bytes. */
const OVERHEAD = 256;
