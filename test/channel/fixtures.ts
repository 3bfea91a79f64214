/** Both ends of a channel on one virtual clock, and associations that tests can look into. */
import type { Lifetime } from "../../lib/association/mod.ts";
import type {
  Binding,
  FoundKey,
  KeyRequest,
  KeySource,
  SecureChannel,
  SecurityAssociation,
} from "../../lib/association/ports.ts";
import { fromHex, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { acceptChannel, type ChannelLimits, type ChannelOptions, connectChannel } from "../../lib/channel/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import type { ByteStream } from "../../lib/link.ts";
import { createTlsEngine, type Engine } from "../../lib/tls/mod.ts";
import { type MemoryConnectOptions, memoryNetwork, type MemoryNetworkOptions } from "../../transports/memory/mod.ts";
import { seededRandom, VirtualClock } from "../support/virtual.ts";

export const KEY: Uint8Array = fromHex("000102030405060708090a0b0c0d0e0f");
export const OTHER_KEY: Uint8Array = fromHex("ff0102030405060708090a0b0c0d0e0f");
export const IDENTITY: Uint8Array = toUtf8("device-1");

/** One key, one peer, and a note of every use. */
export interface TestAssociation extends SecurityAssociation {
  readonly bindings: Binding[];
  readonly requests: KeyRequest[];
  readonly handedOut: FoundKey[];
}

export function testAssociation(key: Uint8Array = KEY, lifetime?: Lifetime): TestAssociation {
  const association: TestAssociation = {
    bindings: [],
    requests: [],
    handedOut: [],
    id: new Uint8Array(8),
    serverName: "meter.example.net",
    peer: { identity: toUtf8("the other end"), assurance: "psk" },
    role: "initiator",
    origin: "provisioned",
    expiresAt: lifetime?.expiresAt ?? Infinity,
    get expired() {
      return lifetime?.expired ?? false;
    },
    weakest: undefined,
    find(request) {
      association.requests.push(request);
      const found = { identity: request.identity ?? IDENTITY, key: secretFrom(key), association };
      association.handedOut.push(found);
      return Promise.resolve(found);
    },
    bind: () => Promise.reject(new TypeError("not in this test")),
    bound: (binding) => void association.bindings.push(binding),
    sealer: () => Promise.reject(new TypeError("not in this test")),
    snapshot: () => Promise.reject(new TypeError("not in this test")),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return association;
}

/** Knows {@link IDENTITY} alone. */
export function testKeys(association: SecurityAssociation): KeySource {
  return {
    find: (request, options) =>
      toHex(request.identity ?? new Uint8Array(0)) === toHex(IDENTITY)
        ? association.find(request, options)
        : Promise.resolve(undefined),
  };
}

/** Everything that a test may want to be different; the rest is a network without faults and keys that fit. */
export interface EndsOptions {
  readonly clock?: VirtualClock;
  readonly network?: Partial<MemoryNetworkOptions>;
  readonly connect?: MemoryConnectOptions;
  readonly clientKeys?: KeySource;
  readonly serverKeys?: KeySource;
  readonly client?: ChannelLimits & { readonly signal?: AbortSignal };
  readonly server?: ChannelLimits & { readonly signal?: AbortSignal };
  /** Wraps a stream, to watch it or to make it fail. */
  readonly wrap?: (stream: ByteStream, end: "client" | "server") => ByteStream;
  readonly suites?: readonly number[];
  /** Default: both. */
  readonly versions?: readonly number[];
}

/** Two handshakes under way. */
export interface Ends {
  readonly clock: VirtualClock;
  readonly client: Promise<SecureChannel>;
  readonly server: Promise<SecureChannel>;
}

export async function startEnds(options: EndsOptions = {}): Promise<Ends> {
  const { clock = new VirtualClock(), wrap = (stream) => stream } = options;
  const network = memoryNetwork({ clock, seed: 1, ...options.network });
  await using listener = network.listen("server:443");
  const near = wrap(await network.connect("server:443", options.connect), "client");
  const arrived = await listener[Symbol.asyncIterator]().next();
  if (arrived.done) throw new TypeError("nobody arrived");
  const far = wrap(arrived.value, "server");
  const suites = {
    ...(options.suites && { suites: options.suites }),
    ...(options.versions && { versions: options.versions }),
  };
  const end = (stream: ByteStream, keys: KeySource, engine: Engine, limits: ChannelLimits): ChannelOptions => ({
    ...{ clock, stream, keys, engine, carrier: "tls" },
    ...limits,
  });
  const time = (limits: ChannelLimits = {}) => ({
    now: clock.now(),
    ...(limits.handshakeSeconds !== undefined && { handshakeSeconds: limits.handshakeSeconds }),
  });
  const client = createTlsEngine({ role: "client", random: seededRandom(2), ...suites, ...time(options.client) });
  const server = createTlsEngine({ role: "server", random: seededRandom(3), ...suites, ...time(options.server) });
  const ends: Ends = {
    clock,
    client: connectChannel(
      end(near, options.clientKeys ?? testAssociation(), client, options.client ?? {}),
      options.client ?? {},
    ),
    server: acceptChannel(
      end(far, options.serverKeys ?? testKeys(testAssociation()), server, options.server ?? {}),
      options.server ?? {},
    ),
  };
  // A test looks at one end at a time: the other's failure waits for its turn.
  ends.client.catch(() => {});
  ends.server.catch(() => {});
  return ends;
}

/** Two ends that are established. */
export async function openEnds(
  options: EndsOptions = {},
): Promise<{ clock: VirtualClock; client: SecureChannel; server: SecureChannel }> {
  const { clock, client, server } = await startEnds(options);
  await clock.settle();
  return { clock, client: await client, server: await server };
}

/** All that comes until the peer closes. */
export async function readAll(channel: SecureChannel): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const { payload } of channel) chunks.push(payload);
  const out = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}

/** The next piece, or `undefined` at the end. */
export async function readOne(channel: SecureChannel): Promise<Uint8Array | undefined> {
  for await (const { payload } of channel) return payload;
  return undefined;
}

/** For assert.rejects. */
export function code(expected: string): { readonly name: string; readonly code: string } {
  return { name: "SeccfError", code: expected };
}
