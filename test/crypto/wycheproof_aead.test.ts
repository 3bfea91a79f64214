// Project Wycheproof's files for the ciphers, whole. What the door does not offer must be refused, and is counted, so
// that a silent skip shows.
import assert from "node:assert/strict";
import { test } from "node:test";
import { equal, toHex } from "../../lib/bytes/mod.ts";
import { createCbc } from "../../lib/crypto/cbc.ts";
import { type Aead, type AeadSpec, createAead, secretFrom } from "../../lib/crypto/mod.ts";
import { bytesOf, readVectors } from "./cases.ts";

type Row = [
  id: number,
  key: string,
  iv: string,
  aad: string,
  msg: string,
  ct: string,
  tag: string,
  result: "valid" | "invalid",
];

test("AES-GCM answers all 316 tests of Wycheproof", () => {
  const counts = run("aes_gcm", () => ({ cipher: "aes-gcm" }));
  assert.deepEqual(counts, { valid: 116, invalid: 81, refused: 119 });
});

test("AES-CCM answers all 552 tests of Wycheproof", () => {
  const counts = run(
    "aes_ccm",
    (nonceLength, tagLength) => ({ cipher: "aes-ccm", nonceLength, tagLength } as AeadSpec),
  );
  assert.deepEqual(counts, { valid: 213, invalid: 81, refused: 258 });
});

test("ChaCha20-Poly1305 answers all 325 tests of Wycheproof", () => {
  const counts = run("chacha20_poly1305", () => ({ cipher: "chacha20-poly1305" }));
  assert.deepEqual(counts, { valid: 256, invalid: 60, refused: 9 });
});

test("AES-CBC answers all 216 tests of Wycheproof, the padding of PKCS #5 removed by the test", () => {
  const { tests } = readVectors<{
    tests: [id: number, key: string, iv: string, msg: string, ct: string, result: string][];
  }>("wycheproof/aes_cbc.json");
  const counts = { valid: 0, invalid: 0 };
  for (const [id, key, iv, msg, ct, result] of tests) {
    using cbc = createCbc(secretFrom(bytesOf(key)));
    const sealed = bytesOf(ct);
    const padded = new Uint8Array(sealed.length);
    let opened: Uint8Array | undefined;
    if (sealed.length % 16 === 0) {
      cbc.decryptInto(bytesOf(iv), sealed, padded);
      opened = unpad(padded);
    } else {
      assert.throws(() => cbc.decryptInto(bytesOf(iv), sealed, padded), RangeError, `${id}`);
    }
    if (result === "valid") {
      assert.equal(opened && toHex(opened), msg, `${id}`);
      const again = pad(bytesOf(msg));
      cbc.encryptInto(bytesOf(iv), again, again);
      assert.equal(toHex(again), ct, `${id}`);
      counts.valid++;
    } else {
      assert.equal(opened, undefined, `${id}`);
      counts.invalid++;
    }
  }
  assert.deepEqual(counts, { valid: 72, invalid: 144 });
});

function run(file: string, specOf: (nonceLength: number, tagLength: number) => AeadSpec): unknown {
  const counts = { valid: 0, invalid: 0, refused: 0 };
  for (const row of readVectors<{ tests: Row[] }>(`wycheproof/${file}.json`).tests) {
    const [id, key, iv, , , , tag] = row;
    const spec = specOf(iv.length / 2, tag.length / 2);
    const offered = spec.cipher === "aes-ccm"
      ? [7, 12, 13].includes(iv.length / 2) && [8, 16].includes(tag.length / 2)
      : iv.length === 24 && tag.length === 32;
    if (offered) {
      using aead = createAead(spec, secretFrom(bytesOf(key)));
      counts[check(aead, row)]++;
    } else {
      assert.throws(
        () => {
          using aead = createAead(spec, secretFrom(bytesOf(key)));
          check(aead, row);
        },
        RangeError,
        `${id}`,
      );
      counts.refused++;
    }
  }
  return counts;
}

function check(aead: Aead, [id, , iv, aad, msg, ct, tag, result]: Row): "valid" | "invalid" {
  const sealed = bytesOf(ct + tag);
  const out = new Uint8Array(ct.length / 2).fill(0xa5);
  const length = aead.openInto(bytesOf(iv), bytesOf(aad), sealed, out);
  if (result === "invalid") {
    assert.equal(length, -1, `${id}`);
    assert.ok(out.every((byte) => byte === 0), `${id}`);
    return "invalid";
  }
  assert.equal(length, out.length, `${id}`);
  assert.equal(toHex(out), msg, `${id}`);
  const again = new Uint8Array(sealed.length);
  aead.sealInto(bytesOf(iv), bytesOf(aad), bytesOf(msg), again);
  assert.ok(equal(again, sealed), `${id}`);
  return "valid";
}

function pad(message: Uint8Array): Uint8Array {
  const length = 16 - (message.length % 16);
  const padded = new Uint8Array(message.length + length).fill(length);
  padded.set(message);
  return padded;
}

function unpad(padded: Uint8Array): Uint8Array | undefined {
  const length = padded.at(-1) ?? 0;
  if (length < 1 || length > 16 || !padded.subarray(-length).every((byte) => byte === length)) return undefined;
  return padded.subarray(0, padded.length - length);
}
