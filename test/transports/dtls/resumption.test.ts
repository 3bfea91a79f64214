// RFC 5077 through a carrier: the second bind of an association goes on with the first, as long as its key is good.
import assert from "node:assert/strict";
import test from "node:test";
import { type DatagramDialer, dtls, type DtlsCarrierOptions } from "../../../transports/dtls/mod.ts";
import { memoryNetwork } from "../../../transports/memory/mod.ts";
import { decodeClientHello } from "../../../lib/tls/handshake/client_hello.ts";
import { decodeServerHello } from "../../../lib/tls/handshake/server_hello.ts";
import { tapped } from "../../channel/datagram_fixtures.ts";
import { ResumptionWorld } from "../resumption_world.ts";

const SUITES = ["TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256"];

async function place(
  options: Partial<DtlsCarrierOptions> = {},
  suites: readonly string[] = SUITES,
  tap: (bytes: Uint8Array) => void = () => {},
) {
  const world = new ResumptionWorld();
  const network = memoryNetwork({ clock: world.platform.clock, seed: 1 });
  let clients = 0;
  const over: DatagramDialer = {
    connect: (host, port) =>
      Promise.resolve({ socket: tapped(network.bind(`10.0.0.${++clients}:1`), tap), remote: `${host}:${port}` }),
    bind: (host, port) => Promise.resolve(tapped(network.bind(`${host}:${port}`), tap)),
  };
  const common = { port: 443, host: "meter", over, suites };
  const listener = await dtls({ ...common, ...options }).listen(world.keys, { platform: world.platform });
  return { world, listener, carrier: dtls(common), common };
}

test("the second bind of an association over DTLS asks the device for no key, the enabler for the same one", async () => {
  const { world, listener, carrier } = await place();
  const association = world.association("initiator");
  assert.equal(await world.meet(carrier, listener, association), true);
  for (let i = 0; i < 3; i++) assert.equal(await world.meet(carrier, listener, association), false);
  assert.deepEqual([world.askedNear, world.askedFar], [1, 4]);
  assert.deepEqual(association.weakest, { carrier: "dtls", suite: 0xd001, strength: 3 });
  // Another association, even with the same key, has nothing to go on with; nor has another carrier.
  assert.equal(await world.meet(carrier, listener, world.association("initiator")), true);
  await listener[Symbol.asyncDispose]();
  assert.equal(world.platform.clock.pending, 0);
});

test("a key that the enabler has replaced or revoked ends what goes on over DTLS: nobody gets in by an earlier session", async () => {
  const { world, listener, carrier } = await place();
  const association = world.association("initiator");
  await world.meet(carrier, listener, association);
  for (const fill of [2, undefined]) {
    world.fill = fill;
    const error = await passing(world, association.bind(carrier).then(() => assert.fail("bound"), (reason) => reason));
    assert.ok(["auth-failed", "timeout"].includes(error.code), error.code);
    world.fill = 1;
    // What failed is not tried again, and what works is gone on with again.
    assert.equal(await world.meet(carrier, listener, association), true);
    assert.equal(await world.meet(carrier, listener, association), false);
  }
  await listener[Symbol.asyncDispose]();
});

test("another start of the enabler, and who does not want it, makes full handshakes over DTLS", async () => {
  const { world, listener, carrier, common } = await place();
  const association = world.association("initiator");
  await world.meet(carrier, listener, association);
  await listener[Symbol.asyncDispose]();
  const again = await dtls(common).listen(world.keys, { platform: world.platform });
  assert.equal(await world.meet(carrier, again, association), true);
  assert.equal(await world.meet(carrier, again, association), false);
  const unwilling = dtls({ ...common, resumption: false });
  assert.equal(await world.meet(unwilling, again, association), true);
  assert.equal(await world.meet(unwilling, again, association), true);
  await again[Symbol.asyncDispose]();
  const deaf = await unwilling.listen(world.keys, { platform: world.platform });
  assert.equal(await world.meet(carrier, deaf, association), true);
  assert.equal(await world.meet(carrier, deaf, association), true);
  await deaf[Symbol.asyncDispose]();
});

test("an association that has expired takes what it left over DTLS with it", async () => {
  const { world, listener, carrier } = await place();
  const association = world.association("initiator", 1, 60);
  await world.meet(carrier, listener, association);
  await world.platform.clock.advance(60_000);
  await assert.rejects(association.bind(carrier), { code: "expired" });
  await listener[Symbol.asyncDispose]();
});

test("DTLS 1.3 goes on by ticket as well: both sides ask for the key all the same, and a replaced one gets nobody in by it", async () => {
  const seen: Uint8Array[] = [];
  const suites = ["TLS_AES_128_GCM_SHA256"];
  const { world, listener, carrier } = await place({ suites }, suites, (bytes) => seen.push(new Uint8Array(bytes)));
  const association = world.association("initiator");
  /** How many keys the last hello offered, and which of them the server took. */
  const chosen = () => {
    const bodies = (type: number) => seen.filter((bytes) => bytes[0] === 22 && bytes[13] === type).map(bodyOf);
    const hello = decodeClientHello(bodies(1).at(-1)!, "datagram");
    return [hello.offeredPsks!.identities.length, decodeServerHello(bodies(2).at(-1)!).selectedIdentity];
  };
  await world.meet(carrier, listener, association);
  assert.deepEqual(chosen(), [1, 0]);
  for (let i = 0; i < 3; i++) {
    await world.meet(carrier, listener, association);
    assert.deepEqual(chosen(), [2, 0]);
  }
  assert.deepEqual([world.askedNear, world.askedFar], [4, 4]);
  world.fill = 2;
  const error = await passing(world, association.bind(carrier).then(() => assert.fail("bound"), (reason) => reason));
  assert.ok(["auth-failed", "timeout"].includes(error.code), error.code);
  world.fill = 1;
  await world.meet(carrier, listener, association);
  assert.deepEqual(chosen(), [1, 0], "what failed is not tried again");
  await listener[Symbol.asyncDispose]();
});

/** Of the message that a record in the clear begins with, whole. */
function bodyOf(datagram: Uint8Array): Uint8Array {
  return datagram.subarray(25, 25 + ((datagram[15]! << 8) | datagram[16]!));
}

/** A refusal on datagrams is silence, until the time is over. */
async function passing<T>(world: ResumptionWorld, promise: Promise<T>): Promise<T> {
  let done = false;
  const settled = promise.finally(() => done = true);
  while (!done) await world.platform.clock.advance(1000);
  return await settled;
}
