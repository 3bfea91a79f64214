import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { concat, fromHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom, suiteById } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import {
  decodeNewConnectionId,
  decodeRequestConnectionId,
  encodeNewConnectionId,
} from "../../lib/tls/handshake/connection_id_update.ts";
import { decodeAck, encodeAck } from "../../lib/tls/record/ack.ts";
import { DatagramReader } from "../../lib/tls/record/datagram_reader.ts";
import { DatagramWriter } from "../../lib/tls/record/datagram_writer.ts";
import { EpochKeys } from "../../lib/tls/record/epoch_keys.ts";
import { nearestNumber } from "../../lib/tls/record/unified_header.ts";
import { sealEpoch, unifiedAt } from "./pads.ts";
import { trafficKeys } from "../../lib/tls/tls13/key_schedule.ts";

const SUITES = [0x1301, 0x1302, 0x1303, 0x1304, 0x1305] as const;
const NO_ID = new Uint8Array(0);
const ID = fromHex("c0ffee");

function keysOf(suite: number, epoch = 3): EpochKeys {
  const found = suiteById(suite)!;
  using secret = secretFrom(new Uint8Array(found.prf === "sha-384" ? 48 : 32).fill(epoch));
  using keys = trafficKeys("dtls13", found, secret);
  return new EpochKeys(found, keys);
}

function reader(
  suite: number,
  { id = NO_ID, epochs = [3] }: { id?: Uint8Array; epochs?: number[] } = {},
): DatagramReader {
  const made = new DatagramReader(id);
  made.expectId(id.length > 0);
  for (const epoch of epochs) made.open(epoch, keysOf(suite, epoch));
  return made;
}

function writer(
  suite: number,
  { id = NO_ID, epochs = [3], longest = 1232 }: { id?: Uint8Array; epochs?: number[]; longest?: number } = {},
): DatagramWriter {
  const made = new DatagramWriter(longest);
  made.address(id);
  for (const epoch of epochs) made.open(epoch, keysOf(suite, epoch));
  return made;
}

function texts(from: DatagramReader, datagram: Uint8Array): string[] {
  const found: string[] = [];
  from.push(datagram);
  for (let record = from.next(); record; record = from.next()) {
    found.push(`${record.epoch}:${record.number} ${new TextDecoder().decode(record.payload)}`);
  }
  return found;
}

/** A record in any of the forms that RFC 9147 4 allows, which our own writer does not use. */
function record(
  suite: number,
  { number, text, id = NO_ID, epoch = 3, short = false, length = true, padding = 0 }: {
    number: number;
    text: string;
    id?: Uint8Array;
    epoch?: number;
    short?: boolean;
    length?: boolean;
    padding?: number;
  },
): Uint8Array {
  using keys = keysOf(suite, epoch);
  // Content, its type, and zeros behind it: the last zero takes the place of the type that `seal` would write.
  const content = concat(
    toUtf8(text),
    padding > 0 ? Uint8Array.of(23) : NO_ID,
    new Uint8Array(Math.max(padding - 1, 0)),
  );
  const bodyLength = keys.sealedLength(content.length);
  const first = 0x20 | (id.length > 0 ? 0x10 : 0) | (short ? 0 : 8) | (length ? 4 : 0) | (epoch & 3);
  const low = short ? [number & 0xff] : [(number >> 8) & 0xff, number & 0xff];
  const header = Uint8Array.from([first, ...id, ...low, ...(length ? [bodyLength >> 8, bodyLength & 0xff] : [])]);
  const body = sealEpoch(keys, header, number, padding > 0 ? 0 : 23, content);
  keys.turnNumber(header, 1 + id.length, short ? 1 : 2, body);
  return concat(header, body);
}

test("every form of the header is read: numbers of one or two bytes, with a length or without, with a Connection ID or without", () => {
  for (const suite of SUITES) {
    for (const id of [NO_ID, ID]) {
      const from = reader(suite, { id });
      let number = 0;
      for (const short of [false, true]) {
        for (const length of [false, true]) {
          for (const padding of [0, 1, 40]) {
            const text = `in form ${number}`;
            assert.deepEqual(texts(from, record(suite, { number, text, id, short, length, padding })), [
              `3:${number} ${text}`,
            ]);
            number++;
          }
        }
      }
    }
  }
});

test("a number is the one nearest to what is awaited, however far that has come (RFC 9147 4.2.2)", () => {
  const bits = fc.constantFrom(1 as const, 2 as const);
  const awaited = fc.oneof(fc.nat(70_000), fc.integer({ min: 2 ** 40, max: 2 ** 40 + 70_000 }));
  fc.assert(
    fc.property(awaited, bits, fc.integer({ min: -32_767, max: 32_767 }), (expected, length, away) => {
      const size = 256 ** length;
      const number = expected + (away % (size / 2));
      if (number < 0) return;
      assert.equal(nearestNumber(expected, number % size, length), number);
    }),
    { seed: 3, numRuns: 2000 },
  );
  // Below the first number there is none.
  assert.equal(nearestNumber(0, 255, 1), 255);
  assert.equal(nearestNumber(3, 0xffff, 2), 0xffff);
});

test("a number of one byte is read 100 records ahead or behind, and is another record when it is 200 ahead", () => {
  const from = reader(0x1301);
  assert.deepEqual(texts(from, record(0x1301, { number: 1000, text: "far" })), ["3:1000 far"]);
  assert.deepEqual(texts(from, record(0x1301, { number: 1100, text: "ahead", short: true })), ["3:1100 ahead"]);
  assert.deepEqual(texts(from, record(0x1301, { number: 1050, text: "behind", short: true })), ["3:1050 behind"]);
  assert.deepEqual(texts(from, record(0x1301, { number: 1300, text: "too far", short: true })), []);
});

test("each epoch counts for itself and reads each record once, in any order; what is forgotten is not read", () => {
  const from = reader(0x1301, { epochs: [2, 3, 4] });
  const to = writer(0x1301, { epochs: [2, 3, 4] });
  const sent = [2, 3, 4, 2, 3, 4].map((epoch, i) => {
    to.write(epoch, 23, toUtf8(`${i}`));
    return new Uint8Array(to.poll()!.bytes);
  });
  assert.deepEqual(texts(from, concat(...[...sent].reverse())), ["4:1 5", "3:1 4", "2:1 3", "4:0 2", "3:0 1", "2:0 0"]);
  assert.deepEqual(texts(from, concat(...sent)), []);
  for (const epoch of [2, 3, 4]) to.write(epoch, 23, toUtf8("more"));
  from.forget(4);
  assert.deepEqual(texts(from, new Uint8Array(to.poll()!.bytes)), ["4:2 more"]);
  to.forget(4);
  assert.throws(() => to.write(3, 23, NO_ID), { code: "state" });
});

test("what is newest grows with newer records alone, also while the peer is still in its old epoch", () => {
  const from = reader(0x1301, { epochs: [3] });
  const to = writer(0x1301, { epochs: [3, 4] });
  const say = (epoch: number): Uint8Array => {
    to.write(epoch, 23, toUtf8("x"));
    return new Uint8Array(to.poll()!.bytes);
  };
  const [a, b, c, d] = [say(3), say(3), say(3), say(4)];
  const grown: number[] = [];
  for (const bytes of [b!, a!]) {
    texts(from, bytes);
    grown.push(from.newest);
  }
  from.open(4, keysOf(0x1301, 4));
  for (const bytes of [c!, d!, say(3)]) {
    texts(from, bytes);
    grown.push(from.newest);
  }
  assert.deepEqual(grown, [0, 0, 1, 2, 2]);
});

test("where there is a Connection ID the first record of a datagram has it, and behind another one nothing is read (RFC 9147 4)", () => {
  const mine = record(0x1301, { number: 0, text: "mine", id: ID });
  const unnamed = (number: number) => record(0x1301, { number, text: "unnamed" });
  const theirs = record(0x1301, { number: 2, text: "theirs", id: fromHex("c0ffef") });
  const from = reader(0x1301, { id: ID });
  assert.deepEqual(texts(from, unnamed(1)), []);
  assert.deepEqual(texts(from, concat(mine, unnamed(1), theirs, unnamed(3))), ["3:0 mine", "3:1 unnamed"]);
  const nameless = reader(0x1301);
  assert.deepEqual(texts(nameless, record(0x1301, { number: 0, text: "x", id: ID })), []);
});

test("no ciphertext is shorter than what hides its number: short ones are padded, and shorter ones dropped (RFC 9147 4.2.3)", () => {
  for (const suite of SUITES) {
    const to = writer(suite);
    for (let length = 0; length < 12; length++) {
      to.write(3, 23, new Uint8Array(length).fill(7));
      const { bytes } = to.poll()!;
      assert.ok(bytes.length >= 5 + 16, `${suite} ${length}`);
      const from = reader(suite);
      from.push(bytes);
      assert.equal(from.next()?.payload.length, length);
    }
    for (let length = 0; length < 16; length++) {
      const from = reader(suite);
      assert.deepEqual(texts(from, concat(Uint8Array.of(0x2f, 0, 0, 0, length), new Uint8Array(length))), []);
      assert.equal(from.unopened, 0);
    }
  }
});

test("a datagram is never longer than it may be, and `most` is exact for every suite, also of version 1.3", () => {
  for (const suite of SUITES) {
    for (const id of [NO_ID, ID, new Uint8Array(255).fill(7)]) {
      for (let longest = 420; longest < 440; longest++) {
        const to = writer(suite, { id, longest });
        const most = to.most(3);
        to.write(3, 23, new Uint8Array(most));
        assert.ok(to.poll()!.bytes.length <= longest);
        to.write(3, 23, new Uint8Array(most + 1));
        assert.ok(to.poll()!.bytes.length > longest);
      }
    }
  }
  assert.equal(writer(0x1301, { longest: 65_507 }).most(3), 16_383);
});

test("a record of more than 2^14 bytes and a type is dropped", () => {
  const from = reader(0x1301);
  for (const [length, count] of [[16_384, 1], [16_385, 0]] as const) {
    assert.equal(texts(from, record(0x1301, { number: length, text: "x".repeat(length) })).length, count);
  }
});

test("keys are not used longer than they may be (RFC 9147 4.5.3, RFC 8446 5.5)", () => {
  const limits = SUITES.map((suite) => keysOf(suite).limits);
  assert.deepEqual(limits, [
    { sealed: Math.floor(2 ** 24.5), failed: 2 ** 36 },
    { sealed: Math.floor(2 ** 24.5), failed: 2 ** 36 },
    { sealed: 2 ** 48, failed: 2 ** 36 },
    { sealed: 2 ** 23, failed: Math.floor(2 ** 23.5) },
    { sealed: 2 ** 23, failed: 2 ** 7 },
  ]);
  const from = reader(0x1305);
  const good = record(0x1305, { number: 500, text: "good" });
  for (let number = 0; number < 128; number++) {
    const bad = record(0x1305, { number: 200 + number, text: "bad" });
    bad[bad.length - 1]! ^= 1;
    texts(from, bad);
  }
  assert.deepEqual([from.unopened, from.wear], [128, 1]);
  assert.deepEqual(texts(from, good), []);
  assert.throws(() => new EpochKeys(suiteById(0x00a8)!, {} as never), RangeError);
});

test("records of an epoch that can not come yet are not kept, and of one that may come few are", () => {
  const from = reader(0x1301, { epochs: [2] });
  for (let number = 0; number < 20; number++) texts(from, record(0x1301, { number, text: "early" }));
  assert.equal(from.held, 8);
  for (const epoch of [4, 5]) texts(from, record(0x1301, { number: 0, epoch, text: "x" }));
  assert.equal(from.held, 8);
  from.open(3, keysOf(0x1301, 3));
  assert.equal(texts(from, NO_ID).length, 8);
  for (const epoch of [2, 4, 5, 6]) texts(from, record(0x1301, { number: 50, epoch, text: "x" }));
  assert.equal(from.held, 0);
});

test("epochs do not come again, and those of two versions do not meet", () => {
  const from = reader(0x1301);
  const to = writer(0x1301);
  for (const again of [2, 3]) {
    assert.throws(() => from.open(again, keysOf(0x1301)), { code: "state" });
    assert.throws(() => to.open(again, keysOf(0x1301)), { code: "state" });
  }
  assert.throws(() => from.protect({} as never, NO_ID), { code: "state" });
  assert.throws(() => to.protect({} as never, NO_ID), { code: "state" });
});

test("decoders throw nothing but SeccfError, and take back what was encoded", () => {
  const bytes = fc.uint8Array({ maxLength: 80 });
  const decoders = [decodeAck, decodeNewConnectionId, decodeRequestConnectionId] as const;
  fc.assert(
    fc.property(bytes, fc.nat(9), (input, idLength) => {
      for (const decode of decoders) {
        try {
          decode(input);
        } catch (error) {
          assert.ok(error instanceof SeccfError);
        }
      }
      if (input.length > 0) unifiedAt(input, 0, idLength);
      const from = reader(0x1301);
      from.push(input);
      while (from.next());
    }),
    { seed: 4, numRuns: 500 },
  );
  const numbers = fc.array(fc.record({ epoch: fc.nat(2 ** 17), number: fc.nat({ max: 2 ** 48 - 1 }) }), {
    maxLength: 20,
  });
  fc.assert(
    fc.property(numbers, (records) => {
      const sorted = records.map(({ epoch, number }) => ({ epoch, number }));
      sorted.sort((a, b) => a.epoch - b.epoch || a.number - b.number);
      assert.deepEqual(decodeAck(encodeAck(records)), sorted);
    }),
    { seed: 5, numRuns: 100 },
  );
  const ids = fc.array(fc.uint8Array({ maxLength: 20 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(ids, fc.boolean(), (list, isImmediate) => {
      assert.deepEqual(decodeNewConnectionId(encodeNewConnectionId({ ids: list, isImmediate })), {
        ids: list,
        isImmediate,
      });
    }),
    { seed: 6, numRuns: 100 },
  );
  // Numbers that no record can have.
  assert.deepEqual(decodeAck(fromHex("0010" + "ff".repeat(16))), []);
});
