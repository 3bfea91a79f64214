import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, fromHex, Reader, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { CookieJar } from "../../lib/tls/cookie.ts";
import { decodeClientHello, encodeClientHello } from "../../lib/tls/handshake/client_hello.ts";
import { encodeFragment, readFragment } from "../../lib/tls/handshake/fragment.ts";
import { decodeServerHello, isRetryRequest } from "../../lib/tls/handshake/server_hello.ts";
import { seededRandom } from "../support/virtual.ts";
import { BOTH_VERSIONS, client, Front, run, VERSION_13 } from "./datagrams.ts";
import { unknowing } from "./pair.ts";

const ILLEGAL_PARAMETER = /^15fefd0000.{12}0002022f$/;
const HANDSHAKE_FAILURE = /^15fefd0000.{12}00020228$/;

/** Both hellos of a client at `from`, the second with the cookie that `front` gave. */
function hellos(front: Front, from = "c:1", seed = 1): { first: Uint8Array; retry: Uint8Array; second: Uint8Array } {
  const left = client({ ...VERSION_13, random: seededRandom(seed) });
  const [first] = left.sent();
  const [retry] = front.receive(first!, from);
  const [second] = left.receive(retry!.bytes);
  return { first: first!, retry: retry!.bytes, second: second! };
}

/** The same hello with some fields changed, its binder as it was. */
function changed(datagram: Uint8Array, change: (hello: ReturnType<typeof decodeClientHello>) => object): Uint8Array {
  const { body, messageSeq, type } = readFragment(new Reader(datagram.subarray(13)));
  const hello = decodeClientHello(body, "datagram");
  const encoded = encodeClientHello({ ...hello, ...change(hello) });
  const framed = encodeFragment({ type, length: encoded.length, messageSeq, offset: 0, body: encoded });
  return concat(datagram.subarray(0, 11), Uint8Array.of(framed.length >> 8, framed.length), framed);
}

test("strangers get a HelloRetryRequest that is no longer than their hello, and leave nothing behind (RFC 9147 5.1)", () => {
  const front = new Front(VERSION_13);
  for (let i = 0; i < 1000; i++) {
    const [first] = client({ ...VERSION_13, random: seededRandom(i), groups: [i % 2 ? 0x1d : 0x17] }).sent();
    const [retry] = front.receive(first!, `10.0.${i >> 8}.${i & 255}:1`);
    assert.ok(retry!.bytes.length <= first!.length);
    const { body, messageSeq } = readFragment(new Reader(retry!.bytes.subarray(13)));
    assert.ok(messageSeq === 0 && isRetryRequest(decodeServerHello(body)));
  }
  assert.deepEqual(front.acceptor.counts, { engines: 0, entries: 0, handshakes: 0 });
  assert.equal(front.acceptor.deadline, undefined);
});

test("a hello that is shorter than its answer would be gets none", () => {
  const front = new Front(VERSION_13);
  const [first] = client(VERSION_13).sent();
  const psk = { identities: [{ identity: Uint8Array.of(1), obfuscatedAge: 0 }], binders: [new Uint8Array(32)] };
  const short = changed(first!, () => ({
    ...{ serverName: undefined, supportedGroups: undefined, keyShares: undefined, pointFormats: undefined },
    ...{ connectionId: undefined, returnRoutability: undefined, suites: [0x1301], offeredPsks: psk, pskModes: [0] },
    supportedVersions: [0xfefc],
  }));
  assert.ok(short.length < 140, `${short.length}`);
  const answers = front.receive(short, "c:1");
  for (const { bytes } of answers) assert.ok(bytes.length <= short.length);
});

test("a cookie is good from its address, for its hello, for one to two minutes, and in every bit", () => {
  const front = new Front(VERSION_13);
  const { second } = hellos(front);
  const cookieAt = toHex(second).indexOf(toHex(decodeClientHello(second.subarray(25), "datagram").retryCookie!)) / 2;
  const { length } = decodeClientHello(second.subarray(25), "datagram").retryCookie!;
  for (let bit = 8 * cookieAt; bit < 8 * (cookieAt + length); bit++) {
    const flipped = new Uint8Array(second);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    const answers = front.receive(flipped, "c:1");
    assert.equal(answers.length, 1);
    assert.match(toHex(answers[0]!.bytes), ILLEGAL_PARAMETER, `bit ${bit - 8 * cookieAt}`);
  }
  assert.match(toHex(front.receive(second, "c:2")[0]!.bytes), ILLEGAL_PARAMETER);
  const other = changed(second, () => ({ random: new Uint8Array(32).fill(9) }));
  assert.match(toHex(front.receive(other, "c:1")[0]!.bytes), ILLEGAL_PARAMETER);
  for (const cookie of [1, 4, 19, 20, 300]) {
    const wrong = changed(second, () => ({ retryCookie: new Uint8Array(cookie) }));
    assert.match(toHex(front.receive(wrong, "c:1")[0]!.bytes), ILLEGAL_PARAMETER, `${cookie} bytes`);
  }
  assert.equal(front.acceptor.counts.engines, 0);
  front.now = 60_001;
  front.receive(second, "c:1");
  assert.equal(front.acceptor.counts.engines, 1);
  const late = new Front(VERSION_13);
  const { second: old } = hellos(late);
  for (const now of [60_001, 120_002]) {
    late.now = now;
    hellos(late, "c:9", 5);
  }
  assert.match(toHex(late.receive(old, "c:1")[0]!.bytes), ILLEGAL_PARAMETER);
});

test("a cookie of either version dies in its second minute, also where nobody else comes meanwhile", () => {
  for (const form of ["make", "remember"] as const) {
    for (const asked of [[], [60_000], [119_999], [60_001, 119_999]]) {
      using jar = new CookieJar(seededRandom(1));
      const hello = { version: 0xfefd, random: new Uint8Array(32), sessionId: new Uint8Array(0), suites: [0x1301] };
      const what = { suite: 0x1301, group: undefined, firstHello: new Uint8Array(32) };
      const cookie = form === "make"
        ? jar.make(hello as never, "c:1", 0)
        : jar.remember(hello as never, what, "c:1", 0);
      const again = { ...hello, ...(form === "make" ? { cookie } : { retryCookie: cookie }) } as never;
      const isGood = (now: number): boolean =>
        form === "make" ? jar.check(again, "c:1", now) : jar.recall(again, "c:1", now) !== undefined;
      for (const now of asked) assert.equal(isGood(now), true, `${now}`);
      for (const now of [120_000, 150_000, 179_000]) assert.equal(isGood(now), false, `${asked} ${now}`);
    }
  }
});

test("where randomness fails when a cookie's secret is to change, cookies are as good and as bad as before", () => {
  let fails = false;
  const random = seededRandom(1);
  using jar = new CookieJar((bytes) => {
    if (fails) throw new SeccfError("state", "no randomness");
    random(bytes);
  });
  const hello = { version: 0xfefd, random: new Uint8Array(32), sessionId: new Uint8Array(0), suites: [] };
  const cookie = jar.make(hello, "c:1", 0);
  fails = true;
  assert.throws(() => jar.check({ ...hello, cookie }, "c:1", 70_000), { code: "state" });
  fails = false;
  assert.equal(jar.check({ ...hello, cookie: new Uint8Array(32) }, "c:1", 70_001), false);
  assert.equal(jar.check({ ...hello, cookie }, "c:1", 70_002), true);
});

test("cookies of the two versions are worth nothing as each other", () => {
  const front = new Front(BOTH_VERSIONS);
  const { second } = hellos(front);
  const { retryCookie } = decodeClientHello(second.subarray(25), "datagram");
  const as12 = changed(second, () => ({ cookie: retryCookie!, retryCookie: undefined, supportedVersions: undefined }));
  assert.equal(front.receive(as12, "c:1")[0]!.bytes[13], 3);
  const older = client({ versions: [0xfefd] });
  const [verify] = front.receive(older.sent()[0]!, "c:1");
  const [withCookie] = older.receive(verify!.bytes);
  const { cookie } = decodeClientHello(withCookie!.subarray(25), "datagram");
  const as13 = changed(second, () => ({ retryCookie: cookie! }));
  assert.match(toHex(front.receive(as13, "c:1")[0]!.bytes), ILLEGAL_PARAMETER);
  assert.equal(front.acceptor.counts.engines, 0);
});

test("a hello whose first piece ends before its cookie gets nothing: whole, it is taken", () => {
  const front = new Front(VERSION_13);
  const { second } = hellos(front);
  const { body, messageSeq, type, length } = readFragment(new Reader(second.subarray(13)));
  for (const [from, to] of [[0, 100], [100, body.length]] as const) {
    const framed = encodeFragment({ type, length, messageSeq, offset: from, body: body.subarray(from, to) });
    const piece = concat(second.subarray(0, 11), Uint8Array.of(framed.length >> 8, framed.length), framed);
    assert.deepEqual(front.receive(piece, "c:1"), []);
  }
  assert.equal(front.acceptor.counts.engines, 0);
  front.receive(second, "c:1");
  assert.equal(front.acceptor.counts.engines, 1);
});

test("a first hello that can come to nothing is told so at once, by an alert and without a cookie", () => {
  const front = new Front(VERSION_13);
  const [first] = client(VERSION_13).sent();
  for (
    const change of [
      { suites: [0x1302] },
      { offeredPsks: undefined },
      { keyShares: undefined, supportedGroups: undefined, pskModes: [1] },
    ]
  ) {
    const answers = front.receive(changed(first!, () => change), "c:1");
    assert.match(toHex(answers[0]!.bytes), HANDSHAKE_FAILURE);
  }
  assert.equal(front.acceptor.counts.engines, 0);
});

test("who repeats a hello that was refused gets no second answer, and no second look at its key", () => {
  let lookups = 0;
  const front = new Front({ ...VERSION_13, maxHandshakes: 3 }, (demand) => {
    lookups++;
    return unknowing(demand);
  });
  const { second } = hellos(front);
  assert.equal(front.receive(second, "c:1").length, 1);
  for (let i = 0; i < 10; i++) assert.deepEqual(front.receive(second, "c:1"), []);
  assert.equal(lookups, 1);
  // What is remembered of the refused has an end, and so has a client's bad luck: a new hello is heard.
  for (let i = 0; i < 3; i++) front.receive(hellos(front, `d:${i}`, 20 + i).second, `d:${i}`);
  assert.equal(lookups, 4);
  assert.equal(front.receive(second, "c:1").length, 1);
  assert.equal(front.receive(hellos(front, "c:1", 77).second, "c:1").length, 1);
  assert.deepEqual(front.acceptor.counts, { engines: 0, entries: 0, handshakes: 0 });
});

test("the second hello, repeated while its key is looked up, makes no second engine and asks for no second key", () => {
  const front = new Front(VERSION_13, () => undefined);
  const { first, second } = hellos(front);
  for (const bytes of [second, second, first, second]) front.receive(bytes, "c:1");
  assert.deepEqual([front.acceptor.counts.engines, front.last.demands.length], [1, 1]);
});

test("[SEC_CF-KEM-001] an acceptor asks for the key of a version: the suite of the demand tells whose it is", () => {
  const suites = [[0xfefc, 0x1301], [0xfefd, 0xd001]].map(([version, suite]) => {
    const front = new Front(BOTH_VERSIONS);
    run(client({ versions: [version!] }), front);
    const [demand] = front.last.demands;
    assert.deepEqual([demand!.version, demand!.suite, toHex(demand!.identity!)], [
      version,
      suite,
      toHex(toUtf8("Client_identity")),
    ]);
    return demand!.suite;
  });
  assert.equal(new Set(suites).size, 2);
});

test("what is no record at all is nobody's", () => {
  const front = new Front(VERSION_13);
  for (const hex of ["", "20", "3f", "2f0000", "3c0102030405060708000000", "ff", "1a", "1afefd0000000000000000000a"]) {
    assert.deepEqual(front.receive(fromHex(hex), "c:1"), []);
  }
});
