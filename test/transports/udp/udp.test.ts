import assert from "node:assert/strict";
import test from "node:test";
import type { DatagramSocket } from "../../../lib/link.ts";
import { splitAddress } from "../../../lib/channel/mod.ts";
import { SeccfError } from "../../../lib/error.ts";
import { bindUdp, connectUdp } from "../../../transports/udp/mod.ts";

async function receive(socket: DatagramSocket): Promise<{ readonly bytes: Uint8Array; readonly from: string }> {
  for await (const datagram of socket) return datagram;
  return assert.fail("the socket ended");
}

for (const host of ["127.0.0.1", "::1"]) {
  test(`datagrams go both ways between a bound and a connected socket at ${host}, each with its sender`, async () => {
    await using server = await bindUdp(host, 0);
    const { socket, remote } = await connectUdp(host, splitAddress(server.local).port);
    await using client = socket;
    assert.equal(remote, server.local);
    assert.match(server.local, host === "::1" ? /^\[::1\]:[1-9][0-9]*$/ : /^127\.0\.0\.1:[1-9][0-9]*$/);
    client.send(Uint8Array.of(1, 2, 3), remote);
    const { bytes, from } = await receive(server);
    assert.deepEqual(bytes, Uint8Array.of(1, 2, 3));
    assert.equal(bytes.buffer.byteLength, 3, "a small datagram holds no large buffer");
    server.send(Uint8Array.of(4), from);
    server.send(new Uint8Array(0), from);
    assert.deepEqual(await receive(client), { bytes: Uint8Array.of(4), from: remote });
    assert.deepEqual(await receive(client), { bytes: new Uint8Array(0), from: remote });
  });
}

test("a connected socket has the port of this end that it is told, once", async () => {
  await using server = await bindUdp("127.0.0.1", 0);
  const { port } = splitAddress(server.local);
  const free = await bindUdp("127.0.0.1", 0);
  const { port: localPort } = splitAddress(free.local);
  await free[Symbol.asyncDispose]();
  const { socket, remote } = await connectUdp("127.0.0.1", port, { localPort });
  await using client = socket;
  client.send(Uint8Array.of(1), remote);
  assert.equal(splitAddress((await receive(server)).from).port, localPort);
  await assert.rejects(connectUdp("127.0.0.1", port, { localPort }), { name: "SeccfError", code: "unreachable" });
});

test("of datagrams that get longer and longer at most one is lost, and none is cut short", async () => {
  const server = await bindUdp("127.0.0.1", 0);
  await using client = await bindUdp("127.0.0.1", 0);
  let newest = 0;
  const reading = (async () => {
    for await (const { bytes } of server) {
      newest = bytes.every((byte) => byte === (bytes.length & 0xff)) ? bytes.length : -1;
    }
  })();
  const lengths = [1, 18_700, 40_000, 65_507, 2, 65_506];
  let sent = 0;
  for (const length of lengths) {
    for (let tries = 0; newest !== length && tries < 3; tries++) {
      client.send(new Uint8Array(length).fill(length), server.local);
      sent++;
      for (let turn = 0; newest !== length && turn < 2000; turn++) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    assert.equal(newest, length);
  }
  assert.ok(sent <= lengths.length + 1, `${sent} were sent`);
  await server[Symbol.asyncDispose]();
  await reading;
});

test("the bytes of a send are the caller's again when it returns", async () => {
  await using server = await bindUdp("127.0.0.1", 0);
  const { socket, remote } = await connectUdp("127.0.0.1", splitAddress(server.local).port);
  await using client = socket;
  const bytes = Uint8Array.of(7, 7);
  client.send(bytes, remote);
  bytes.fill(0);
  assert.deepEqual((await receive(server)).bytes, Uint8Array.of(7, 7));
});

test("a socket without a host takes IPv4 and IPv6, names IPv4 as itself, and answers it", async () => {
  await using server = await bindUdp(undefined, 0);
  const { port } = splitAddress(server.local);
  for (const [host, shown] of [["127.0.0.1", /^127\.0\.0\.1:/], ["::1", /^\[::1\]:/]] as const) {
    const { socket, remote } = await connectUdp(host, port);
    await using client = socket;
    client.send(Uint8Array.of(1), remote);
    const { from } = await receive(server);
    assert.match(from, shown);
    server.send(Uint8Array.of(2), from);
    assert.deepEqual((await receive(client)).bytes, Uint8Array.of(2));
  }
});

test("an address in other words is the same peer", async () => {
  await using server = await bindUdp("::1", 0);
  const { socket, remote } = await connectUdp("0:0:0:0:0:0:0:1", splitAddress(server.local).port);
  await using _client = socket;
  assert.equal(remote, server.local);
});

test("a connected socket hears that nobody is there, once a time, and goes on; on Deno it hears nothing", async () => {
  const gone = await bindUdp("127.0.0.1", 0);
  const { port } = splitAddress(gone.local);
  await gone[Symbol.asyncDispose]();
  const { socket, remote } = await connectUdp("127.0.0.1", port);
  await using client = socket;
  if (!("Deno" in globalThis)) {
    client.send(Uint8Array.of(1), remote);
    await assert.rejects(receive(client), { name: "SeccfError", code: "unreachable" });
  }
  await using back = await bindUdp("127.0.0.1", port);
  client.send(Uint8Array.of(2), remote);
  const { from } = await receive(back);
  back.send(Uint8Array.of(3), from);
  assert.deepEqual((await receive(client)).bytes, Uint8Array.of(3));
});

test("a place in use, a host that is none and an aborted wait are errors of this library", async () => {
  await using taken = await bindUdp("127.0.0.1", 0);
  const { port } = splitAddress(taken.local);
  await assert.rejects(bindUdp("127.0.0.1", port), { name: "SeccfError", code: "unreachable" });
  await assert.rejects(bindUdp("no.such.host.invalid", 0), { name: "SeccfError", code: "unreachable" });
  await assert.rejects(connectUdp("no.such.host.invalid", 1), { name: "SeccfError", code: "unreachable" });
  const signal = AbortSignal.abort(new RangeError("not today"));
  await assert.rejects(connectUdp("127.0.0.1", 1, { signal }), { name: "RangeError" });
});

test("what can not be sent is lost without a word, and the next one is not", async () => {
  await using server = await bindUdp("127.0.0.1", 0);
  await using client = await bindUdp("127.0.0.1", 0);
  for (const nowhere of ["", "nonsense", "127.0.0.1:0", "127.0.0.1:99999"]) client.send(Uint8Array.of(1), nowhere);
  client.send(new Uint8Array(70_000), server.local);
  client.send(Uint8Array.of(2), server.local);
  assert.deepEqual((await receive(server)).bytes, Uint8Array.of(2));
});

test("a reader that does not read costs a bounded amount of memory", async () => {
  await using server = await bindUdp("127.0.0.1", 0);
  await using client = await bindUdp("127.0.0.1", 0);
  // In portions, so that it is not the system that drops.
  for (let portion = 0; portion < 40; portion++) {
    for (let i = 0; i < 10; i++) client.send(new Uint8Array(8192), server.local);
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  const end = Uint8Array.of(9);
  let count = 0;
  for await (const { bytes } of server) {
    if (bytes.length === 1) break;
    if (++count === 1) client.send(end, server.local);
  }
  assert.ok(count > 10 && count <= 126, `${count} datagrams of 8 KiB were held`);
});

test("a socket that is closed ends its reader, drops what is sent, and closes once", async () => {
  const socket = await bindUdp("127.0.0.1", 0);
  const reading = (async () => {
    for await (const _ of socket) assert.fail("nothing was sent");
  })();
  await Promise.all([socket[Symbol.asyncDispose](), socket[Symbol.asyncDispose]()]);
  await reading;
  socket.send(Uint8Array.of(1), "127.0.0.1:9");
});

test("who is not there takes nothing from the datagrams of others", async () => {
  await using server = await bindUdp("127.0.0.1", 0);
  const gone = await bindUdp("127.0.0.1", 0);
  await gone[Symbol.asyncDispose]();
  await using other = await bindUdp("127.0.0.1", 0);
  for (let i = 0; i < 20; i++) {
    // On Bun the refusal of the first comes back as the failure of the second.
    server.send(Uint8Array.of(0), gone.local);
    server.send(Uint8Array.of(i), other.local);
    assert.deepEqual((await receive(other)).bytes, Uint8Array.of(i));
  }
});

test("what came before it was asked for, and what comes, is handed over; who disposes of the socket hears no more", async () => {
  const server = await bindUdp("127.0.0.1", 0);
  await using client = await bindUdp("127.0.0.1", 0);
  const turns = async (isOver: () => boolean) => {
    for (let turn = 0; !isOver() && turn < 10_000; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  client.send(Uint8Array.of(1, 1), server.local);
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  const taken: string[] = [];
  const failures: unknown[] = [];
  server.handTo?.({
    take: (bytes, from) => {
      assert.equal(bytes.constructor, Uint8Array, "a Buffer's slice is no copy");
      taken.push(`${bytes} ${from}`);
    },
    fail: (error) => failures.push(error) > 0,
  });
  await turns(() => taken.length === 1);
  for (const byte of [2, 3]) {
    client.send(Uint8Array.of(byte), server.local);
    await turns(() => taken.length === byte);
  }
  assert.deepEqual(taken, ["1,1", "2", "3"].map((bytes) => `${bytes} ${client.local}`));
  client.send(Uint8Array.of(4), server.local);
  await server[Symbol.asyncDispose]();
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([taken.length, failures], [3, []]);
});

test("who takes from a connected socket hears that nobody is there; on Deno he hears nothing", async () => {
  const gone = await bindUdp("127.0.0.1", 0);
  const { port } = splitAddress(gone.local);
  await gone[Symbol.asyncDispose]();
  const { socket, remote } = await connectUdp("127.0.0.1", port);
  await using client = socket;
  if ("Deno" in globalThis) return;
  const failed = new Promise<unknown>((resolve) => {
    client.handTo?.({ take: () => assert.fail("nobody sends"), fail: (error) => (resolve(error), true) });
  });
  client.send(Uint8Array.of(1), remote);
  const error = await failed;
  assert.ok(error instanceof SeccfError && error.code === "unreachable");
});

test("whoever sends on and on, and waits where he should, lets datagrams come in", async () => {
  await using server = await bindUdp("127.0.0.1", 0);
  const { socket, remote } = await connectUdp("127.0.0.1", splitAddress(server.local).port);
  await using client = socket;
  client.send(Uint8Array.of(1), remote);
  const { from } = await receive(server);
  let isThere = false;
  const answer = receive(client).then(() => isThere = true);
  server.send(Uint8Array.of(2), from);
  let sent = 0;
  for (; !isThere && sent < 100_000; sent++) {
    client.send(Uint8Array.of(3), remote);
    await client.flushed?.();
  }
  assert.ok(isThere, "nothing came in");
  await answer;
});
