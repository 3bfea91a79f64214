// Expected messages: RFC 7252 Appendix A, figures 16 and 17, bit by bit; headers of options: 3.1.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type CoapMessage, decodeCoap, encodeCoap, pathOf } from "../../examples/coap_message.ts";
import { fromHex, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { startScript } from "../support/spawn.ts";

const NONE = new Uint8Array(0);
const TEMPERATURE = "bb74656d7065726174757265";

test("CoAP over DTLS: the example asks its own server", async () => {
  await using example = startScript("examples/coap.ts", []);
  assert.deepEqual(await example.exit, { code: 0, signal: null }, example.errText);
  assert.match(example.outText, /^listening coaps:\/\/127\.0\.0\.1:\d+\n2\.05 21\.5\n$/);
});

test("the example's messages are those of RFC 7252's figures", () => {
  const path = [{ number: 11, value: toUtf8("temperature") }];
  const figures: readonly (readonly [string, CoapMessage])[] = [
    [
      `40017d34${TEMPERATURE}`,
      { type: "con", code: "0.01", id: 0x7d34, token: NONE, options: path, payload: NONE },
    ],
    [
      "60457d34ff32322e332043",
      { type: "ack", code: "2.05", id: 0x7d34, token: NONE, options: [], payload: toUtf8("22.3 C") },
    ],
    [
      `41017d3520${TEMPERATURE}`,
      { type: "con", code: "0.01", id: 0x7d35, token: fromHex("20"), options: path, payload: NONE },
    ],
    [
      "61457d3520ff32322e332043",
      { type: "ack", code: "2.05", id: 0x7d35, token: fromHex("20"), options: [], payload: toUtf8("22.3 C") },
    ],
  ];
  for (const [bytes, message] of figures) {
    assert.equal(toHex(encodeCoap(message)), bytes);
    const decoded = decodeCoap(fromHex(bytes));
    assert.deepEqual({ ...decoded, token: toHex(decoded.token) }, { ...message, token: toHex(message.token) });
  }
  assert.equal(pathOf(figures[0]![1]), "/temperature");
});

test("options far apart and long have their numbers in one byte more or two (RFC 7252 3.1)", () => {
  // Deltas of 13 and of 269, a value of 13 bytes: what follows the header is 13 or 269 less.
  const decoded = decodeCoap(fromHex("40010001d000e00000"));
  assert.deepEqual(decoded.options.map(({ number }) => number), [13, 282]);
  const long = { number: 60, value: new Uint8Array(13).fill(7) };
  const message = { type: "non", code: "0.02", id: 1, token: NONE, options: [long], payload: NONE } as const;
  assert.equal(toHex(encodeCoap(message)), `50020001dd2f00${"07".repeat(13)}`);
});

test("bytes that are no CoAP message are refused", () => {
  const bad = [
    "",
    "400100",
    "80010001",
    "49010001000000000000000000",
    "4201000100",
    // A reserved length, one without its byte, a value cut short, a marker without a payload.
    "40010001bf",
    "40010001bd",
    "40010001bb7465",
    "40010001ff",
  ];
  for (const hex of bad) assert.throws(() => decodeCoap(fromHex(hex)), RangeError, hex);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
    try {
      decodeCoap(bytes);
    } catch (error) {
      assert.ok(error instanceof RangeError);
    }
  }));
});
