import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { concat, fromHex, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom, suiteById } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import type { Random } from "../../lib/platform.ts";
import { trafficKeys } from "../../lib/tls/tls12/key_schedule.ts";
import { headerOf } from "../../lib/tls/record/datagram_header.ts";
import { DatagramReader, recordAt } from "../../lib/tls/record/datagram_reader.ts";
import { DatagramWriter } from "../../lib/tls/record/datagram_writer.ts";
import { borrowPad, returnPad } from "../../lib/tls/record/pad.ts";
import { createProtection, type Protection } from "../../lib/tls/record/protection.ts";
import { ReplayWindow } from "../../lib/tls/record/replay_window.ts";
import { seededRandom } from "../support/virtual.ts";
import { ALL_SUITES, CBC_SHA256, GCM } from "./pair.ts";
import { keyOf } from "../../lib/tls/key_of.ts";
import { sealWith } from "./pads.ts";

const NO_ID = new Uint8Array(0);

function protectionOf(suite: number, encryptThenMac = true, random: Random = seededRandom(5)): Protection {
  using master = secretFrom(new Uint8Array(48).fill(3));
  const found = suiteById(suite)!;
  const keys = trafficKeys(found, master, { client: new Uint8Array(32), server: new Uint8Array(32) });
  return createProtection(found, keys.client, { encryptThenMac, random });
}

function pair(
  suite: number,
  id: Uint8Array = NO_ID,
  longest = 1232,
): { writer: DatagramWriter; reader: DatagramReader } {
  const writer = new DatagramWriter(longest);
  const reader = new DatagramReader(id);
  writer.protect(protectionOf(suite), id);
  reader.protect(protectionOf(suite), id);
  return { writer, reader };
}

function read(reader: DatagramReader, datagram: Uint8Array): [number, string][] {
  const found: [number, string][] = [];
  reader.push(datagram);
  for (let record = reader.next(); record; record = reader.next()) {
    found.push([record.type, new TextDecoder().decode(record.payload)]);
  }
  return found;
}

test("the replay window takes each number once, none older than 64, and follows any jump (RFC 6347 4.1.2.6)", () => {
  const number = fc.oneof(fc.nat(200), fc.integer({ min: 2 ** 40, max: 2 ** 40 + 200 }), fc.nat({ max: 2 ** 48 - 1 }));
  fc.assert(
    fc.property(fc.array(number, { maxLength: 200 }), (numbers) => {
      const window = new ReplayWindow();
      const used = new Set<number>();
      let highest = -1;
      for (const each of numbers) {
        const isFresh = each > highest - 64 && !used.has(each);
        assert.equal(window.isFresh(each), isFresh, `${each} after ${highest}`);
        if (!isFresh) continue;
        window.use(each);
        used.add(each);
        highest = Math.max(highest, each);
        assert.equal(window.highest, highest);
      }
    }),
    { seed: 6, numRuns: 300 },
  );
});

test("after 64 lost records and more the next is still taken, as node-dtls-client's window never does", () => {
  const window = new ReplayWindow();
  for (let i = 0; i < 100; i++) window.use(i);
  for (const next of [163, 164, 228, 5000, 2 ** 48 - 1]) {
    assert.ok(window.isFresh(next));
    window.use(next);
    assert.ok(!window.isFresh(next));
  }
});

test("what is authenticated with a record stands as RFC 6347 4.1.2.1 and RFC 9146 5.3 have it, its length apart", () => {
  assert.equal(toHex(headerOf("", 23, 0x010203040506)), "000101020304050617fefd");
  assert.equal(
    toHex(headerOf(keyOf(fromHex("beef")), 23, 7)),
    "ffffffffffffffff" + "19" + "02" + "19" + "fefd" + "0001000000000007" + "beef",
  );
});

test("records of both epochs count for themselves, and share a datagram as long as it is short enough", () => {
  const writer = new DatagramWriter(128, 5);
  writer.write(0, 22, new Uint8Array(20));
  writer.write(0, 20, Uint8Array.of(1));
  writer.protect(protectionOf(GCM), NO_ID);
  writer.write(1, 22, new Uint8Array(10));
  writer.write(1, 23, new Uint8Array(60));
  const datagrams: Uint8Array[] = [];
  for (let out = writer.poll(); out; out = writer.poll()) datagrams.push(out.bytes);
  const shape = datagrams.map((datagram) => {
    const records: string[] = [];
    for (let at = 0; at < datagram.length;) {
      const { type, epoch, number, whole } = recordAt(datagram, at, 0)!;
      records.push(`${type}:${epoch}:${number}`);
      at += whole.length;
    }
    return records;
  });
  assert.deepEqual(shape, [["22:0:5", "20:0:6", "22:1:0"], ["23:1:1"]]);
  assert.equal(writer.poll(), undefined);
});

test("a datagram is never longer than it may be, and `most` is exact for every suite and length", () => {
  for (const suite of ALL_SUITES) {
    for (const id of [NO_ID, fromHex("beef"), new Uint8Array(255).fill(7)]) {
      for (let longest = 420; longest < 460; longest++) {
        const { writer } = pair(suite, id, longest);
        const most = writer.most(1);
        writer.write(1, 23, new Uint8Array(most));
        assert.ok(writer.poll()!.bytes.length <= longest);
        const { writer: other } = pair(suite, id, longest);
        other.write(1, 23, new Uint8Array(most + 1));
        assert.ok(other.poll()!.bytes.length > longest, `${suite} ${longest}`);
      }
    }
  }
});

test("no number of an epoch is used twice: the last is 2^48 - 1 (RFC 6347 4.1)", () => {
  const writer = new DatagramWriter(1232, 2 ** 48 - 1);
  writer.write(0, 21, Uint8Array.of(1, 0));
  assert.equal(recordAt(writer.poll()!.bytes, 0, 0)!.number, 2 ** 48 - 1);
  assert.throws(() => writer.write(0, 21, Uint8Array.of(1, 0)), { code: "exhausted" });
  assert.equal(writer.apart(0, 21, Uint8Array.of(1, 0)), undefined);
});

test("a second change of keys is a mistake of ours", () => {
  const { writer, reader } = pair(GCM);
  assert.throws(() => writer.protect(protectionOf(GCM), NO_ID), { code: "state" });
  assert.throws(() => reader.protect(protectionOf(GCM), NO_ID), { code: "state" });
  assert.throws(() => new DatagramWriter(1232).write(1, 23, toUtf8("x")), { code: "state" });
});

test("each record is read once, in any order, by every suite, with and without Connection ID [SEC_CF-AUTH-004]", () => {
  for (const suite of ALL_SUITES) {
    for (const id of [NO_ID, fromHex("beef")]) {
      const { writer, reader } = pair(suite, id);
      const datagrams = ["one", "two", "three"].map((text) => {
        writer.write(1, 23, toUtf8(text));
        return writer.poll()!.bytes.slice();
      });
      const [one, two, three] = datagrams;
      assert.deepEqual(read(reader, three!), [[23, "three"]]);
      assert.deepEqual(read(reader, concat(one!, two!, three!, one!)), [[23, "one"], [23, "two"]]);
      assert.equal(reader.newest, 2);
    }
  }
});

test("a bad record is dropped and the rest of its datagram read; one that reaches beyond ends the reading", () => {
  const { writer, reader } = pair(GCM);
  writer.write(1, 23, toUtf8("one"));
  writer.write(1, 23, toUtf8("two"));
  const datagram = writer.poll()!.bytes.slice();
  const broken = new Uint8Array(datagram);
  broken[20]! ^= 1;
  assert.deepEqual(read(reader, broken), [[23, "two"]]);
  assert.equal(reader.unopened, 1);
  const clear = Uint8Array.of(23, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 65);
  const otherVersion = new Uint8Array(datagram).with(2, 0xff);
  for (const junk of [clear, otherVersion.subarray(0, datagram.length / 2), Uint8Array.of(1), new Uint8Array(13)]) {
    assert.deepEqual(read(reader, junk), []);
  }
  const first = datagram.subarray(0, datagram.length / 2);
  for (let length = 0; length < first.length; length++) assert.deepEqual(read(reader, first.subarray(0, length)), []);
  assert.deepEqual(read(reader, concat(clear, first, Uint8Array.of(23))), [[23, "one"]]);
});

test("a record under another length, number, type or epoch does not open [SEC_CF-INTE-001]", () => {
  for (const id of [NO_ID, fromHex("beef")]) {
    const { writer } = pair(GCM, id);
    writer.write(1, 23, toUtf8("one"));
    const record = writer.poll()!.bytes.slice();
    for (let bit = 0; bit < 8 * record.length; bit++) {
      const { reader } = pair(GCM, id);
      const changed = new Uint8Array(record);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      assert.deepEqual(read(reader, changed), [], `bit ${bit}`);
      assert.equal(reader.newest, -1);
      assert.deepEqual(read(reader, record), [[23, "one"]]);
    }
  }
});

test("with a Connection ID the type and any padding are inside; nothing but zeros is no record (RFC 9146 4)", () => {
  const id = fromHex("beef");
  const seal = (number: number, inner: Uint8Array): Uint8Array => {
    const protection = protectionOf(GCM);
    const header = headerOf(keyOf(id), 25, number);
    const sealed = sealWith(protection, header, inner);
    const length = Uint8Array.of(sealed.length >> 8, sealed.length);
    return concat(fromHex("19fefd0001"), fromHex("0000000000"), Uint8Array.of(number), id, length, sealed);
  };
  const { reader } = pair(GCM, id);
  assert.deepEqual(read(reader, seal(0, concat(toUtf8("hi"), Uint8Array.of(23), new Uint8Array(40)))), [[23, "hi"]]);
  assert.deepEqual(read(reader, seal(1, Uint8Array.of(23))), [[23, ""]]);
  assert.deepEqual(read(reader, seal(2, new Uint8Array(5))), []);
  assert.deepEqual(read(reader, seal(3, NO_ID)), []);
  // Its number is used all the same: it was the peer's.
  assert.equal(reader.newest, 3);
});

test("where a Connection ID is agreed nothing comes without or under another; where none is, nothing comes with one", () => {
  const id = fromHex("beef");
  const by = pair(GCM, id);
  const without = pair(GCM);
  by.writer.write(1, 23, toUtf8("with"));
  without.writer.write(1, 23, toUtf8("without"));
  const withId = by.writer.poll()!.bytes.slice();
  const withoutId = without.writer.poll()!.bytes.slice();
  assert.deepEqual(read(by.reader, withoutId), []);
  assert.deepEqual(read(without.reader, withId), []);
  assert.deepEqual(read(by.reader, withId.with(11, 0)), []);
  assert.deepEqual(read(by.reader, withId), [[23, "with"]]);
  assert.deepEqual(read(without.reader, withoutId), [[23, "without"]]);
});

test("records that come before their key wait, few of them, and are read in their order", () => {
  const writer = new DatagramWriter(1232);
  writer.protect(protectionOf(GCM), NO_ID);
  const reader = new DatagramReader(NO_ID);
  for (let i = 0; i < 20; i++) {
    writer.write(1, 23, toUtf8(String(i)));
    assert.deepEqual(read(reader, writer.poll()!.bytes), []);
  }
  assert.equal(reader.held, 8);
  reader.protect(protectionOf(GCM), NO_ID);
  assert.deepEqual(read(reader, NO_ID).map(([, text]) => text), ["0", "1", "2", "3", "4", "5", "6", "7"]);
  const greedy = new DatagramReader(NO_ID);
  const long = concat(fromHex("17fefd000100000000000005dc"), new Uint8Array(1500));
  for (let i = 0; i < 5; i++) read(greedy, long);
  assert.equal(greedy.held, 2);
});

test("payloads of one datagram are all valid at once, and gone when the memory is given back", () => {
  const { writer, reader } = pair(GCM, NO_ID, 60_000);
  writer.write(1, 23, new Uint8Array(16_000).fill(1));
  writer.write(1, 23, new Uint8Array(16_000).fill(2));
  reader.push(writer.poll()!.bytes);
  const first = reader.next()!.payload;
  const second = reader.next()!.payload;
  assert.deepEqual([first[0], first.at(-1), second[0], second.at(-1)], [1, 1, 2, 2]);
  assert.equal(reader.next(), undefined);
  reader.trim();
  assert.deepEqual([first[0], first.at(-1), second[0], second.at(-1)], [0, 0, 0, 0]);
});

test("a payload is gone with the memory also where what came behind it needed a wider one", () => {
  const { writer } = pair(GCM, NO_ID, 60_000);
  const reader = new DatagramReader(NO_ID);
  for (const mark of [1, 2, 3]) {
    writer.write(1, 23, new Uint8Array(1300).fill(mark));
    reader.push(writer.poll()!.bytes);
    assert.equal(reader.next(), undefined);
  }
  reader.protect(protectionOf(GCM), NO_ID);
  reader.push(NO_ID);
  const payloads = [reader.next()!.payload, reader.next()!.payload, reader.next()!.payload];
  assert.deepEqual(payloads.map((each) => [each.length, each[0], each.at(-1)]), [[1300, 1, 1], [1300, 2, 2], [
    1300,
    3,
    3,
  ]]);
  reader.trim();
  assert.deepEqual(payloads.map((each) => each.some((byte) => byte !== 0)), [false, false, false]);
});

test("whoever takes each datagram and does not ask whether there is another has no more memory held for it", () => {
  const { writer } = pair(GCM);
  let room = 0;
  for (let i = 0; i < 1000; i++) {
    writer.write(1, 23, new Uint8Array(1000));
    room = writer.poll()!.bytes.buffer.byteLength;
  }
  assert.equal(room, 2048);
});

test("where randomness fails, a datagram apart leaves no memory behind, nor what it was to say", () => {
  let fails = false;
  const random = seededRandom(5);
  const writer = new DatagramWriter(1232);
  writer.protect(
    protectionOf(CBC_SHA256, true, (bytes) => {
      if (fails) throw new SeccfError("state", "no randomness");
      random(bytes);
    }),
    NO_ID,
  );
  // None that others gave back is left to be lent before this one.
  for (let i = 0; i < 4; i++) borrowPad(1, "out");
  const pad = borrowPad(1, "out");
  returnPad(pad);
  fails = true;
  assert.throws(() => writer.apart(1, 23, new Uint8Array(1000).fill(1)), { code: "state" });
  assert.equal(borrowPad(1, "out"), pad);
  assert.ok(pad.bytes.every((byte) => byte === 0));
});

test("who sends a datagram too late, when its memory is lent again, says nothing of what another was told", () => {
  const [late, other] = [pair(GCM), pair(GCM)];
  other.writer.write(1, 23, new Uint8Array(1000).fill(0xbb));
  const record = new Uint8Array(other.writer.poll()!.bytes);
  other.writer.trim();
  late.writer.write(1, 23, new Uint8Array(1000).fill(0xaa));
  const { bytes } = late.writer.poll()!;
  late.writer.trim();
  other.reader.push(record);
  assert.ok(other.reader.next()!.payload.every((byte) => byte === 0xbb));
  assert.ok(bytes.filter((byte) => byte === 0xbb).length < 100);
});
