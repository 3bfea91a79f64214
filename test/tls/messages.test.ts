import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, fromHex, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { decodeClientHello, encodeClientHello } from "../../lib/tls/handshake/client_hello.ts";
import { decodeClientKeyExchange, encodeClientKeyExchange } from "../../lib/tls/handshake/client_key_exchange.ts";
import { decodeFinished } from "../../lib/tls/handshake/finished.ts";
import { decodeHelloRequest } from "../../lib/tls/handshake/hello_request.ts";
import { frameMessage, MessageJoiner } from "../../lib/tls/handshake/message.ts";
import { decodeServerHello, encodeServerHello } from "../../lib/tls/handshake/server_hello.ts";
import { decodeServerHelloDone, encodeServerHelloDone } from "../../lib/tls/handshake/server_hello_done.ts";
import { decodeServerKeyExchange, encodeServerKeyExchange } from "../../lib/tls/handshake/server_key_exchange.ts";
import { decodeServerName, encodeServerName, isHostName } from "../../lib/tls/handshake/server_name.ts";
import { datagramCaptures, streamCaptures } from "./captures.ts";

const malformed = { code: "malformed" };

test("OpenSSL's ClientHello is read field by field", () => {
  const capture = streamCaptures().captures.find(({ name }) => name === "cbc_sha256_etm")!;
  const hello = decodeClientHello(
    capture.clientSent.subarray(9, 5 + ((capture.clientSent[3]! << 8) | capture.clientSent[4]!)),
  );
  assert.equal(hello.version, 0x0303);
  assert.equal(toHex(hello.random), capture.keyLog.split(" ")[1]);
  assert.equal(hello.sessionId.length, 0);
  assert.deepEqual(hello.suites, [0x00ae]);
  assert.equal(hello.serverName, "meter.example.net");
  assert.equal(hello.extendedMasterSecret, true);
  assert.equal(hello.encryptThenMac, true);
  assert.equal(hello.renegotiationInfo, true);
  assert.equal(hello.supportedVersions, undefined);
});

test("OpenSSL's ClientHello for TLS 1.3 tells its versions", () => {
  const { offersTls13 } = streamCaptures();
  const hello = decodeClientHello(offersTls13.subarray(9));
  assert.deepEqual(hello.supportedVersions, [0x0304, 0x0303, 0x0302, 0x0301]);
  assert.equal(hello.sessionId.length, 32);
});

test("OpenSSL's key exchange messages are read, and written as it writes them", () => {
  for (const { handshake } of datagramCaptures().captures) {
    const body = (type: number) => handshake.find((message) => message[0] === type)!.subarray(12);
    assert.deepEqual(decodeServerKeyExchange(body(12)), { hint: toUtf8("hint1") });
    assert.deepEqual(encodeServerKeyExchange({ hint: toUtf8("hint1") }), body(12));
    assert.deepEqual(decodeClientKeyExchange(body(16)), { identity: toUtf8("Client_identity") });
    assert.deepEqual(encodeClientKeyExchange({ identity: toUtf8("Client_identity") }), body(16));
    decodeServerHelloDone(body(14));
    assert.deepEqual(encodeServerHelloDone(), body(14));
  }
});

test("OpenSSL's ServerHello is read, and written as it writes it", () => {
  for (const capture of streamCaptures().captures) {
    const body = capture.serverSent.subarray(9, 5 + ((capture.serverSent[3]! << 8) | capture.serverSent[4]!));
    const hello = decodeServerHello(body);
    assert.equal(hello.suite, capture.suite.id);
    assert.equal(hello.extendedMasterSecret, capture.extendedMasterSecret);
    assert.equal(hello.encryptThenMac, capture.encryptThenMac);
    assert.equal(hello.renegotiationInfo, true);
    assert.equal(hello.serverName, false);
    // It writes renegotiation_info first, we write it last.
    assert.equal(encodeServerHello(hello).length, body.length);
    assert.deepEqual(decodeServerHello(encodeServerHello(hello)), hello);
  }
});

/** A hello's fixed part, for what follows it. */
const HEAD = "0303" + "11".repeat(32) + "00";

test("a ClientHello is exact: lists whole, nothing behind the end, nothing twice", () => {
  const good = `${HEAD}000200a80100`;
  assert.deepEqual(decodeClientHello(fromHex(good)).suites, [0x00a8]);
  const wrong: Readonly<Record<string, string>> = {
    "no suites": `${HEAD}00000100`,
    "half a suite": `${HEAD}000300a8c00100`,
    "no compression list": `${HEAD}000200a8`,
    "empty compression list": `${HEAD}000200a800`,
    "null compression not offered": `${HEAD}000200a80101`,
    "session id of 33": `0303${"11".repeat(32)}21${"00".repeat(33)}000200a80100`,
    "a byte behind": `${good}00`,
    "extensions cut": `${good}0004001700`,
    "bytes behind the extensions": `${good}00040017000000`,
    "extension twice": `${good}00080017000000170000`,
    "extended master secret with a body": `${good}0005001700 0100`.replace(" ", ""),
    "encrypt-then-MAC with a body": `${good}0005001600 0100`.replace(" ", ""),
    "renegotiation_info without its length": `${good}0004ff010000`,
    "renegotiation_info of a second handshake": `${good}0006ff0100020141`,
    "supported_versions of half a version": `${good}0006002b00020103`,
    "supported_versions of none": `${good}0005002b000100`,
    "server_name of none": `${good}0006000000020000`,
  };
  for (const [name, hex] of Object.entries(wrong)) {
    assert.throws(() => decodeClientHello(fromHex(hex)), malformed, name);
  }
});

test("each hello, cut at any byte, is malformed or, where extensions begin, complete without them", () => {
  const { offersTls13 } = streamCaptures();
  const body = offersTls13.subarray(9);
  const extensions = body.length - 2 - 247;
  for (let length = 0; length < body.length; length++) {
    if (length === extensions) assert.equal(decodeClientHello(body.subarray(0, length)).extendedMasterSecret, false);
    else assert.throws(() => decodeClientHello(body.subarray(0, length)), malformed, `${length}`);
  }
});

test("a ServerHello is exact too, and has no extension that is never offered", () => {
  const good = `${HEAD}00a800`;
  assert.equal(decodeServerHello(fromHex(good)).suite, 0x00a8);
  for (const hex of [`${HEAD}00a8`, `${HEAD}00a801`, `${good}00`, `${good}0005ff01000100 00`.replace(" ", "")]) {
    assert.throws(() => decodeServerHello(fromHex(hex)), malformed, hex);
  }
  for (const type of ["000d", "0010", "002d", "000a"]) {
    assert.throws(() => decodeServerHello(fromHex(`${good}0004${type}0000`)), { alert: "unsupported_extension" }, type);
  }
});

test("64 extensions are read, one more is too large", () => {
  const hello = (count: number): Uint8Array => {
    const block = concat(...Array.from({ length: count }, (_, i) => Uint8Array.of(0x40, i, 0, 0)));
    return concat(fromHex(`${HEAD}000200a80100`), Uint8Array.of(block.length >> 8, block.length), block);
  };
  decodeClientHello(hello(64));
  assert.throws(() => decodeClientHello(hello(65)), { code: "too-large" });
});

test("identity and hint have at most 128 bytes", () => {
  const body = (length: number) => concat(Uint8Array.of(length >> 8, length), new Uint8Array(length));
  for (const decode of [decodeClientKeyExchange, decodeServerKeyExchange]) {
    decode(body(0));
    decode(body(128));
    assert.throws(() => decode(body(129)), { code: "too-large", alert: "illegal_parameter" });
    assert.throws(() => decode(concat(body(3), Uint8Array.of(0))), malformed);
    assert.throws(() => decode(body(3).subarray(0, 4)), malformed);
  }
});

test("messages that say all by being there have no bytes", () => {
  for (const decode of [decodeServerHelloDone, decodeHelloRequest]) {
    decode(new Uint8Array(0));
    assert.throws(() => decode(new Uint8Array(1)), malformed);
  }
  assert.throws(() => decodeFinished(new Uint8Array(11)), malformed);
  assert.throws(() => decodeFinished(new Uint8Array(13)), malformed);
});

test("server_name carries one DNS name (RFC 6066 3)", () => {
  // From the capture of OpenSSL's ClientHello.
  assert.equal(toHex(encodeServerName("meter.example.net")), "00140000116d657465722e6578616d706c652e6e6574");
  assert.equal(decodeServerName(encodeServerName("meter.example.net")), "meter.example.net");
  const name = (text: string) => concat(fromHex("00"), Uint8Array.of(text.length >> 8, text.length), toUtf8(text));
  const list = (...names: Uint8Array[]) => {
    const all = concat(...names);
    return concat(Uint8Array.of(all.length >> 8, all.length), all);
  };
  // Some clients ask for addresses, which mean nothing more here than names do.
  for (const text of ["a", "METER.example", "127.0.0.1", "::1", "_coaps.example", "x".repeat(255)]) {
    assert.equal(decodeServerName(list(name(text))), text);
  }
  for (const text of ["", "a b", "a\0b", "a\nb", "a/b", "é", "a%2e", "x".repeat(256)]) {
    assert.throws(() => decodeServerName(list(name(text))), malformed, text);
  }
  assert.throws(() => decodeServerName(list(name("a"), name("b"))), malformed);
  assert.throws(() => decodeServerName(list(concat(Uint8Array.of(1), name("a").subarray(1)))), malformed);
  assert.throws(() => decodeServerName(list()), malformed);
  assert.throws(() => decodeServerName(concat(list(name("a")), Uint8Array.of(0))), malformed);
});

test("a client asks for DNS names alone", () => {
  for (const name of ["a", "meter.example.net", "xn--bcher-kva.example", "a-b.c", "_x.y", "1a.b", "x".repeat(63)]) {
    assert.ok(isHostName(name), name);
  }
  const wrong = ["", ".", "a.", ".a", "a..b", "-a", "a-", "127.0.0.1", "1", "::1", "a b", "ä", "a:1", "x".repeat(64)];
  for (const name of [...wrong, Array(128).fill("a").join("."), "a\n"]) assert.ok(!isHostName(name), name);
});

test("the joiner finds messages however records cut them, and refuses a length beyond the limit at its header", () => {
  const messages = [
    frameMessage(1, new Uint8Array(300)),
    frameMessage(14, new Uint8Array(0)),
    frameMessage(20, Uint8Array.of(1, 2)),
  ];
  const all = concat(...messages);
  for (const size of [1, 2, 3, 4, 5, 7, 100, 303, 304, 305, 308, 1000]) {
    const joiner = new MessageJoiner();
    const found: Uint8Array[] = [];
    for (let at = 0; at < all.length; at += size) {
      const piece = all.slice(at, at + size);
      joiner.push(piece);
      for (let message = joiner.next(300); message; message = joiner.next(300)) {
        found.push(new Uint8Array(message.framed));
      }
      joiner.settle();
      piece.fill(0xee);
    }
    assert.deepEqual(found, messages, `pieces of ${size}`);
    assert.ok(joiner.empty);
  }
  const joiner = new MessageJoiner();
  joiner.push(Uint8Array.of(1, 0, 1));
  assert.equal(joiner.next(256), undefined);
  joiner.push(Uint8Array.of(1));
  assert.throws(() => joiner.next(256), { code: "too-large" });
});

test("what is encoded is decoded to the same", () => {
  const hello = {
    version: 0x0303,
    random: new Uint8Array(32).fill(5),
    sessionId: new Uint8Array(32),
    suites: [0x00a8, 0xc0a8],
    serverName: "a.example",
    extendedMasterSecret: true,
    encryptThenMac: false,
    renegotiationInfo: true,
    supportedVersions: [0x0303],
  };
  assert.deepEqual(decodeClientHello(encodeClientHello(hello)), hello);
});
