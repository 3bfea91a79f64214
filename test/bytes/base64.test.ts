// RFC 4648 sections 3, 4 and 10.
import test from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { SeccfError } from "../../lib/error.ts";
import { fromBase64, toBase64, toUtf8 } from "../../lib/bytes/mod.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const malformed = { name: "SeccfError", code: "malformed" };

test("base64 by the vectors of RFC 4648 section 10", () => {
  const vectors = [
    ...[["", ""], ["f", "Zg=="], ["fo", "Zm8="], ["foo", "Zm9v"], ["foob", "Zm9vYg=="]],
    ...[["fooba", "Zm9vYmE="], ["foobar", "Zm9vYmFy"]],
  ] as const;
  for (const [text, base64] of vectors) {
    assert.equal(toBase64(toUtf8(text)), base64);
    assert.deepEqual(fromBase64(base64), toUtf8(text));
  }
});

test("base64 by RFC 4648 section 9, and the last two letters of the alphabet", () => {
  assert.equal(toBase64(new Uint8Array([0x14, 0xfb, 0x9c, 0x03, 0xd9, 0x7e])), "FPucA9l+");
  assert.equal(toBase64(new Uint8Array([0xfb, 0xff, 0xbf])), "+/+/");
});

test("missing or surplus padding, white space, line breaks and the URL alphabet are refused", () => {
  const bad = ["Z", "Zg", "Zg=", "Zg===", "Zm8", "Zm9v=", "=", "====", "Zg==Zg==", "Z=g=", " Zg==", "Zg==\n", "Zm\n9v"];
  for (const text of [...bad, "-_-_", "Zm9*", "Zm9é", "Zm9v\0"]) {
    assert.throws(() => fromBase64(text), malformed, JSON.stringify(text));
  }
});

test("of the texts that differ in stray bits alone one is accepted (RFC 4648 section 3.5)", () => {
  const accepted = (texts: string[]) =>
    texts.filter((text) => {
      try {
        return fromBase64(text).length > 0;
      } catch {
        return false;
      }
    });
  assert.deepEqual(accepted([...ALPHABET].map((letter) => `Z${letter}==`)), ["ZA==", "ZQ==", "Zg==", "Zw=="]);
  assert.equal(accepted([...ALPHABET].map((letter) => `Zm${letter}=`)).length, 16);
});

test("any bytes survive base64, and any text is decoded to what encodes to it or malformed", () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => assert.deepEqual(fromBase64(toBase64(bytes)), bytes)), { seed: 1 });
  const text = fc.oneof(fc.string({ maxLength: 9 }), fc.base64String({ maxLength: 12 }));
  fc.assert(
    fc.property(text, (text) => {
      try {
        assert.equal(toBase64(fromBase64(text)), text);
      } catch (error) {
        assert.ok(error instanceof SeccfError && error.code === "malformed", String(error));
      }
    }),
    { seed: 2 },
  );
});

test("a text of any length is decoded or refused: no runtime's regular expressions give up before", () => {
  const long = "AAAA".repeat(3_000_000);
  assert.equal(fromBase64(long).length, 9_000_000);
  assert.throws(() => fromBase64(long.slice(0, -1) + "!"), { code: "malformed" });
});
