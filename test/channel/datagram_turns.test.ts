import assert from "node:assert/strict";
import test from "node:test";
import type { DatagramSocket } from "../../lib/link.ts";
import { connectDatagrams, type DatagramChannel } from "../../lib/channel/mod.ts";
import { createDtlsEngine } from "../../lib/tls/mod.ts";
import { seededRandom } from "../support/virtual.ts";
import { type DatagramPlace, next, pair, place, SERVER } from "./datagram_fixtures.ts";
import { code, readOne, testAssociation } from "./fixtures.ts";

/** A client on a socket that the test can take away. */
function connectOn({ clock }: DatagramPlace, socket: DatagramSocket, seed: number): Promise<DatagramChannel> {
  const engine = createDtlsEngine({ role: "client", now: clock.now(), random: seededRandom(seed) });
  return connectDatagrams({ engine, socket, remote: SERVER, keys: testAssociation(), clock, carrier: "dtls" });
}

test("who began anew ends the first channel of his address when his key is found, and not only with his next datagram", async () => {
  const association = testAssociation();
  const found: (() => void)[] = [];
  let isSlow = false;
  const keys = {
    find: async (...request: Parameters<typeof association.find>) => {
      const key = await association.find(...request);
      if (isSlow) await new Promise<void>((resolve) => found.push(resolve));
      return key;
    },
  };
  const at = place({ association, listener: { keys }, acceptor: { connectionIdLength: 0 } });
  const from = "10.0.0.1:1";
  const socket = at.network.bind(from);
  await connectOn(at, socket, 2);
  const first = await next(at.listener);
  await socket[Symbol.asyncDispose]();

  isSlow = true;
  const again = connectOn(at, at.network.bind(from), 3);
  while (found.length === 0) await at.clock.advance(10);
  await assert.doesNotReject(first.send(new Uint8Array(1)), "not before the second has proved himself");
  found[0]!();
  const second = await next(at.listener);
  await assert.rejects(first.send(new Uint8Array(1)), code("closed"));
  const client = await again;
  await client.send(Uint8Array.of(2));
  assert.deepEqual(await readOne(second), Uint8Array.of(2));
  await client[Symbol.asyncDispose]();
  await at.listener[Symbol.asyncDispose]();
});

test("a peer that is known by its address alone and says nothing for idleSeconds is gone; one that speaks stays", async () => {
  const at = place({ listener: { idleSeconds: 60 }, acceptor: { connectionIdLength: 0 } });
  const silent = await pair(at, "10.0.0.1:1");
  const talking = await pair(at, "10.0.0.2:1");
  for (let seconds = 0; seconds < 300; seconds += 50) {
    await talking.client.send(Uint8Array.of(seconds));
    assert.deepEqual(await readOne(talking.server), Uint8Array.of(seconds));
    // What is said to a peer is no sign of it.
    if (seconds < 60) await silent.server.send(Uint8Array.of(1));
    await at.clock.advance(50_000);
  }
  await assert.rejects(silent.server.send(new Uint8Array(1)), code("closed"));
  // It was told: close_notify.
  await assert.rejects(silent.client.send(new Uint8Array(1)), code("closed"));
  await talking.server.send(new Uint8Array(1));
  await at.clock.advance(60_000);
  await assert.rejects(talking.server.send(new Uint8Array(1)), code("closed"));
  assert.equal(at.clock.pending, 0);
  await at.listener[Symbol.asyncDispose]();
});

test("a peer with a Connection ID may be silent for as long as it likes", async () => {
  const at = place({ listener: { idleSeconds: 60 } });
  const { client, server } = await pair(at);
  await at.clock.advance(86_400_000);
  await client.send(Uint8Array.of(7));
  assert.deepEqual(await readOne(server), Uint8Array.of(7));
  await client[Symbol.asyncDispose]();
  await at.listener[Symbol.asyncDispose]();
});
