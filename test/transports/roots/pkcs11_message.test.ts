import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createHmac } from "node:crypto";
import test from "node:test";
import fc from "fast-check";
import { fromHex, Reader, toHex, toUtf8 } from "../../../lib/bytes/mod.ts";
import { SeccfError } from "../../../lib/error.ts";
import {
  attributes,
  byte,
  byteArray,
  CALLS,
  decodeFrame,
  decodeResponse,
  encodeRequest,
  FRAME_LENGTH,
  HANDSHAKE,
  mechanism,
  readBytes,
  readText,
  readUlong,
  readUlongs,
  room,
  ulong,
} from "../../../transports/roots/pkcs11_message.ts";

interface Vectors {
  readonly slot: number;
  readonly label: string;
  readonly pin: string;
  readonly key: string;
  readonly message: string;
  readonly calls: readonly {
    readonly call: keyof typeof CALLS;
    readonly sequence: number;
    readonly request: string;
    readonly response: string;
  }[];
}

const vectors: Vectors = JSON.parse(
  readFileSync(new URL("../../vectors/roots/p11_kit.json", import.meta.url), "utf8"),
);

function vector(call: keyof typeof CALLS) {
  return vectors.calls.find((candidate) => candidate.call === call) ?? assert.fail(call);
}

/** The results of the recorded answer to `call`. */
function results(call: keyof typeof CALLS): Reader {
  const { sequence, response } = vector(call);
  const bytes = fromHex(response);
  const { options, body } = decodeFrame(bytes.subarray(0, FRAME_LENGTH), sequence);
  assert.equal(FRAME_LENGTH + options + body, bytes.length);
  const outcome = decodeResponse(CALLS[call], bytes.subarray(FRAME_LENGTH + options));
  return outcome.ok ? outcome.results : assert.fail(`${outcome.rv}`);
}

test("requests are what p11-kit's own client writes", () => {
  const session = ulong(1);
  const ours = {
    initialize: [byteArray(HANDSHAKE), byte(0), byteArray(Uint8Array.of(0))],
    getSlotList: [byte(0), room(2)],
    getTokenInfo: [ulong(vectors.slot)],
    openSession: [ulong(vectors.slot), ulong(4)],
    login: [session, ulong(1), byteArray(toUtf8(vectors.pin))],
    findObjectsInit: [session, attributes([{ type: 0, value: 4 }, { type: 0x102, value: Uint8Array.of(1) }])],
    findObjects: [session, room(1)],
    findObjectsFinal: [session],
    signInit: [session, mechanism(0x251, 0), ulong(2)],
    sign: [session, byteArray(fromHex(vectors.message)), room(512)],
  } satisfies Record<keyof typeof CALLS, Uint8Array[]>;
  for (const call of Object.keys(ours) as (keyof typeof CALLS)[]) {
    const { sequence, request } = vector(call);
    const frame = encodeRequest(CALLS[call], sequence, ...ours[call]);
    assert.equal(toHex(frame.subarray(FRAME_LENGTH)), request, call);
    assert.deepEqual(decodeFrame(frame.subarray(0, FRAME_LENGTH), sequence), {
      options: 0,
      body: frame.length - FRAME_LENGTH,
    });
  }
  assert.equal(vectors.calls.length, Object.keys(ours).length);
});

test("from version 2 on nothing follows a mechanism without a parameter", () => {
  // p11-kit 0.25.6, rpc-message.c, p11_rpc_buffer_add_mechanism; before: an array that is not there.
  assert.equal(toHex(mechanism(0x251, 2)), "00000251");
  assert.equal(toHex(mechanism(0x251, 1)), "00000251ffffffff");
});

test("the answers of p11-kit are read", () => {
  for (const call of ["initialize", "login", "findObjectsInit", "findObjectsFinal", "signInit"] as const) {
    results(call).end();
  }
  assert.deepEqual(readUlongs(results("getSlotList"), 64), [BigInt(vectors.slot), 1n]);
  assert.equal(readText(results("getTokenInfo")), vectors.label);
  assert.equal(readUlong(results("openSession")), 1n);
  assert.deepEqual(readUlongs(results("findObjects"), 2), [2n]);
  const hmac = createHmac("sha256", fromHex(vectors.key)).update(fromHex(vectors.message)).digest();
  assert.deepEqual(readBytes(results("sign")), new Uint8Array(hmac));
});

test("an answer to another call, of another shape or of another length than was asked for is malformed", () => {
  const head = (...words: number[]) =>
    Uint8Array.from(words.flatMap((word) => [word >>> 24, word >>> 16, word >>> 8, word]));
  const malformed = { code: "malformed" };
  assert.throws(() => decodeFrame(head(2, 0, 8), 1), malformed);
  assert.throws(() => decodeFrame(head(1, 0, 65536), 1), malformed);
  assert.throws(() => decodeFrame(head(1, 65536, 8), 1), malformed);
  assert.throws(() => decodeFrame(head(1, 0), 1), malformed);
  const sign = fromHex(vector("sign").response).subarray(FRAME_LENGTH);
  assert.throws(() => decodeResponse(CALLS.signInit, sign), malformed);
  assert.throws(() => decodeResponse({ ...CALLS.sign, response: "au" }, sign), malformed);
  assert.throws(() => readUlongs(results("getSlotList"), 1), malformed);
  assert.throws(() => readUlongs(new Reader(fromHex("0000000001")), 1), malformed);
  assert.throws(() => readBytes(new Reader(fromHex("0000000020"))), malformed);
  const error = fromHex("0000000000000001" + "75" + "00000000000000a0");
  assert.deepEqual(decodeResponse(CALLS.login, error), { ok: false, rv: 0xa0 });
  assert.throws(() => decodeResponse(CALLS.login, error.subarray(0, -1)), malformed);
  assert.throws(() => decodeResponse(CALLS.login, new Uint8Array([...error, 0])), malformed);
});

test("no bytes make a decoder throw anything but SeccfError", () => {
  const calls = Object.values(CALLS);
  const recorded = vectors.calls.map(({ response }) => fromHex(response).subarray(FRAME_LENGTH));
  const altered = fc.tuple(fc.constantFrom(...recorded), fc.nat(), fc.nat(255)).map(([bytes, at, value]) => {
    const copy = bytes.slice();
    copy[at % copy.length] = value;
    return copy;
  });
  const read = (bytes: Uint8Array) => {
    for (const call of calls) {
      try {
        const outcome = decodeResponse(call, bytes);
        if (!outcome.ok) continue;
        if (call.response === "au") readUlongs(outcome.results, 2);
        else if (call.response === "ay") readBytes(outcome.results);
        else if (call.response === "u") readUlong(outcome.results);
        else if (call.response !== "") readText(outcome.results);
        outcome.results.end();
      } catch (error) {
        assert.ok(error instanceof SeccfError, String(error));
      }
    }
  };
  fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), altered), read), { seed: 11, numRuns: 300 });
});
