/** The network itself: names, listeners, sockets, and what happens to what is sent. @module */

import { SeccfError } from "../../lib/error.ts";
import type { Clock } from "../../lib/clock.ts";
import type { ByteStream, DatagramSocket, StreamListener } from "../../lib/link.ts";
import type { Wait } from "../../lib/platform.ts";
import { Queue } from "../../lib/channel/mod.ts";
import { repeatableNumbers } from "./numbers.ts";
import { streamPair } from "./stream.ts";

/** How good the network is. Without any of the optional ones it is perfect and needs no time. */
export interface MemoryNetworkOptions {
  /** Delays pass on it. */
  readonly clock: Clock;
  /** The same seed and the same calls give the same run. */
  readonly seed: number;
  /** From one end to the other, one way. Default 0: at once. */
  readonly delayMs?: number;
  /** How many of a stream's bytes may be under way. Default 65,536. */
  readonly capacity?: number;
  /** Streams are read in random pieces of 1 to this many bytes. Default: in pieces as they were written. */
  readonly maxPieceBytes?: number;
  /** The part of all datagrams that get lost, 0..1. Default 0. */
  readonly loss?: number;
  /** The part that arrives twice, 0..1. Default 0. */
  readonly duplicate?: number;
  /** The part that is late by up to `reorderMs`, 0..1. Default 0. */
  readonly reorder?: number;
  /** Default 50. */
  readonly reorderMs?: number;
}

/** What {@link MemoryNetwork.connect} takes beside the address. */
export interface MemoryConnectOptions extends Wait {
  /** What the listener sees as `remote`. Default: the next of `client:1`, `client:2`, ... */
  readonly from?: string;
  /** The connection ends without a word when this many bytes of both directions were written. Default: never. */
  readonly cutAfterBytes?: number;
}

/** Addresses are `host:port`, and both are nothing but names. */
export interface MemoryNetwork {
  /** Throws `unreachable` if the address is taken. */
  listen(address: string): StreamListener;
  /** Throws `unreachable` if nobody listens there. */
  connect(address: string, options?: MemoryConnectOptions): Promise<ByteStream>;
  /** Throws `unreachable` if the address is taken. */
  bind(address: string): DatagramSocket;
}

interface Datagram {
  readonly bytes: Uint8Array;
  readonly from: string;
}

/** A new, empty network. */
export function memoryNetwork(options: MemoryNetworkOptions): MemoryNetwork {
  const { seed, capacity = 65_536, delayMs = 0, maxPieceBytes } = options;
  const listeners = new Map<string, Queue<ByteStream>>();
  const sockets = new Map<string, Queue<Datagram>>();
  const number = repeatableNumbers(seed);
  const pieceLength = maxPieceBytes === undefined ? undefined : () => 1 + Math.floor(number() * maxPieceBytes);
  let clients = 0;
  return {
    listen(address) {
      const arrived = new Queue<ByteStream>(Infinity, () => 1);
      claim(listeners, address, arrived);
      return {
        local: address,
        [Symbol.asyncIterator]: () => arrived.iterate(),
        async [Symbol.asyncDispose]() {
          release(listeners, address, arrived);
          for (const stream of arrived.drain()) await stream[Symbol.asyncDispose]();
        },
      };
    },
    async connect(address, { signal, from = `client:${++clients}`, cutAfterBytes = Infinity } = {}) {
      signal?.throwIfAborted();
      const { client, server } = streamPair({
        ...{ clock: options.clock, capacity, delayMs, pieceLength, cutAfterBytes },
        ...{ client: from, server: address },
      });
      // Not before the caller's next turn, as any network.
      await Promise.resolve();
      if (!listeners.get(address)?.push(server)) throw new SeccfError("unreachable", `nobody listens at ${address}`);
      return client;
    },
    bind(address) {
      const arrived = new Queue<Datagram>(Infinity, () => 1);
      claim(sockets, address, arrived);
      const deliver = delivery(options, number);
      return {
        local: address,
        send(bytes, to) {
          const datagram = { bytes: new Uint8Array(bytes), from: address };
          deliver(() => arrive(sockets.get(to), datagram));
        },
        [Symbol.asyncIterator]: () => arrived.iterate(),
        [Symbol.asyncDispose]() {
          release(sockets, address, arrived);
          return Promise.resolve();
        },
      };
    },
  };
}

/** Every datagram draws the same count of numbers, so that one option changed leaves the others' draws alone. */
function delivery(options: MemoryNetworkOptions, number: () => number): (happen: () => void) => void {
  const { clock, delayMs = 0, loss = 0, duplicate = 0, reorder = 0, reorderMs = 50 } = options;
  return (happen) => {
    const lost = number() < loss;
    const copies = number() < duplicate ? 2 : 1;
    const late = [0, 1].map(() => ({ reordered: number() < reorder, by: number() * reorderMs }));
    if (lost) return;
    for (const { reordered, by } of late.slice(0, copies)) {
      const after = delayMs + (reordered ? by : 0);
      if (after === 0) happen();
      else clock.alarm(clock.now() + after, happen);
    }
  };
}

/** As a kernel does: what does not fit into a socket's buffer is dropped. */
function arrive(socket: Queue<Datagram> | undefined, datagram: Datagram): void {
  if (socket && socket.size < MAX_DATAGRAMS) socket.push({ ...datagram, bytes: datagram.bytes.slice() });
}

function claim<T>(taken: Map<string, Queue<T>>, address: string, queue: Queue<T>): void {
  if (taken.has(address)) throw new SeccfError("unreachable", `${address} is in use`);
  taken.set(address, queue);
}

function release<T>(taken: Map<string, Queue<T>>, address: string, queue: Queue<T>): void {
  queue.end();
  if (taken.get(address) === queue) taken.delete(address);
}

const MAX_DATAGRAMS = 1024;
