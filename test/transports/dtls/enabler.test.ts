// The main job over datagrams: a device that was bootstrapped, an enabler that asks its Key Manager, a bad network.
import assert from "node:assert/strict";
import test from "node:test";
import type { SecureChannel } from "../../../lib/association/mod.ts";
import { fromUtf8 } from "../../../lib/bytes/mod.ts";
import { type DatagramDialer, dtls, type DtlsCarrierOptions } from "../../../transports/dtls/mod.ts";
import { memoryNetwork, type MemoryNetworkOptions } from "../../../transports/memory/mod.ts";
import { createWorld, IMPI, METER, passing, roundTrip, type World } from "../../roles/world.ts";

/** An enabler that listens and echoes on a network of datagrams. */
async function overDatagrams(world: World, bad: Partial<MemoryNetworkOptions> = {}) {
  const network = memoryNetwork({ clock: world.clock, seed: 7, ...bad });
  let clients = 0;
  const over: DatagramDialer = {
    connect: (host, port) =>
      Promise.resolve({ socket: network.bind(`10.0.0.${++clients}:1`), remote: `${host}:${port}` }),
    bind: (host, port) => Promise.resolve(network.bind(`${host}:${port}`)),
  };
  const carrier = (more: Partial<DtlsCarrierOptions> = {}) => dtls({ host: METER, port: 5684, over, ...more });
  const listener = await world.enabler.listen(carrier());
  const served: SecureChannel[] = [];
  void (async () => {
    for await (const channel of listener) {
      served.push(channel);
      void (async () => {
        for await (const { payload } of channel) await channel.send(payload);
      })().catch(() => {});
    }
  })();
  return { listener, carrier, served };
}

test("[SEC_CF-HLF-001] [SEC_CF-KEM-001] a bootstrapped association binds to DTLS, and the enabler's key comes in the middle of the handshake", async () => {
  await using world = await createWorld();
  const { listener, carrier, served } = await overDatagrams(world);
  const association = await passing(world.clock, world.agent.associate(METER));
  const asked = world.asked.count;
  const channel = await passing(world.clock, association.bind(carrier()));
  assert.equal(await passing(world.clock, roundTrip(channel, "over dtls")), "over dtls");
  assert.equal(world.asked.count, asked + 1);
  assert.equal(channel.association, association);
  assert.equal(fromUtf8(served[0]!.peer.identity), IMPI);
  assert.deepEqual(association.weakest, { carrier: "dtls", suite: 0x1301, strength: 3 });
  assert.equal(listener.url.href, `dtls://${METER}:5684`);
  await channel[Symbol.asyncDispose]();
  await world.clock.settle();
  await listener[Symbol.asyncDispose]();
});

test("one association binds to TLS and DTLS at the same time, with one suite by one key and with records apart", async () => {
  await using world = await createWorld();
  const { listener, carrier } = await overDatagrams(world);
  const association = await passing(world.clock, world.agent.associate(METER));
  const stream = await passing(world.clock, association.bind(world.carrier()));
  const datagrams = await passing(world.clock, association.bind(carrier()));
  assert.deepEqual([stream.boundaries, datagrams.boundaries], ["none", "kept"]);
  assert.equal(await passing(world.clock, roundTrip(datagrams, "dtls")), "dtls");
  assert.equal(await passing(world.clock, roundTrip(stream, "tls")), "tls");
  for (const channel of [stream, datagrams]) await channel[Symbol.asyncDispose]();
  await world.clock.settle();
  await listener[Symbol.asyncDispose]();
});

for (const seed of [1, 2, 3, 4, 5]) {
  test(`with a fifth of all datagrams lost, some repeated, some late, a slow Key Manager: established, seed ${seed}`, async () => {
    await using world = await createWorld({
      nbsp: (ask) => async (request) => {
        await new Promise<void>((resolve) => world.clock.alarm(world.clock.now() + 700, resolve));
        return await ask(request);
      },
    });
    const { listener, carrier, served } = await overDatagrams(world, {
      seed,
      ...{ loss: 0.2, duplicate: 0.1, reorder: 0.2, delayMs: 20 },
    });
    const association = await passing(world.clock, world.agent.associate(METER));
    const channel = await passing(world.clock, association.bind(carrier()));
    const echoes: string[] = [];
    const reading = (async () => {
      for await (const { payload } of channel) echoes.push(fromUtf8(payload));
    })();
    reading.catch(() => {});
    const sent = Array.from({ length: 20 }, (_, index) => `reading ${index}`);
    for (const text of sent) {
      await channel.send(new TextEncoder().encode(text));
      await world.clock.advance(30);
    }
    await world.clock.advance(500);
    assert.ok(echoes.length >= 5, `${echoes.length} of 20 came back`);
    assert.equal(new Set(echoes).size, echoes.length, "none twice");
    assert.ok(echoes.every((text) => sent.includes(text)));
    assert.equal(served.length, 1);
    await channel[Symbol.asyncDispose]();
    await served[0]![Symbol.asyncDispose]();
    await listener[Symbol.asyncDispose]();
  });
}

test("an enabler that is not there is a timeout", async () => {
  await using world = await createWorld();
  const { listener, carrier } = await overDatagrams(world);
  const association = await passing(world.clock, world.agent.associate(METER));
  await listener[Symbol.asyncDispose]();
  const began = world.clock.now();
  const error = await passing(world.clock, association.bind(carrier()).then(() => undefined, (error) => error));
  assert.equal(error?.code, "timeout");
  assert.equal(world.clock.now() - began >= 30_000, true);
});
