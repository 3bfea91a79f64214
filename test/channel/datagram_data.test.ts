import assert from "node:assert/strict";
import test from "node:test";
import { fromUtf8, toUtf8 } from "../../lib/bytes/mod.ts";
import type { DatagramChannel } from "../../lib/channel/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import type { DatagramSocket } from "../../lib/link.ts";
import { memoryNetwork } from "../../transports/memory/mod.ts";
import { VirtualClock } from "../support/virtual.ts";
import { startLifetime } from "../../lib/association/mod.ts";
import { next, pair, place, SERVER } from "./datagram_fixtures.ts";
import { code, readOne, testAssociation } from "./fixtures.ts";

async function close(...channels: DatagramChannel[]): Promise<void> {
  for (const channel of channels) await channel[Symbol.asyncDispose]();
}

test("[SEC_CF-CONF-001] [SEC_CF-INTE-001] one send is one received, both ways, and empty ones are kept", async () => {
  const at = place();
  const { client, server } = await pair(at);
  assert.equal(client.boundaries, "kept");
  assert.equal(server.boundaries, "kept");
  const messages = [toUtf8("one"), new Uint8Array(0), new Uint8Array(1000).map((_, i) => i), toUtf8("four")];
  for (const [from, to] of [[client, server], [server, client]] as const) {
    for (const message of messages) await from.send(message);
    for (const message of messages) assert.deepEqual(await readOne(to), message);
  }
  assert.equal(server.dropped + client.dropped, 0);
  await close(client, server);
  await at.listener[Symbol.asyncDispose]();
});

test("both ends tell their association how it was used, and whose channel it is", async () => {
  const at = place();
  const mine = testAssociation();
  const { client, server } = await pair(at, "10.0.0.1:1", { keys: mine });
  const binding = { carrier: "dtls", suite: 0x1301, strength: 3 };
  assert.deepEqual(mine.bindings, [binding]);
  assert.deepEqual(at.association.bindings, [binding]);
  assert.deepEqual(server.binding, binding);
  assert.equal(server.association, at.association);
  assert.deepEqual(client.peer, mine.peer);
  await close(client, server);
  await at.listener[Symbol.asyncDispose]();
});

test("what no datagram can hold is too-large, and the channel goes on", async () => {
  const at = place();
  const { client, server } = await pair(at, "10.0.0.1:1", { engine: { mtu: 256 } });
  await assert.rejects(client.send(new Uint8Array(256)), code("too-large"));
  await client.send(new Uint8Array(200));
  assert.equal((await readOne(server))?.length, 200);
  await close(client, server);
  await at.listener[Symbol.asyncDispose]();
});

test("a consumer that sleeps loses the newest, keeps the oldest whole, and is told how many", async () => {
  const at = place({ listener: { receiveLimit: 5000 } });
  const { client, server } = await pair(at);
  for (let i = 0; i < 10; i++) await client.send(new Uint8Array(1000).fill(i));
  await at.clock.settle();
  assert.equal(server.dropped, 6);
  const kept = [];
  for (let i = 0; i < 4; i++) kept.push((await readOne(server))?.[0]);
  assert.deepEqual(kept, [0, 1, 2, 3]);
  await client.send(Uint8Array.of(10));
  assert.deepEqual(await readOne(server), Uint8Array.of(10));
  await close(client, server);
  await at.listener[Symbol.asyncDispose]();
});

test("all channels of a listener share one allowance, and what is read or closed gives it back", async () => {
  const at = place({ listener: { maxQueuedBytes: 4000 } });
  const one = await pair(at, "10.0.0.1:1");
  const two = await pair(at, "10.0.0.2:1");
  for (let i = 0; i < 5; i++) await one.client.send(new Uint8Array(1000));
  await two.client.send(new Uint8Array(1000));
  await at.clock.settle();
  assert.deepEqual([one.server.dropped, two.server.dropped], [2, 1]);
  await readOne(one.server);
  await two.client.send(new Uint8Array(1000));
  await at.clock.settle();
  assert.deepEqual([one.server.dropped, two.server.dropped], [2, 1]);
  await close(one.client, one.server);
  for (let i = 0; i < 2; i++) await two.client.send(new Uint8Array(1000));
  await at.clock.settle();
  assert.deepEqual(two.server.dropped, 1);
  // What was held when the channel ended is still its owner's.
  assert.equal((await readOne(one.server))?.length, 1000);
  await close(two.client, two.server);
  await at.listener[Symbol.asyncDispose]();
});

test("close_notify ends the other side's iteration, and nothing is left", async () => {
  const at = place();
  const { client, server } = await pair(at);
  await client.send(toUtf8("last words"));
  await close(client);
  assert.deepEqual(await readOne(server), toUtf8("last words"));
  assert.equal(await readOne(server), undefined);
  await assert.rejects(server.send(toUtf8("too late")), code("closed"));
  await assert.rejects(client.send(toUtf8("too late")), code("closed"));
  await assert.rejects(readOne(client), code("closed"));
  await close(server);
  await at.listener[Symbol.asyncDispose]();
  assert.equal(at.clock.pending, 0);
});

test("a channel ends with its association, on both sides, at the minute", async () => {
  const at = place();
  const { clock } = at;
  const { client, server } = await pair(at, "10.0.0.1:1", {
    keys: testAssociation(undefined, startLifetime({ clock, seconds: 60 })),
  });
  await clock.advance(59_999);
  await client.send(toUtf8("still"));
  assert.deepEqual(await readOne(server), toUtf8("still"));
  await clock.advance(1);
  await assert.rejects(client.send(toUtf8("over")), code("expired"));
  await assert.rejects(readOne(client), code("expired"));
  assert.equal(await readOne(server), undefined);
  await close(server);
  await at.listener[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
});

test("an aborted send sends nothing and harms nothing", async () => {
  const at = place();
  const { client, server } = await pair(at);
  await assert.rejects(client.send(toUtf8("no"), { signal: AbortSignal.abort(new RangeError("no")) }), RangeError);
  await client.send(toUtf8("yes"));
  assert.deepEqual(await readOne(server), toUtf8("yes"));
  await close(client, server);
  await at.listener[Symbol.asyncDispose]();
});

test("two hundred idle channels, with lives of their own, cost one alarm together", async () => {
  const at = place({ listener: { maxHandshakesPerHost: 2000 } });
  const { clock } = at;
  const lifetime = () => startLifetime({ clock, seconds: 3600 });
  at.association.find = (request) => testAssociation(undefined, lifetime()).find(request, {});
  const pairs = [];
  for (let i = 0; i < 200; i++) pairs.push(await pair(at, `10.0.${i >> 8}.${i & 255}:1`));
  assert.ok(clock.pending <= 2, `${clock.pending} alarms`);
  await clock.advance(3_600_000);
  for (const { server } of pairs) await assert.rejects(readOne(server), code("expired"));
  await at.listener[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
});

test("datagrams that others send to a client are not looked at, even records of its own session", async () => {
  const at = place();
  const { client, server } = await pair(at);
  const stranger = at.network.bind("10.9.9.9:1");
  const mine = at.network.bind("10.9.9.8:1");
  stranger.send(new Uint8Array(100), "10.0.0.1:1");
  mine.send(Uint8Array.of(21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40), "10.0.0.1:1");
  await server.send(toUtf8("from the right one"));
  assert.equal(fromUtf8(await readOne(client) ?? new Uint8Array(0)), "from the right one");
  await close(client, server);
  await at.listener[Symbol.asyncDispose]();
});

test("a socket that breaks ends every channel on it, and the listener", async () => {
  const network = memoryNetwork({ clock: new VirtualClock(), seed: 1 });
  const socket = network.bind(SERVER);
  let breakIt = (_: Error) => {};
  const broken = new Promise<never>((_, reject) => breakIt = reject);
  broken.catch(() => {});
  const breaking: DatagramSocket = {
    local: SERVER,
    send: (bytes, to) => socket.send(bytes, to),
    [Symbol.asyncDispose]: () => socket[Symbol.asyncDispose](),
    [Symbol.asyncIterator]: () => {
      const inner = socket[Symbol.asyncIterator]();
      return { next: () => Promise.race([inner.next(), broken]) };
    },
  };
  const at = place({ at: { network, socket: breaking } });
  const { client, server } = await pair(at);
  breakIt(new SeccfError("closed", "the wire broke"));
  await assert.rejects(readOne(server), { code: "closed", message: "the wire broke" });
  await assert.rejects(server.send(toUtf8("x")), code("closed"));
  await assert.rejects(next(at.listener), { code: "closed", message: "the wire broke" });
  await client[Symbol.asyncDispose]();
  await at.listener[Symbol.asyncDispose]();
  await network.bind(SERVER)[Symbol.asyncDispose]();
});

test("taken channels outlive their listener, and the last one takes the socket with it", async () => {
  const at = place();
  const { client, server } = await pair(at);
  const other = await at.connect("10.0.0.2:1");
  await at.listener[Symbol.asyncDispose]();
  assert.equal(await readOne(other), undefined, "nobody took this one");
  await client.send(toUtf8("still here"));
  assert.deepEqual(await readOne(server), toUtf8("still here"));
  assert.throws(() => at.network.bind(SERVER), code("unreachable"));
  const late = at.connect("10.0.0.3:1", { channel: { handshakeSeconds: 2 } });
  late.catch(() => {});
  await at.clock.advance(2000);
  await assert.rejects(late, code("timeout"));
  await close(server, client, other);
  await at.clock.settle();
  await at.network.bind(SERVER)[Symbol.asyncDispose]();
  assert.equal(at.clock.pending, 0);
  await assert.rejects(next(at.listener), TypeError);
});
