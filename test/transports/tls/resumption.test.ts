// RFC 5077 through a carrier: the second bind of an association goes on with the first, as long as its key is good.
import assert from "node:assert/strict";
import test from "node:test";
import { memoryNetwork } from "../../../transports/memory/mod.ts";
import { type StreamDialer, tls, type TlsCarrierOptions } from "../../../transports/tls/mod.ts";
import { ResumptionWorld } from "../resumption_world.ts";

const SUITES = ["TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256"];

async function place(options: Partial<TlsCarrierOptions> = {}) {
  const world = new ResumptionWorld();
  const network = memoryNetwork({ clock: world.platform.clock, seed: 1 });
  const over: StreamDialer = {
    connect: (host, port, wait) => network.connect(`${host}:${port}`, wait),
    listen: (host, port) => Promise.resolve(network.listen(`${host}:${port}`)),
  };
  const common = { port: 443, host: "meter", over, suites: SUITES };
  const listener = await tls({ ...common, ...options }).listen(world.keys, { platform: world.platform });
  return { world, listener, carrier: tls(common), common };
}

test("the second bind of an association over TLS asks the device for no key, the enabler for the same one", async () => {
  const { world, listener, carrier } = await place();
  const association = world.association("initiator");
  assert.equal(await world.meet(carrier, listener, association), true);
  for (let i = 0; i < 3; i++) assert.equal(await world.meet(carrier, listener, association), false);
  assert.deepEqual([world.askedNear, world.askedFar], [1, 4]);
  assert.deepEqual(association.weakest, { carrier: "tls", suite: 0xd001, strength: 3 });
  // Another association, even with the same key, has nothing to go on with; nor has another carrier.
  assert.equal(await world.meet(carrier, listener, world.association("initiator")), true);
  await listener[Symbol.asyncDispose]();
  assert.equal(world.platform.clock.pending, 0);
});

test("a key that the enabler has replaced or revoked ends what goes on over TLS: nobody gets in by an earlier session", async () => {
  const { world, listener, carrier } = await place();
  const association = world.association("initiator");
  await world.meet(carrier, listener, association);
  for (const fill of [2, undefined]) {
    world.fill = fill;
    const error = await association.bind(carrier).then(() => assert.fail("bound"), (reason) => reason);
    assert.ok(["auth-failed", "timeout"].includes(error.code), error.code);
    world.fill = 1;
    // What failed is not tried again, and what works is gone on with again.
    assert.equal(await world.meet(carrier, listener, association), true);
    assert.equal(await world.meet(carrier, listener, association), false);
  }
  await listener[Symbol.asyncDispose]();
});

test("another start of the enabler, and who does not want it, makes full handshakes over TLS", async () => {
  const { world, listener, carrier, common } = await place();
  const association = world.association("initiator");
  await world.meet(carrier, listener, association);
  await listener[Symbol.asyncDispose]();
  const again = await tls(common).listen(world.keys, { platform: world.platform });
  assert.equal(await world.meet(carrier, again, association), true);
  assert.equal(await world.meet(carrier, again, association), false);
  const unwilling = tls({ ...common, resumption: false });
  assert.equal(await world.meet(unwilling, again, association), true);
  assert.equal(await world.meet(unwilling, again, association), true);
  await again[Symbol.asyncDispose]();
  const deaf = await unwilling.listen(world.keys, { platform: world.platform });
  assert.equal(await world.meet(carrier, deaf, association), true);
  assert.equal(await world.meet(carrier, deaf, association), true);
  await deaf[Symbol.asyncDispose]();
});

test("an association that has expired takes what it left over TLS with it", async () => {
  const { world, listener, carrier } = await place();
  const association = world.association("initiator", 1, 60);
  await world.meet(carrier, listener, association);
  await world.platform.clock.advance(60_000);
  await assert.rejects(association.bind(carrier), { code: "expired" });
  await listener[Symbol.asyncDispose]();
});
