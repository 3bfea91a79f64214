import assert from "node:assert/strict";
import test from "node:test";
import { SeccfError } from "../../lib/error.ts";
import type { DatagramSocket, DatagramTaker } from "../../lib/link.ts";
import { connectDatagrams } from "../../lib/channel/mod.ts";
import { createDtlsEngine } from "../../lib/tls/mod.ts";
import { type MemoryNetwork, memoryNetwork } from "../../transports/memory/mod.ts";
import { seededRandom, VirtualClock } from "../support/virtual.ts";
import { next, pair, place, SERVER } from "./datagram_fixtures.ts";
import { code, readOne, testAssociation } from "./fixtures.ts";

interface Handing extends DatagramSocket {
  /** Says what the network says. */
  fail(error: unknown): void;
  /** Whether the taker wanted more after the last failure. */
  readonly goesOn: boolean | undefined;
}

/** `socket`, which hands over what it has, and overwrites it once it was taken. */
function handing(socket: DatagramSocket): Handing {
  let taker: DatagramTaker | undefined;
  let goesOn: boolean | undefined;
  return {
    local: socket.local,
    send: (bytes, to) => socket.send(bytes, to),
    handTo(given) {
      taker = given;
      void (async () => {
        for await (const { bytes, from } of socket) {
          given.take(bytes, from);
          bytes.fill(0xaa);
        }
      })();
    },
    fail: (error) => goesOn = taker?.fail(error),
    get goesOn() {
      return goesOn;
    },
    [Symbol.asyncIterator]: () => assert.fail("iterated, where the shorter way is there"),
    [Symbol.asyncDispose]: () => socket[Symbol.asyncDispose](),
  };
}

function onHanding(acceptor = {}) {
  const network: MemoryNetwork = memoryNetwork({ clock: new VirtualClock(), seed: 1 });
  const socket = handing(network.bind(SERVER));
  return { ...place({ at: { network, socket }, acceptor }), socket };
}

for (const version of [0xfefd, 0xfefc]) {
  for (const connectionIdLength of [0, 8]) {
    test(`a datagram is the socket's again once it was taken: ${version.toString(16)}, Connection ID of ${connectionIdLength}`, async () => {
      const at = onHanding({ connectionIdLength });
      const mine = handing(at.network.bind("10.0.0.1:1"));
      const { client, server } = await pair(at, "10.0.0.1:2", {
        engine: { versions: [version], connectionId: new Uint8Array(connectionIdLength) },
        channel: { socket: mine },
      });
      for (const [from, to] of [[client, server], [server, client]] as const) {
        for (let byte = 1; byte < 4; byte++) await from.send(new Uint8Array(100).fill(byte));
        for (let byte = 1; byte < 4; byte++) assert.deepEqual(await readOne(to), new Uint8Array(100).fill(byte));
      }
      await client[Symbol.asyncDispose]();
      assert.equal(await readOne(server), undefined);
      await at.listener[Symbol.asyncDispose]();
    });
  }
}

test("what the network says of the server ends a handshake, and not a channel; the end of the socket ends it", async () => {
  const at = onHanding();
  const refusal = new SeccfError("unreachable", "no answer");
  const early = handing(at.network.bind("10.0.0.1:1"));
  const connecting = connectDatagrams({
    engine: createDtlsEngine({ role: "client", now: 0, random: seededRandom(5) }),
    ...{ socket: early, remote: SERVER, keys: testAssociation(), clock: at.clock, carrier: "dtls" },
  });
  early.fail(refusal);
  await assert.rejects(connecting, code("unreachable"));
  assert.equal(early.goesOn, false);

  const mine = handing(at.network.bind("10.0.0.2:1"));
  const { client, server } = await pair(at, "10.0.0.2:2", { channel: { socket: mine } });
  mine.fail(refusal);
  assert.equal(mine.goesOn, true);
  await client.send(Uint8Array.of(1));
  assert.deepEqual(await readOne(server), Uint8Array.of(1));
  mine.fail(new SeccfError("closed", "the socket broke"));
  assert.equal(mine.goesOn, false);
  await assert.rejects(readOne(client), { code: "closed", message: "the socket broke" });
  await server[Symbol.asyncDispose]();
  await at.listener[Symbol.asyncDispose]();
});

test("a listener's socket that fails ends the listener and all its channels", async () => {
  const at = onHanding();
  const { client, server } = await pair(at);
  at.socket.fail(new SeccfError("closed", "the socket broke"));
  assert.equal(at.socket.goesOn, false);
  await assert.rejects(readOne(server), { code: "closed", message: "the socket broke" });
  await assert.rejects(next(at.listener), { code: "closed", message: "the socket broke" });
  await client[Symbol.asyncDispose]();
  await at.listener[Symbol.asyncDispose]();
});

test("an association that fails when a datagram comes ends its channel, and throws at no socket", async () => {
  const at = onHanding();
  const association = testAssociation();
  let isBroken = false;
  const keys = {
    find: async (...request: Parameters<typeof association.find>) => {
      const key = await association.find(...request);
      return key && {
        ...key,
        association: new Proxy(key.association, {
          get: (target, name) => {
            if (isBroken && name === "expired") throw new TypeError("broken");
            const value: unknown = Reflect.get(target, name, target);
            return typeof value === "function" ? value.bind(target) : value;
          },
        }),
      };
    },
  };
  const mine = handing(at.network.bind("10.0.0.1:1"));
  const { client, server } = await pair(at, "10.0.0.1:2", { keys, channel: { socket: mine } });
  isBroken = true;
  await server.send(Uint8Array.of(1));
  await assert.rejects(readOne(client), { name: "TypeError", message: "broken" });
  await server[Symbol.asyncDispose]();
  await at.listener[Symbol.asyncDispose]();
});
