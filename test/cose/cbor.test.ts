// RFC 8949: Appendix A, Appendix F's kinds of bad input, deterministic encoding, and the decoder's bounds.
import test from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { readFileSync } from "node:fs";
import { concat, fromHex, toHex } from "../../lib/bytes/mod.ts";
import { CborTag, type CborValue, decodeCbor, encodeCbor } from "../../lib/cose/mod.ts";
import { SeccfError } from "../../lib/error.ts";

type Json = number | string | boolean | null | readonly Json[] | {
  readonly bytes?: string;
  readonly tag?: number;
  readonly value?: Json;
  readonly map?: readonly (readonly [number | string, Json])[];
};

const vectors: { readonly accepted: readonly { hex: string; value: Json }[]; readonly refused: readonly string[] } =
  JSON
    .parse(readFileSync(new URL("../vectors/cose/cbor.json", import.meta.url), "utf8"));

function valueOf(json: Json): CborValue {
  if (Array.isArray(json)) return json.map(valueOf);
  if (json === null || typeof json !== "object") return json as CborValue;
  const { bytes, tag, value, map } = json as Exclude<Json, readonly Json[] | number | string | boolean | null>;
  if (bytes !== undefined) return fromHex(bytes);
  if (tag !== undefined) return new CborTag(tag, valueOf(value!));
  return new Map(map!.map(([key, item]) => [key, valueOf(item)]));
}

const decode = (hex: string, deterministic = false) => decodeCbor(fromHex(hex), { deterministic });
const refuses = (hex: string, code: string, deterministic = false) =>
  assert.throws(() => decode(hex, deterministic), { name: "SeccfError", code }, hex);

test("RFC 8949 Appendix A: every example of our types decodes and encodes", () => {
  assert.equal(vectors.accepted.length + vectors.refused.length, 82);
  for (const { hex, value } of vectors.accepted) {
    assert.deepEqual(decode(hex, true), valueOf(value), hex);
    assert.equal(toHex(encodeCbor(valueOf(value))), hex);
  }
});

test("RFC 8949 Appendix A: every example of a type without use here is refused", () => {
  for (const hex of vectors.refused) refuses(hex, "malformed");
});

test("RFC 8949 Appendix F: input that ends too early, goes on, or uses reserved values is refused", () => {
  const early = ["", "18", "19", "1a", "1b", "1901", "1a0102", "1b01020304050607", "38", "58", "78", "98", "9a01ff00"];
  early.push(
    "b8",
    "d8",
    "f8",
    "41",
    "61",
    "5affffffff00",
    "7affffffff00",
    "81",
    "8181",
    "8200",
    "a1",
    "a20102",
    "a100",
  );
  early.push("a2000000", "c0", "5bffffffffffffffff010203", "7b7fffffffffffffff010203", "9b001fffffffffffff00");
  const extra = ["0000", "4000", "8000", "a000", "c00000"];
  const reserved = ["1c", "1d", "1e", "3c", "5d", "7e", "9c", "bd", "dc", "fc", "fd", "fe", "1f", "3f", "df", "ff"];
  const simple = ["e0", "f3", "f7", "f800", "f817", "f81f", "f820", "f90000", "fa00000000", "fb0000000000000000"];
  for (const hex of [...early, ...extra, ...reserved, ...simple]) refuses(hex, "malformed");
});

test("a head longer than needed is refused in every major type", () => {
  const long = ["1800", "1817", "190000", "1900ff", "1a00000000", "1a0000ffff", "1b0000000000000000"];
  for (const tail of [...long, "1b00000000ffffffff"]) {
    for (const major of [0, 1, 2, 3, 4, 5, 6, 7]) {
      const bytes = fromHex(tail);
      bytes[0]! |= major << 5;
      assert.throws(() => decodeCbor(bytes), { code: "malformed", message: "a head longer than needed" }, toHex(bytes));
    }
  }
});

test("numbers reach exactly to 2^53 - 1 either way", () => {
  const most = Number.MAX_SAFE_INTEGER;
  assert.equal(toHex(encodeCbor(most)), "1b001fffffffffffff");
  assert.equal(toHex(encodeCbor(-most)), "3b001ffffffffffffe");
  assert.equal(decode("1b001fffffffffffff"), most);
  assert.equal(decode("3b001ffffffffffffe"), -most);
  for (const hex of ["1b0020000000000000", "3b001fffffffffffff", "3b0020000000000000", "c11b0020000000000000"]) {
    refuses(hex, "malformed");
  }
  refuses("a13b001fffffffffffff00", "malformed");
  for (const value of [2 ** 53, -(2 ** 53), 0.5, NaN, Infinity]) assert.throws(() => encodeCbor(value), RangeError);
  assert.equal(toHex(encodeCbor(-0)), "00");
});

test("keys stand in the order of their encodings, whatever order they were set in", () => {
  // RFC 8949 4.2.1 has this order, less the keys that are no labels here: 10, 100, -1, "z", "aa".
  const map = new Map<number | string, CborValue>([["aa", 5], ["z", 4], [-1, 3], [100, 2], [10, 1]]);
  assert.equal(toHex(encodeCbor(map)), "a50a01186402200361" + "7a0462" + "616105");
  assert.deepEqual([...(decode("a50a011864022003617a0462616105", true) as Map<unknown, unknown>).keys()], [
    10,
    100,
    -1,
    "z",
    "aa",
  ]);
});

test("keys out of order are refused where the encoding must be ours, equal keys always", () => {
  assert.ok(decode("a2020001" + "00") instanceof Map);
  refuses("a202000100", "malformed", true);
  refuses("a2616100" + "0100", "malformed", true);
  for (const hex of ["a201000100", "a3010002000100", "a2616100616100", "a220002000"]) refuses(hex, "malformed");
});

test("keys that are no labels are refused", () => {
  for (const key of ["40", "80", "a0", "c000", "f4", "f6"]) refuses(`a1${key}00`, "malformed");
});

test("text must be UTF-8, and is not normalized", () => {
  for (const hex of ["61ff", "62c328", "62c080", "63eda080", "64f4908080"]) refuses(hex, "malformed");
  assert.equal(decode("63efbbbf"), "\ufeff");
  assert.throws(() => encodeCbor("\ud800"), TypeError);
});

test("size and depth are bounded, and a count that cannot be true reserves nothing", () => {
  refuses("81".repeat(9) + "00", "too-large");
  assert.ok(decode("81".repeat(8) + "00"));
  refuses("c1".repeat(9) + "00", "too-large");
  refuses("a100".repeat(9) + "00", "too-large");
  refuses("81".repeat(20_000), "too-large");
  refuses("9b001fffffffffffff", "malformed");
  refuses("bb001fffffffffffff", "malformed");
  assert.throws(() => decodeCbor(new Uint8Array(65_537)), { code: "too-large" });
  assert.throws(() => decodeCbor(new Uint8Array(9), { maximumLength: 8 }), { code: "too-large" });
});

test("what is not CBOR as used here is misuse", () => {
  for (const value of [undefined, 1n, Symbol(), {}, () => 1, new Date(0)]) {
    assert.throws(() => encodeCbor(value as unknown as CborValue), TypeError);
    assert.throws(() => encodeCbor([value as unknown as CborValue]), TypeError);
  }
  assert.throws(() => encodeCbor(new CborTag(-1, 0)), RangeError);
});

const label = fc.oneof(fc.maxSafeInteger(), fc.string({ unit: "grapheme", maxLength: 8 }));
const { value: anyValue } = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", maxDepth: 6 },
    fc.maxSafeInteger(),
    fc.string({ unit: "grapheme", maxLength: 30 }),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie("value"), { maxLength: 5 }),
    fc.array(fc.tuple(label, tie("value")), { maxLength: 5 }).map((entries) => new Map(entries)),
    fc.tuple(fc.nat(), tie("value")).map(([tag, value]) => new CborTag(tag, value)),
  ),
}));

test("property: what is encoded decodes to itself, and the encoding is the only one", () => {
  fc.assert(
    fc.property(anyValue, (value) => {
      const bytes = encodeCbor(value);
      const again = decodeCbor(bytes, { deterministic: true });
      assert.deepEqual(again, value);
      assert.deepEqual(encodeCbor(again), bytes);
      assert.throws(() => decodeCbor(bytes.subarray(0, -1)), SeccfError);
      assert.throws(() => decodeCbor(concat(bytes, new Uint8Array(1))), SeccfError);
    }),
    { numRuns: 300, seed: 8949 },
  );
});

test("property: any bytes either are a deterministic encoding or throw a SeccfError", () => {
  const mutated = fc.tuple(anyValue, fc.nat(), fc.nat(255)).map(([value, at, byte]) => {
    const bytes = encodeCbor(value);
    bytes[at % bytes.length] = byte;
    return bytes;
  });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), mutated), (bytes) => {
      let value: CborValue;
      try {
        value = decodeCbor(bytes, { deterministic: true });
      } catch (error) {
        assert.ok(error instanceof SeccfError);
        return;
      }
      assert.deepEqual(encodeCbor(value), bytes);
    }),
    { numRuns: 2000, seed: 8949 },
  );
});
