// The mask of record numbers by RFC 9001, RFC 8439 and FIPS 197, and by records that wolfSSL sent.
import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { fromHex, toHex } from "../../lib/bytes/mod.ts";
import {
  type AeadSpec,
  createAead,
  createRecordNumberMask,
  hkdfExpandLabel,
  secretFrom,
} from "../../lib/crypto/mod.ts";
import { expose } from "../../lib/crypto/secret.ts";
import { SeccfError } from "../../lib/error.ts";
import { eachFlip, pattern, readVectors } from "./cases.ts";

type Mask = [source: string, cipher: AeadSpec["cipher"], key: string, sample: string, mask: string];
type Sent = [sender: string, epoch: number, secret: string, header: string, clear: string, sealed: string];
const masks = readVectors<{ tests: Mask[] }>("crypto/record_number_mask.json").tests;
const records = readVectors<{ tests: Sent[] }>("crypto/dtls13_records.json").tests;

const specOf = (cipher: AeadSpec["cipher"]): AeadSpec =>
  cipher === "aes-ccm" ? { cipher, nonceLength: 12, tagLength: 16 } : { cipher };
const isState = (error: unknown) => error instanceof SeccfError && error.code === "state";

function maskOf(cipher: AeadSpec["cipher"], key: Uint8Array, sample: Uint8Array, length: number): string {
  using secret = secretFrom(key);
  using mask = createRecordNumberMask(specOf(cipher), secret);
  const out = new Uint8Array(length);
  mask.maskInto(sample, out);
  return toHex(out);
}

test("RFC 9001 A.2, A.3 and A.5, RFC 8439 2.3.2 and FIPS 197: each mask, at every length", () => {
  assert.equal(masks.length, 9);
  for (const [source, cipher, key, sample, mask] of masks) {
    for (let length = 0; length <= mask.length / 2; length++) {
      const longer = fromHex(`${sample}ffff`);
      assert.equal(maskOf(cipher, fromHex(key), longer, length), mask.slice(0, 2 * length), source);
    }
  }
});

test("another mask for each flipped bit of key and sample, and bytes behind the sample do not count", () => {
  for (const [, cipher, key, sample] of masks) {
    const [keyBytes, sampleBytes] = [fromHex(key), fromHex(sample)];
    const whole = maskOf(cipher, keyBytes, sampleBytes, 16);
    for (const bytes of [keyBytes, sampleBytes]) {
      eachFlip(bytes, () => assert.notEqual(maskOf(cipher, keyBytes, sampleBytes, 16), whole));
    }
    assert.equal(maskOf(cipher, keyBytes, Uint8Array.of(...sampleBytes, 1), 16), whole);
  }
});

test("the runtime's AES and its ChaCha20, where it has one, make the same masks of any sample", () => {
  const sample = fc.uint8Array({ minLength: 16, maxLength: 16 });
  const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
  const native = (name: string, key: Uint8Array, iv: Uint8Array | null, bytes: Uint8Array) =>
    toHex(new Uint8Array(createCipheriv(name, key, iv).update(bytes)));
  fc.assert(
    fc.property(key, sample, (key, sample) => {
      assert.equal(maskOf("aes-gcm", key, sample, 16), native("aes-256-ecb", key, null, sample));
      assert.equal(maskOf("aes-ccm", key.slice(16), sample, 16), native("aes-128-ecb", key.slice(16), null, sample));
    }),
    { numRuns: 50, seed: 9147 },
  );
  let known = true;
  try {
    // Its 16 bytes are the counter, little-endian, and the nonce. Not every runtime has it.
    createCipheriv("chacha20", new Uint8Array(32), new Uint8Array(16));
  } catch {
    known = false;
  }
  fc.assert(
    fc.property(key, sample, (key, sample) => {
      const mask = maskOf("chacha20-poly1305", key, sample, 16);
      if (known) assert.equal(mask, native("chacha20", key, sample, new Uint8Array(16)));
    }),
    { numRuns: 50, seed: 9147 },
  );
});

test("wolfSSL's DTLS 1.3 records open under the numbers that the mask uncovers, and under no other (RFC 9147 4.2.3)", () => {
  assert.equal(records.length, 10);
  const next = new Map<string, number>();
  for (const [sender, epoch, secret, header, clear, sealed] of records) {
    using traffic = secretFrom(fromHex(secret));
    const expand = (label: string, length: number) =>
      hkdfExpandLabel("sha-256", traffic, `dtls13${label}`, new Uint8Array(0), length);
    using mask = createRecordNumberMask({ cipher: "aes-gcm" }, expand("sn", 16));
    using aead = createAead({ cipher: "aes-gcm" }, expand("key", 16));
    const [bytes, body] = [fromHex(header), fromHex(sealed)];
    const at = bytes.length - 4;
    const out = new Uint8Array(2);
    mask.maskInto(body, out);
    bytes[at]! ^= out[0]!;
    bytes[at + 1]! ^= out[1]!;
    assert.equal(toHex(bytes), clear);
    // Each sender counts from 0 in each epoch; the capture has no loss.
    const number = (bytes[at]! << 8) | bytes[at + 1]!;
    assert.equal(number, next.get(`${sender} ${epoch}`) ?? 0);
    next.set(`${sender} ${epoch}`, number + 1);
    const open = (header: Uint8Array) => {
      const nonce = expose(expand("iv", 12)).slice();
      nonce[10]! ^= header[at]!;
      nonce[11]! ^= header[at + 1]!;
      return aead.openInto(nonce, header, body, new Uint8Array(body.length));
    };
    assert.equal(open(bytes), body.length - 16);
    eachFlip(bytes, () => assert.equal(open(bytes), -1));
  }
});

test("keys, samples and masks of wrong lengths are RangeErrors, and nothing is written", () => {
  for (const cipher of ["aes-gcm", "aes-ccm", "chacha20-poly1305"] as const) {
    for (let length = 0; length <= 40; length++) {
      const good = cipher === "chacha20-poly1305" ? length === 32 : [16, 24, 32].includes(length);
      const make = () => createRecordNumberMask(specOf(cipher), secretFrom(pattern(length)))[Symbol.dispose]();
      if (good) make();
      else assert.throws(make, RangeError, `${cipher} ${length}`);
    }
    using mask = createRecordNumberMask(specOf(cipher), secretFrom(pattern(32)));
    for (let length = 0; length < 16; length++) {
      const out = Uint8Array.of(7, 7);
      assert.throws(() => mask.maskInto(pattern(length), out), RangeError);
      assert.deepEqual([...out], [7, 7]);
    }
    assert.throws(() => mask.maskInto(pattern(16), new Uint8Array(17)), RangeError);
  }
});

test("a mask may be written over its sample, and is gone once it is disposed", () => {
  for (const [, cipher, key, sample, expected] of masks) {
    const mask = createRecordNumberMask(specOf(cipher), secretFrom(fromHex(key)));
    const bytes = fromHex(`${sample}000000`);
    mask.maskInto(bytes, bytes.subarray(3, 3 + expected.length / 2));
    assert.equal(toHex(bytes.subarray(3, 3 + expected.length / 2)), expected);
    mask[Symbol.dispose]();
    mask[Symbol.dispose]();
    assert.throws(() => mask.maskInto(fromHex(sample), new Uint8Array(2)), isState);
  }
});
