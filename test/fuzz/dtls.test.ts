import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readFileSync } from "node:fs";
import { concat, fromHex, Reader } from "../../lib/bytes/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { decodeClientHello, encodeClientHello } from "../../lib/tls/handshake/client_hello.ts";
import { encodeFragment, readFragment } from "../../lib/tls/handshake/fragment.ts";
import { decodeHelloVerifyRequest } from "../../lib/tls/handshake/hello_verify_request.ts";
import { decodeServerHello, encodeServerHello } from "../../lib/tls/handshake/server_hello.ts";
import { recordAt } from "../../lib/tls/record/datagram_reader.ts";
import { decodePathMessage } from "../../lib/tls/return_routability.ts";
import { client, Front, type Peer, run } from "../tls/datagrams.ts";
import { ALL_SUITES, GCM } from "../tls/pair.ts";

const SEED = 20_260_102;

/** Real datagrams of OpenSSL and mbedTLS, to begin from. */
const CORPUS: readonly Uint8Array[] = JSON.parse(
  readFileSync(new URL("../vectors/tls/datagrams.json", import.meta.url), "utf8"),
).captures.flatMap(({ datagrams }: { datagrams: string[] }) => datagrams.map((each) => fromHex(each.slice(1))));

/** Bytes of no meaning, or a real datagram cut, lengthened and changed in a few places. */
const material = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.tuple(
    fc.constantFrom(...CORPUS),
    fc.array(fc.tuple(fc.nat(260), fc.nat(255)), { maxLength: 4 }),
    fc.nat(260),
    fc.uint8Array({ maxLength: 4 }),
  ).map(([datagram, changes, length, tail]) => {
    const changed = concat(datagram.subarray(0, Math.max(length, datagram.length - length)), tail);
    for (const [at, value] of changes) if (at < changed.length) changed[at] = value;
    return changed;
  }),
);

const DECODERS: Readonly<Record<string, (bytes: Uint8Array) => unknown>> = {
  "decodeClientHello of a datagram": (bytes) => decodeClientHello(bytes.subarray(25), "datagram"),
  "decodeServerHello": (bytes) => decodeServerHello(bytes.subarray(25)),
  "decodeHelloVerifyRequest": (bytes) => decodeHelloVerifyRequest(bytes.subarray(25)),
  "decodePathMessage": decodePathMessage,
  "readFragment": (bytes) => readFragment(new Reader(bytes.subarray(13))),
  "recordAt": (bytes) => (bytes.length > 0 ? recordAt(bytes, 0, 8) : undefined),
};

for (const [name, decode] of Object.entries(DECODERS)) {
  test(`${name} throws nothing but SeccfError and leaves its input alone`, () => {
    fc.assert(
      fc.property(material, (bytes) => {
        const before = new Uint8Array(bytes);
        try {
          decode(bytes);
        } catch (error) {
          assert.ok(error instanceof SeccfError, String(error));
        }
        assert.deepEqual(bytes, before);
      }),
      { seed: SEED, numRuns: 300 },
    );
  });
}

test("what a hello on datagrams says comes out as it went in", () => {
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
  const id = fc.option(fc.uint8Array({ maxLength: 255 }), { nil: undefined });
  fc.assert(
    fc.property(
      bytes(32),
      fc.uint8Array({ maxLength: 255 }),
      id,
      fc.boolean(),
      (random, cookie, connectionId, check) => {
        const ids = {
          ...(connectionId && { connectionId }),
          ...(connectionId && check && { returnRoutability: true as const }),
        };
        const hello = {
          version: 0xfefd,
          random,
          sessionId: new Uint8Array(0),
          cookie,
          suites: [GCM],
          serverName: undefined,
          extendedMasterSecret: true,
          encryptThenMac: false,
          renegotiationInfo: true,
          supportedVersions: undefined,
          ...ids,
        };
        assert.deepEqual(decodeClientHello(encodeClientHello(hello), "datagram"), hello);
        const answer = {
          version: 0xfefd,
          random,
          sessionId: new Uint8Array(0),
          suite: GCM,
          serverName: false,
          extendedMasterSecret: true,
          encryptThenMac: false,
          renegotiationInfo: true,
          ...ids,
        };
        assert.deepEqual(decodeServerHello(encodeServerHello(answer)), answer);
      },
    ),
    { seed: SEED, numRuns: 200 },
  );
});

/** Whatever came, an engine is as it was or has ended with a SeccfError. */
function check(peer: Peer): void {
  if (peer.closed?.error) assert.ok(peer.closed.error instanceof SeccfError, String(peer.closed.error));
  assert.notEqual(peer.code, "state");
}

test("an engine and an acceptor that are fed anything throw nothing and make no session of it", () => {
  fc.assert(
    fc.property(fc.array(material, { maxLength: 10 }), (datagrams) => {
      const left = client();
      const front = new Front();
      for (const datagram of datagrams) {
        left.receive(datagram);
        front.receive(datagram, "c:1");
        check(left);
      }
      assert.equal(left.session, undefined);
      for (const peer of front.peers.values()) assert.equal(peer.session, undefined);
      left.engine.expire(30_000);
      left.drain();
      front.expire(30_000);
      assert.deepEqual(front.acceptor.counts, { engines: 0, entries: 0, handshakes: 0 });
    }),
    { seed: SEED, numRuns: 400 },
  );
});

test("fragments of any kind in a handshake throw nothing, hold little and make no session", () => {
  const fragment = fc.record({
    type: fc.constantFrom(0, 1, 2, 3, 4, 12, 14, 16, 20, 99),
    length: fc.oneof(fc.nat(60), fc.nat(0xffffff)),
    messageSeq: fc.oneof(fc.nat(6), fc.nat(0xffff)),
    offset: fc.oneof(fc.nat(40), fc.nat(0xffffff)),
    body: fc.uint8Array({ maxLength: 60 }),
  });
  fc.assert(
    fc.property(fc.array(fragment, { maxLength: 12 }), fc.boolean(), (fragments, together) => {
      const left = client();
      const framed = fragments.map(encodeFragment);
      const bodies = together ? [concat(...framed)] : framed;
      for (const body of bodies) {
        const header = Uint8Array.of(22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, body.length >> 8, body.length);
        left.receive(concat(header, body));
        check(left);
      }
      assert.equal(left.session, undefined);
    }),
    { seed: SEED, numRuns: 400 },
  );
});

test("a session that is fed anything drops it, and what was sent before still comes", () => {
  fc.assert(
    fc.property(fc.constantFrom(...ALL_SUITES), fc.array(material, { maxLength: 6 }), (suite, datagrams) => {
      const left = client({ suites: [suite] });
      const front = new Front({ suites: [suite] });
      run(left, front);
      const sent = left.send(Uint8Array.of(1, 2, 3));
      const back = front.last.send(Uint8Array.of(4, 5));
      for (const datagram of datagrams) {
        front.receive(datagram, "c:1");
        left.receive(datagram);
      }
      front.receive(sent, "c:1");
      left.receive(back);
      assert.deepEqual([...front.peers.values()][0]!.data, [Uint8Array.of(1, 2, 3)]);
      assert.deepEqual(left.data, [Uint8Array.of(4, 5)]);
    }),
    { seed: SEED, numRuns: 150 },
  );
});
