// A peer that is heard from elsewhere, as an application sees it that asks by what it speaks, for instance CoAP's Echo.
import assert from "node:assert/strict";
import test from "node:test";
import type { DatagramChannel } from "../../lib/channel/mod.ts";
import { fromUtf8, toUtf8 } from "../../lib/bytes/mod.ts";
import type { DatagramSocket } from "../../lib/link.ts";
import { seededRandom } from "../support/virtual.ts";
import { engineWithoutChecks } from "../tls/datagrams.ts";
import { next, pair, place, SERVER } from "./datagram_fixtures.ts";
import { readOne } from "./fixtures.ts";

const HOME = "10.0.0.1:1";
const AWAY = "10.0.0.2:7";

/** A socket whose owner can go somewhere else. */
function roaming(at: ReturnType<typeof place>) {
  const sockets = new Map([HOME, AWAY].map((address) => [address, at.network.bind(address)]));
  let current = sockets.get(HOME)!;
  const heard = { home: 0, away: 0 };
  const socket: DatagramSocket = {
    local: HOME,
    send: (bytes, to) => current.send(bytes, to),
    async *[Symbol.asyncIterator]() {
      const iterators = [...sockets].map(([address, each]) => ({ address, it: each[Symbol.asyncIterator]() }));
      const pending = new Map(iterators.map((each) => [each, each.it.next()]));
      for (;;) {
        const { each, result } = await Promise.race(
          [...pending].map(async ([each, result]) => ({ each, result: await result })),
        );
        if (result.done) return;
        pending.set(each, each.it.next());
        heard[each.address === HOME ? "home" : "away"]++;
        yield result.value;
      }
    },
    async [Symbol.asyncDispose]() {
      for (const each of sockets.values()) await each[Symbol.asyncDispose]();
    },
  };
  return { socket, heard, go: (address: string) => void (current = sockets.get(address)!) };
}

async function moved() {
  const at = place();
  const { socket, heard, go } = roaming(at);
  const engine = engineWithoutChecks({ now: at.clock.now(), random: seededRandom(9) });
  const connecting = at.connect("10.0.0.9:9", { channel: { engine, socket, remote: SERVER } });
  const [client, server] = await Promise.all([connecting, next(at.listener)]);
  return { at, client, server, heard, go };
}

async function say(from: DatagramChannel, to: DatagramChannel, text: string): Promise<void> {
  await from.send(toUtf8(text));
  assert.equal(fromUtf8((await readOne(to))!), text);
}

/** Where it seems to be. */
function seen(channel: DatagramChannel): string | undefined {
  return channel.elsewhere?.address;
}

test("an application asks where its peer is heard from, and follows it: answers go there from then on", async () => {
  const { client, server, heard, go } = await moved();
  await say(client, server, "home");
  assert.equal(seen(server), undefined);
  assert.equal(seen(client), undefined);
  go(AWAY);
  await say(client, server, "away");
  const { elsewhere } = server;
  assert.equal(elsewhere!.address, AWAY);
  const before = { ...heard };
  await say(server, client, "still to where you were");
  assert.deepEqual(heard, { ...before, home: before.home + 1 });
  elsewhere!.send(toUtf8("echo 7f3a"));
  assert.equal(fromUtf8((await readOne(client))!), "echo 7f3a");
  assert.equal(heard.away, before.away + 1);
  await say(client, server, "7f3a");
  elsewhere!.follow();
  assert.equal(seen(server), undefined);
  await say(server, client, "here you are");
  assert.equal(heard.away, before.away + 2);
  await client[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

test("what was true of an address is not true for ever, nor of a channel that is closed", async () => {
  const { client, server, go } = await moved();
  go(AWAY);
  await say(client, server, "away");
  const elsewhere = server.elsewhere!;
  assert.throws(() => elsewhere.send(new Uint8Array(1000)), { code: "exhausted" });
  assert.throws(() => elsewhere.send(new Uint8Array(5000)), { code: "too-large" });
  go(HOME);
  await say(client, server, "home again");
  assert.throws(() => elsewhere.follow(), { code: "state" });
  assert.throws(() => elsewhere.send(toUtf8("?")), { code: "state" });
  go(AWAY);
  await say(client, server, "and away");
  const again = server.elsewhere!;
  await server[Symbol.asyncDispose]();
  assert.throws(() => again.follow(), { code: "closed" });
  assert.throws(() => again.send(toUtf8("?")), { code: "closed" });
  assert.equal(seen(server), undefined);
  await client[Symbol.asyncDispose]();
});

test("a client of ours moves on its own: its application is told nothing", async () => {
  const at = place();
  const { client, server } = await pair(at);
  await say(client, server, "hello");
  assert.equal(seen(server), undefined);
  await client[Symbol.asyncDispose]();
});
