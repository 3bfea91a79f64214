// How a saved session writes whose it is: what all identities of GBA have in common is left out (TS 33.220 4.5.2, TS 24.109 F.3).
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { concat, fromHex, Reader, toUtf8, Writer } from "../../lib/bytes/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { FLAG, readWho, writeWho } from "../../lib/tls/saved_fields.ts";

const PREFIX = "3GPP-bootstrapping;";
/** Base64 of the RAND of TS 35.208 set 1, and a realm. */
const TID = "I1U8vpY3qJ0hiuZNrkfL9Q==@bsf.operator.com";

const written = (identity: Uint8Array): Uint8Array => {
  const writer = new Writer();
  writeWho(writer, { connectionIds: undefined, session: { identity, serverName: undefined } });
  return writer.done();
};
const flagsOf = (identity: Uint8Array): number => new TextDecoder().decode(identity).startsWith(PREFIX) ? FLAG.gba : 0;
const read = (bytes: Uint8Array, flags: number): Uint8Array => {
  const reader = new Reader(bytes);
  const { identity } = readWho(reader, flags);
  reader.end();
  return identity;
};

test("a B-TID takes its RAND, its realm and one byte", () => {
  const bytes = written(toUtf8(PREFIX + TID));
  assert.deepEqual(
    bytes,
    concat(Uint8Array.of(0x80 | 32), fromHex("23553cbe9637a89d218ae64dae47cbf5"), toUtf8("bsf.operator.com")),
  );
  assert.deepEqual(read(bytes, FLAG.gba), toUtf8(PREFIX + TID));
});

test("every other identity is read as it was, whatever it looks like", () => {
  const others = [
    ...["a", "x".repeat(128), PREFIX, `${PREFIX}@`, `${PREFIX}${TID.slice(0, 24)}`, TID],
    // No canonical base64, 15 and 17 bytes, another alphabet.
    ...[
      "I1U8vpY3qJ0hiuZNrkfL9R==@a",
      "I1U8vpY3qJ0hiuZNrkfL@bcd",
      "I1U8vpY3qJ0hiuZNrkfL9Q9Q@a",
      "I1U8vpY3qJ0hiuZNrk_L9Q==@a",
    ].map((each) => PREFIX + each),
    `${PREFIX}${"x".repeat(109)}`,
    `${PREFIX}${TID.slice(0, 25)}${"x".repeat(84)}`,
    `${PREFIX}${TID.slice(0, 25)}`,
  ];
  for (const identity of others.map(toUtf8)) assert.deepEqual(read(written(identity), flagsOf(identity)), identity);
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 109 }),
      fc.boolean(),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      (bytes, isTid, rand) => {
        const tid = toUtf8(`${btoa(String.fromCharCode(...rand))}@`);
        const identity = concat(toUtf8(PREFIX), isTid ? concat(tid, bytes.subarray(0, 84)) : bytes);
        assert.deepEqual(read(written(identity), FLAG.gba), identity);
      },
    ),
  );
});

test("each identity has one form, and what has another is malformed", () => {
  const long = (text: string): Uint8Array => concat(Uint8Array.of(text.length), toUtf8(text));
  const malformed: readonly (readonly [bytes: Uint8Array, flags: number])[] = [
    [long(TID), FLAG.gba],
    [long(PREFIX + TID), 0],
    [concat(Uint8Array.of(0x80 | 15), new Uint8Array(15)), FLAG.gba],
    [Uint8Array.of(0x80), FLAG.gba],
    [concat(Uint8Array.of(0x80 | 16), new Uint8Array(15)), FLAG.gba],
    // 19 + 25 + 85 bytes: more than an identity has.
    [concat(Uint8Array.of(0x80 | 101), new Uint8Array(101)), FLAG.gba],
  ];
  for (const [bytes, flags] of malformed) {
    assert.throws(() => read(bytes, flags), (error) => error instanceof SeccfError && error.code === "malformed");
  }
});
