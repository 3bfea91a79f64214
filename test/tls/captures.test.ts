// Sources: test/vectors/tls/openssl_stream.json and openssl_datagram.json: captures of OpenSSL 3.0.19 at both ends, the
// master secrets by its own -keylogfile.
import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, fromHex, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { digest, type SecretBytes, secretEqual, secretFrom } from "../../lib/crypto/mod.ts";
import { decodeClientHello } from "../../lib/tls/handshake/client_hello.ts";
import { decodeClientKeyExchange } from "../../lib/tls/handshake/client_key_exchange.ts";
import { decodeFinished } from "../../lib/tls/handshake/finished.ts";
import { type HandshakeMessage, MessageJoiner } from "../../lib/tls/handshake/message.ts";
import { decodeServerHello } from "../../lib/tls/handshake/server_hello.ts";
import { decodeServerKeyExchange } from "../../lib/tls/handshake/server_key_exchange.ts";
import {
  extendedMasterSecret,
  keyLogLine,
  masterSecret,
  pskPremaster,
  type Randoms,
  trafficKeys,
  verifyData,
} from "../../lib/tls/tls12/key_schedule.ts";
import { Pad } from "../../lib/tls/record/pad.ts";
import { createProtection, type Protection } from "../../lib/tls/record/protection.ts";
import { openWith, sealWith } from "./pads.ts";
import { RecordReader } from "../../lib/tls/record/record_reader.ts";
import { type Capture, datagramCaptures, streamCaptures } from "./captures.ts";

const streams = streamCaptures();
const datagrams = datagramCaptures();

function masterOf(capture: Capture, psk: Uint8Array, randoms: Randoms, session: Uint8Array): SecretBytes {
  using key = secretFrom(psk);
  using premaster = pskPremaster(key);
  return capture.extendedMasterSecret
    ? extendedMasterSecret(capture.suite, premaster, digest(capture.suite.prf, session))
    : masterSecret(capture.suite, premaster, randoms);
}

function loggedMaster(capture: Capture): Uint8Array {
  return fromHex(capture.keyLog.split(" ")[2]!);
}

/** All records of one direction, opened with `protect` from the ChangeCipherSpec on. */
function readAll(bytes: Uint8Array, protect: (reader: RecordReader) => void): { type: number; payload: Uint8Array }[] {
  const reader = new RecordReader([22]);
  const records: { type: number; payload: Uint8Array }[] = [];
  reader.push(bytes);
  for (let record = reader.next(); record; record = reader.next()) {
    records.push({ type: record.type, payload: new Uint8Array(record.payload) });
    if (record.type === 20) protect(reader);
  }
  assert.equal(reader.held, 0);
  return records;
}

function messagesIn(records: readonly { type: number; payload: Uint8Array }[]): HandshakeMessage[] {
  const joiner = new MessageJoiner();
  const messages: HandshakeMessage[] = [];
  for (const { type, payload } of records) {
    if (type !== 22) continue;
    joiner.push(payload);
    for (let message = joiner.next(4096); message; message = joiner.next(4096)) messages.push(message);
    joiner.settle();
  }
  return messages;
}

/** The messages before the change of keys: nothing protected is read. */
function clearMessages(bytes: Uint8Array): HandshakeMessage[] {
  const records: { type: number; payload: Uint8Array }[] = [];
  const reader = new RecordReader([22]);
  reader.push(bytes);
  for (let record = reader.next(); record && record.type === 22; record = reader.next()) {
    records.push({ type: record.type, payload: new Uint8Array(record.payload) });
  }
  return messagesIn(records);
}

for (const capture of streams.captures) {
  test(`OpenSSL stream ${capture.name}: master secret, both Finished and all records come out [SEC_CF-KEM-001]`, () => {
    const [hello, exchange] = clearMessages(capture.clientSent);
    const [answer, hint, done] = clearMessages(capture.serverSent);
    const randoms = {
      client: decodeClientHello(hello!.body).random,
      server: decodeServerHello(answer!.body).random,
    };
    assert.deepEqual(decodeServerKeyExchange(hint!.body).hint, toUtf8("hint1"));
    assert.deepEqual(decodeClientKeyExchange(exchange!.body).identity, toUtf8("Client_identity"));
    const session = concat(hello!.framed, answer!.framed, hint!.framed, done!.framed, exchange!.framed);

    using master = masterOf(capture, streams.psk, randoms, session);
    assert.equal(keyLogLine(randoms.client, master), capture.keyLog);

    const keys = trafficKeys(capture.suite, master, randoms);
    const options = { encryptThenMac: capture.encryptThenMac, random: () => {} };
    const fromClient = readAll(
      capture.clientSent,
      (reader) => reader.protect(createProtection(capture.suite, keys.client, options)),
    );
    const fromServer = readAll(
      capture.serverSent,
      (reader) => reader.protect(createProtection(capture.suite, keys.server, options)),
    );
    const clientFinished = messagesIn(fromClient).at(-1)!;
    const serverFinished = messagesIn(fromServer).at(-1)!;
    const verify = (side: "client" | "server", transcript: Uint8Array) =>
      verifyData(capture.suite, master, side, digest(capture.suite.prf, transcript));
    assert.deepEqual(decodeFinished(clientFinished.body).verifyData, verify("client", session));
    assert.deepEqual(
      decodeFinished(serverFinished.body).verifyData,
      verify("server", concat(session, clientFinished.framed)),
    );
    assert.notDeepEqual(decodeFinished(serverFinished.body).verifyData, verify("server", session));
    assert.deepEqual(fromClient.slice(-2), [{ type: 23, payload: toUtf8("hello\n") }, {
      type: 21,
      payload: Uint8Array.of(1, 0),
    }]);
    assert.deepEqual(fromServer.find(({ type }) => type === 23)?.payload, toUtf8("world\n"));
  });
}

for (const capture of datagrams.captures) {
  test(`OpenSSL datagrams ${capture.name}: the same functions come to the same secrets`, () => {
    const [hello, answer] = capture.handshake;
    // The fixed part of both hellos: 12 bytes of header, 2 of version.
    const randoms = { client: hello!.subarray(14, 46), server: answer!.subarray(14, 46) };
    // The ticket (type 4) comes after the client's Finished and is no part of the session hash.
    const session = concat(...capture.handshake.filter((message) => message[0] !== 4));
    using master = masterOf(capture, datagrams.psk, randoms, session);
    assert.equal(keyLogLine(randoms.client, master), capture.keyLog);

    const keys = trafficKeys(capture.suite, master, randoms);
    const opened = capture.records.map((record) => {
      const options = { encryptThenMac: capture.encryptThenMac, random: () => {} };
      using protection = createProtection(capture.suite, keys[record.from], options);
      const header = concat(record.epochAndNumber, Uint8Array.of(record.type, 0xfe, 0xfd));
      const plaintext = openWith(protection, header, record.sealed);
      assert.ok(plaintext);
      return { from: record.from, type: record.type, plaintext: toHex(plaintext) };
    });
    const finished = opened.filter(({ type }) => type === 22);
    assert.deepEqual(finished.map(({ from }) => from), ["client", "server"]);
    const hash = digest(capture.suite.prf, session);
    assert.equal(finished[0]!.plaintext.slice(24), toHex(verifyData(capture.suite, master, "client", hash)));
    assert.deepEqual(opened.filter(({ type }) => type !== 22).map(({ type, plaintext }) => [type, plaintext]), [
      [23, toHex(toUtf8("hello\n"))],
      [21, "0100"],
      [21, "0100"],
    ]);
  });
}

test("another key, random or message gives another master secret", () => {
  for (const capture of streams.captures) {
    const clear = [...clearMessages(capture.clientSent), ...clearMessages(capture.serverSent)];
    const session = concat(...clear.map(({ framed }) => framed));
    const randoms = { client: clear[0]!.body.slice(2, 34), server: clear[2]!.body.slice(2, 34) };
    using right = masterOf(capture, streams.psk, randoms, session);
    const flipped = (bytes: Uint8Array, bit: number): Uint8Array => {
      const copy = new Uint8Array(bytes);
      copy[bit >> 3]! ^= 1 << (bit & 7);
      return copy;
    };
    for (let bit = 0; bit < 8 * streams.psk.length; bit++) {
      using wrong = masterOf(capture, flipped(streams.psk, bit), randoms, session);
      assert.ok(!secretEqual(right, wrong));
    }
    using client = masterOf(capture, streams.psk, { ...randoms, client: flipped(randoms.client, 0) }, session);
    using message = masterOf(capture, streams.psk, randoms, flipped(session, 9));
    // RFC 7627: with the extension everything counts, without it the randoms alone.
    assert.equal(secretEqual(right, client), capture.extendedMasterSecret);
    assert.equal(secretEqual(right, message), !capture.extendedMasterSecret);
  }
});

test("a captured record opens no more when one bit of it, or of what it is bound to, differs [SEC_CF-AUTH-003, SEC_CF-INTE-001]", () => {
  for (const capture of datagrams.captures) {
    const randoms = { client: capture.handshake[0]!.subarray(14, 46), server: capture.handshake[1]!.subarray(14, 46) };
    using master = secretFrom(loggedMaster(capture));
    const keys = trafficKeys(capture.suite, master, randoms);
    const record = capture.records.find(({ type }) => type === 23)!;
    const options = { encryptThenMac: capture.encryptThenMac, random: () => {} };
    using protection = createProtection(capture.suite, keys.client, options);
    const header = concat(record.epochAndNumber, Uint8Array.of(record.type, 0xfe, 0xfd));
    assert.equal(openWith(protection, header, record.sealed)?.length, 6);
    const pad = new Pad(record.sealed.length);
    for (
      const [bytes, open] of [
        [record.sealed, (sealed: Uint8Array) => openIn(pad, protection, header, sealed)],
        [header, (bound: Uint8Array) => openIn(pad, protection, bound, record.sealed)],
      ] as const
    ) {
      for (let bit = 0; bit < 8 * bytes.length; bit++) {
        const wrong = new Uint8Array(bytes);
        wrong[bit >> 3]! ^= 1 << (bit & 7);
        assert.equal(open(wrong), -1);
        assert.ok(!toHex(pad.bytes).includes(toHex(toUtf8("hello"))));
      }
    }
    for (let length = 0; length < record.sealed.length; length++) {
      assert.equal(openWith(protection, header, record.sealed.subarray(0, length)), undefined);
    }
    // The other direction's keys, as in a reflection.
    using other = createProtection(capture.suite, keys.server, options);
    assert.equal(openWith(other, header, record.sealed), undefined);
  }
});

function openIn(pad: Pad, protection: Protection, header: Uint8Array, sealed: Uint8Array): number {
  pad.bytes.set(sealed);
  return protection.open(header, pad, 0, sealed.length);
}

test("sealing by the captured nonce or IV gives OpenSSL's very bytes", () => {
  // OpenSSL's GCM counts its explicit nonce from a random start, ours is the record's number: not these.
  for (const capture of datagrams.captures.filter(({ name }) => name !== "gcm")) {
    const randoms = { client: capture.handshake[0]!.subarray(14, 46), server: capture.handshake[1]!.subarray(14, 46) };
    using master = secretFrom(loggedMaster(capture));
    const keys = trafficKeys(capture.suite, master, randoms);
    for (const record of capture.records) {
      const random = (out: Uint8Array) => out.set(record.sealed.subarray(0, 16));
      using protection = createProtection(capture.suite, keys[record.from], {
        encryptThenMac: capture.encryptThenMac,
        random,
      });
      const header = concat(record.epochAndNumber, Uint8Array.of(record.type, 0xfe, 0xfd));
      const plaintext = openWith(protection, header, record.sealed)!;
      assert.deepEqual(sealWith(protection, header, plaintext), record.sealed);
    }
  }
});
