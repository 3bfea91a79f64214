import assert from "node:assert/strict";
import test from "node:test";
import type { FoundKey, KeySource } from "../../lib/association/ports.ts";
import { toHex } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { code, IDENTITY, OTHER_KEY, readOne, startEnds, testAssociation, testKeys } from "./fixtures.ts";
import { VirtualClock } from "../support/virtual.ts";

/** Answers after `ms` on the clock. */
function slow(clock: VirtualClock, ms: number, association = testAssociation()): KeySource {
  return {
    async find(request, options) {
      await new Promise<void>((resolve) => clock.alarm(clock.now() + ms, resolve));
      return await association.find(request, options);
    },
  };
}

const never: KeySource = { find: () => new Promise(() => {}) };

test("[SEC_CF-KEM-001] a server's key source that needs 4.9 s is waited for", async () => {
  const clock = new VirtualClock();
  const ends = await startEnds({ clock, serverKeys: slow(clock, 4900) });
  await clock.advance(4900);
  const [client, server] = [await ends.client, await ends.server];
  await client.send(Uint8Array.of(1, 2, 3));
  assert.deepEqual(await readOne(server), Uint8Array.of(1, 2, 3));
  await client[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
});

test("a server's key source that needs 5.1 s has not answered, and the key that comes late is wiped", async () => {
  const clock = new VirtualClock();
  const association = testAssociation();
  const ends = await startEnds({ clock, serverKeys: slow(clock, 5100, association) });
  await clock.advance(4999);
  assert.equal(association.handedOut.length, 0);
  await clock.advance(1);
  await assert.rejects(ends.server, code("key-unavailable"));
  await assert.rejects(ends.client, code("auth-failed"));
  await clock.advance(200);
  assert.throws(() => association.handedOut[0]?.key.byteLength, code("state"));
  assert.equal(clock.pending, 0);
});

test("a client's key source that needs 5.1 s has not answered", async () => {
  const clock = new VirtualClock();
  const ends = await startEnds({ clock, clientKeys: slow(clock, 5100) });
  await clock.advance(5200);
  await assert.rejects(ends.client, code("key-unavailable"));
  await assert.rejects(ends.server, SeccfError);
  assert.equal(clock.pending, 0);
});

test("the time for a key is an option", async () => {
  const clock = new VirtualClock();
  const ends = await startEnds({ clock, serverKeys: slow(clock, 500), server: { keySeconds: 0.4 } });
  await clock.advance(400);
  await assert.rejects(ends.server, code("key-unavailable"));
  await assert.rejects(ends.client, code("auth-failed"));
});

test("a key source that never answers ends in key-unavailable on either side, with nothing left behind", async () => {
  for (const side of ["client", "server"] as const) {
    const { clock, client, server } = await startEnds({ [`${side}Keys`]: never });
    await clock.advance(5000);
    await assert.rejects(side === "client" ? client : server, code("key-unavailable"));
    await assert.rejects(side === "client" ? server : client, SeccfError);
    assert.equal(clock.pending, 0);
  }
});

test("on the client the key source's own error surfaces", async () => {
  const own = new SeccfError("pin-required", "the card wants its PIN");
  const { clock, client, server } = await startEnds({ clientKeys: { find: () => Promise.reject(own) } });
  await clock.settle();
  await assert.rejects(client, (error) => error === own);
  await assert.rejects(server, SeccfError);
  assert.equal(clock.pending, 0);
});

test("a key source that fails in other words is key-unavailable, with the cause kept", async () => {
  const cause = new TypeError("no network");
  const failing: KeySource[] = [
    { find: () => Promise.reject(cause) },
    {
      find() {
        throw cause;
      },
    },
  ];
  for (const keys of failing) {
    for (const side of ["client", "server"] as const) {
      const { clock, client, server } = await startEnds({ [`${side}Keys`]: keys });
      await clock.settle();
      await assert.rejects(side === "client" ? client : server, { code: "key-unavailable", cause });
    }
  }
});

test("a client whose association has no key gets key-unavailable", async () => {
  const { clock, client } = await startEnds({ clientKeys: { find: () => Promise.resolve(undefined) } });
  await clock.settle();
  await assert.rejects(client, code("key-unavailable"));
});

test("a key source that answers twice is heard once", async () => {
  const association = testAssociation();
  const twice: KeySource = {
    find(request, options) {
      const found = association.find(request, options);
      const foreign: FoundKey = { identity: IDENTITY, key: secretFrom(OTHER_KEY), association };
      const thenable = {
        then(resolve: (answer: unknown) => void) {
          resolve(found);
          resolve(foreign);
          throw new TypeError("and then it fails");
        },
      };
      return Promise.resolve(thenable as never);
    },
  };
  const { clock, client, server } = await startEnds({ serverKeys: twice });
  await clock.settle();
  assert.equal((await server).association, association);
  await (await client)[Symbol.asyncDispose]();
  await (await server)[Symbol.asyncDispose]();
});

test("a key that does not fit is as good as none", async () => {
  const keys = testKeys(testAssociation(new Uint8Array(600)));
  const { clock, client, server } = await startEnds({ serverKeys: keys });
  await clock.settle();
  await assert.rejects(server, code("key-unavailable"));
  await assert.rejects(client, code("auth-failed"));
});

/** The alert that a wrong key gets: bad_record_mac (20, RFC 5246 7.2.2), or decrypt_error (51, RFC 8446 4.2.11). */
const VERSIONS = [["TLS 1.2", 0x0303, "14"], ["TLS 1.3", 0x0304, "33"]] as const;

for (const [name, version, alert] of VERSIONS) {
  test(`${name}: wrong key, unknown identity, a source that fails: each has its own code here and the same bytes on the wire`, async () => {
    const cases: { readonly keys: KeySource; readonly code: string }[] = [
      { keys: testKeys(testAssociation(OTHER_KEY)), code: "auth-failed" },
      { keys: { find: () => Promise.resolve(undefined) }, code: "auth-failed" },
      { keys: { find: () => Promise.reject(new SeccfError("unreachable", "no Key Manager")) }, code: "unreachable" },
      { keys: { find: () => Promise.reject(new SeccfError("expired", "the Ks is over")) }, code: "expired" },
      { keys: testKeys(testAssociation(new Uint8Array(600))), code: "key-unavailable" },
    ];
    const wires = new Set<string>();
    for (const { keys, code: expected } of cases) {
      let wire = "";
      const { clock, client, server } = await startEnds({
        serverKeys: keys,
        versions: [version],
        wrap: (stream, end) =>
          end === "client" ? stream : {
            remote: stream.remote,
            write(bytes, wait) {
              wire += toHex(bytes);
              return stream.write(bytes, wait);
            },
            [Symbol.asyncIterator]: () => stream[Symbol.asyncIterator](),
            [Symbol.asyncDispose]: () => stream[Symbol.asyncDispose](),
          },
      });
      await clock.settle();
      await assert.rejects(server, code(expected));
      await assert.rejects(client, code("auth-failed"));
      assert.equal(clock.pending, 0);
      wires.add(wire);
    }
    assert.equal(wires.size, 1);
    // The last record is an alert, and fatal (2).
    assert.ok([...wires][0]?.endsWith(`150303000202${alert}`));
  });
}

test("a wrong key on the client is auth-failed on both sides", async () => {
  const { clock, client, server } = await startEnds({ clientKeys: testAssociation(OTHER_KEY) });
  await clock.settle();
  await assert.rejects(server, code("auth-failed"));
  await assert.rejects(client, code("auth-failed"));
});

test("a client that goes away ends the search for its key", async () => {
  let signal: AbortSignal | undefined;
  const keys: KeySource = {
    find(_request, options) {
      signal = options.signal;
      return new Promise(() => {});
    },
  };
  const controller = new AbortController();
  const { clock, client, server } = await startEnds({ serverKeys: keys, client: { signal: controller.signal } });
  await clock.settle();
  assert.equal(signal?.aborted, false);
  controller.abort(new TypeError("changed my mind"));
  await clock.settle();
  assert.equal(signal?.aborted, true);
  await assert.rejects(client, { name: "TypeError", message: "changed my mind" });
  await assert.rejects(server, code("closed"));
  assert.equal(clock.pending, 0);
});

test("a source that aborts the handshake while it is asked ends it cleanly", async () => {
  const controller = new AbortController();
  const reason = new RangeError("the card was pulled out");
  const keys: KeySource = {
    find() {
      controller.abort(reason);
      return Promise.resolve(undefined);
    },
  };
  const { clock, client, server } = await startEnds({ clientKeys: keys, client: { signal: controller.signal } });
  await clock.settle();
  await assert.rejects(client, (error) => error === reason);
  await assert.rejects(server, code("closed"));
  assert.equal(clock.pending, 0);
});

test("every key that a source hands out is wiped after use", async () => {
  const association = testAssociation();
  const { clock, client, server } = await startEnds({ clientKeys: association, serverKeys: testKeys(association) });
  await clock.settle();
  assert.equal(association.handedOut.length, 2);
  for (const { key } of association.handedOut) assert.throws(() => key.byteLength, code("state"));
  await (await client)[Symbol.asyncDispose]();
  await (await server)[Symbol.asyncDispose]();
});

test("a source learns the suite, and on a server the identity and the name that the client sent", async () => {
  const association = testAssociation();
  const { clock, client } = await startEnds({
    clientKeys: association,
    serverKeys: testKeys(association),
    suites: [0x00a8],
  });
  await clock.settle();
  await (await client)[Symbol.asyncDispose]();
  assert.deepEqual(association.requests, [
    { use: { kind: "tls", suite: 0x00a8 } },
    { use: { kind: "tls", suite: 0x00a8 }, identity: IDENTITY },
  ]);
});
