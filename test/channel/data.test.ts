import assert from "node:assert/strict";
import test from "node:test";
import { startLifetime } from "../../lib/association/mod.ts";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { acceptChannel } from "../../lib/channel/mod.ts";
import type { SecureChannel } from "../../lib/association/ports.ts";
import { SeccfError } from "../../lib/error.ts";
import type { ByteStream } from "../../lib/link.ts";
import { createTlsEngine } from "../../lib/tls/mod.ts";
import { memoryNetwork } from "../../transports/memory/mod.ts";
import { seededRandom, VirtualClock } from "../support/virtual.ts";
import { PSK } from "../tls/pair.ts";
import { Puppet13 } from "../tls/puppet13.ts";
import { code, type EndsOptions, openEnds, readAll, readOne, testAssociation } from "./fixtures.ts";

async function closeBoth(...channels: SecureChannel[]): Promise<void> {
  await Promise.all(channels.map((channel) => channel[Symbol.asyncDispose]()));
}

function noise(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  seededRandom(seed)(bytes);
  return bytes;
}

test("[SEC_CF-CONF-001] a mebibyte each way at the same time, in pieces of any size", async () => {
  for (const maxPieceBytes of [1000, 30_000]) {
    const { client, server, clock } = await openEnds({ network: { seed: 5, maxPieceBytes } });
    const up = noise(1 << 20, 6);
    const down = noise(1 << 20, 7);
    const send = async (channel: SecureChannel, bytes: Uint8Array) => {
      for (let at = 0; at < bytes.length; at += 100_000) await channel.send(bytes.subarray(at, at + 100_000));
    };
    const take = async (channel: SecureChannel, length: number) => {
      const out = new Uint8Array(length);
      let at = 0;
      for await (const { payload } of channel) {
        out.set(payload, at);
        at += payload.length;
        if (at === length) break;
      }
      return out;
    };
    const [, , received, answered] = await Promise.all([
      send(client, up),
      send(server, down),
      take(server, up.length),
      take(client, down.length),
    ]);
    assert.ok(Buffer.from(received).equals(up));
    assert.ok(Buffer.from(answered).equals(down));
    await closeBoth(client, server);
    assert.equal(clock.pending, 0);
  }
});

test("[SEC_CF-CONF-001] what is sent is not to be seen on the wire", async () => {
  const written: Uint8Array[] = [];
  const { client, server } = await openEnds({ wrap: (stream) => watched(stream, (bytes) => written.push(bytes)) });
  const secret = toUtf8("the meter says 21.5");
  await client.send(secret);
  await closeBoth(client, server);
  assert.equal(Buffer.concat(written).includes(Buffer.from(secret)), false);
});

test("[SEC_CF-INTE-001] one changed bit ends the channel, and nothing of the record is handed out", async () => {
  let change = false;
  const { client, server, clock } = await openEnds({
    wrap: (stream, end) =>
      end === "server" ? stream : {
        ...watched(stream, () => {}),
        write(bytes) {
          const sent = bytes.slice();
          if (change) sent[sent.length - 1] = (sent.at(-1) ?? 0) ^ 1;
          return stream.write(sent);
        },
      },
  });
  await client.send(Uint8Array.of(1));
  change = true;
  await client.send(Uint8Array.of(2));
  await clock.settle();
  const iterator = server[Symbol.asyncIterator]();
  assert.deepEqual((await iterator.next()).value?.payload, Uint8Array.of(1));
  await assert.rejects(iterator.next(), code("auth-failed"));
  await assert.rejects(server.send(Uint8Array.of(3)), code("closed"));
  await assert.rejects(client[Symbol.asyncIterator]().next(), code("auth-failed"));
  await closeBoth(client, server);
  assert.equal(clock.pending, 0);
});

test("sends that overlap keep their order and do not mix", async () => {
  const { client, server } = await openEnds({ network: { capacity: 5000 } });
  const lengths = [40_000, 3, 0, 17_000, 1];
  const sent = Promise.all(lengths.map((length, index) => client.send(new Uint8Array(length).fill(index + 1))));
  const all = readAll(server);
  await sent;
  await client[Symbol.asyncDispose]();
  const expected = Buffer.concat(lengths.map((length, index) => Buffer.alloc(length, index + 1)));
  assert.ok(Buffer.from(await all).equals(expected));
  await closeBoth(server);
});

test("a consumer that is slow makes the sender wait, and loses nothing", async () => {
  const { client, server, clock } = await openEnds({ network: { capacity: 20_000 }, server: { receiveLimit: 50_000 } });
  let taken = 0;
  const sending = (async () => {
    for (; taken < 40; taken++) await client.send(new Uint8Array(10_000).fill(taken));
  })();
  await clock.settle(100);
  // 50,000 in the queue and one read more, 20,000 on the wire, and the records' own bytes.
  assert.ok(taken >= 5 && taken <= 10, `${taken} taken`);
  let received = 0;
  for await (const { payload } of server) {
    for (const byte of payload) assert.equal(byte, Math.floor(received++ / 10_000));
    if (received === 400_000) break;
  }
  await sending;
  await closeBoth(client, server);
});

test("leaving a loop closes nothing: the next one goes on where it stopped", async () => {
  const { client, server } = await openEnds();
  for (const byte of [1, 2, 3]) await client.send(Uint8Array.of(byte));
  assert.deepEqual(await readOne(server), Uint8Array.of(1));
  assert.deepEqual(await readOne(server), Uint8Array.of(2));
  await client.send(Uint8Array.of(4));
  await client[Symbol.asyncDispose]();
  assert.deepEqual(await readAll(server), Uint8Array.of(3, 4));
  assert.equal(await readOne(server), undefined);
  await closeBoth(server);
});

test("a payload belongs to the receiver: nothing that happens later changes it", async () => {
  const { client, server } = await openEnds();
  await client.send(new Uint8Array(5000).fill(1));
  const first = await readOne(server) ?? assert.fail();
  await client.send(new Uint8Array(5000).fill(2));
  const second = await readOne(server) ?? assert.fail();
  assert.notEqual(first.buffer, second.buffer);
  assert.ok(first.every((byte) => byte === 1));
  assert.equal(first.constructor, Uint8Array);
  await closeBoth(client, server);
});

test("close_notify ends the other side cleanly, after everything before it", async () => {
  const { client, server, clock } = await openEnds();
  await client.send(Uint8Array.of(1));
  await client[Symbol.asyncDispose]();
  await client[Symbol.asyncDispose]();
  assert.deepEqual(await readAll(server), Uint8Array.of(1));
  await assert.rejects(server.send(Uint8Array.of(2)), code("closed"));
  await assert.rejects(client.send(Uint8Array.of(2)), code("closed"));
  await assert.rejects(readOne(client), code("closed"));
  await closeBoth(server);
  assert.equal(clock.pending, 0);
});

test("a stream that ends without close_notify was truncated: closed, not the end", async () => {
  let near: ByteStream | undefined;
  const { client, server, clock } = await openEnds({
    wrap(stream, end) {
      if (end === "client") near = stream;
      return stream;
    },
  });
  await client.send(Uint8Array.of(1));
  await near?.[Symbol.asyncDispose]();
  const iterator = server[Symbol.asyncIterator]();
  assert.deepEqual((await iterator.next()).value?.payload, Uint8Array.of(1));
  await assert.rejects(iterator.next(), code("closed"));
  await assert.rejects(readOne(server), code("closed"));
  await closeBoth(client, server);
  assert.equal(clock.pending, 0);
});

test("at the end of its association's life a channel closes with close_notify on both sides", async () => {
  const clock = new VirtualClock();
  const clientKeys = testAssociation(undefined, startLifetime({ clock, seconds: 60 }));
  const { client, server } = await openEnds({ clock, clientKeys });
  const waiting = readOne(client);
  waiting.catch(() => {});
  await clock.advance(59_999);
  await client.send(Uint8Array.of(1));
  await clock.advance(1);
  await assert.rejects(waiting, code("expired"));
  await assert.rejects(client.send(Uint8Array.of(2)), code("expired"));
  assert.deepEqual(await readAll(server), Uint8Array.of(1));
  assert.equal(clock.pending, 0);
  await closeBoth(client, server);
});

test("an alarm that comes late lets nothing through: neither a send nor what arrives", async () => {
  for (const direction of ["send", "receive"] as const) {
    let asleep = 0;
    const clock = new VirtualClock();
    const clientKeys = testAssociation(undefined, startLifetime({ clock, seconds: 60 }));
    const { client, server } = await openEnds({ clock, clientKeys });
    const now = clock.now.bind(clock);
    clock.now = () => now() + asleep;
    asleep = 60_001;
    if (direction === "send") {
      await assert.rejects(client.send(Uint8Array.of(1)), code("expired"));
    } else {
      await server.send(Uint8Array.of(1));
      await assert.rejects(readOne(client), code("expired"));
    }
    await closeBoth(client, server);
    assert.equal(clock.pending, 0);
  }
});

test("a wall clock that has passed the end of life ends the channel, whatever the other clock says", async () => {
  const clock = new VirtualClock();
  const clientKeys = testAssociation(undefined, startLifetime({ clock, seconds: 60 }));
  const { client, server } = await openEnds({ clock, clientKeys });
  clock.setWall(clock.wall() + 59_999);
  await client.send(Uint8Array.of(1));
  clock.setWall(clock.wall() + 1);
  await assert.rejects(client.send(Uint8Array.of(2)), code("expired"));
  assert.deepEqual(await readAll(server), Uint8Array.of(1));
  await closeBoth(client, server);
  assert.equal(clock.pending, 0);
});

/** A client whose peer has stopped reading, with a send that can not go on. */
async function stalled(options: EndsOptions = {}) {
  const ends = await openEnds({ ...options, network: { capacity: 3000 }, server: { receiveLimit: 1000 } });
  const sending = ends.client.send(new Uint8Array(100_000));
  sending.catch(() => {});
  await ends.clock.settle();
  return { ...ends, sending };
}

test("a send that waits for its turn can be aborted and is not sent", async () => {
  const { client, server, sending } = await stalled();
  const controller = new AbortController();
  const reason = new RangeError("too slow");
  const second = client.send(Uint8Array.of(1), { signal: controller.signal });
  const third = client.send(Uint8Array.of(3));
  controller.abort(reason);
  await assert.rejects(second, (error) => error === reason);
  await assert.rejects(client.send(Uint8Array.of(1), { signal: controller.signal }), (error) => error === reason);
  const all = readAll(server);
  await sending;
  await third;
  await client[Symbol.asyncDispose]();
  const received = await all;
  assert.equal(received.length, 100_001);
  assert.equal(received.at(-1), 3);
  await closeBoth(server);
});

test("a send that is aborted midway ends the channel: half a payload is not silently left out", async () => {
  const { client, server, clock } = await openEnds({ network: { capacity: 3000 }, server: { receiveLimit: 1000 } });
  const controller = new AbortController();
  const sending = client.send(new Uint8Array(100_000), { signal: controller.signal });
  sending.catch(() => {});
  await clock.settle();
  controller.abort(new RangeError("too slow"));
  await assert.rejects(sending, RangeError);
  await assert.rejects(client.send(Uint8Array.of(1)), code("closed"));
  await assert.rejects(readAll(server), SeccfError);
  await closeBoth(client, server);
  assert.equal(clock.pending, 0);
});

test("disposing a channel whose peer does not read waits one second for close_notify to leave, not longer", async () => {
  const { client, server, clock, sending } = await stalled();
  let disposed = false;
  const disposing = client[Symbol.asyncDispose]();
  disposing.then(() => disposed = true);
  await clock.advance(999);
  assert.equal(disposed, false);
  await clock.advance(1);
  await disposing;
  await assert.rejects(sending, code("closed"));
  await closeBoth(server);
  assert.equal(clock.pending, 0);
});

test("a channel whose Nth write fails is closed for every N, on both sides, with nothing left behind", async () => {
  for (let nth = 1;; nth++) {
    let writes = -Infinity;
    const { client, server, clock } = await openEnds({
      wrap: (stream, end) =>
        end === "server" ? stream : {
          ...watched(stream, () => {}),
          write: (bytes) =>
            ++writes === nth ? Promise.reject(new SeccfError("closed", "the wire broke")) : stream.write(bytes),
        },
    });
    writes = 0;
    const sends = await Promise.allSettled([1, 2, 3].map((byte) => client.send(new Uint8Array(20_000).fill(byte))));
    await client[Symbol.asyncDispose]();
    const rest = await readAll(server).then((bytes) => bytes.length, (error) => error.code);
    await closeBoth(server);
    assert.equal(clock.pending, 0);
    if (writes < nth) {
      assert.equal(rest, 60_000);
      break;
    }
    assert.equal(rest, "closed");
    assert.equal(writes, nth, "written after a failed write");
    for (const send of sends) if (send.status === "rejected") assert.equal(send.reason.code, "closed");
  }
});

/** `stream`, with a look at what is written to it. */
function watched(stream: ByteStream, look: (bytes: Uint8Array) => void): ByteStream {
  return {
    remote: stream.remote,
    write(bytes, wait) {
      look(bytes.slice());
      return stream.write(bytes, wait);
    },
    [Symbol.asyncIterator]: () => stream[Symbol.asyncIterator](),
    [Symbol.asyncDispose]: () => stream[Symbol.asyncDispose](),
  };
}

test("a peer that asks for answers and reads none is let go, before they cost more than 64 KiB", async () => {
  const clock = new VirtualClock();
  const network = memoryNetwork({ clock, seed: 1, capacity: 3000 });
  await using listener = network.listen("server:443");
  const near = await network.connect("server:443");
  const arrived = await listener[Symbol.asyncIterator]().next();
  assert.ok(!arrived.done);
  let asked = 0;
  let taken = 0;
  const stream: ByteStream = {
    remote: arrived.value.remote,
    [Symbol.asyncIterator]: () => arrived.value[Symbol.asyncIterator](),
    [Symbol.asyncDispose]: () => arrived.value[Symbol.asyncDispose](),
    write: (bytes) => arrived.value.write(bytes).then(() => void (taken += bytes.length)),
  };
  const engine = createTlsEngine({ role: "server", versions: [0x0304], now: 0, random: seededRandom(3) });
  const opening = acceptChannel({ clock, stream, keys: testAssociation(PSK), engine, carrier: "tls" });
  const puppet = new Puppet13("client");
  await near.write(puppet.clientHello());
  await clock.settle();
  const flight = await near[Symbol.asyncIterator]().next();
  puppet.hear(flight.value!);
  await near.write(puppet.finished());
  await clock.settle();
  const server = await opening;
  taken = 0;
  const reading = readAll(server);
  reading.catch(() => {});
  // RFC 8446 4.6.3: each is to be answered by one of as many bytes.
  const asking = async () => {
    for (; asked < 10_000; asked++) {
      const data = asked % 8 === 0 ? puppet.record(23, new Uint8Array(1)) : new Uint8Array(0);
      await near.write(Buffer.concat([data, puppet.keyUpdate(true)]));
      await clock.settle();
    }
  };
  await assert.rejects(asking(), SeccfError);
  await assert.rejects(reading, code("exhausted"));
  assert.ok(asked * 27 > 65_536 && asked * 27 < 72_000, `${asked} answers`);
  await server[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
});
