// RFC 4648 sections 8 and 10.
import test from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { SeccfError } from "../../lib/error.ts";
import { fromHex, toHex, toUtf8 } from "../../lib/bytes/mod.ts";

test("hexadecimal by the vectors of RFC 4648 section 10, in either case", () => {
  const vectors = [
    ...[["", ""], ["f", "66"], ["fo", "666F"], ["foo", "666F6F"], ["foob", "666F6F62"]],
    ...[["fooba", "666F6F6261"], ["foobar", "666F6F626172"]],
  ] as const;
  for (const [text, digits] of vectors) {
    assert.equal(toHex(toUtf8(text)), digits.toLowerCase());
    assert.deepEqual(fromHex(digits), toUtf8(text));
    assert.deepEqual(fromHex(digits.toLowerCase()), toUtf8(text));
  }
});

test("odd lengths, other characters, spaces and signs are no hexadecimal", () => {
  for (const text of ["0", "abc", "0g", "0x00", " 00", "00 ", "+1", "-1", "0\n", "٠٠", "ff:ff", "1e+3"]) {
    assert.throws(() => fromHex(text), { name: "SeccfError", code: "malformed" }, JSON.stringify(text));
  }
});

test("any bytes survive hexadecimal, and any text is decoded or malformed", () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => assert.deepEqual(fromHex(toHex(bytes)), bytes)), { seed: 1 });
  fc.assert(
    fc.property(fc.string({ maxLength: 8 }), (text) => {
      try {
        assert.equal(toHex(fromHex(text)), text.toLowerCase());
      } catch (error) {
        assert.ok(error instanceof SeccfError && error.code === "malformed", String(error));
      }
    }),
    { seed: 2 },
  );
});
