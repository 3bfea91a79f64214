import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { concat } from "../../lib/bytes/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { decodeAlert } from "../../lib/tls/alert.ts";
import { decodeClientHello, encodeClientHello } from "../../lib/tls/handshake/client_hello.ts";
import { decodeClientKeyExchange } from "../../lib/tls/handshake/client_key_exchange.ts";
import { decodeFinished } from "../../lib/tls/handshake/finished.ts";
import { decodeHelloRequest } from "../../lib/tls/handshake/hello_request.ts";
import { MessageJoiner } from "../../lib/tls/handshake/message.ts";
import { decodeServerHello, encodeServerHello } from "../../lib/tls/handshake/server_hello.ts";
import { decodeServerHelloDone } from "../../lib/tls/handshake/server_hello_done.ts";
import { decodeServerKeyExchange } from "../../lib/tls/handshake/server_key_exchange.ts";
import { decodeServerName } from "../../lib/tls/handshake/server_name.ts";
import { RecordReader } from "../../lib/tls/record/record_reader.ts";
import { streamCaptures } from "../tls/captures.ts";
import { ALL_SUITES, client, type End, run, server } from "../tls/pair.ts";

const SEED = 20_260_101;

const DECODERS: Readonly<Record<string, (bytes: Uint8Array) => unknown>> = {
  decodeAlert,
  decodeClientHello,
  decodeClientKeyExchange,
  decodeFinished,
  decodeHelloRequest,
  decodeServerHello,
  decodeServerHelloDone,
  decodeServerKeyExchange,
  decodeServerName,
};

/** Real messages' bodies, to begin from. */
const CORPUS: readonly Uint8Array[] = streamCaptures().captures.slice(0, 3).flatMap(({ clientSent, serverSent }) =>
  [clientSent, serverSent].flatMap((bytes) => {
    const bodies: Uint8Array[] = [];
    for (let at = 0; at < bytes.length && bytes[at] === 22;) {
      const length = (bytes[at + 3]! << 8) | bytes[at + 4]!;
      bodies.push(bytes.slice(at + 9, at + 5 + length));
      at += 5 + length;
    }
    return bodies;
  })
).concat(streamCaptures().offersTls13.slice(9));

/** Bytes of no meaning, or a real message cut, lengthened and changed in a few places. */
const material = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.tuple(
    fc.constantFrom(...CORPUS),
    fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 4 }),
    fc.nat(400),
    fc.uint8Array({ maxLength: 4 }),
  ).map(([body, changes, length, tail]) => {
    const changed = concat(body.subarray(0, Math.max(length, body.length - length)), tail);
    for (const [at, value] of changes) if (at < changed.length) changed[at] = value;
    return changed;
  }),
);

function throwsOnlyOurs(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof SeccfError, String(error));
  }
}

for (const [name, decode] of Object.entries(DECODERS)) {
  test(`${name} throws nothing but SeccfError and leaves its input alone`, () => {
    fc.assert(
      fc.property(material, (bytes) => {
        const before = new Uint8Array(bytes);
        throwsOnlyOurs(() => decode(bytes));
        assert.deepEqual(bytes, before);
      }),
      { seed: SEED, numRuns: 300 },
    );
  });
}

test("the record reader and the joiner throw nothing but SeccfError, in any pieces", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 20 }), (pieces) => {
      const reader = new RecordReader([22, 21]);
      const joiner = new MessageJoiner();
      throwsOnlyOurs(() => {
        for (const piece of pieces) {
          reader.push(piece);
          for (let record = reader.next(); record; record = reader.next()) {
            joiner.push(record.payload);
            while (joiner.next(4096));
          }
          joiner.settle();
          reader.settle();
          assert.ok(reader.held < 5 + 4100);
        }
      });
    }),
    { seed: SEED, numRuns: 500 },
  );
});

test("what a ClientHello or ServerHello says comes out as it went in", () => {
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
  const number = fc.nat(0xffff).filter((each) => each !== 0x00ff);
  const clientHello = fc.record({
    version: fc.integer({ min: 0x0300, max: 0xffff }),
    random: bytes(32),
    sessionId: fc.uint8Array({ maxLength: 32 }),
    suites: fc.array(number, { minLength: 1, maxLength: 40 }),
    serverName: fc.option(fc.domain(), { nil: undefined }),
    extendedMasterSecret: fc.boolean(),
    encryptThenMac: fc.boolean(),
    renegotiationInfo: fc.boolean(),
    supportedVersions: fc.option(fc.array(fc.nat(0xffff), { minLength: 1, maxLength: 10 }), { nil: undefined }),
  }, { noNullPrototype: true });
  fc.assert(
    fc.property(clientHello, (hello) => {
      assert.deepEqual(decodeClientHello(encodeClientHello(hello)), hello);
    }),
    { seed: SEED, numRuns: 200 },
  );
  const serverHello = fc.record({
    version: fc.nat(0xffff),
    random: bytes(32),
    sessionId: fc.uint8Array({ maxLength: 32 }),
    suite: fc.nat(0xffff),
    serverName: fc.boolean(),
    extendedMasterSecret: fc.boolean(),
    encryptThenMac: fc.boolean(),
    renegotiationInfo: fc.boolean(),
  }, { noNullPrototype: true });
  fc.assert(
    fc.property(serverHello, (hello) => {
      assert.deepEqual(decodeServerHello(encodeServerHello(hello)), hello);
    }),
    { seed: SEED, numRuns: 200 },
  );
});

/** Whatever came, an engine is as it was or has ended with a SeccfError, and what it holds is bounded. */
function check(end: End): void {
  if (end.closed?.error) assert.ok(end.closed.error instanceof SeccfError, String(end.closed.error));
  if (end.code !== "open") assert.equal(end.engine.deadline, undefined);
}

test("an engine that is fed anything throws nothing and makes no session of it", () => {
  const record = fc.tuple(
    fc.constantFrom(20, 21, 22, 22, 22, 23, 24, 128),
    fc.constantFrom(0x0303, 0x0303, 0x0301, 0xfefd),
    material,
  ).map(([type, version, body]) =>
    concat(Uint8Array.of(type, version >> 8, version & 255, body.length >> 8, body.length), body)
  );
  fc.assert(
    fc.property(fc.boolean(), fc.array(fc.oneof(record, material), { maxLength: 8 }), (isClient, pieces) => {
      const end = isClient ? client() : server();
      for (const piece of pieces) {
        end.receive(piece);
        check(end);
      }
      assert.equal(end.session, undefined);
    }),
    { seed: SEED, numRuns: 500 },
  );
});

test("a handshake with changes on its way throws nothing, and whoever was changed has no session", () => {
  const change = fc.record({
    suite: fc.constantFrom(...ALL_SUITES),
    flight: fc.nat(3),
    kind: fc.constantFrom("replace", "insert", "delete", "double", "swap"),
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    length: fc.integer({ min: 1, max: 20 }),
    value: fc.uint8Array({ minLength: 20, maxLength: 20 }),
  });
  fc.assert(
    fc.property(change, ({ suite, flight, kind, at, length, value }) => {
      let changed = false;
      const left = client({ suites: [suite] });
      const right = server({ suites: [suite] });
      const flights = run(left, right, (bytes, index) => {
        if (index !== flight) return bytes;
        const start = Math.floor(at * bytes.length);
        const head = bytes.subarray(0, start);
        const tail = bytes.subarray(start);
        const insert = value.subarray(0, length);
        const result = {
          replace: () => concat(head, insert.subarray(0, tail.length), tail.subarray(length)),
          insert: () => concat(head, insert, tail),
          delete: () => concat(head, tail.subarray(length)),
          double: () => concat(bytes, bytes),
          swap: () => concat(tail, head),
        }[kind]();
        // The minor version in the first record's header is free (RFC 5246 E.1).
        changed = flight !== 0 || String(result.with(2, 3)) !== String(bytes.with(2, 3));
        changed &&= String(result) !== String(bytes);
        return result;
      });
      check(left);
      check(right);
      // A change behind the last message of a whole handshake comes too late to prevent the session; it ends it.
      const behind = kind === "double" && flight >= 2;
      if (!changed || behind) return;
      assert.equal((flights[flight]!.from === "client" ? right : left).session, undefined);
    }),
    { seed: SEED, numRuns: 400 },
  );
});

test("a session that is fed anything throws nothing, hands out nothing and ends", () => {
  fc.assert(
    fc.property(fc.constantFrom(...ALL_SUITES), fc.uint8Array({ minLength: 1, maxLength: 200 }), (suite, bytes) => {
      const left = client({ suites: [suite] });
      const right = server({ suites: [suite] });
      run(left, right);
      right.receive(bytes);
      check(right);
      // Whatever is left of a header is made to be a record.
      right.receive(new Uint8Array(17_000));
      check(right);
      assert.deepEqual(right.data, []);
      assert.notEqual(right.code, "open");
    }),
    { seed: SEED, numRuns: 150 },
  );
});
