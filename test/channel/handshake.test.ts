import assert from "node:assert/strict";
import test from "node:test";
import { startLifetime } from "../../lib/association/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import type { ByteStream } from "../../lib/link.ts";
import { code, openEnds, startEnds, testAssociation, testKeys } from "./fixtures.ts";
import { VirtualClock } from "../support/virtual.ts";

test("[SEC_CF-AUTH-001] [SEC_CF-AUTH-002] both ends learn who the other is, and their associations how they were used", async () => {
  const near = testAssociation();
  const far = testAssociation();
  const { client, server } = await openEnds({ clientKeys: near, serverKeys: testKeys(far), suites: [0x00a8] });
  assert.equal(client.association, near);
  assert.equal(client.peer, near.peer);
  assert.equal(server.association, far);
  assert.equal(client.boundaries, "none");
  assert.deepEqual(near.bindings, [{ carrier: "tls", suite: 0x00a8, strength: 2 }]);
  assert.deepEqual(far.bindings, near.bindings);
  await client[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

test("a legacy suite is bound as legacy", async () => {
  const near = testAssociation();
  const { client, server } = await openEnds({ clientKeys: near, suites: [0x00ae] });
  assert.deepEqual(near.bindings, [{ carrier: "tls", suite: 0x00ae, strength: 1 }]);
  await client[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

test("an association that refuses how it was bound ends the channel", async () => {
  const refusal = new SeccfError("downgrade", "it was stronger before");
  const picky = {
    ...testAssociation(),
    bound: () => {
      throw refusal;
    },
  };
  const keys = testAssociation();
  const { clock, client, server } = await startEnds({
    clientKeys: {
      async find(request, options) {
        return { ...await keys.find(request, options) ?? assert.fail(), association: picky };
      },
    },
  });
  await clock.settle();
  await assert.rejects(client, (error) => error === refusal);
  await server.then((channel) => channel[Symbol.asyncDispose](), (error) => assert.equal(error.code, "closed"));
  assert.equal(clock.pending, 0);
});

test("an association that is over when its key is found can not be bound", async () => {
  const clock = new VirtualClock();
  const clientKeys = testAssociation(undefined, startLifetime({ clock, seconds: 0 }));
  const { client, server } = await startEnds({ clock, clientKeys });
  await clock.settle();
  await assert.rejects(client, code("expired"));
  await server.then((channel) => channel[Symbol.asyncDispose](), (error) => assert.equal(error.code, "closed"));
  assert.equal(clock.pending, 0);
});

test("a peer that says nothing costs 10 s, and nothing stays of it", async () => {
  for (const side of ["client", "server"] as const) {
    const mute = (stream: ByteStream, end: "client" | "server"): ByteStream =>
      end === side ? stream : { ...silent(stream), write: () => Promise.resolve() };
    const ends = await startEnds({ wrap: mute, [side === "client" ? "server" : "client"]: { handshakeSeconds: 60 } });
    let over = false;
    ends[side].catch(() => over = true);
    await ends.clock.advance(9999);
    assert.equal(over, false);
    await ends.clock.advance(1);
    await assert.rejects(ends[side], code("timeout"));
    await assert.rejects(side === "client" ? ends.server : ends.client, SeccfError);
    assert.equal(ends.clock.pending, 0);
  }
});

/** Who hears the last word of a handshake, by version: the other end has its session before. */
const LAST: readonly (readonly [version: number, last: "client" | "server"])[] = [[0x0303, "client"], [
  0x0304,
  "server",
]];

for (const [version, last] of LAST) {
  const versions = [version];
  const name = `version ${version.toString(16)}`;
  const first = last === "client" ? "server" : "client";

  test(`${name}: a peer that stops at any byte of the handshake is a timeout, and nothing stays of it`, async () => {
    const total = await handshakeLength(versions);
    for (let count = 1; count < total; count += 7) {
      let left = count;
      const ends = await startEnds({
        versions,
        wrap: (stream) => ({
          ...silent(stream),
          async write(bytes) {
            const sent = bytes.subarray(0, left);
            left -= sent.length;
            await stream.write(sent);
          },
          [Symbol.asyncIterator]: () => stream[Symbol.asyncIterator](),
        }),
      });
      await ends.clock.advance(10_000);
      await assert.rejects(ends[last], SeccfError);
      await ends[first].then((channel) => channel[Symbol.asyncDispose](), () => {});
      assert.equal(ends.clock.pending, 0);
    }
  });

  test(`${name}: a connection cut at any byte of the handshake is an error, never a session`, async () => {
    const total = await handshakeLength(versions);
    assert.ok(total > 200);
    for (let cutAfterBytes = 0; cutAfterBytes < total; cutAfterBytes++) {
      const ends = await startEnds({ versions, connect: { cutAfterBytes } });
      await ends.clock.settle(4);
      await assert.rejects(ends[last], code("closed"), `cut after ${cutAfterBytes}`);
      // The other one may have its session; that its last word was cut it sees as an end.
      await ends[first].then(
        async (channel) => {
          await assert.rejects(channel[Symbol.asyncIterator]().next(), code("closed"));
          await channel[Symbol.asyncDispose]();
        },
        (error) => assert.equal(error.code, "closed"),
      );
      assert.equal(ends.clock.pending, 0);
    }
  });
}

test("a handshake whose Nth write fails is an error for every N, and nothing stays of it", async () => {
  let failed = 0;
  for (let nth = 1;; nth++) {
    let writes = 0;
    const disposed = { client: 0, server: 0 };
    const { clock, client, server } = await startEnds({
      wrap: (stream, end) => ({
        remote: stream.remote,
        write: (bytes) =>
          ++writes === nth ? Promise.reject(new SeccfError("closed", "the wire broke")) : stream.write(bytes),
        [Symbol.asyncIterator]: () => stream[Symbol.asyncIterator](),
        [Symbol.asyncDispose]() {
          disposed[end]++;
          return stream[Symbol.asyncDispose]();
        },
      }),
    });
    await clock.settle();
    const results = await Promise.allSettled([client, server]);
    const broken = writes >= nth;
    for (const result of results) {
      if (result.status === "fulfilled") await result.value[Symbol.asyncDispose]();
      else assert.equal(result.reason.code, "closed");
    }
    assert.equal(clock.pending, 0);
    assert.deepEqual(disposed, { client: 1, server: 1 });
    if (!broken) {
      assert.deepEqual(results.map(({ status }) => status), ["fulfilled", "fulfilled"]);
      break;
    }
    failed++;
    assert.ok(results.some(({ status }) => status === "rejected") || nth > 2);
  }
  assert.ok(failed >= 3);
});

test("a handshake under way can be aborted, and one that is aborted before it begins does not begin", async () => {
  const reason = new RangeError("not today");
  const stuck = { find: () => new Promise<undefined>(() => {}) };
  const controller = new AbortController();
  const { clock, client, server } = await startEnds({ clientKeys: stuck, client: { signal: controller.signal } });
  await clock.advance(1000);
  controller.abort(reason);
  await assert.rejects(client, (error) => error === reason);
  await assert.rejects(server, code("closed"));
  assert.equal(clock.pending, 0);

  const never = await startEnds({ client: { signal: AbortSignal.abort(reason) } });
  await never.clock.settle();
  await assert.rejects(never.client, (error) => error === reason);
  await assert.rejects(never.server, code("closed"));
  assert.equal(never.clock.pending, 0);
});

test("an abort after the handshake leaves the channel alone", async () => {
  const controller = new AbortController();
  const { client, server } = await openEnds({ client: { signal: controller.signal } });
  controller.abort();
  await client.send(Uint8Array.of(1));
  await client[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

test("a peer that talks something else is malformed at once", async () => {
  const { clock, client, server } = await startEnds({
    wrap: (stream, end) => ({
      ...silent(stream),
      write: (bytes) => stream.write(end === "client" ? new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n") : bytes),
      [Symbol.asyncIterator]: () => stream[Symbol.asyncIterator](),
    }),
  });
  await clock.settle();
  await assert.rejects(server, SeccfError);
  await assert.rejects(client, SeccfError);
  assert.equal(clock.pending, 0);
});

/** `stream` without its bytes. */
function silent(stream: ByteStream): ByteStream {
  return {
    remote: stream.remote,
    write: () => Promise.resolve(),
    // Nothing comes until the stream is given up.
    [Symbol.asyncIterator]: () => stream[Symbol.asyncIterator](),
    [Symbol.asyncDispose]: () => stream[Symbol.asyncDispose](),
  };
}

async function handshakeLength(versions: readonly number[]): Promise<number> {
  let length = 0;
  const { client, server } = await openEnds({
    versions,
    wrap: (stream) => ({
      ...silent(stream),
      write(bytes) {
        length += bytes.length;
        return stream.write(bytes);
      },
    }),
  });
  const total = length;
  await client[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  return total;
}
