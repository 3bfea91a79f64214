// Secrets show nothing, wipe themselves, and are compared and joined without leaving.
import assert from "node:assert/strict";
import { test } from "node:test";
import { format, inspect } from "node:util";
import fc from "fast-check";
import { SeccfError } from "../../lib/error.ts";
import { toBase64, toHex } from "../../lib/bytes/mod.ts";
import * as door from "../../lib/crypto/mod.ts";
import {
  fingerprint,
  secretBase64,
  SecretBytes,
  secretConcat,
  secretEqual,
  secretFrom,
  secretRandom,
  secretSlice,
  wipe,
} from "../../lib/crypto/mod.ts";
import { bytesOf, expose } from "../../lib/crypto/secret.ts";
import { eachFlip, pattern } from "./cases.ts";
import { recordRooms } from "./rooms.ts";

const isState = (error: unknown) => error instanceof SeccfError && error.code === "state" && error.fault === "caller";

test("a secret prints, joins, inspects and serializes as its length alone", () => {
  const secret = secretFrom(pattern(16));
  const text = "[secret 16 bytes]";
  assert.equal(String(secret), text);
  assert.equal(`${secret}`, text);
  assert.equal("" + secret, text);
  assert.equal([secret, secret].join(), `${text},${text}`);
  assert.equal(JSON.stringify({ secret }), `{"secret":"${text}"}`);
  assert.equal(inspect(secret), text);
  assert.equal(
    inspect({ secret }, { depth: 9, showHidden: true, getters: true }).replace(/\s+/g, " "),
    `{ secret: ${text} }`,
  );
  assert.equal(format("%s %o %O %j", secret, secret, secret, secret), `${text} ${text} ${text} "${text}"`);
  assert.equal(new Error(`${secret}`).message, text);
});

test("a secret has no property, symbol, view or clone that shows its bytes", () => {
  const secret = secretFrom(pattern(32));
  assert.deepEqual(Object.keys(secret), []);
  assert.deepEqual(Reflect.ownKeys(secret), []);
  assert.deepEqual(Object.entries({ ...secret }), []);
  assert.equal(JSON.stringify(Object.assign({}, secret)), "{}");
  assert.deepEqual(Reflect.ownKeys(structuredClone(secret)), []);
  assert.equal(ArrayBuffer.isView(secret), false);
  const digits = toHex(pattern(32));
  const names = Reflect.ownKeys(SecretBytes.prototype).filter((name) => name !== "constructor");
  for (const name of names.filter((name) => name !== Symbol.dispose)) {
    const value: unknown = Reflect.get(secret, name, secret);
    const shown = typeof value === "function" ? String(value.call(secret)) : String(value);
    assert.ok(!shown.includes(digits.slice(0, 4)), String(name));
  }
});

test("the door gives no way to the bytes, and nobody makes a secret but through it", () => {
  for (const name of ["expose", "bytesOf", "secretOwning", "secretRoom"]) assert.ok(!(name in door), name);
  assert.throws(() => new SecretBytes(Symbol("secret"), new Uint8Array(16)), TypeError);
  const impostor = Object.create(SecretBytes.prototype) as SecretBytes;
  assert.throws(() => expose(impostor), TypeError);
  assert.throws(() => impostor.byteLength, TypeError);
});

test("a secret is a copy: the caller may wipe its own array, and a Buffer's pool is not kept", () => {
  const own = Buffer.from(pattern(16));
  const secret = secretFrom(own);
  wipe(own);
  assert.deepEqual(expose(secret), pattern(16));
  assert.equal(expose(secret).buffer.byteLength, 16);
});

test("disposing wipes, is idempotent, and every later use throws state", () => {
  const secret = secretFrom(pattern(16));
  const bytes = expose(secret);
  const key = secretFrom(pattern(16));
  {
    using scoped = secret;
    assert.equal(scoped.byteLength, 16);
  }
  assert.deepEqual(bytes, new Uint8Array(16));
  secret[Symbol.dispose]();
  assert.equal(`${secret}`, "[secret disposed]");
  assert.equal(JSON.stringify(secret), '"[secret disposed]"');
  assert.equal(inspect(secret), "[secret disposed]");
  const uses = [
    () => secret.byteLength,
    () => expose(secret),
    () => bytesOf(secret),
    () => secretConcat(secret),
    () => secretSlice(secret, 0),
    () => secretEqual(secret, key),
    () => secretEqual(key, secret),
    () => secretBase64(secret),
    () => fingerprint(secret),
    () => door.createHmac("sha-256", secret),
    () => door.digest("sha-256", secret),
    () => door.hmacSecret("sha-1", key, secret),
    () => door.prf("sha-256", secret, "", new Uint8Array(0), 1),
    () => door.hkdfExtract("sha-256", new Uint8Array(0), secret),
    () => door.hkdfExpand("sha-256", secret, new Uint8Array(0), 1),
    () => door.kdf3gpp(secret, 1),
    () => door.kdf3gpp(key, 1, secret),
  ];
  for (const use of uses) assert.throws(use, isState, String(use));
});

test("wipe overwrites each array it is given", () => {
  const arrays = [pattern(3), pattern(0), pattern(200)];
  wipe(...arrays);
  assert.ok(arrays.every((bytes) => bytes.every((byte) => byte === 0)));
});

test("joining and slicing copy, and a slice that is not all there is refused", () => {
  const joined = secretConcat(secretFrom(pattern(5)), pattern(3, 9), secretFrom(new Uint8Array(0)));
  assert.equal(toHex(expose(joined)), toHex(pattern(5)) + toHex(pattern(3, 9)));
  assert.equal(secretConcat().byteLength, 0);
  const part = secretSlice(joined, 2, 6);
  assert.deepEqual(expose(part), expose(joined).slice(2, 6));
  assert.deepEqual(expose(secretSlice(joined, 6)), expose(joined).slice(6));
  assert.equal(secretSlice(joined, 8).byteLength, 0);
  joined[Symbol.dispose]();
  assert.notDeepEqual(expose(part), new Uint8Array(4));
  for (const [start, end] of [[-1, 2], [0, 5], [3, 2], [5], [0.5, 2], [0, NaN], [NaN]] as [number, number?][]) {
    assert.throws(() => secretSlice(part, start, end), RangeError, `${start} ${end}`);
  }
});

test("two secrets are equal only when every bit is, and lengths too", () => {
  const secret = secretFrom(pattern(16));
  const other = pattern(16);
  assert.ok(secretEqual(secret, other));
  assert.ok(secretEqual(secret, secretFrom(other)));
  eachFlip(other, (bit) => assert.ok(!secretEqual(secret, other), `bit ${bit}`));
  assert.ok(!secretEqual(secret, pattern(15)));
  assert.ok(!secretEqual(secret, pattern(17)));
  assert.ok(secretEqual(secretFrom(new Uint8Array(0)), new Uint8Array(0)));
});

test("base64 of a secret agrees with RFC 4648 section 10 and with atob's inverse at every value", () => {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(expose(secretBase64(secretFrom(bytes))));
  const ascii = (word: string) => text(new TextEncoder().encode(word));
  assert.deepEqual(["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(ascii), [
    ...["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"],
  ]);
  for (let value = 0; value < 64; value++) {
    const bytes = Uint8Array.of(value << 2, value, value);
    assert.equal(text(bytes), toBase64(bytes));
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => text(bytes) === toBase64(bytes)), {
    numRuns: 200,
    seed: 4648,
  });
});

test("a fingerprint is 16 digits, the same for the same key, another for each flipped bit, and not the key's digest", () => {
  const bytes = pattern(16);
  const print = fingerprint(secretFrom(bytes));
  assert.match(print, /^[0-9a-f]{16}$/);
  assert.equal(fingerprint(secretFrom(bytes)), print);
  eachFlip(bytes, () => assert.notEqual(fingerprint(secretFrom(bytes)), print));
  // SHA-256("seccf fingerprint" || 00 || bytes), by another way.
  const label = new TextEncoder().encode("seccf fingerprint\0");
  assert.equal(print, toHex(door.digest("sha-256", label, bytes)).slice(0, 16));
  assert.notEqual(print, toHex(door.digest("sha-256", bytes)).slice(0, 16));
});

test("a random secret is what the source gives, and the source's array is the secret itself", () => {
  const lengths: number[] = [];
  const secret = secretRandom(24, (out) => {
    lengths.push(out.length);
    out.set(pattern(out.length));
  });
  assert.deepEqual(lengths, [24]);
  assert.deepEqual(expose(secret), pattern(24));
});

test("everything that was made room for is zero once the last secret of a derivation is disposed", () => {
  const key = secretFrom(pattern(32));
  const rooms = recordRooms(() => {
    using hmac = door.createHmac("sha-256", key);
    const tag = new Uint8Array(32);
    hmac.signInto(pattern(100), tag);
    hmac.verify(pattern(100), tag);
    hmac.update(pattern(70)).update(key);
    using legacy = door.createHmac("sha-1", key);
    legacy.verify(pattern(3), pattern(20));
    using _prf = door.prf("sha-256", key, "label", pattern(32), 100);
    using prk = door.hkdfExtract("sha-256", pattern(16), key);
    using _okm = door.hkdfExpand("sha-256", prk, pattern(4), 70);
    using _derived = door.kdf3gpp(key, 1, pattern(4), prk);
    using _text = secretBase64(key);
    using _joined = secretConcat(key, prk);
    using _part = secretSlice(key, 3);
    using _random = secretRandom(16, (out) => out.fill(7));
  });
  assert.ok(rooms.length >= 15, `${rooms.length} rooms`);
  for (const [index, room] of rooms.entries()) {
    assert.ok(new Uint8Array(room).every((byte) => byte === 0), `room ${index} of ${room.byteLength} bytes`);
  }
});

test("text, lists and buffers are not bytes: a secret of zeros would come of them in silence", () => {
  for (const other of ["a passphrase of 24 bytes", [1, 2, 3], new ArrayBuffer(16), { length: 16 }, undefined]) {
    assert.throws(() => secretFrom(other as unknown as Uint8Array), TypeError);
    assert.throws(() => secretConcat(other as unknown as Uint8Array), TypeError);
  }
});
