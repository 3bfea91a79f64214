// Reader and Writer: big-endian fields and vectors as RFC 5246 section 4 has them.
import test from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { SeccfError } from "../../lib/error.ts";
import { fromHex, Reader, toHex, Writer } from "../../lib/bytes/mod.ts";

const malformed = { name: "SeccfError", code: "malformed" };

test("numbers are written and read big-endian (RFC 5246 section 4.1, RFC 1014 byte order)", () => {
  const bytes = new Writer().u8(0x01).u16(0x0203).u24(0x040506).u32(0x0708090a).done();
  assert.equal(toHex(bytes), "0102030405060708090a");
  const reader = new Reader(bytes);
  assert.deepEqual([reader.u8(), reader.u16(), reader.u24(), reader.u32()], [0x01, 0x0203, 0x040506, 0x0708090a]);
  assert.equal(reader.offset, 10);
  assert.equal(reader.remaining, 0);
  reader.end();
});

test("the largest numbers keep their sign", () => {
  const reader = new Reader(fromHex("ffffffffffffffffffff"));
  assert.deepEqual([reader.u32(), reader.u24(), reader.u16(), reader.u8()], [2 ** 32 - 1, 2 ** 24 - 1, 65535, 255]);
  const bytes = new Writer().u32(2 ** 32 - 1).u32(2 ** 31).u24(2 ** 24 - 1).u16(65535).done();
  assert.equal(toHex(bytes), "ffffffff80000000ffffffffff");
});

test("a vector stands behind its length in one, two or three bytes", () => {
  const value = fromHex("aabb");
  assert.equal(toHex(new Writer().vector8(value).vector16(value).vector24(value).done()), "02aabb0002aabb000002aabb");
  const reader = new Reader(fromHex("02aabb0002aabb000002aabbcc"));
  for (const vector of [reader.vector8(), reader.vector16(), reader.vector24()]) assert.equal(toHex(vector), "aabb");
  assert.equal(toHex(reader.rest()), "cc");
  assert.equal(reader.rest().length, 0);
});

test("a vector too long for its length is refused before anything is written", () => {
  const writer = new Writer();
  assert.throws(() => writer.vector8(new Uint8Array(256)), RangeError);
  assert.throws(() => writer.vector16(new Uint8Array(65536)), RangeError);
  assert.throws(() => writer.vector24(new Uint8Array(2 ** 24)), RangeError);
  assert.equal(writer.length, 0);
  assert.equal(writer.vector8(new Uint8Array(255)).vector16(new Uint8Array(65535)).length, 256 + 65537);
});

test("reading past the end is malformed, and takes nothing", () => {
  const reads: ((reader: Reader) => unknown)[] = [
    ...[(r: Reader) => r.u32(), (r: Reader) => r.take(4), (r: Reader) => r.vector8(), (r: Reader) => r.take(2 ** 40)],
  ];
  for (const read of reads) assert.throws(() => read(new Reader(fromHex("030000"))), malformed);
  for (const read of [(r: Reader) => r.u8(), (r: Reader) => r.u16(), (r: Reader) => r.u24()]) {
    assert.throws(() => read(new Reader(new Uint8Array(0))), malformed);
  }
  const reader = new Reader(fromHex("0102"));
  for (const length of [3, -1, NaN]) assert.throws(() => reader.take(length), malformed);
  assert.equal(reader.u16(), 0x0102);
  assert.throws(() => new Reader(fromHex("00")).end(), malformed);
  assert.throws(() => new Reader(fromHex("ffff00")).vector16(), malformed);
  assert.throws(() => new Reader(fromHex("ffffff00")).vector24(), malformed);
});

test("a writer that has to grow loses no byte, whichever field makes it grow", () => {
  for (let filled = 250; filled <= 257; filled++) {
    const writer = new Writer().bytes(new Uint8Array(filled)).u8(1).u16(0x0203).bytes(new Uint8Array([4, 5])).u32(
      0x06070809,
    );
    assert.equal(toHex(writer.done().subarray(filled)), "010203040506070809");
  }
});

test("a view shares the input's memory, what a writer hands out is a copy", () => {
  const input = fromHex("0102");
  const view = new Reader(input).take(2);
  input[0] = 9;
  assert.equal(view[0], 9);
  const writer = new Writer().u8(1);
  const first = writer.done();
  writer.u8(2);
  first[0] = 9;
  assert.equal(toHex(writer.done()), "0102");
});

test("what is written is read again, however much it is", () => {
  const field = fc.oneof(
    fc.integer({ min: 0, max: 255 }).map((n) => ({ kind: "u8" as const, n })),
    fc.integer({ min: 0, max: 2 ** 32 - 1 }).map((n) => ({ kind: "u32" as const, n })),
    fc.uint8Array({ maxLength: 400 }).map((bytes) => ({ kind: "vector16" as const, bytes })),
  );
  fc.assert(
    fc.property(fc.array(field), (fields) => {
      const writer = new Writer();
      for (const f of fields) f.kind === "vector16" ? writer.vector16(f.bytes) : writer[f.kind](f.n);
      const reader = new Reader(writer.done());
      for (const f of fields) {
        if (f.kind === "vector16") assert.deepEqual(reader.vector16(), f.bytes);
        else assert.equal(reader[f.kind](), f.n);
      }
      reader.end();
    }),
    { seed: 1 },
  );
});

test("whatever is read from whatever bytes, nothing but malformed comes out", () => {
  const steps = ["u8", "u16", "u24", "u32", "vector8", "vector16", "vector24", "rest", "end"] as const;
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 20 }),
      fc.array(fc.constantFrom(...steps), { maxLength: 8 }),
      (bytes, names) => {
        const reader = new Reader(bytes);
        try {
          for (const name of names) reader[name]();
        } catch (error) {
          assert.ok(error instanceof SeccfError && error.code === "malformed", String(error));
        }
        assert.ok(reader.offset + reader.remaining === bytes.length);
      },
    ),
    { seed: 2 },
  );
});

test("a number that does not fit its field is refused, never cut", () => {
  const fields = [["u8", 0xff], ["u16", 0xffff], ["u24", 0xffffff], ["u32", 0xffffffff]] as const;
  for (const [field, most] of fields) {
    assert.equal(new Writer()[field](most).u8(0).length, [0xff, 0xffff, 0xffffff, 0xffffffff].indexOf(most) + 2);
    for (const value of [most + 1, -1, 1.5, NaN, Infinity]) {
      const writer = new Writer();
      assert.throws(() => writer[field](value), RangeError, `${field} of ${value}`);
      assert.equal(writer.length, 0, "nothing half written");
    }
  }
});
