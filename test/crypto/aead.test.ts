import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { toHex } from "../../lib/bytes/mod.ts";
import { type Aead, type AeadSpec, createAead, secretFrom } from "../../lib/crypto/mod.ts";
import { bytesOf, eachFlip, everyAead, pattern, readVectors, secretPattern } from "./cases.ts";

type Rows = [name: string, key: string, nonce: string, aad: string, plaintext: string, sealed: string][];
const vectors = readVectors<Record<AeadSpec["cipher"], { rows: Rows }>>("crypto/aead.json");

/** The same record for every test: TLS 1.2 has 13 bytes of additional data. */
const AAD = pattern(13, 90);

for (
  const { cipher, rows } of [{ cipher: "aes-ccm", rows: 20 }, { cipher: "aes-gcm", rows: 12 }, {
    cipher: "chacha20-poly1305",
    rows: 1,
  }] as const
) {
  test(`${cipher} seals and opens its published vectors, and refuses each with a bit of it flipped`, () => {
    assert.equal(vectors[cipher].rows.length, rows);
    for (const [name, key, nonceText, aadText, plaintextText, sealedText] of vectors[cipher].rows) {
      const [nonce, aad, plaintext, sealed] = [nonceText, aadText, plaintextText, sealedText].map(bytesOf) as Four;
      const spec = {
        cipher,
        nonceLength: nonce.length,
        tagLength: sealed.length - plaintext.length,
      } as AeadSpec;
      using aead = createAead(spec, secretFrom(bytesOf(key)));
      assert.equal(toHex(seal(aead, nonce, aad, plaintext)), sealedText, name);
      assert.equal(toHex(open(aead, nonce, aad, sealed) ?? new Uint8Array()), plaintextText, name);
      const out = new Uint8Array(plaintext.length);
      const refused = () => assert.equal(aead.openInto(nonce, aad, sealed, out), -1, name);
      eachFlip(sealed.subarray(-aead.tagLength), refused);
      eachFlip(nonce, refused);
      eachFlip(aad.subarray(0, 32), refused);
    }
  });
}

for (const { name, spec, keyLength } of everyAead) {
  test(`${name} gives -1 and zeros for a record with any single bit flipped`, () => {
    using aead = createAead(spec, secretPattern(keyLength));
    const nonce = pattern(aead.nonceLength, 3);
    const aad = AAD.slice();
    const plaintext = pattern(33);
    const sealed = seal(aead, nonce, aad, plaintext);
    const out = new Uint8Array(33);
    for (const part of [sealed, nonce, aad]) {
      eachFlip(part, (bit) => {
        out.fill(0xa5);
        assert.equal(aead.openInto(nonce, aad, sealed, out), -1, `bit ${bit}`);
        assert.ok(out.every((byte) => byte === 0), `bit ${bit}`);
      });
    }
    assert.equal(aead.openInto(nonce, aad, sealed, out), 33);
    assert.deepEqual(out, plaintext);
  });

  test(`${name} gives back what was sealed, in place and apart, whatever the lengths`, () => {
    using aead = createAead(spec, secretPattern(keyLength));
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.uint8Array({ maxLength: 40 }),
        fc.nat(7),
        (plaintext, aad, at) => {
          const nonce = pattern(aead.nonceLength, plaintext.length);
          const sealed = seal(aead, nonce, aad, plaintext);
          assert.deepEqual(open(aead, nonce, aad, sealed), plaintext);
          // Inside a larger buffer, at any alignment, with bytes before and behind that must stay.
          const room = new Uint8Array(at + sealed.length + 5).fill(0xa5);
          room.set(plaintext, at);
          const record = room.subarray(at, at + sealed.length);
          assert.equal(aead.sealInto(nonce, aad, record.subarray(0, plaintext.length), record), sealed.length);
          assert.deepEqual(record, sealed);
          assert.equal(aead.openInto(nonce, aad, record, record), plaintext.length);
          assert.deepEqual(record.subarray(0, plaintext.length), plaintext);
          assert.ok([...room.subarray(0, at), ...room.subarray(at + sealed.length)].every((byte) => byte === 0xa5));
        },
      ),
      { seed: 3610, numRuns: 40 },
    );
  });

  test(`${name} opened in place with a wrong tag leaves zeros where the plaintext would be`, () => {
    using aead = createAead(spec, secretPattern(keyLength));
    const nonce = pattern(aead.nonceLength);
    for (const length of [1, 16, 50, 200]) {
      const record = seal(aead, nonce, AAD, pattern(length));
      record[record.length - 1]! ^= 0x80;
      assert.equal(aead.openInto(nonce, AAD, record, record), -1);
      assert.ok(record.subarray(0, length).every((byte) => byte === 0));
    }
  });
}

test("every AEAD takes what is shorter than a tag for a record that failed", () => {
  for (const { name, spec, keyLength } of everyAead) {
    using aead = createAead(spec, secretPattern(keyLength));
    const nonce = pattern(aead.nonceLength);
    for (let length = 0; length < aead.tagLength; length++) {
      assert.equal(aead.openInto(nonce, AAD, new Uint8Array(length), new Uint8Array(0)), -1, name);
    }
    const empty = seal(aead, nonce, AAD, new Uint8Array(0));
    assert.equal(empty.length, aead.tagLength);
    assert.equal(aead.openInto(nonce, AAD, empty, new Uint8Array(0)), 0, name);
    assert.equal(aead.openInto(nonce, AAD, empty.subarray(1), new Uint8Array(0)), -1, name);
  }
});

test("every AEAD refuses a wrong nonce and too little room with RangeError, before anything is written", () => {
  for (const { name, spec, keyLength } of everyAead) {
    using aead = createAead(spec, secretPattern(keyLength));
    const nonce = pattern(aead.nonceLength);
    const sealed = seal(aead, nonce, AAD, pattern(40));
    const out = pattern(40 + aead.tagLength);
    const before = out.slice();
    for (const length of [0, 1, aead.nonceLength - 1, aead.nonceLength + 1, 24]) {
      assert.throws(() => aead.sealInto(new Uint8Array(length), AAD, pattern(40), out), RangeError, name);
      assert.throws(() => aead.openInto(new Uint8Array(length), AAD, sealed, out), RangeError, name);
    }
    assert.throws(() => aead.sealInto(nonce, AAD, pattern(40), out.subarray(1)), RangeError, name);
    assert.throws(() => aead.openInto(nonce, AAD, sealed, out.subarray(0, 39)), RangeError, name);
    assert.deepEqual(out, before, name);
  }
});

test("every AEAD refuses keys of other lengths with RangeError", () => {
  for (const { name, spec } of everyAead) {
    for (const length of [0, 1, 15, 17, 31, 33, 64]) {
      assert.throws(() => createAead(spec, secretPattern(length)), RangeError, name);
    }
  }
  for (const length of [16, 24]) {
    assert.throws(() => createAead({ cipher: "chacha20-poly1305" }, secretPattern(length)), RangeError);
  }
});

test("lengths and ciphers that the API does not offer are refused with RangeError", () => {
  const key = secretPattern(16);
  for (const nonceLength of [0, 1, 6, 8, 9, 10, 11, 14, 15, 16]) {
    assert.throws(() => createAead({ cipher: "aes-ccm", nonceLength, tagLength: 16 } as never, key), RangeError);
  }
  for (const tagLength of [0, 2, 4, 6, 7, 9, 10, 12, 14, 15, 17, 32]) {
    assert.throws(() => createAead({ cipher: "aes-ccm", nonceLength: 12, tagLength } as never, key), RangeError);
  }
  assert.throws(() => createAead({ cipher: "aes-cbc" } as never, key), RangeError);
});

test("every AEAD keeps its own copy of the key and throws state once disposed", () => {
  for (const { name, spec, keyLength } of everyAead) {
    const key = secretPattern(keyLength);
    const aead = createAead(spec, key);
    const nonce = pattern(aead.nonceLength);
    const sealed = seal(aead, nonce, AAD, pattern(200));
    key[Symbol.dispose]();
    assert.deepEqual(open(aead, nonce, AAD, sealed), pattern(200), name);
    aead[Symbol.dispose]();
    aead[Symbol.dispose]();
    const state = { name: "SeccfError", code: "state" };
    assert.throws(() => aead.sealInto(nonce, AAD, pattern(8), new Uint8Array(99)), state, name);
    assert.throws(() => aead.openInto(nonce, AAD, sealed, new Uint8Array(999)), state, name);
  }
});

test("every AEAD leaves its inputs as they were", () => {
  for (const { name, spec, keyLength } of everyAead) {
    using aead = createAead(spec, secretPattern(keyLength));
    const inputs = [pattern(aead.nonceLength), AAD.slice(), pattern(150)] as const;
    const sealed = seal(aead, ...inputs);
    const copy = sealed.slice();
    open(aead, inputs[0], inputs[1], sealed);
    sealed[0]! ^= 1;
    assert.equal(open(aead, inputs[0], inputs[1], sealed), undefined);
    sealed[0]! ^= 1;
    assert.deepEqual(inputs, [pattern(aead.nonceLength), AAD, pattern(150)], name);
    assert.deepEqual(sealed, copy, name);
  }
});

type Four = [Uint8Array, Uint8Array, Uint8Array, Uint8Array];

function seal(aead: Aead, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const out = new Uint8Array(plaintext.length + aead.tagLength);
  assert.equal(aead.sealInto(nonce, aad, plaintext, out), out.length);
  return out;
}

function open(aead: Aead, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  const out = new Uint8Array(sealed.length - aead.tagLength);
  const length = aead.openInto(nonce, aad, sealed, out);
  if (length === -1) return undefined;
  assert.equal(length, out.length);
  return out;
}
