/** A listener on datagrams in memory, and ways to come to it. */
import type { KeySource, Listener } from "../../lib/association/ports.ts";
import {
  acceptDatagrams,
  connectDatagrams,
  type DatagramAcceptorOptions,
  type DatagramChannel,
  type DatagramChannelOptions,
  type Refusal,
} from "../../lib/channel/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import type { DatagramSocket } from "../../lib/link.ts";
import type { Wait } from "../../lib/platform.ts";
import { createDtlsAcceptor, createDtlsEngine, type DtlsAcceptorOptions, type DtlsOptions } from "../../lib/tls/mod.ts";
import { type MemoryNetwork, memoryNetwork, type MemoryNetworkOptions } from "../../transports/memory/mod.ts";
import { seededRandom, VirtualClock } from "../support/virtual.ts";
import { type TestAssociation, testAssociation, testKeys } from "./fixtures.ts";

export const SERVER = "server:5684";

/** What a test may want to be different. */
export interface PlaceOptions {
  readonly seed?: number;
  readonly network?: Partial<MemoryNetworkOptions>;
  readonly listener?: Partial<DatagramAcceptorOptions>;
  readonly acceptor?: Partial<DtlsAcceptorOptions>;
  readonly association?: TestAssociation;
  /** Where the listener is, if not on a network of its own. */
  readonly at?: { readonly network: MemoryNetwork; readonly socket: DatagramSocket };
}

/** How a client comes. */
export interface ComeOptions extends Wait {
  readonly keys?: KeySource;
  readonly engine?: Partial<DtlsOptions>;
  readonly channel?: Partial<DatagramChannelOptions>;
}

export interface DatagramPlace {
  readonly clock: VirtualClock;
  readonly network: MemoryNetwork;
  readonly listener: Listener<DatagramChannel>;
  readonly association: TestAssociation;
  readonly refused: Refusal[];
  codes(): unknown[];
  connect(from: string, options?: ComeOptions): Promise<DatagramChannel>;
}

export function place(options: PlaceOptions = {}): DatagramPlace {
  const { seed = 1, association = testAssociation() } = options;
  const clock = new VirtualClock();
  const random = seededRandom(seed);
  const network = options.at?.network ?? memoryNetwork({ clock, seed, ...options.network });
  const refused: Refusal[] = [];
  const listener = acceptDatagrams({
    socket: options.at?.socket ?? network.bind(SERVER),
    acceptor: createDtlsAcceptor({ random, ...options.acceptor }),
    url: new URL(`dtls://${SERVER}`),
    keys: testKeys(association),
    clock,
    carrier: "dtls",
    onRefused: (refusal) => refused.push(refusal),
    ...options.listener,
  });
  return {
    ...{ clock, network, listener, association, refused },
    codes: () => refused.map(({ error }) => error instanceof SeccfError ? error.code : error),
    connect: (from, { keys = testAssociation(), engine, channel, signal } = {}) =>
      connectDatagrams({
        engine: createDtlsEngine({ role: "client", now: clock.now(), random, ...engine }),
        ...{ socket: network.bind(from), remote: SERVER, keys, clock, carrier: "dtls" },
        ...channel,
      }, signal ? { signal } : {}),
  };
}

/** A client and its channel at the server, nothing lost. */
export async function pair(
  at: DatagramPlace,
  from = "10.0.0.1:1",
  options?: ComeOptions,
): Promise<{ readonly client: DatagramChannel; readonly server: DatagramChannel }> {
  const [client, server] = await Promise.all([at.connect(from, options), next(at.listener)]);
  return { client, server };
}

export async function next(listener: Listener<DatagramChannel>): Promise<DatagramChannel> {
  for await (const channel of listener) return channel;
  throw new TypeError("no channel");
}

/** A socket that notes and may change what passes. */
export function tapped(socket: DatagramSocket, onSend: (bytes: Uint8Array, to: string) => void): DatagramSocket {
  return {
    local: socket.local,
    send(bytes, to) {
      onSend(bytes, to);
      socket.send(bytes, to);
    },
    [Symbol.asyncIterator]: () => socket[Symbol.asyncIterator](),
    [Symbol.asyncDispose]: () => socket[Symbol.asyncDispose](),
  };
}
