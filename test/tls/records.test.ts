import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, fromHex, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom, suiteById } from "../../lib/crypto/mod.ts";
import { trafficKeys } from "../../lib/tls/tls12/key_schedule.ts";
import { borrowPad } from "../../lib/tls/record/pad.ts";
import { createProtection, type Protection } from "../../lib/tls/record/protection.ts";
import { RecordReader } from "../../lib/tls/record/record_reader.ts";
import { RecordWriter } from "../../lib/tls/record/record_writer.ts";
import { RecordSequence } from "../../lib/tls/record/sequence.ts";
import { createTlsEngine } from "../../lib/tls/mod.ts";
import { seededRandom } from "../support/virtual.ts";
import { ALL_SUITES, client, type End, GCM, knowing, run, server, shapeOf } from "./pair.ts";
import { Puppet } from "./puppet.ts";

function protectionOf(suite: number): Protection {
  using master = secretFrom(new Uint8Array(48).fill(3));
  const randoms = { client: new Uint8Array(32), server: new Uint8Array(32) };
  const found = suiteById(suite)!;
  const keys = trafficKeys(found, master, randoms);
  return createProtection(found, keys.client, { encryptThenMac: true, random: seededRandom(5) });
}

test("record numbers count up as 64 bits, carry the type, and never come round", () => {
  const sequence = new RecordSequence(0x0303);
  assert.equal(toHex(sequence.next(23)), "0000000000000000170303");
  assert.equal(toHex(sequence.next(22)), "0000000000000001160303");
  for (let i = 2; i < 256; i++) sequence.next(23);
  assert.equal(toHex(sequence.next(23)), "0000000000000100170303");
  const high = new RecordSequence(0x0303, 2 ** 32 - 1);
  assert.equal(toHex(high.next(23)), "00000000ffffffff170303");
  assert.equal(toHex(high.next(23)), "0000000100000000170303");
  const last = new RecordSequence(0x0303, 2 ** 48 - 1);
  assert.equal(toHex(last.next(21)), "0000ffffffffffff150303");
  assert.throws(() => last.next(21), { code: "exhausted" });
  assert.throws(() => last.next(21), { code: "exhausted" });
});

test("an AEAD's explicit nonce is the record's number, a CBC record's IV is random", () => {
  for (const suite of ALL_SUITES) {
    const writer = new RecordWriter();
    writer.protect(protectionOf(suite));
    for (let i = 0; i < 3; i++) writer.write(23, toUtf8("same"));
    const { bytes } = writer.poll()!;
    const length = bytes.length / 3;
    const heads = [0, 1, 2].map((i) => toHex(bytes.subarray(i * length + 5, i * length + 13)));
    const { protection } = suiteById(suite)!;
    if (protection.kind === "aead" && protection.explicitNonceLength > 0) {
      assert.deepEqual(heads, ["0000000000000000", "0000000000000001", "0000000000000002"]);
    } else {
      assert.equal(new Set(heads).size, 3);
    }
  }
});

test("a second change of keys is a mistake of ours, not a thing that happens", () => {
  const writer = new RecordWriter();
  writer.protect(protectionOf(GCM));
  assert.throws(() => writer.protect(protectionOf(GCM)), { code: "state" });
  const reader = new RecordReader([]);
  reader.protect(protectionOf(GCM));
  assert.throws(() => reader.protect(protectionOf(GCM)), { code: "state" });
});

test("a record of no known type, of another version or too long ends the connection at its header", () => {
  const cases: readonly (readonly [string, number, string])[] = [
    ["1303030001", 10, "malformed"],
    ["1803030001", 10, "malformed"],
    ["8000000001", 10, "malformed"],
    ["474554202f", 10, "malformed"], // GET /
    ["1602030001", 70, "unsupported"],
    ["16fefd0000", 70, "unsupported"],
    ["1603031005", 22, "too-large"],
    ["160303ffff", 22, "too-large"],
  ];
  for (const [header, alert, code] of cases) {
    const end = server();
    assert.deepEqual([...end.receive(fromHex(header))], [21, 3, 3, 0, 2, 2, alert], header);
    assert.equal(end.code, code, header);
  }
});

test("a stranger's message may have 4096 bytes, and is refused at its header beyond that", () => {
  const header = (length: number) => concat(fromHex("1603010004"), Uint8Array.of(1, 0, length >> 8, length & 255));
  const end = server();
  assert.equal(end.receive(header(4096)).length, 0);
  const other = server();
  assert.equal(other.receive(header(4097))[6], 47);
  assert.equal(other.code, "too-large");
  // The longest that is read: 4096 with its header in one record. Here its content is nonsense.
  const full = server();
  full.receive(concat(fromHex("1603011004"), Uint8Array.of(1, 0, 0x10, 0), new Uint8Array(4096)));
  assert.equal(full.code, "unsupported");
});

test("after the first hello every record has the agreed version", () => {
  const end = server();
  const puppet = new Puppet("client");
  puppet.hear(end.receive(puppet.clientHello()));
  const exchange = puppet.clientKeyExchange();
  exchange[2] = 1;
  assert.equal(end.receive(exchange)[6], 70);
});

test("records of up to 2^14 are taken, one byte more is record_overflow", () => {
  for (const suite of ALL_SUITES) {
    for (const [length, code] of [[16_384, "open"], [16_385, "too-large"]] as const) {
      const end = server({ suites: [suite] });
      const puppet = new Puppet("client", { suite });
      puppet.hear(end.receive(puppet.clientHello()));
      puppet.hear(end.receive(concat(puppet.clientKeyExchange(), puppet.changeCipherSpec(), puppet.finished())));
      const sent = puppet.hear(end.receive(puppet.sealed(23, 1, length)));
      assert.equal(end.code, code);
      assert.deepEqual(sent.map(({ payload }) => [...payload]), code === "open" ? [] : [[2, 22]]);
      assert.deepEqual(end.data.map((part) => part.length), code === "open" ? [16_384] : []);
    }
  }
});

test("buffers are used again: a session at work keeps its memory where it is", () => {
  const left = createTlsEngine({ role: "client", now: 0, random: seededRandom(1) });
  const right = createTlsEngine({ role: "server", now: 0, random: seededRandom(2) });
  const outputs: { sent: Set<ArrayBufferLike>; received: Set<ArrayBufferLike> } = {
    sent: new Set(),
    received: new Set(),
  };
  const pump = (from: typeof left, to: typeof right): boolean => {
    let busy = false;
    for (let output = from.poll(); output; output = from.poll()) {
      busy = true;
      if (output.kind === "transmit") {
        outputs.sent.add(output.bytes.buffer);
        to.receive(output.bytes, 0);
        pump(to, from);
      } else if (output.kind === "demand") {
        from.answer(output.demand, knowing(output.demand)!, 0);
      } else if (output.kind === "data") {
        outputs.received.add(output.bytes.buffer);
      }
    }
    return busy;
  };
  while (pump(left, right) || pump(right, left));
  left.send(new Uint8Array(1000), 0);
  pump(left, right);
  outputs.sent.clear();
  outputs.received.clear();
  for (let i = 0; i < 100; i++) {
    left.send(new Uint8Array(1 + (i * 10) % 1000), 0);
    pump(left, right);
  }
  assert.equal(outputs.sent.size, 1);
  assert.equal(outputs.received.size, 1);
});

test("what a socket gives at a time is opened in memory that is used again, also behind a part of a record", () => {
  const left = client();
  const right = server();
  run(left, right);
  const line = left.send(new Uint8Array(1_000_000));
  const buffers = new Set<ArrayBufferLike>();
  for (let at = 0; at < line.length; at += 65_536) {
    right.engine.receive(line.subarray(at, at + 65_536), 0);
    for (let output = right.engine.poll(); output; output = right.engine.poll()) {
      if (output.kind === "data") buffers.add(output.bytes.buffer);
    }
  }
  assert.ok(buffers.size <= 2, `${buffers.size} buffers`);
});

test("a large piece leaves no large buffer behind, and what was handed out is gone when all is out", () => {
  const left = client();
  const right = server();
  run(left, right);
  const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => i * 13);
  left.engine.send(bytes, 0);
  const output = left.engine.poll();
  assert.ok(output?.kind === "transmit");
  const sent = new Uint8Array(output.bytes);
  assert.equal(left.engine.poll(), undefined);
  assert.ok(output.bytes.every((byte) => byte === 0));
  left.engine.send(toUtf8("after"), 0);
  const next = left.engine.poll();
  assert.ok(next?.kind === "transmit");
  assert.notEqual(next.bytes.buffer, output.bytes.buffer);
  assert.ok(next.bytes.buffer.byteLength <= 131_072);
  right.receive(sent);
  right.receive(next.bytes);
  assert.equal(right.data.reduce((length, part) => length + part.length, 0), 300_005);
});

test("the payloads of one input are all valid at once", () => {
  const left = client();
  const right = server();
  run(left, right);
  const pieces = ["one", "two", "three"].map((text) => left.send(toUtf8(text)));
  right.engine.receive(concat(...pieces), 0);
  const outputs = [right.engine.poll(), right.engine.poll(), right.engine.poll()];
  const texts = outputs.map((output) => output?.kind === "data" ? new TextDecoder().decode(output.bytes) : "");
  assert.deepEqual(texts, ["one", "two", "three"]);
});

test("what was handed out is gone when all is out, also where a longer piece came before that", () => {
  const left = client();
  const right = server();
  run(left, right);
  const [first, second] = [left.send(new Uint8Array(1000).fill(1)), left.send(new Uint8Array(9000).fill(2))];
  // None of those that earlier tests made long is left to be lent.
  for (let i = 0; i < 4; i++) borrowPad(1, "in");
  const outputs = [first, second].map((bytes) => {
    right.engine.receive(bytes, 0);
    return right.engine.poll();
  });
  const payloads = outputs.map((output) => output?.kind === "data" ? output.bytes : new Uint8Array(0));
  assert.deepEqual(payloads.map((each) => [each.length, each[0], each.at(-1)]), [[1000, 1, 1], [9000, 2, 2]]);
  assert.equal(right.engine.poll(), undefined);
  assert.deepEqual(payloads.map((each) => each.some((byte) => byte !== 0)), [false, false]);
});

test("nothing of what is sent can be read off the line [SEC_CF-CONF-001]", () => {
  for (const suite of ALL_SUITES) {
    const left = client({ suites: [suite] });
    run(left, server({ suites: [suite] }));
    const sent = toHex(left.send(toUtf8("a secret of some length")));
    for (const word of ["a secret", "of some ", "length"]) assert.ok(!sent.includes(toHex(toUtf8(word))));
  }
});

test("close_notify is answered, ends both in good order, and what comes behind it is not read", () => {
  const { left, right } = established();
  const goodbye = concat(left.close(), fromHex("ffffffffff"));
  const reply = right.receive(goodbye);
  assert.equal(right.code, "none");
  assert.deepEqual(shapeOf(reply), ["21:26"]);
  assert.equal(left.receive(reply).length, 0);
});

function established(): { left: End; right: End } {
  const left = client();
  const right = server();
  run(left, right);
  return { left, right };
}
