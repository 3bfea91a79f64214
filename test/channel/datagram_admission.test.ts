// What strangers on datagrams may cost, and what a peer that moves may do.
import assert from "node:assert/strict";
import test from "node:test";
import type { KeySource } from "../../lib/association/ports.ts";
import { fromUtf8, toUtf8 } from "../../lib/bytes/mod.ts";
import { connectDatagrams, type DatagramChannel } from "../../lib/channel/mod.ts";
import type { SeccfError } from "../../lib/error.ts";
import type { DatagramSocket } from "../../lib/link.ts";
import { createDtlsEngine } from "../../lib/tls/mod.ts";
import { seededRandom } from "../support/virtual.ts";
import { next, pair, place, SERVER, tapped } from "./datagram_fixtures.ts";
import { code, IDENTITY, OTHER_KEY, readOne, testAssociation, testKeys } from "./fixtures.ts";

/** A key source that asks for nothing but time. */
function slow(seconds: number, clock: { now(): number; alarm(at: number, wake: () => void): Disposable }): KeySource {
  const keys = testKeys(testAssociation());
  return {
    async find(request, wait) {
      await new Promise<void>((resolve) => clock.alarm(clock.now() + seconds * 1000, resolve));
      return await keys.find(request, wait);
    },
  };
}

/** Of a client that shows a name nobody knows. */
function stranger(name: string): KeySource {
  const association = testAssociation();
  return {
    async find(request, wait) {
      const found = await association.find(request, wait);
      return found && { ...found, identity: toUtf8(name) };
    },
  };
}

test("a listener yields channels of authenticated peers alone", async () => {
  const at = place();
  const wrong = at.connect("10.0.0.1:1", {
    keys: testAssociation(OTHER_KEY),
    channel: { handshakeSeconds: 3 },
    engine: { handshakeSeconds: 3 },
  });
  wrong.catch(() => {});
  const { client, server } = await pair(at, "10.0.0.2:1");
  await at.clock.advance(31_000);
  await assert.rejects(wrong, (error: SeccfError) => error.code === "timeout" || error.code === "auth-failed");
  assert.equal(at.refused.length, 1);
  assert.equal(at.refused[0]?.remote, "10.0.0.1:1");
  assert.deepEqual(at.refused[0]?.identity, IDENTITY);
  for (const channel of [client, server]) await channel[Symbol.asyncDispose]();
  await at.listener[Symbol.asyncDispose]();
  assert.equal(at.clock.pending, 0);
});

test("a key source that is slow holds back nobody else, and its retransmitting client asks it once", async () => {
  const at = place({ listener: { keySeconds: 8 } });
  const { clock } = at;
  const keys = testKeys(at.association);
  let slowly = true;
  let asked = 0;
  at.association.find = (request, wait) => {
    asked++;
    const source = slowly ? slow(6, clock) : keys;
    slowly = false;
    return source === keys ? testAssociation().find(request, wait) : source.find(request, wait);
  };
  const first = at.connect("10.0.0.1:1", { channel: { keySeconds: 8 } });
  await clock.settle();
  const { client, server } = await pair(at, "10.0.0.2:1");
  await clock.advance(7000);
  const late = await first;
  const lateServer = await next(at.listener);
  assert.equal(asked, 2);
  await late.send(toUtf8("worth the wait"));
  assert.deepEqual(await readOne(lateServer), toUtf8("worth the wait"));
  for (const channel of [client, server, late, lateServer]) await channel[Symbol.asyncDispose]();
  await at.listener[Symbol.asyncDispose]();
});

test("random names from one host cost the key source 64 lookups in 10 s, and a device elsewhere none of its own", async () => {
  let asked = 0;
  const association = testAssociation();
  const keys: KeySource = {
    find(request, wait) {
      asked++;
      return testKeys(association).find(request, wait);
    },
  };
  const roomy = { maxHandshakesPerHost: 1000, maxHandshakes: 1000 };
  const at = place({ listener: { keys, ...roomy }, acceptor: roomy });
  const strangers = [];
  for (let port = 1; port <= 200; port++) {
    strangers.push(
      at.connect(`10.0.0.1:${port}`, { keys: stranger(`nobody-${port}`), channel: { handshakeSeconds: 3 } }),
    );
  }
  const outcomes = Promise.allSettled(strangers);
  await at.clock.advance(5000);
  assert.equal(asked, 64);
  const { client, server } = await pair(at, "10.0.0.2:1");
  assert.equal(asked, 65);
  const refused = at.connect("10.0.0.1:999", { channel: { handshakeSeconds: 3 }, engine: { handshakeSeconds: 3 } });
  refused.catch(() => {});
  await at.clock.advance(3000);
  await assert.rejects(refused, code("timeout"));
  await at.clock.advance(40_000);
  const again = await at.connect("10.0.0.1:1000");
  assert.equal(asked, 66);
  assert.ok((await outcomes).every(({ status }) => status === "rejected"));
  for (const channel of [client, server, again]) await channel[Symbol.asyncDispose]();
  await at.listener[Symbol.asyncDispose]();
  assert.equal(at.clock.pending, 0);
});

test("devices that prove who they are may be many behind one address", async () => {
  const at = place({ listener: { maxLookupsPerHost: 2 } });
  const channels = [];
  for (let port = 1; port <= 20; port++) {
    const { client, server } = await pair(at, `10.0.0.1:${port}`);
    channels.push(client, server);
  }
  for (const channel of channels) await channel[Symbol.asyncDispose]();
  await at.listener[Symbol.asyncDispose]();
});

test("a flood of hellos leaves nothing: no engine, no alarm, no lookup, and no answer that is longer than the question", async () => {
  const at = place();
  const hello = await firstDatagram();
  let answered = 0;
  const flood = at.network.bind("10.0.0.1:1");
  const reading = (async () => {
    for await (const { bytes } of flood) {
      answered += bytes.length;
    }
  })();
  const pending = at.clock.pending;
  for (let i = 0; i < 2000; i++) {
    flood.send(hello, SERVER);
    if (i % 500 === 0) await at.clock.settle();
  }
  await at.clock.settle();
  assert.ok(answered > 0 && answered <= 2000 * hello.length);
  assert.equal(at.clock.pending, pending);
  assert.equal(at.association.requests.length, 0);
  const { client, server } = await pair(at, "10.0.0.2:1");
  await flood[Symbol.asyncDispose]();
  await reading;
  for (const channel of [client, server]) await channel[Symbol.asyncDispose]();
  await at.listener[Symbol.asyncDispose]();
});

test("when all places are taken the oldest that waits for its peer gives way", async () => {
  const at = place({ acceptor: { maxHandshakes: 2, maxEngines: 100 }, listener: { maxHandshakes: 2 } });
  for (let host = 1; host <= 4; host++) await stall(at, `10.0.0.${host}:1`);
  const { client, server } = await pair(at, "10.0.0.9:1");
  assert.ok(at.refused.length >= 3, `${at.refused.length}`);
  for (const channel of [client, server]) await channel[Symbol.asyncDispose]();
  await at.clock.advance(40_000);
  await at.listener[Symbol.asyncDispose]();
  assert.equal(at.clock.pending, 0);
});

test("two thousand peers on one socket, half of them known by their addresses alone: each has its own answers, and nothing is left", async () => {
  const peers = 2000;
  const at = place({ network: { delayMs: 5, reorder: 0.1 }, acceptor: { suites: [0x00a8] } });
  const serving = (async () => {
    for await (const channel of at.listener) {
      void (async () => {
        for await (const { payload } of channel) await channel.send(payload);
        await channel[Symbol.asyncDispose]();
      })();
    }
  })();
  const clients: DatagramChannel[] = [];
  for (let i = 0; i < peers; i += 50) {
    const coming = Promise.all(
      Array.from({ length: 50 }, (_, j) => {
        const id = (i + j) % 2 === 0 ? {} : { connectionId: false as const };
        return at.connect(`10.${(i + j) % 97}.${j}.1:${i + 1}`, { engine: { suites: [0x00a8], ...id } });
      }),
    );
    await at.clock.advance(200);
    clients.push(...await coming);
  }
  const answers = Promise.all(clients.map(async (client, i) => {
    await client.send(toUtf8(`peer ${i}`));
    for await (const { payload } of client) return fromUtf8(payload);
  }));
  await at.clock.advance(200);
  assert.deepEqual(await answers, clients.map((_, i) => `peer ${i}`));
  for (const client of clients) await client[Symbol.asyncDispose]();
  await at.clock.advance(200);
  await at.listener[Symbol.asyncDispose]();
  await serving;
  assert.deepEqual(at.refused, []);
  assert.equal(at.clock.pending, 0);
});

test("no more channels than allowed; one that ends makes room", async () => {
  const at = place({ listener: { maxChannels: 1 } });
  const first = await pair(at, "10.0.0.1:1");
  const second = at.connect("10.0.0.2:1", { channel: { handshakeSeconds: 3 } });
  second.catch(() => {});
  await at.clock.advance(3000);
  await assert.rejects(second);
  assert.ok(at.codes().includes("exhausted"));
  for (const channel of [first.client, first.server]) await channel[Symbol.asyncDispose]();
  const third = await pair(at, "10.0.0.3:1");
  for (const channel of [third.client, third.server]) await channel[Symbol.asyncDispose]();
  await at.listener[Symbol.asyncDispose]();
});

test("a client behind a new address keeps its channel by its Connection ID, both ways, and is asked nothing twice", async () => {
  const at = place();
  const near = new Roaming([at.network.bind("10.0.0.1:1"), at.network.bind("10.0.0.1:9")]);
  const client = await connectDatagrams({
    engine: createDtlsEngine({ role: "client", now: 0, random: seededRandom(5) }),
    ...{ socket: near, remote: SERVER, keys: testAssociation(), clock: at.clock, carrier: "dtls" },
  });
  const server = await next(at.listener);
  await client.send(toUtf8("before"));
  assert.deepEqual(await readOne(server), toUtf8("before"));
  near.at = 1;
  for (let i = 0; i < 5; i++) {
    await client.send(toUtf8(`after ${i}`));
    assert.deepEqual(await readOne(server), toUtf8(`after ${i}`));
    await at.clock.advance(100);
  }
  await server.send(toUtf8("found you"));
  assert.deepEqual(await readOne(client), toUtf8("found you"));
  assert.equal(near.heard.at(-1), 1, "at the new address");
  for (const channel of [client, server]) await channel[Symbol.asyncDispose]();
  await at.listener[Symbol.asyncDispose]();
});

test("a channel whose records a stranger repeats from elsewhere stays where it is", async () => {
  const at = place();
  const copies: Uint8Array[] = [];
  const socket = tapped(at.network.bind("10.0.0.1:1"), (bytes) => copies.push(bytes.slice()));
  const client = await connectDatagrams({
    engine: createDtlsEngine({ role: "client", now: 0, random: seededRandom(5) }),
    ...{ socket, remote: SERVER, keys: testAssociation(), clock: at.clock, carrier: "dtls" },
  });
  const server = await next(at.listener);
  await client.send(toUtf8("mine"));
  assert.deepEqual(await readOne(server), toUtf8("mine"));
  const stranger = at.network.bind("10.6.6.6:1");
  for (const copy of copies) stranger.send(copy, SERVER);
  await at.clock.settle();
  await server.send(toUtf8("for the client"));
  assert.deepEqual(await readOne(client), toUtf8("for the client"));
  for (const channel of [client, server]) await channel[Symbol.asyncDispose]();
  await at.listener[Symbol.asyncDispose]();
});

/** Two places of one device, of which it uses one at a time. */
class Roaming implements DatagramSocket {
  readonly local = "10.0.0.1:1";
  at = 0;
  readonly heard: number[] = [];
  readonly #sockets: readonly DatagramSocket[];

  constructor(sockets: readonly DatagramSocket[]) {
    this.#sockets = sockets;
  }

  send(bytes: Uint8Array, to: string): void {
    this.#sockets[this.at]?.send(bytes, to);
  }

  [Symbol.asyncIterator](): AsyncIterator<{ readonly bytes: Uint8Array; readonly from: string }, undefined> {
    const iterators = this.#sockets.map((socket) => socket[Symbol.asyncIterator]());
    const waiting = iterators.map((iterator) => iterator.next());
    return {
      next: async () => {
        const { index, result } = await Promise.race(
          waiting.map((promise, index) => promise.then((result) => ({ index, result }))),
        );
        waiting[index] = iterators[index]!.next();
        this.heard.push(index);
        return result.done ? { done: true, value: undefined } : result;
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) await socket[Symbol.asyncDispose]();
  }
}

/** The hello of a client that nobody is going to answer. */
async function firstDatagram(): Promise<Uint8Array> {
  using engine = createDtlsEngine({ role: "client", now: 0, random: seededRandom(9), versions: [0xfefd] });
  for (let output = engine.poll(); output; output = engine.poll()) {
    if (output.kind === "transmit") return await Promise.resolve(output.bytes.slice());
  }
  return assert.fail("said nothing");
}

/** Answers the cookie and says no more. */
async function stall(at: ReturnType<typeof place>, from: string): Promise<void> {
  const socket = at.network.bind(from);
  const never: KeySource = { find: () => new Promise(() => {}) };
  const stalled: Promise<DatagramChannel> = connectDatagrams({
    engine: createDtlsEngine({
      ...{ role: "client", now: at.clock.now(), random: seededRandom(3), retransmitSeconds: 20 },
      // In version 1.3 who has no key says nothing at all.
      versions: [0xfefd],
    }),
    ...{ socket, remote: SERVER, keys: never, clock: at.clock, carrier: "dtls" },
  });
  stalled.catch(() => {});
  await at.clock.settle();
}
