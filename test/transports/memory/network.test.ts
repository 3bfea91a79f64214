import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { toHex } from "../../../lib/bytes/mod.ts";
import type { ByteStream } from "../../../lib/link.ts";
import { type MemoryConnectOptions, memoryNetwork, type MemoryNetworkOptions } from "../../../transports/memory/mod.ts";
import { VirtualClock } from "../../support/virtual.ts";

const closed = { name: "SeccfError", code: "closed" };
const unreachable = { name: "SeccfError", code: "unreachable" };

/** Both ends of a stream. */
async function pair(options: Partial<MemoryNetworkOptions> = {}, connect?: MemoryConnectOptions) {
  const clock = new VirtualClock();
  const network = memoryNetwork({ clock, seed: 1, ...options });
  const listener = network.listen("server:1");
  const near = await network.connect("server:1", connect);
  const { value: far } = await listener[Symbol.asyncIterator]().next();
  return { clock, network, listener, near, far: far ?? assert.fail() };
}

async function readOne(stream: ByteStream): Promise<Uint8Array | undefined> {
  for await (const bytes of stream) return bytes;
  return undefined;
}

/** What arrives at one socket of what another sends: when, and what. */
async function datagramRun(options: Omit<MemoryNetworkOptions, "clock">, count = 200): Promise<string[]> {
  const clock = new VirtualClock();
  const network = memoryNetwork({ clock, ...options });
  const from = network.bind("a:1");
  const to = network.bind("b:1");
  const arrived: string[] = [];
  const reading = (async () => {
    for await (const { bytes } of to) arrived.push(`${clock.now()} ${toHex(bytes)}`);
  })();
  for (let index = 0; index < count; index++) {
    from.send(Uint8Array.of(index), "b:1");
    await clock.advance(1);
  }
  await clock.advance(1000);
  await to[Symbol.asyncDispose]();
  await reading;
  assert.equal(clock.pending, 0);
  return arrived;
}

test("bytes go both ways, in order, and each end is named to the other", async () => {
  const { near, far } = await pair({}, { from: "192.0.2.7:5000" });
  assert.equal(near.remote, "server:1");
  assert.equal(far.remote, "192.0.2.7:5000");
  const sent = Uint8Array.of(1, 2, 3);
  await near.write(sent);
  sent.fill(0);
  await far.write(Uint8Array.of(4));
  assert.deepEqual(await readOne(far), Uint8Array.of(1, 2, 3));
  assert.deepEqual(await readOne(near), Uint8Array.of(4));
});

test("in whatever pieces bytes are written and read, they are the same bytes", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 }),
      fc.record({ seed: fc.nat(), maxPieceBytes: fc.integer({ min: 1, max: 50 }) }),
      fc.integer({ min: 1, max: 30 }),
      async (writes, options, capacity) => {
        const { near, far } = await pair({ ...options, capacity });
        const writing = (async () => {
          for (const bytes of writes) await near.write(bytes);
          await near[Symbol.asyncDispose]();
        })();
        const read: number[] = [];
        for await (const bytes of far) {
          assert.ok(bytes.length >= 1 && bytes.length <= options.maxPieceBytes);
          read.push(...bytes);
        }
        await writing;
        assert.deepEqual(read, writes.flatMap((bytes) => [...bytes]));
      },
    ),
    { numRuns: 50, seed: 7 },
  );
});

test("what is written arrives after the delay, not before", async () => {
  const { clock, near, far } = await pair({ delayMs: 100 });
  const arrived: number[] = [];
  const reading = (async () => {
    for await (const _ of far) arrived.push(clock.now());
  })();
  await near.write(Uint8Array.of(1));
  await clock.advance(30);
  await near.write(Uint8Array.of(2));
  await near[Symbol.asyncDispose]();
  await clock.advance(200);
  await reading;
  assert.deepEqual(arrived, [100, 130]);
  assert.equal(clock.pending, 0);
});

test("a write waits while as much is under way as fits, goes on when it is read, and ends when either end goes", async () => {
  const { clock, near, far } = await pair({ capacity: 10 });
  let written = false;
  const writing = near.write(new Uint8Array(25)).then(() => written = true);
  await clock.settle();
  assert.equal(written, false);
  let read = 0;
  for await (const bytes of far) {
    read += bytes.length;
    if (read === 25) break;
  }
  await writing;
  await near.write(new Uint8Array(10));
  const controller = new AbortController();
  const aborted = near.write(Uint8Array.of(1), { signal: controller.signal });
  controller.abort(new RangeError("enough"));
  await assert.rejects(aborted, RangeError);
  const stuck = near.write(Uint8Array.of(1));
  await far[Symbol.asyncDispose]();
  await assert.rejects(stuck, closed);
});

test("an end that goes away is an end for the reader and closed for the writer", async () => {
  const { near, far } = await pair();
  await near.write(Uint8Array.of(1));
  await near[Symbol.asyncDispose]();
  assert.deepEqual(await readOne(far), Uint8Array.of(1));
  assert.equal(await readOne(far), undefined);
  await assert.rejects(far.write(Uint8Array.of(2)), closed);
  await assert.rejects(near.write(Uint8Array.of(2)), closed);
  assert.equal(await readOne(near), undefined);
});

test("a connection that is cut carries exactly so many bytes of both directions", async () => {
  const { near, far } = await pair({}, { cutAfterBytes: 5 });
  await near.write(Uint8Array.of(1, 2, 3));
  await assert.rejects(far.write(Uint8Array.of(4, 5, 6)), closed);
  assert.deepEqual(await readOne(near), Uint8Array.of(4, 5));
  assert.equal(await readOne(near), undefined);
  assert.deepEqual(await readOne(far), Uint8Array.of(1, 2, 3));
  assert.equal(await readOne(far), undefined);
  await assert.rejects(near.write(Uint8Array.of(7)), closed);
});

test("nobody listens before, twice, or after", async () => {
  const { network, listener } = await pair();
  assert.throws(() => network.listen("server:1"), unreachable);
  await assert.rejects(network.connect("server:2"), unreachable);
  const untaken = await network.connect("server:1");
  await listener[Symbol.asyncDispose]();
  assert.equal(await readOne(untaken), undefined);
  await assert.rejects(network.connect("server:1"), unreachable);
  await assert.rejects(network.connect("server:1", { signal: AbortSignal.abort(new RangeError("no")) }), RangeError);
  await network.listen("server:1")[Symbol.asyncDispose]();
  const socket = network.bind("socket:1");
  assert.throws(() => network.bind("socket:1"), unreachable);
  await socket[Symbol.asyncDispose]();
  await network.bind("socket:1")[Symbol.asyncDispose]();
});

test("without faults every datagram arrives once, at once and in order", async () => {
  const arrived = await datagramRun({ seed: 1 });
  assert.deepEqual(arrived, Array.from({ length: 200 }, (_, index) => `${index} ${toHex(Uint8Array.of(index))}`));
});

test("the same seed is the same run, and another seed another", async () => {
  const bad = { loss: 0.2, duplicate: 0.1, reorder: 0.3, delayMs: 5 };
  const first = await datagramRun({ seed: 11, ...bad });
  assert.deepEqual(await datagramRun({ seed: 11, ...bad }), first);
  assert.notDeepEqual(await datagramRun({ seed: 12, ...bad }), first);
});

test("loss, duplication and reordering come about as often as asked", async () => {
  const lost = 200 - (await datagramRun({ seed: 3, loss: 0.25 })).length;
  assert.ok(lost > 30 && lost < 70, `${lost} lost`);
  const twice = (await datagramRun({ seed: 3, duplicate: 0.25 })).length - 200;
  assert.ok(twice > 30 && twice < 70, `${twice} twice`);
  const order = (await datagramRun({ seed: 3, reorder: 0.25 })).map((line) => Number(`0x${line.split(" ")[1]}`));
  assert.equal(order.length, 200);
  const late = order.filter((value, index) => value < Math.max(...order.slice(0, index + 1))).length;
  assert.ok(late > 30 && late < 70, `${late} late`);
  assert.equal((await datagramRun({ seed: 3, loss: 1 })).length, 0);
});

test("a datagram to nobody is gone, and a socket that nobody reads holds 1024 at most", async () => {
  const clock = new VirtualClock();
  const network = memoryNetwork({ clock, seed: 1 });
  const from = network.bind("a:1");
  from.send(Uint8Array.of(1), "nobody:1");
  const to = network.bind("b:1");
  const bytes = new Uint8Array(2);
  for (let index = 0; index < 3000; index++) from.send(bytes, "b:1");
  bytes.fill(9);
  let count = 0;
  const reading = (async () => {
    for await (const datagram of to) {
      assert.deepEqual(datagram, { bytes: new Uint8Array(2), from: "a:1" });
      count++;
    }
  })();
  await to[Symbol.asyncDispose]();
  await reading;
  assert.equal(count, 1024);
});
