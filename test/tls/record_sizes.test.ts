// RFC 8449 and RFC 6066 4: how much a record holds, on streams and datagrams, in every version.
import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, fromHex } from "../../lib/bytes/mod.ts";
import { decodeClientHello, encodeClientHello } from "../../lib/tls/handshake/client_hello.ts";
import { decodeServerHello, encodeServerHello, type ServerHello } from "../../lib/tls/handshake/server_hello.ts";
import { chooseSizes, type SizeExtensions } from "../../lib/tls/record_sizes.ts";
import { client as datagramClient, Front, run as runDatagrams } from "./datagrams.ts";
import { Puppet as DatagramPuppet } from "./datagram_puppet.ts";
import { CBC_SHA256, client, type End, GCM, run, server, shapeOf } from "./pair.ts";
import { asClient, Puppet } from "./puppet.ts";

const VERSIONS = [0x0303, 0x0304] as const;

function established(
  left: Parameters<typeof client>[0],
  right: Parameters<typeof server>[0],
): { left: End; right: End } {
  const near = client(left);
  const far = server(right);
  run(near, far);
  assert.ok(near.session && far.session, `${near.code} ${far.code}`);
  return { left: near, right: far };
}

/** The content of each record that `bytes` has, of GCM's. */
const contents = (bytes: Uint8Array, version: number) =>
  shapeOf(bytes).map((each) => Number(each.split(":")[1]) - (version === 0x0303 ? 24 : 17));

test("a client asks with both extensions for what its limit allows, and says nothing without one", () => {
  const cases: readonly (readonly [number | undefined, number | undefined])[] = [
    [undefined, undefined],
    [64, undefined],
    [511, undefined],
    [512, 1],
    [1023, 1],
    [1024, 2],
    [2048, 3],
    [4095, 3],
    [4096, 4],
    [16_384, 4],
  ];
  for (const [recordSizeLimit, code] of cases) {
    const hello = decodeClientHello(
      client(recordSizeLimit === undefined ? {} : { recordSizeLimit }).sent().subarray(9),
    );
    assert.equal(hello.recordSizeLimit, recordSizeLimit);
    assert.equal(hello.maxFragmentLength, code);
  }
  for (const recordSizeLimit of [63, 0, 16_385, 512.5, NaN]) {
    assert.throws(() => client({ recordSizeLimit }), RangeError);
    assert.throws(() => server({ recordSizeLimit }), RangeError);
  }
});

test("both ends keep to what the other takes, each in its own direction, whatever is sent at a time", () => {
  for (const version of VERSIONS) {
    const inside = version === 0x0304 ? 1 : 0;
    for (const near of [undefined, 64, 1000, 16_384]) {
      for (const far of [undefined, 64, 700, 16_384]) {
        const suites = { versions: [version], suites: version === 0x0303 ? [GCM] : [0x1301] };
        const { left, right } = established(
          { ...suites, ...(near && { recordSizeLimit: near }) },
          { ...suites, ...(far && { recordSizeLimit: far }) },
        );
        const data = new Uint8Array(20_000).map((_, i) => i % 251);
        const up = left.send(data);
        const down = right.send(data);
        right.receive(up);
        left.receive(down);
        assert.deepEqual(concat(...right.data), data);
        assert.deepEqual(concat(...left.data), data);
        // The server only says what it takes to a client that brings it up.
        const toServer = near && far ? Math.min(far - inside, 16_384) : 16_384;
        const toClient = near ? near - inside : 16_384;
        assert.equal(Math.max(...contents(up, version)), toServer, `${version} ${near} ${far}`);
        assert.equal(Math.max(...contents(down, version)), toClient, `${version} ${near} ${far}`);
      }
    }
  }
});

/** A server's answer to a hello with these extensions. */
function answerTo(offer: SizeExtensions, options: Parameters<typeof server>[0] = {}): SizeExtensions {
  const sent = server(options).receive(new Puppet("client").clientHello(offer));
  const { recordSizeLimit, maxFragmentLength } = decodeServerHello(sent.subarray(9, 5 + ((sent[3]! << 8) | sent[4]!)));
  return { ...(recordSizeLimit && { recordSizeLimit }), ...(maxFragmentLength && { maxFragmentLength }) };
}

test("a server answers what it was asked: the newer extension before the older, and its own limit or the most", () => {
  assert.deepEqual(answerTo({}), {});
  assert.deepEqual(answerTo({}, { recordSizeLimit: 100 }), {});
  assert.deepEqual(answerTo({ recordSizeLimit: 64 }), { recordSizeLimit: 16_384 });
  assert.deepEqual(answerTo({ recordSizeLimit: 64 }, { recordSizeLimit: 100 }), { recordSizeLimit: 100 });
  assert.deepEqual(answerTo({ recordSizeLimit: 64, maxFragmentLength: 1 }), { recordSizeLimit: 16_384 });
  for (const maxFragmentLength of [1, 2, 3, 4]) {
    assert.deepEqual(answerTo({ maxFragmentLength }), { maxFragmentLength });
    assert.deepEqual(answerTo({ maxFragmentLength }, { recordSizeLimit: 70 }), { maxFragmentLength });
  }
  const policy = { recordSizeLimit: undefined } as never;
  const hello = decodeClientHello(new Puppet("client").clientHelloBody({ recordSizeLimit: 65_535 }));
  // RFC 8449 4: more than the most is no error, and no more than the most. In version 1.3 the type counts.
  assert.deepEqual(chooseSizes(hello, policy, 0x0303)?.sizes, { sent: 16_384, received: 16_384 });
  assert.deepEqual(chooseSizes(hello, policy, 0x0304), {
    sizes: { sent: 16_384, received: 16_384 },
    answer: { recordSizeLimit: 16_385 },
  });
  const small = decodeClientHello(encodeClientHello({ ...hello, recordSizeLimit: 64 }));
  assert.equal(chooseSizes(small, policy, 0xfefc)?.sizes.sent, 63);
  assert.equal(chooseSizes(small, policy, 0xfefd)?.sizes.sent, 64);
});

test("a limit below 64, a code that does not exist, and either with a wrong length end the handshake", () => {
  const body = (extension: string) => {
    const hello = new Puppet("client").clientHelloBody({});
    const bytes = fromHex(extension);
    const at = 2 + 32 + 1 + 2 + 2 + 2;
    const length = ((hello[at]! << 8) | hello[at + 1]!) + bytes.length;
    return concat(hello.subarray(0, at), Uint8Array.of(length >> 8, length), bytes, hello.subarray(at + 2));
  };
  const cases: readonly (readonly [string, number])[] = [
    ["001c0002003f", 47],
    ["001c00020000", 47],
    ["001c000140", 50],
    ["001c0003004000", 50],
    ["0001000100", 47],
    ["0001000105", 47],
    ["000100020101", 50],
    ["00010000", 50],
  ];
  for (const [extension, alert] of cases) {
    const end = server();
    const sent = end.receive(new Puppet("client").message(1, body(extension)));
    assert.equal(sent[6], alert, extension);
    assert.equal(end.code, "malformed");
  }
});

test("a client takes no answer to what it did not ask, none of both kinds, and no other size than it asked for", () => {
  const cases: readonly (readonly [number | undefined, Partial<ServerHello>, number | undefined])[] = [
    [undefined, { recordSizeLimit: 16_384 }, 110],
    [undefined, { maxFragmentLength: 1 }, 110],
    [100, { maxFragmentLength: 1 }, 110],
    [1024, { recordSizeLimit: 512, maxFragmentLength: 2 }, 47],
    [1024, { maxFragmentLength: 1 }, 47],
    [1024, { maxFragmentLength: 2 }, undefined],
    [1024, { recordSizeLimit: 64 }, undefined],
    [1024, {}, undefined],
  ];
  for (const [recordSizeLimit, said, alert] of cases) {
    const end = client(recordSizeLimit === undefined ? {} : { recordSizeLimit }, () => undefined);
    end.sent();
    const sent = end.receive(new Puppet("server").serverHello(said));
    assert.equal(sent[6], alert, JSON.stringify(said));
  }
  // Of 63 it can not even be read.
  const end = client({ recordSizeLimit: 1024 }, () => undefined);
  end.sent();
  const puppet = new Puppet("server");
  const body = puppet.serverHelloBody({ recordSizeLimit: 64 });
  assert.deepEqual(encodeServerHello(decodeServerHello(body)), body);
  const at = body.findIndex((_, i) => body.subarray(i, i + 6).join() === "0,28,0,2,0,64");
  assert.equal(end.receive(puppet.message(2, body.with(at + 5, 63)))[6], 47);
});

test("a record beyond the limit is record_overflow on a stream, at the limit it is not, and before an agreement neither", () => {
  for (const suite of [GCM, CBC_SHA256]) {
    for (const offer of [{ recordSizeLimit: 16_384 }, { maxFragmentLength: 1 }, {}]) {
      const limit = offer.maxFragmentLength ? 512 : offer.recordSizeLimit ? 700 : 16_384;
      for (const [length, code] of [[limit, "open"], [limit + 1, "too-large"]] as const) {
        const end = server({ suites: [suite], recordSizeLimit: 700 });
        const puppet = new Puppet("client", { suite, offer });
        asClient(puppet, (bytes) => end.receive(bytes));
        assert.ok(end.session);
        const heard = puppet.hear(end.receive(puppet.sealed(23, 1, length)));
        assert.equal(end.code, code);
        assert.deepEqual(heard.map(({ payload }) => [...payload]), code === "open" ? [] : [[2, 22]]);
      }
    }
  }
});

test("on datagrams what is too long for the peer is too-large before it is sent, and dropped where it comes", () => {
  for (const versions of [[0xfefd], [0xfefc]]) {
    const suites = versions[0] === 0xfefd ? [GCM] : [0x1301];
    for (const connectionId of [false, fromHex("aabb")] as const) {
      for (const [near, far] of [[200, 300], [64, 16_384], [1000, 64]] as const) {
        const left = datagramClient({ versions, suites, connectionId, recordSizeLimit: near });
        const front = new Front({ versions, suites, recordSizeLimit: far });
        runDatagrams(left, front);
        const right = front.last;
        assert.ok(left.session && right.session, `${left.code} ${right.code}`);
        const most = (limit: number) => limit - (versions[0] === 0xfefc || connectionId ? 1 : 0);
        for (const [from, to, limit] of [[left, right, most(far)], [right, left, most(near)]] as const) {
          if (limit > 1000) continue;
          assert.throws(() => from.engine.send(new Uint8Array(limit + 1), 0), { code: "too-large" });
          to.receive(from.send(new Uint8Array(limit)));
          assert.deepEqual(to.data.map((data) => data.length), [limit]);
        }
      }
    }
  }
  const puppet = new DatagramPuppet("client");
  const end = puppet.server({ recordSizeLimit: 100 });
  puppet.hear(...end.receive(puppet.clientHello({ recordSizeLimit: 16_384 })));
  for (const step of ["clientKeyExchange", "changeCipherSpec", "finished"] as const) end.receive(puppet[step]());
  assert.ok(end.session);
  assert.deepEqual(end.receive(puppet.record(23, new Uint8Array(101))), []);
  assert.deepEqual(end.receive(puppet.record(23, new Uint8Array(100))), []);
  assert.deepEqual(end.data.map((data) => data.length), [100]);
});
