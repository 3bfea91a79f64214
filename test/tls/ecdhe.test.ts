// RFC 5489 2, RFC 8422. Source of the vectors: test/vectors/tls/ecdhe_psk.json, made with OpenSSL 3.0.19.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { concat, fromHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { createKeyShare, digest, secretFrom, suiteById } from "../../lib/crypto/mod.ts";
import { decodeClientHello } from "../../lib/tls/handshake/client_hello.ts";
import { decodeClientKeyExchange, encodeClientKeyExchange } from "../../lib/tls/handshake/client_key_exchange.ts";
import { HANDSHAKE, type HandshakeMessage, MessageJoiner } from "../../lib/tls/handshake/message.ts";
import { decodeServerHello } from "../../lib/tls/handshake/server_hello.ts";
import { decodeServerKeyExchange, encodeServerKeyExchange } from "../../lib/tls/handshake/server_key_exchange.ts";
import { RecordReader } from "../../lib/tls/record/record_reader.ts";
import { ecdhePskPremaster, extendedMasterSecret, keyLogLine } from "../../lib/tls/tls12/key_schedule.ts";
import { seededRandom } from "../support/virtual.ts";
import { Puppet as DatagramPuppet } from "./datagram_puppet.ts";
import { client as datagramClient } from "./datagrams.ts";
import { client, ECDHE_CCM_8, ECDHE_CHACHA, ECDHE_GCM, type End, GCM, IDENTITY, run, server } from "./pair.ts";
import { Puppet } from "./puppet.ts";

const X25519 = 0x001d;
const SECP256R1 = 0x0017;
const file = JSON.parse(readFileSync(new URL("../vectors/tls/ecdhe_psk.json", import.meta.url), "utf8"));
const captures: readonly { [name: string]: string }[] = file.captures;

/** The messages before the change of keys. */
function clearMessages(bytes: Uint8Array): HandshakeMessage[] {
  const reader = new RecordReader([22]);
  const joiner = new MessageJoiner();
  const messages: HandshakeMessage[] = [];
  reader.push(bytes);
  for (let record = reader.next(); record && record.type === 22; record = reader.next()) {
    joiner.push(new Uint8Array(record.payload));
    for (let message = joiner.next(4096); message; message = joiner.next(4096)) messages.push(message);
  }
  return messages;
}

/** The key log's line, made of one side's private key. */
function derived(capture: { [name: string]: string }, scalar: Uint8Array): string {
  const sent = clearMessages(fromHex(capture.clientSent!));
  const answered = clearMessages(fromHex(capture.serverSent!));
  const [hello, exchange] = sent;
  const { share } = decodeServerKeyExchange(answered[1]!.body, "ecdhe_psk");
  using own = createKeyShare(Number(capture.group), (bytes) => bytes.set(scalar));
  assert.equal(share!.group, own.group);
  assert.deepEqual(decodeClientKeyExchange(exchange!.body, "ecdhe_psk").identity, IDENTITY);
  using agreed = own.agree(share!.publicKey);
  using key = secretFrom(fromHex(file.psk));
  using premaster = ecdhePskPremaster(agreed, key);
  const session = digest("sha-256", concat(...[hello!, ...answered, exchange!].map(({ framed }) => framed)));
  using master = extendedMasterSecret(suiteById(Number(capture.suite))!, premaster, session);
  return keyLogLine(decodeClientHello(hello!.body).random, master);
}

for (const capture of captures) {
  test(`${capture.name}: OpenSSL came to the same master secret as our premaster secret does [SEC_CF-KEM-001]`, () => {
    const scalar = fromHex(capture.clientScalar!);
    const [, exchange] = clearMessages(fromHex(capture.clientSent!));
    using own = createKeyShare(Number(capture.group), (bytes) => bytes.set(scalar));
    assert.deepEqual(decodeClientKeyExchange(exchange!.body, "ecdhe_psk").publicKey, own.publicKey);
    assert.equal(derived(capture, scalar), capture.keyLog);
    assert.notEqual(derived(capture, scalar.with(5, scalar[5]! ^ 1)), capture.keyLog);
  });
}

/** What a server said to a hello: its ServerHello and key exchange, or the alert. */
function reply(end: End, hello: Uint8Array) {
  const sent = end.receive(hello);
  if (sent[0] === 21) return { alert: sent[6] };
  const [chosen, exchange] = clearMessages(sent);
  const said = decodeServerHello(chosen!.body);
  const { exchange: kind } = suiteById(said.suite)!;
  const share = exchange?.type === HANDSHAKE.serverKeyExchange && kind === "ecdhe_psk"
    ? decodeServerKeyExchange(exchange.body, kind).share
    : undefined;
  return { said, group: share?.group, length: share?.publicKey.length };
}

test("a server takes its own best group of those that are offered, P-256 where none is named, and no other", () => {
  const cases: readonly (readonly [readonly number[] | undefined, number | undefined])[] = [
    [[X25519], X25519],
    [[SECP256R1], SECP256R1],
    [[SECP256R1, X25519], X25519],
    [[0x0018, 0x0019, SECP256R1, 0x0a0a], SECP256R1],
    [undefined, SECP256R1],
    [[0x0018, 0x11ec], undefined],
  ];
  for (const [supportedGroups, expected] of cases) {
    const hello = () => new Puppet("client").clientHelloBody({ suites: [ECDHE_GCM, GCM] });
    const { pointFormats: _, supportedGroups: __, ...offer } = decodeClientHello(hello());
    const groups = supportedGroups ? { supportedGroups } : {};
    const first = reply(server(), new Puppet("client").clientHello({ ...offer, ...groups }));
    assert.equal(first.said?.suite, expected === undefined ? GCM : ECDHE_GCM);
    assert.equal(first.group, expected);
    assert.equal(first.length, expected === undefined ? undefined : expected === X25519 ? 32 : 65);
    const alone = reply(
      server({ suites: [ECDHE_GCM] }),
      new Puppet("client").clientHello({ ...offer, ...groups }),
    );
    assert.equal(alone.alert, expected === undefined ? 40 : undefined);
  }
});

test("point formats are answered to who speaks of them, with a curve alone, and have to be uncompressed (RFC 8422 5.1.2)", () => {
  const offer = { suites: [ECDHE_GCM, GCM], supportedGroups: [X25519] };
  const asked = { ...offer, pointFormats: true } as const;
  assert.equal(reply(server(), new Puppet("client").clientHello(asked)).said?.pointFormats, true);
  assert.equal(reply(server(), new Puppet("client").clientHello(offer)).said?.pointFormats, undefined);
  assert.equal(reply(server({ suites: [GCM] }), new Puppet("client").clientHello(asked)).said?.pointFormats, undefined);
  const puppet = new Puppet("client");
  const body = puppet.clientHelloBody(asked);
  // The body of ec_point_formats, extension 11: one format, 0.
  const at = body.findIndex((_, i) => body.subarray(i, i + 6).join() === "0,11,0,2,1,0");
  assert.deepEqual(reply(server(), puppet.message(1, body.with(at + 5, 1))), { alert: 47 });
});

test("a client offers groups and point formats with a suite that has use for them, and takes neither back unasked", () => {
  const hello = (suites: number[]) => decodeClientHello(clearMessages(client({ suites }).sent())[0]!.body);
  assert.deepEqual(hello([ECDHE_CCM_8, GCM]).supportedGroups, [X25519, SECP256R1]);
  assert.equal(hello([ECDHE_CCM_8]).pointFormats, true);
  assert.equal(hello([GCM]).supportedGroups, undefined);
  assert.equal(hello([GCM]).pointFormats, undefined);
  const end = client({ suites: [GCM] });
  end.sent();
  assert.equal(end.receive(new Puppet("server").serverHello({ pointFormats: true }))[6], 110);
});

const ZERO = new Uint8Array(32);
/** Of small order, by RFC 7748's curve: u = 1. */
const ONE = new Uint8Array(32).with(0, 1);
const P256_POINT = createKeyShare(SECP256R1, (bytes) => bytes.fill(7)).publicKey;

/** Each is no key of its group. */
const BAD: readonly (readonly [string, number, Uint8Array])[] = [
  ["zeros", X25519, ZERO],
  ["a point of small order", X25519, ONE],
  ["a byte too few", X25519, new Uint8Array(31).fill(9)],
  ["a byte too many", X25519, new Uint8Array(33).fill(9)],
  ["a point of the other group", X25519, P256_POINT],
  ["a point off the curve", SECP256R1, P256_POINT.with(64, P256_POINT[64]! ^ 1)],
  ["a compressed point", SECP256R1, concat(Uint8Array.of(2 + (P256_POINT[64]! & 1)), P256_POINT.subarray(1, 33))],
  ["a hybrid point", SECP256R1, P256_POINT.with(0, 6 + (P256_POINT[64]! & 1))],
  ["the point at infinity", SECP256R1, Uint8Array.of(0)],
];

test("a point that is none is illegal_parameter at either end, whatever is wrong with it", () => {
  for (const [name, group, publicKey] of BAD) {
    const asServer = new Puppet("server", { suite: ECDHE_CHACHA });
    const left = client({ suites: [ECDHE_CHACHA] });
    asServer.hear(left.sent());
    asServer.hear(left.receive(asServer.serverHello()));
    const said = encodeServerKeyExchange({ hint: toUtf8("h"), share: { group, publicKey } });
    const alert = left.receive(asServer.message(HANDSHAKE.serverKeyExchange, said));
    assert.deepEqual([...alert], [21, 3, 3, 0, 2, 2, 47], name);
    assert.equal(left.code, "malformed", name);

    const asClient = new Puppet("client", { suite: ECDHE_CHACHA });
    const right = server({ suites: [ECDHE_CHACHA] });
    asClient.hear(right.receive(asClient.clientHello({ supportedGroups: [group] })));
    const answer = encodeClientKeyExchange({ identity: IDENTITY, publicKey });
    assert.deepEqual([...right.receive(asClient.message(HANDSHAKE.clientKeyExchange, answer))].at(-1), 47, name);
    assert.equal(right.code, "malformed", name);
    assert.deepEqual(right.demands, [], name);
  }
});

test("parameters of no offered group, of an explicit curve, cut or lengthened, are refused", () => {
  const good = encodeServerKeyExchange({ hint: toUtf8("h"), share: { group: X25519, publicKey: P256_POINT } });
  const cases: readonly (readonly [string, Uint8Array, number])[] = [
    ["secp384r1", good.with(5, 0x18), 47],
    ["an explicit curve", good.with(3, 1), 47],
    ["no point", good.with(6, 0).subarray(0, 7), 50],
    ["no parameters", good.subarray(0, 3), 50],
    ["a byte behind", concat(good, Uint8Array.of(0)), 50],
    ["a byte less", good.subarray(0, -1), 50],
  ];
  for (const [name, body, alert] of cases) {
    const puppet = new Puppet("server", { suite: ECDHE_GCM });
    const end = client({ suites: [ECDHE_GCM] });
    puppet.hear(end.sent());
    puppet.hear(end.receive(puppet.serverHello()));
    assert.equal(end.receive(puppet.message(HANDSHAKE.serverKeyExchange, body))[6], alert, name);
    assert.equal(end.code, "malformed", name);
  }
});

test("with ECDHE_PSK there is always a ServerKeyExchange, and without it there is no point in either message", () => {
  const puppet = new Puppet("server", { suite: ECDHE_GCM });
  const end = client({ suites: [ECDHE_GCM] });
  puppet.hear(end.sent());
  puppet.hear(end.receive(puppet.serverHello()));
  assert.equal(end.receive(puppet.serverHelloDone())[6], 10);

  const plain = new Puppet("server");
  const other = client({ suites: [GCM] });
  plain.hear(other.sent());
  plain.hear(other.receive(plain.serverHello()));
  const body = encodeServerKeyExchange({ hint: toUtf8("h"), share: { group: X25519, publicKey: ONE } });
  assert.equal(other.receive(plain.message(HANDSHAKE.serverKeyExchange, body))[6], 50);

  const asClient = new Puppet("client");
  const right = server({ suites: [GCM] });
  asClient.hear(right.receive(asClient.clientHello()));
  const exchange = encodeClientKeyExchange({ identity: IDENTITY, publicKey: P256_POINT });
  assert.equal(right.receive(asClient.message(HANDSHAKE.clientKeyExchange, exchange))[6], 50);
});

test("on datagrams a point that is none is somebody else's word: the peer's own still counts", () => {
  const suite = ECDHE_GCM;
  const asServer = new DatagramPuppet("server", { suite });
  const left = datagramClient({ suites: [suite], connectionId: false });
  asServer.hear(...left.sent());
  asServer.hear(...left.receive(asServer.serverHello()));
  const forger = new DatagramPuppet("server", { suite });
  forger.seq = 1;
  const forged = encodeServerKeyExchange({ hint: toUtf8("h"), share: { group: X25519, publicKey: ZERO } });
  assert.deepEqual(left.receive(forger.message(HANDSHAKE.serverKeyExchange, forged)), []);
  for (const step of ["serverKeyExchange", "serverHelloDone", "changeCipherSpec", "finished"] as const) {
    asServer.hear(...left.receive(asServer[step](new Uint8Array(0))));
  }
  assert.ok(left.session?.forwardSecret);

  const asClient = new DatagramPuppet("client", { suite });
  const right = asClient.server();
  asClient.hear(...right.receive(asClient.clientHello()));
  const liar = new DatagramPuppet("client", { suite });
  liar.seq = 1;
  const lie = encodeClientKeyExchange({ identity: toUtf8("another"), publicKey: ZERO });
  assert.deepEqual(right.receive(liar.message(HANDSHAKE.clientKeyExchange, lie)), []);
  for (const step of ["clientKeyExchange", "changeCipherSpec", "finished"] as const) {
    asClient.hear(...right.receive(asClient[step]()));
  }
  assert.deepEqual(right.session?.identity, IDENTITY);
});

test("who has the key and a whole recording has still not the keys of a session: both points are new each time", () => {
  const points = new Set<string>();
  for (let i = 0; i < 3; i++) {
    const random = seededRandom(100 + i);
    const flights = run(client({ random, suites: [ECDHE_GCM] }), server({ random: seededRandom(200 + i) }));
    const exchange = clearMessages(flights[1]!.bytes)[1]!;
    points.add(decodeServerKeyExchange(exchange.body, "ecdhe_psk").share!.publicKey.join());
    points.add(decodeClientKeyExchange(clearMessages(flights[2]!.bytes)[0]!.body, "ecdhe_psk").publicKey!.join());
  }
  assert.equal(points.size, 6);
});
