import assert from "node:assert/strict";
import test from "node:test";
import type { KeySource, Listener, SecureChannel } from "../../lib/association/ports.ts";
import { fromUtf8 } from "../../lib/bytes/mod.ts";
import { acceptChannels, type AcceptorOptions, connectChannel, type Refusal } from "../../lib/channel/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import type { ByteStream } from "../../lib/link.ts";
import { createTlsEngine } from "../../lib/tls/mod.ts";
import { memoryNetwork } from "../../transports/memory/mod.ts";
import { seededRandom, VirtualClock } from "../support/virtual.ts";
import { code, OTHER_KEY, readOne, testAssociation, testKeys } from "./fixtures.ts";

/** A listener on a network of its own, and ways to come to it. */
function place(options: Partial<AcceptorOptions> = {}) {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const network = memoryNetwork({ clock, seed: 1 });
  const refused: Refusal[] = [];
  const listener: Listener = acceptChannels({
    streams: network.listen("server:443"),
    url: new URL("tls-psk://server:443"),
    keys: testKeys(testAssociation()),
    clock,
    carrier: "tls",
    createEngine: () => createTlsEngine({ role: "server", now: clock.now(), random }),
    onRefused: (refusal) => refused.push(refusal),
    ...options,
  });
  const stream = (from: string): Promise<ByteStream> => network.connect("server:443", { from });
  return {
    clock,
    listener,
    refused,
    stream,
    /** Starts a handshake and says no more when the server has answered. */
    async stall(from: string): Promise<ByteStream> {
      const peer = await stream(from);
      using engine = createTlsEngine({ role: "client", now: clock.now(), random });
      for (let output = engine.poll(); output; output = engine.poll()) {
        if (output.kind === "transmit") await peer.write(output.bytes);
      }
      return peer;
    },
    async connect(from: string, keys: KeySource = testAssociation()): Promise<SecureChannel> {
      const engine = createTlsEngine({ role: "client", now: clock.now(), random });
      return await connectChannel({ engine, stream: await stream(from), keys, clock, carrier: "tls" });
    },
    codes: () => refused.map(({ error }) => error instanceof SeccfError ? error.code : error),
  };
}

async function next(listener: Listener): Promise<SecureChannel> {
  for await (const channel of listener) return channel;
  return assert.fail("no channel");
}

test("a listener yields channels of authenticated peers alone", async () => {
  const { listener, connect, refused, clock } = place();
  await assert.rejects(connect("10.0.0.1:1", testAssociation(OTHER_KEY)), code("auth-failed"));
  const client = await connect("10.0.0.2:1");
  const server = await next(listener);
  await client.send(Uint8Array.of(7));
  assert.deepEqual(await readOne(server), Uint8Array.of(7));
  await client[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await listener[Symbol.asyncDispose]();
  assert.equal(refused.length, 1);
  assert.equal(refused[0]?.remote, "10.0.0.1:1");
  assert.equal(fromUtf8(refused[0]?.identity ?? assert.fail()), "device-1");
  assert.equal(clock.pending, 0);
});

test("100 stalled peers do not keep a good one out, from one host or from a hundred", async () => {
  for (const host of [(index: number) => `10.0.0.${index}`, () => "10.0.0.1"]) {
    const { listener, stall, connect, clock, codes } = place({ maxHandshakes: 50 });
    for (let index = 0; index < 100; index++) await stall(`${host(index)}:${index}`);
    await clock.settle();
    const client = await connect("10.0.0.1:999");
    const server = await next(listener);
    await clock.advance(10_000);
    assert.equal(codes().length, 100);
    assert.deepEqual(new Set(codes()), new Set(["exhausted", "timeout"]));
    await client[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    await listener[Symbol.asyncDispose]();
    assert.equal(clock.pending, 0);
  }
});

test("the oldest that waits for its peer gives way, one host to itself before it does to others", async () => {
  const { listener, stall, clock, refused } = place({ maxHandshakes: 4, maxHandshakesPerHost: 2 });
  for (const from of ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.2:2", "10.0.0.2:3", "10.0.0.3:1", "10.0.0.4:1"]) {
    await stall(from);
    await clock.settle();
  }
  assert.deepEqual(refused.map(({ remote }) => remote), ["10.0.0.2:1", "10.0.0.1:1"]);
  await listener[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
});

test("a handshake that waits for the key source keeps its place", async () => {
  const keys: KeySource = { find: () => new Promise(() => {}) };
  const { listener, connect, clock, refused } = place({ keys, maxHandshakes: 2 });
  const outcomes: Promise<unknown>[] = [];
  for (const from of ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"]) {
    outcomes.push(assert.rejects(connect(from), SeccfError));
    await clock.settle();
  }
  assert.deepEqual(refused.map(({ remote }) => remote), ["10.0.0.3:1"]);
  await clock.advance(5000);
  assert.equal(refused.length, 3);
  await Promise.all(outcomes);
  await listener[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
});

test("a handshake that is over gives its place back, however it ended", async () => {
  const { listener, connect, clock, codes } = place({ maxHandshakes: 1, maxHandshakesPerHost: 1 });
  for (let round = 0; round < 3; round++) {
    await assert.rejects(connect("10.0.0.1:1", testAssociation(OTHER_KEY)), code("auth-failed"));
    await clock.settle();
    const client = await connect("10.0.0.1:2");
    const server = await next(listener);
    await client[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  }
  assert.deepEqual(codes(), ["auth-failed", "auth-failed", "auth-failed"]);
  await listener[Symbol.asyncDispose]();
});

test("no more channels are open than allowed, and a closed one makes room", async () => {
  const { listener, connect, clock, codes } = place({ maxChannels: 2 });
  const clients = [await connect("10.0.0.1:1"), await connect("10.0.0.2:1")];
  // In version 1.3 a client has its channel before the listener has, and finds it closed as soon as it reads.
  assert.equal(await readOne(await connect("10.0.0.3:1")), undefined);
  assert.deepEqual(codes(), ["exhausted"]);
  await clients[0]?.[Symbol.asyncDispose]();
  await clock.settle();
  clients.push(await connect("10.0.0.3:2"));
  await clock.settle();
  await listener[Symbol.asyncDispose]();
  // Nobody took them: they go with the listener.
  for (const client of clients.slice(1)) assert.equal(await readOne(client), undefined);
  for (const client of clients) await client[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
});

test("handshakes that end at the same time do not pass the limit of channels either", async () => {
  const { listener, connect, clock, codes } = place({ maxChannels: 1 });
  const clients = await Promise.all(["10.0.0.1:1", "10.0.0.2:1"].map((from) => connect(from)));
  await clock.settle();
  assert.deepEqual(codes(), ["exhausted"]);
  for (const client of clients) await client[Symbol.asyncDispose]();
  await listener[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
});

test("closing a listener ends its handshakes, leaves the taken channels alone, and ends the loop", async () => {
  const { listener, connect, stall, stream, clock, codes } = place();
  const client = await connect("10.0.0.1:1");
  const server = await next(listener);
  const half = await stall("10.0.0.2:1");
  await clock.settle();
  await listener[Symbol.asyncDispose]();
  await listener[Symbol.asyncDispose]();
  assert.deepEqual(codes(), ["closed"]);
  assert.equal((await listener[Symbol.asyncIterator]().next()).done, true);
  await assert.rejects(stream("10.0.0.3:1"), code("unreachable"));
  await client.send(Uint8Array.of(1));
  assert.deepEqual(await readOne(server), Uint8Array.of(1));
  await half[Symbol.asyncDispose]();
  await client[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
});

test("an engine that can not be made is one refused client", async () => {
  let made = 0;
  const { listener, connect, clock, codes } = place({
    createEngine() {
      if (++made === 1) throw new SeccfError("exhausted", "no randomness");
      return createTlsEngine({ role: "server", now: clock.now(), random: seededRandom(9) });
    },
  });
  await assert.rejects(connect("10.0.0.1:1"), code("closed"));
  const client = await connect("10.0.0.1:2");
  assert.deepEqual(codes(), ["exhausted"]);
  await client[Symbol.asyncDispose]();
  await listener[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
});

test("an observer that fails takes nothing with it", async () => {
  const { listener, connect } = place({
    onRefused() {
      throw new TypeError("the audit is broken");
    },
  });
  await assert.rejects(connect("10.0.0.1:1", testAssociation(OTHER_KEY)), code("auth-failed"));
  const client = await connect("10.0.0.1:2");
  await (await next(listener))[Symbol.asyncDispose]();
  await client[Symbol.asyncDispose]();
  await listener[Symbol.asyncDispose]();
});

test("limits per host take 64 bits of IPv6 as one, and IPv4 in IPv6 as itself", async () => {
  const pairs: readonly (readonly [string, string, boolean])[] = [
    ["192.0.2.1:1", "192.0.2.1:65535", true],
    ["192.0.2.1:1", "192.0.2.2:1", false],
    ["[2001:db8::1]:1", "[2001:0DB8:0:0:ffff::2]:2", true],
    ["[2001:db8:0:1::1]:1", "[2001:db8::1]:1", false],
    ["[2001:db8:1:2:3:4:5:6]:1", "[2001:db8:1:2::]:1", true],
    ["[::ffff:192.0.2.1]:1", "192.0.2.1:1", true],
    ["[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.2]:1", false],
    ["[fe80::1%eth0]:1", "[fe80::2%eth0]:1", true],
  ];
  for (const [first, second, same] of pairs) {
    const { listener, stall, clock, refused } = place({ maxHandshakesPerHost: 1 });
    await stall(first);
    await stall(second);
    await clock.settle();
    assert.equal(refused.length, same ? 1 : 0, `${first} and ${second}`);
    await listener[Symbol.asyncDispose]();
  }
});
