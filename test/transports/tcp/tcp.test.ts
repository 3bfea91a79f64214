import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import test from "node:test";
import type { ByteStream } from "../../../lib/link.ts";
import { connectTcp, listenTcp } from "../../../transports/tcp/mod.ts";

const closed = { name: "SeccfError", code: "closed" };
const unreachable = { name: "SeccfError", code: "unreachable" };

/** Both ends of a connection on loopback. */
async function pair(host = "127.0.0.1") {
  const listener = await listenTcp(host, 0);
  const port = Number(/:([0-9]+)$/.exec(listener.local)?.[1]);
  const near = await connectTcp(host, port);
  const { value: far } = await listener[Symbol.asyncIterator]().next();
  const ends = { listener, port, near, far: far ?? assert.fail() };
  return {
    ...ends,
    async [Symbol.asyncDispose]() {
      await ends.near[Symbol.asyncDispose]();
      await ends.far[Symbol.asyncDispose]();
      await listener[Symbol.asyncDispose]();
    },
  };
}

async function readOne(stream: ByteStream): Promise<Uint8Array | undefined> {
  for await (const bytes of stream) return bytes;
  return undefined;
}

/** Some containers have no IPv6, not even on loopback. */
function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).flat().some((each) => each?.address === "::1");
}

/** Reads at least `length` bytes. */
async function readUntil(stream: ByteStream, length: number): Promise<number> {
  let read = 0;
  for await (const bytes of stream) {
    read += bytes.length;
    if (read >= length) break;
  }
  return read;
}

test("bytes go both ways over IPv4 and IPv6, and each end is named to the other", async () => {
  for (const [host, name] of [["127.0.0.1", "127\\.0\\.0\\.1"], ["::1", "\\[::1\\]"]] as const) {
    if (host === "::1" && !hasIpv6()) continue;
    await using ends = await pair(host);
    assert.match(ends.listener.local, new RegExp(`^${name}:[1-9][0-9]*$`));
    assert.equal(ends.near.remote, ends.listener.local);
    assert.match(ends.far.remote, new RegExp(`^${name}:[1-9][0-9]*$`));
    await ends.near.write(Uint8Array.of(1, 2));
    const bytes = await readOne(ends.far);
    assert.deepEqual(bytes, Uint8Array.of(1, 2));
    // A Buffer's slice() shares memory; nobody further up expects that.
    assert.equal(bytes?.constructor, Uint8Array);
    await ends.far.write(Uint8Array.of(3));
    assert.deepEqual(await readOne(ends.near), Uint8Array.of(3));
  }
});

test("a listener without a host takes IPv4, and names it as IPv4", async () => {
  const listener = await listenTcp(undefined, 0);
  const port = Number(/:([0-9]+)$/.exec(listener.local)?.[1]);
  const near = await connectTcp("127.0.0.1", port);
  const { value: far } = await listener[Symbol.asyncIterator]().next();
  assert.match(far?.remote ?? "", /^127\.0\.0\.1:[0-9]+$/);
  await near[Symbol.asyncDispose]();
  await far?.[Symbol.asyncDispose]();
  await listener[Symbol.asyncDispose]();
});

test("a reader that stops makes the writer wait; disposing either end ends the wait", async () => {
  for (const side of ["near", "far"] as const) {
    await using ends = await pair();
    await using pace = await pair();
    let written = 0;
    const writing = (async () => {
      for (;;) {
        await ends.near.write(new Uint8Array(1 << 20));
        written++;
      }
    })();
    writing.catch(() => {});
    // Turns enough for the runtime to take all that it would take: each needs the network once around.
    for (let turn = 0; turn < 300; turn++) {
      await pace.near.write(Uint8Array.of(1));
      await readUntil(pace.far, 1);
    }
    // The system's own buffers for one connection hold up to about 10 MiB.
    assert.ok(written < 24, `${written} MiB written and nobody reads`);
    assert.ok(await readUntil(ends.far, 40 << 20) >= 40 << 20);
    await ends[side][Symbol.asyncDispose]();
    await assert.rejects(writing, closed);
  }
});

test("a write can be aborted, and one after the end is closed", async () => {
  await using ends = await pair();
  const controller = new AbortController();
  const filling = (async () => {
    for (;;) await ends.near.write(new Uint8Array(1 << 20), { signal: controller.signal });
  })();
  controller.abort(new RangeError("enough"));
  await assert.rejects(filling, RangeError);
  await ends.near[Symbol.asyncDispose]();
  await assert.rejects(ends.near.write(Uint8Array.of(1)), closed);
  await assert.rejects(readOne(ends.near), closed);
});

test("an end that closes is the end for the other, after everything it wrote, even with bytes left unread", async () => {
  await using ends = await pair();
  await ends.near.write(new Uint8Array(100_000));
  await ends.far.write(Uint8Array.of(1, 2, 3));
  await ends.far[Symbol.asyncDispose]();
  const read: number[] = [];
  for await (const bytes of ends.near) read.push(...bytes);
  assert.deepEqual(read, [1, 2, 3]);
});

test("nobody there is unreachable, and so is a port in use", async () => {
  const { listener, port, near, far } = await pair();
  await assert.rejects(listenTcp("127.0.0.1", port), unreachable);
  await near[Symbol.asyncDispose]();
  await far[Symbol.asyncDispose]();
  const untaken = await connectTcp("127.0.0.1", port);
  await listener[Symbol.asyncDispose]();
  assert.equal((await listener[Symbol.asyncIterator]().next()).done, true);
  await untaken[Symbol.asyncDispose]();
  await assert.rejects(connectTcp("127.0.0.1", port), unreachable);
});

test("connecting can be aborted, before and meanwhile", async () => {
  const reason = new RangeError("not any more");
  await assert.rejects(connectTcp("127.0.0.1", 1, { signal: AbortSignal.abort(reason) }), (error) => error === reason);
  const controller = new AbortController();
  const listener = await listenTcp("127.0.0.1", 0);
  const port = Number(/:([0-9]+)$/.exec(listener.local)?.[1]);
  const connecting = connectTcp("127.0.0.1", port, { signal: controller.signal });
  controller.abort(reason);
  await assert.rejects(connecting, (error) => error === reason);
  await listener[Symbol.asyncDispose]();
});

test("a mebibyte each way at the same time", async () => {
  await using ends = await pair();
  const bytes = new Uint8Array(1 << 20).map((_, index) => index % 253);
  const read = async (stream: ByteStream) => {
    const out = new Uint8Array(bytes.length);
    let at = 0;
    for await (const piece of stream) {
      out.set(piece, at);
      at += piece.length;
      if (at === out.length) break;
    }
    return out;
  };
  const [up, down] = await Promise.all([
    read(ends.far),
    read(ends.near),
    ends.near.write(bytes),
    ends.far.write(bytes),
  ]);
  assert.ok(Buffer.from(up).equals(bytes));
  assert.ok(Buffer.from(down).equals(bytes));
});
