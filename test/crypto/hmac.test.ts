// HMAC by the RFCs' vectors, against node:crypto for every length, and its two ways of signing side by side.
import assert from "node:assert/strict";
import * as crypto from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { SeccfError } from "../../lib/error.ts";
import { concat, toHex } from "../../lib/bytes/mod.ts";
import { createHmac, hashLength, type HashName, type Hmac, hmacSecret, secretFrom } from "../../lib/crypto/mod.ts";
import { expose } from "../../lib/crypto/secret.ts";
import { bytesOf, eachFlip, pattern, readVectors } from "./cases.ts";
import { everyHmacSha256 } from "./hmacs.ts";

type Row = [source: string, hash: HashName, key: string, message: string, tag: string];
const { tests } = readVectors<{ tests: Row[] }>("crypto/hmac.json");
const openssl = { "md5": "md5", "sha-1": "sha1", "sha-256": "sha256", "sha-384": "sha384", "sha-512": "sha512" };
const isState = (error: unknown) => error instanceof SeccfError && error.code === "state";

function sign(hmac: Hmac, message: Uint8Array): string {
  const out = new Uint8Array(hmac.length);
  assert.equal(hmac.signInto(message, out), hmac.length);
  return toHex(out);
}

function finish(hmac: Hmac): string {
  const out = new Uint8Array(hmac.length);
  assert.equal(hmac.finishInto(out), hmac.length);
  return toHex(out);
}

test("RFC 4231 and RFC 2202: every tag is made in a piece and byte by byte, and every flipped bit of it is refused", () => {
  assert.equal(tests.length, 35);
  for (const [source, hash, key, message, expected] of tests) {
    using hmac = createHmac(hash, secretFrom(bytesOf(key)));
    const bytes = bytesOf(message);
    assert.ok(sign(hmac, bytes).startsWith(expected), source);
    for (let i = 0; i < bytes.length; i++) hmac.update(bytes.subarray(i, i + 1));
    assert.ok(finish(hmac).startsWith(expected), source);
    const tag = bytesOf(expected);
    // RFC 4231 4.6 gives a shortened tag: not a tag here.
    assert.equal(hmac.verify(bytes, tag), tag.length === hmac.length, source);
    eachFlip(tag, (bit) => assert.equal(hmac.verify(bytes, tag), false, `${source} bit ${bit}`));
  }
});

test("a tag shortened or lengthened by any number of bytes is refused, also one of length 0", () => {
  using hmac = createHmac("sha-256", secretFrom(pattern(32)));
  const tag = bytesOf(sign(hmac, pattern(10)));
  assert.ok(hmac.verify(pattern(10), tag));
  for (let length = 0; length < 32; length++) assert.equal(hmac.verify(pattern(10), tag.subarray(0, length)), false);
  assert.equal(hmac.verify(pattern(10), concat(tag, Uint8Array.of(0))), false);
  assert.equal(hmac.verify(pattern(10), concat(tag, tag)), false);
});

test("every way of HMAC-SHA-256 agrees with node:crypto for all messages of 0 to 300 bytes, in a piece and in two", () => {
  const key = pattern(32, 77);
  const message = pattern(300, 5);
  const expected = Array.from(
    { length: 301 },
    (_, length) => crypto.createHmac("sha256", key).update(message.subarray(0, length)).digest("hex"),
  );
  for (const { name, create } of everyHmacSha256) {
    using hmac = create(key);
    for (let length = 0; length <= 300; length++) {
      assert.equal(sign(hmac, message.subarray(0, length)), expected[length], `${name} ${length}`);
      const half = (length * 7) % (length + 1);
      hmac.update(message.subarray(0, half)).update(message.subarray(half, length));
      assert.equal(finish(hmac), expected[length], `${name} ${length} at ${half}`);
    }
  }
});

test("every way of HMAC-SHA-256 agrees with node:crypto around its own limits and up to 200000 bytes", () => {
  const key = pattern(20);
  for (
    const length of [1023, 1024, 1025, 2047, 2048, 2049, 4096, 16384, 64831, 64832, 64896, 64960, 65024, 65536, 200000]
  ) {
    const message = pattern(length);
    const expected = crypto.createHmac("sha256", key).update(message).digest("hex");
    for (const { name, create } of everyHmacSha256) {
      using hmac = create(key);
      assert.equal(sign(hmac, message), expected, `${name} ${length}`);
      assert.equal(
        finish(hmac.update(message.subarray(0, 3)).update(message.subarray(3))),
        expected,
        `${name} ${length}`,
      );
    }
  }
});

test("every hash agrees with node:crypto for all keys of 0 to 200 bytes", () => {
  const message = pattern(75);
  for (let length = 0; length <= 200; length++) {
    const key = pattern(length, 31);
    for (const [hash, name] of Object.entries(openssl) as [HashName, string][]) {
      using hmac = createHmac(hash, secretFrom(key));
      assert.equal(
        sign(hmac, message),
        crypto.createHmac(name, key).update(message).digest("hex"),
        `${hash} ${length}`,
      );
    }
    const expected = crypto.createHmac("sha256", key).update(message).digest("hex");
    for (const { name, create } of everyHmacSha256) {
      using hmac = create(key);
      assert.equal(sign(hmac, message), expected, `${name} ${length}`);
    }
  }
});

test("messages in parts of many states, interleaved with whole ones at any moment, never disturb each other", () => {
  const step = fc.record({
    state: fc.nat(5),
    kind: fc.constantFrom("update", "update", "finish", "sign", "verify"),
    bytes: fc.uint8Array({ maxLength: 150 }),
  });
  const property = fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    for (const { name, create } of everyHmacSha256) {
      // Six states on one kernel: three keys, each twice.
      const keys = [pattern(16), pattern(64, 2), pattern(100, 3), pattern(16), pattern(64, 2), pattern(100, 3)];
      const states = keys.map((key) => ({ key, hmac: create(key), parts: concat() }));
      for (const { state: index, kind, bytes } of steps) {
        const state = states[index]!;
        const expect = (message: Uint8Array) => crypto.createHmac("sha256", state.key).update(message).digest("hex");
        if (kind === "update") {
          state.hmac.update(bytes);
          state.parts = concat(state.parts, bytes);
        } else if (kind === "finish") {
          assert.equal(finish(state.hmac), expect(state.parts), name);
          state.parts = concat();
        } else if (kind === "sign") {
          assert.equal(sign(state.hmac, bytes), expect(bytes), name);
        } else {
          assert.ok(state.hmac.verify(bytes, bytesOf(expect(bytes))), name);
        }
      }
      for (const { hmac } of states) hmac[Symbol.dispose]();
    }
  });
  fc.assert(property, { numRuns: 60, seed: 2104 });
});

test("disposing one state leaves another with the same key, in the middle of a message, as it was", () => {
  for (const { name, create } of everyHmacSha256) {
    const first = create(pattern(32));
    const second = create(pattern(32));
    first.update(pattern(100));
    second.update(pattern(100));
    first[Symbol.dispose]();
    assert.equal(finish(second), crypto.createHmac("sha256", pattern(32)).update(pattern(100)).digest("hex"), name);
  }
});

test("the message may lie where the tag goes, and nothing is written behind the tag", () => {
  for (const { name, create } of everyHmacSha256) {
    using hmac = create(pattern(32));
    const bytes = pattern(80);
    const expected = crypto.createHmac("sha256", pattern(32)).update(bytes).digest("hex");
    hmac.signInto(bytes, bytes.subarray(10));
    assert.equal(toHex(bytes.subarray(10, 42)), expected, name);
    assert.deepEqual(bytes.subarray(42), pattern(80).subarray(42), name);
    assert.deepEqual(bytes.subarray(0, 10), pattern(80).subarray(0, 10), name);
    hmac.update(pattern(80));
    hmac.finishInto(bytes);
    assert.equal(toHex(bytes.subarray(0, 32)), expected, name);
    assert.deepEqual(bytes.subarray(42), pattern(80).subarray(42), name);
  }
});

test("a message may be any view: of a Buffer, of shared memory, in the middle of another array", () => {
  const shared = new Uint8Array(new SharedArrayBuffer(70));
  shared.set(pattern(70));
  const middle = concat(pattern(13, 99), pattern(70), pattern(5)).subarray(13, 83);
  for (const { name, create } of everyHmacSha256) {
    using hmac = create(pattern(32));
    const expected = sign(hmac, pattern(70));
    for (const view of [Buffer.from(pattern(70)), shared, middle]) {
      assert.equal(sign(hmac, view), expected, name);
      assert.equal(finish(hmac.update(view)), expected, name);
    }
  }
});

test("too little room is a RangeError before anything is written, and a message in parts survives it", () => {
  for (const hash of ["md5", "sha-1", "sha-256", "sha-384"] as const) {
    using hmac = createHmac(hash, secretFrom(pattern(32)));
    const short = new Uint8Array(hashLength(hash) - 1);
    hmac.update(pattern(5));
    assert.throws(() => hmac.signInto(pattern(5), short), RangeError);
    assert.throws(() => hmac.finishInto(short), RangeError);
    assert.ok(short.every((byte) => byte === 0));
    assert.equal(finish(hmac), sign(hmac, pattern(5)), hash);
  }
});

test("after disposal every call throws state, also in the middle of a message", () => {
  const out = new Uint8Array(64);
  const creates = [
    ...everyHmacSha256.map(({ create }) => () => create(pattern(32))),
    () => createHmac("md5", secretFrom(pattern(32))),
    () => createHmac("sha-384", secretFrom(pattern(32))),
  ];
  for (const create of creates) {
    const hmac = create();
    hmac.update(pattern(70));
    hmac[Symbol.dispose]();
    hmac[Symbol.dispose]();
    assert.throws(() => hmac.signInto(pattern(1), out), isState);
    assert.throws(() => hmac.signInto(pattern(9000), out), isState);
    assert.throws(() => hmac.verify(pattern(1), out.subarray(0, hmac.length)), isState);
    assert.throws(() => hmac.verify(pattern(1), out.subarray(0, 3)), isState);
    assert.throws(() => hmac.update(pattern(1)), isState);
    assert.throws(() => hmac.finishInto(out), isState);
  }
  assert.ok(out.every((byte) => byte === 0));
});

test("a keyed state outlives the secret it was made from", () => {
  const key = secretFrom(pattern(32));
  for (const hash of ["sha-256", "sha-1"] as const) {
    using before = createHmac(hash, secretFrom(pattern(32)));
    const hmac = createHmac(hash, key);
    if (hash === "sha-1") key[Symbol.dispose]();
    assert.equal(sign(hmac, pattern(9)), sign(before, pattern(9)));
  }
});

test("hmacSecret over parts is the tag over them all", () => {
  for (const hash of ["sha-256", "sha-512-256", "md5"] as const) {
    using hmac = createHmac(hash, secretFrom(pattern(8)));
    using made = hmacSecret(hash, secretFrom(pattern(8)), pattern(4), secretFrom(pattern(90, 7)), new Uint8Array(0));
    assert.equal(toHex(expose(made)), sign(hmac, concat(pattern(4), pattern(90, 7))));
  }
});
