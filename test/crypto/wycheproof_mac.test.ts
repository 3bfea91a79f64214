// Project Wycheproof's files for HMAC and HKDF, whole. What the door does not offer must be refused, and is counted,
// so that a silent skip shows: `verify` takes whole tags, so each truncated one is refused, the genuine ones too.
import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "../../lib/bytes/mod.ts";
import { createHmac, type HashName, hkdfExpand, hkdfExtract, secretFrom } from "../../lib/crypto/mod.ts";
import { expose } from "../../lib/crypto/secret.ts";
import { bytesOf, readVectors } from "./cases.ts";
import { everyHmacSha256 } from "./hmacs.ts";

type Mac = [id: number, key: string, message: string, tag: string, result: "valid" | "invalid"];
type Kdf = [
  id: number,
  ikm: string,
  salt: string,
  info: string,
  size: number,
  okm: string,
  result: "valid" | "invalid",
];

test("HMAC-SHA-1 answers all 170 tests of Wycheproof", () => {
  assert.deepEqual(macs("hmac_sha1", "sha-1"), { valid: 33, invalid: 54, refused: 83 });
});

test("HMAC-SHA-256 answers all 174 tests of Wycheproof, in each of its ways", () => {
  assert.deepEqual(macs("hmac_sha256", "sha-256"), { valid: 33, invalid: 54, refused: 87 });
  for (const { name, create } of everyHmacSha256) {
    for (const [id, key, message, tag, result] of readVectors<{ tests: Mac[] }>("wycheproof/hmac_sha256.json").tests) {
      using hmac = create(bytesOf(key));
      const good = result === "valid" && tag.length === 64;
      assert.equal(hmac.verify(bytesOf(message), bytesOf(tag)), good, `${name} ${id}`);
    }
  }
});

test("HMAC-SHA-384 answers all 174 tests of Wycheproof", () => {
  assert.deepEqual(macs("hmac_sha384", "sha-384"), { valid: 33, invalid: 54, refused: 87 });
});

test("HKDF-SHA-1 answers all 87 tests of Wycheproof", () => {
  assert.deepEqual(kdfs("hkdf_sha1", "sha-1"), { valid: 84, invalid: 3 });
});

test("HKDF-SHA-256 answers all 86 tests of Wycheproof", () => {
  assert.deepEqual(kdfs("hkdf_sha256", "sha-256"), { valid: 83, invalid: 3 });
});

function macs(file: string, hash: HashName): unknown {
  const counts = { valid: 0, invalid: 0, refused: 0 };
  for (const [id, key, message, tag, result] of readVectors<{ tests: Mac[] }>(`wycheproof/${file}.json`).tests) {
    using hmac = createHmac(hash, secretFrom(bytesOf(key)));
    const verified = hmac.verify(bytesOf(message), bytesOf(tag));
    const whole = new Uint8Array(hmac.length);
    hmac.signInto(bytesOf(message), whole);
    // A refused tag of a valid test is the beginning of the right one: it is refused for its length alone.
    assert.equal(toHex(whole).startsWith(tag), result === "valid", `${id}`);
    const offered = tag.length === 2 * hmac.length;
    assert.equal(verified, offered && result === "valid", `${id}`);
    counts[offered ? result : "refused"]++;
  }
  return counts;
}

function kdfs(file: string, hash: HashName): unknown {
  const counts = { valid: 0, invalid: 0 };
  for (
    const [id, ikm, salt, info, size, okm, result] of readVectors<{ tests: Kdf[] }>(`wycheproof/${file}.json`).tests
  ) {
    using prk = hkdfExtract(hash, bytesOf(salt), secretFrom(bytesOf(ikm)));
    if (result === "valid") {
      assert.equal(toHex(expose(hkdfExpand(hash, prk, bytesOf(info), size))), okm, `${id}`);
    } else {
      assert.throws(() => hkdfExpand(hash, prk, bytesOf(info), size), RangeError, `${id}`);
    }
    counts[result]++;
  }
  return counts;
}
