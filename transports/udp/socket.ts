/** A bound socket as a {@link DatagramSocket}: bounded both ways, since datagrams may be dropped and memory may not. @module */

import { Buffer } from "node:buffer";
import type { RemoteInfo, Socket } from "node:dgram";
import type { DatagramSocket, DatagramTaker } from "../../lib/link.ts";
import { joinAddress, Queue, splitAddress } from "../../lib/channel/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { systemCode } from "./failure.ts";
import { ReadRoom } from "./read_room.ts";

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
  readonly #room: ReadRoom;
  readonly #arrived = new Queue<Datagram | SeccfError>(Infinity, sizeOf);
  #taker: DatagramTaker | undefined;
  #leaving = 0;
  /** Datagrams sent since the runtime had its turn. */
  #inOneTurn = 0;
  #turn: Promise<void> | undefined;
  /** Whoever sent last mostly sends again, or is answered. */
  #last: { readonly address: string; readonly port: number; readonly name: string } | undefined;
  #closed: Promise<void> | undefined;

  constructor(socket: Socket, connected: boolean) {
    const { address, port, family } = socket.address();
    this.local = joinAddress(address, port);
    this.#socket = socket;
    this.#connected = connected;
    this.#mapped = family === "IPv6";
    this.#room = new ReadRoom(socket);
    socket.on("message", (bytes, from) => this.#receive(bytes, from));
    socket.on("error", (error) => this.#complain(error));
    // By somebody else: what is closed here has ended already, and an error with its stack is a dear thing.
    socket.once("close", () => {
      if (!this.#closed) this.#arrived.end(new SeccfError("closed", "the socket is closed"));
    });
  }

  send(bytes: Uint8Array, to: string): void {
    if (this.#closed || this.#leaving + bytes.length > SEND_AHEAD) return;
    // The runtimes send in a later turn, and the bytes are the caller's again in this one. Of the pool: a buffer of its own
    // costs V8 more than sealing what is in it.
    const copy = Buffer.allocUnsafe(bytes.length);
    copy.set(bytes);
    this.#leaving += copy.length;
    this.#inOneTurn++;
    this.#put(copy, to, (error) => {
      // Bun says here that somebody else did not take what was sent to him before, and has not sent this one.
      if (error && !this.#connected && isUnreachable(error)) this.#put(copy, to, (again) => this.#sent(copy, again));
      else this.#sent(copy, error);
    });
  }

  flushed(): Promise<void> | undefined {
    if (this.#inOneTurn < SENDS_IN_ONE_TURN) return undefined;
    this.#turn ??= nextTurn().then(() => {
      this.#turn = undefined;
      this.#inOneTurn = 0;
    });
    return this.#turn;
  }

  handTo(taker: DatagramTaker): void {
    this.#taker = taker;
    for (const item of this.#arrived.drain()) {
      if (item instanceof SeccfError) taker.fail(item);
      else taker.take(item.bytes, item.from);
    }
    // From here on nothing arrives but the end.
    this.#arrived.next().catch((error: unknown) => taker.fail(error));
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
    for (let turn = 0; this.#leaving > 0 && turn < 8; turn++) await nextTurn();
    await new Promise<void>((resolve) => {
      try {
        this.#socket.close(resolve);
      } catch {
        resolve();
      }
    });
  }

  #put(bytes: Uint8Array, to: string, sent: (error: Error | null) => void): void {
    try {
      if (this.#connected) {
        this.#socket.send(bytes, sent);
        return;
      }
      const { address, port } = to === this.#last?.name ? this.#last : this.#placeOf(to);
      this.#socket.send(bytes, port, address, sent);
    } catch (error) {
      // An address that is none, a socket that is just going: lost, as any datagram may be.
      this.#sent(bytes, error instanceof Error ? error : null);
    }
  }

  #sent(bytes: Uint8Array, error: Error | null): void {
    this.#leaving -= bytes.length;
    if (error) this.#complain(error);
  }

  #receive(bytes: Uint8Array, from: RemoteInfo): void {
    this.#inOneTurn = 0;
    if (!this.#room.holds(bytes)) return;
    const { buffer, byteOffset, length } = bytes;
    if (this.#taker) {
      // No `Buffer`, whose `slice` is no copy.
      if (!this.#closed) this.#taker.take(new Uint8Array(buffer, byteOffset, length), this.#nameOf(from));
      return;
    }
    if (this.#arrived.size >= READ_AHEAD) return;
    // What is a view of a larger buffer, as Deno gives it, would hold that; Node and Bun make one for each datagram.
    const own = length === buffer.byteLength ? new Uint8Array(buffer) : new Uint8Array(bytes);
    this.#arrived.push({ bytes: own, from: this.#nameOf(from) });
  }

  #placeOf(name: string): { readonly address: string; readonly port: number } {
    const { host, port } = splitAddress(name);
    return { address: this.#mapped && !host.includes(":") ? `::ffff:${host}` : host, port };
  }

  #nameOf({ address, port }: RemoteInfo): string {
    if (this.#last?.address !== address || this.#last.port !== port) {
      this.#last = { address, port, name: joinAddress(address, port) };
    }
    return this.#last.name;
  }

  /** What the network says about the one peer of a connected socket; about one of many it says nothing worth keeping. */
  #complain(error: Error): void {
    // Windows says of what was cut short that it was too long.
    if (systemCode(error) === "EMSGSIZE") this.#room.widen();
    if (!this.#connected || this.#arrived.size >= READ_AHEAD) return;
    if (!isUnreachable(error)) return;
    const word = new SeccfError("unreachable", `no answer but ${systemCode(error)}`, { cause: error });
    const taker = this.#taker;
    // A taker may be in the middle of a send.
    if (taker) queueMicrotask(() => taker.fail(word));
    else this.#arrived.push(word);
  }
}

function isUnreachable(error: Error): boolean {
  return UNREACHABLE.has(systemCode(error) ?? "");
}

/** The runtime looks after its sockets before it comes back. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function sizeOf(item: Datagram | SeccfError): number {
  return OVERHEAD + (item instanceof SeccfError ? 0 : item.bytes.length);
}

const UNREACHABLE = new Set(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EHOSTDOWN", "ENETDOWN", "ECONNRESET"]);
/** Bytes held between the system and the reader; what comes then is dropped, as the system does with its own. */
const READ_AHEAD = 1_048_576;
/** Bytes given to the runtime and not yet to the system. */
const SEND_AHEAD = 1_048_576;
/** Then whoever sends on and on has to let datagrams come in. */
const SENDS_IN_ONE_TURN = 64;
/** About what a datagram costs besides its bytes. */
const OVERHEAD = 256;
