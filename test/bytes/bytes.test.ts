// concat, equal and UTF-8 (RFC 3629).
import test from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { concat, equal, fromHex, fromUtf8, toHex, toUtf8 } from "../../lib/bytes/mod.ts";

test("concat joins in order into memory of its own", () => {
  const part = new Uint8Array([1, 2]);
  const whole = concat(part, new Uint8Array(0), new Uint8Array([3]));
  assert.deepEqual(whole, new Uint8Array([1, 2, 3]));
  whole[0] = 9;
  assert.equal(part[0], 1);
  assert.equal(concat().length, 0);
});

test("equal compares contents and lengths: each single bit counts", () => {
  const bytes = new Uint8Array([0x00, 0x7f, 0x80, 0xff]);
  assert.ok(equal(bytes, bytes.slice()));
  assert.ok(equal(new Uint8Array(0), new Uint8Array(0)));
  assert.ok(!equal(bytes, bytes.subarray(1)));
  assert.ok(!equal(bytes, concat(bytes, new Uint8Array(1))));
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const other = bytes.slice();
    other[bit >> 3]! ^= 1 << (bit & 7);
    assert.ok(!equal(bytes, other), `bit ${bit}`);
  }
});

test("UTF-8 by the examples of RFC 3629 section 7, a byte order mark kept", () => {
  const examples = [
    ["A\u2262\u0391.", "41e289a2ce912e"],
    ["\uD55C\uAD6D\uC5B4", "ed959ceab5adec96b4"],
    ["\u65E5\u672C\u8A9E", "e697a5e69cace8aa9e"],
    ["\uFEFF\u{233B4}", "efbbbff0a38eb4"],
  ] as const;
  for (const [text, hex] of examples) {
    assert.equal(toHex(toUtf8(text)), hex);
    assert.equal(fromUtf8(fromHex(hex)), text);
  }
});

test("overlong forms, surrogates, lone and missing bytes are no UTF-8 (RFC 3629 sections 3 and 10)", () => {
  const bad = ["c080", "c1bf", "e08080", "f0808080", "eda080", "edbfbf", "80", "c3", "e282", "f4908080", "ff", "41c3"];
  for (const hex of bad) assert.throws(() => fromUtf8(fromHex(hex)), { name: "SeccfError", code: "malformed" }, hex);
});

test("text without lone surrogates survives UTF-8, and equal agrees with hexadecimal", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => assert.equal(fromUtf8(toUtf8(text)), text)), {
    seed: 1,
  });
  const short = fc.uint8Array({ maxLength: 3, max: 2 });
  fc.assert(fc.property(short, short, (a, b) => assert.equal(equal(a, b), toHex(a) === toHex(b))), { seed: 2 });
});
