import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromHex, toHex } from "../../lib/bytes/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import {
  decodeAnswer,
  decodeCommand,
  decodeNafRecord,
  encodeCommand,
  exchange,
  readTlvs,
  statusError,
  tlv,
  triesLeft,
} from "../../lib/identity/mod.ts";
import { withCode } from "../aka/vectors.ts";
import { scripted } from "./cards.ts";

const none = new Uint8Array(0);

test("the four cases of a command have their bytes (TS 102 221 10.1)", () => {
  const data = fromHex("3f00");
  assert.equal(toHex(encodeCommand({ ins: 0x20, p1: 0, p2: 1 })), "00200001");
  assert.equal(toHex(encodeCommand({ ins: 0xb0, p1: 1, p2: 2, le: 256 })), "00b0010200");
  assert.equal(toHex(encodeCommand({ ins: 0xa4, p1: 0, p2: 0x0c, data })), "00a4000c023f00");
  assert.equal(toHex(encodeCommand({ cla: 0x80, ins: 0xa4, p1: 0, p2: 4, data, le: 16 })), "80a40004023f0010");
});

test("a command that has no short form is refused", () => {
  assert.throws(() => encodeCommand({ ins: 0, p1: 0, p2: 0, data: new Uint8Array(256) }), RangeError);
  for (const le of [0, 257, 1.5]) assert.throws(() => encodeCommand({ ins: 0, p1: 0, p2: 0, le }), RangeError);
});

test("what was encoded decodes to itself", () => {
  const octet = fc.integer({ min: 0, max: 255 });
  const le = fc.option(fc.integer({ min: 1, max: 256 }), { nil: undefined });
  fc.assert(
    fc.property(octet, octet, octet, octet, fc.uint8Array({ maxLength: 255 }), le, (cla, ins, p1, p2, data, le) => {
      const command = { cla, ins, p1, p2, data, ...(le === undefined ? {} : { le }) };
      assert.deepEqual(decodeCommand(encodeCommand(command)), command);
    }),
    { seed: 1, numRuns: 200 },
  );
});

test("commands whose lengths do not fit, and extended ones, are malformed", () => {
  for (const bad of ["", "00a400", "00a4000c03aabb", "00a4000c01aabbcc", "00a4000c0000", "00a40004000002aabb"]) {
    assert.throws(() => decodeCommand(fromHex(bad)), withCode("malformed"), bad);
  }
});

test("an answer is 0 to 256 bytes and two of status", () => {
  assert.deepEqual(decodeAnswer(fromHex("9000")), { data: none, sw: 0x9000 });
  assert.equal(decodeAnswer(new Uint8Array(258)).data.length, 256);
  for (const length of [0, 1, 259]) assert.throws(() => decodeAnswer(new Uint8Array(length)), withCode("malformed"));
});

test("an exchange fetches what 61xx announces, piece by piece", async () => {
  const channel = scripted("6103", "aabb6101", "cc9000");
  const answer = await exchange(channel, { ins: 0x88, p1: 0, p2: 0x81, data: fromHex("01"), le: 256 });
  assert.deepEqual([toHex(answer.data), answer.sw], ["aabbcc", 0x9000]);
  assert.deepEqual(channel.asked, ["00880081010100", "00c0000003", "00c0000001"]);
});

test("an exchange repeats a command with the length that 6Cxx names", async () => {
  const channel = scripted("6c02", "aabb9000");
  const answer = await exchange(channel, { ins: 0xb0, p1: 0, p2: 0, le: 256 });
  assert.deepEqual([toHex(answer.data), answer.sw], ["aabb", 0x9000]);
  assert.deepEqual(channel.asked, ["00b0000000", "00b0000002"]);
});

test("a card that points on and on is left after eight commands", async () => {
  for (const pointer of ["6101", "6c01", "aa6101"]) {
    const channel = scripted(...new Array<string>(20).fill(pointer));
    await assert.rejects(exchange(channel, { ins: 0xb0, p1: 0, p2: 0, le: 1 }), withCode("identity-unavailable"));
    assert.equal(channel.asked.length, 8);
  }
});

test("the channel's buffers are wiped, command and answer, and an answer without status is malformed", async () => {
  const buffers: Uint8Array[] = [];
  const answers = [fromHex("aabb9000"), none];
  const channel = {
    transmit: (command: Uint8Array) => {
      buffers.push(command, answers[0]!);
      return Promise.resolve(answers.shift()!);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const command = { ins: 0x20, p1: 0, p2: 1, data: fromHex("31323334ffffffff") };
  assert.equal(toHex((await exchange(channel, command)).data), "aabb");
  await assert.rejects(exchange(channel, command), withCode("malformed"));
  assert.deepEqual(buffers.map(toHex), ["00".repeat(13), "00".repeat(4), "00".repeat(13), ""]);
  assert.equal(toHex(command.data), "31323334ffffffff");
});

test("status words become codes (TS 102 221 10.2.1, TS 31.102 7.3)", () => {
  const codes = {
    0x6982: "pin-required",
    0x6983: "pin-blocked",
    0x63c2: "pin-required",
    0x63c0: "pin-blocked",
    0x9862: "mac-failure",
    0x9864: "unsupported",
    0x6d00: "unsupported",
    0x6e00: "unsupported",
    0x6a82: "identity-unavailable",
    0x6581: "identity-unavailable",
    0x6f00: "identity-unavailable",
  };
  for (const [sw, code] of Object.entries(codes)) assert.equal(statusError(Number(sw), "a test").code, code);
  assert.match(statusError(0x6a82, "SELECT").message, /6A82 to SELECT/);
  assert.deepEqual([triesLeft(0x63c3), triesLeft(0x63c0), triesLeft(0x9000), triesLeft(0x6300)], [
    3,
    0,
    undefined,
    undefined,
  ]);
});

test("TLVs of all lengths read back, and end at padding", () => {
  for (const length of [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff]) {
    const object = tlv(0x80, new Uint8Array(length).fill(7));
    const padded = new Uint8Array(object.length + 3).fill(0xff);
    padded.set(object);
    assert.deepEqual(readTlvs(padded).map(({ tag, value }) => [tag, value.length]), [[0x80, length]]);
  }
  assert.throws(() => tlv(0x80, new Uint8Array(0x10000)), RangeError);
  for (const bad of ["80", "8002aa", "8080", "8083000001aa", "80820001"]) {
    assert.throws(() => readTlvs(fromHex(bad)), withCode("malformed"), bad);
  }
});

test("decoders throw nothing but SeccfError at any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      for (const decode of [decodeCommand, decodeAnswer, readTlvs, decodeNafRecord]) {
        try {
          decode(bytes);
        } catch (error) {
          assert.ok(error instanceof SeccfError);
        }
      }
    }),
    { seed: 3, numRuns: 500 },
  );
});
