import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { test } from "node:test";
import { gcm } from "@noble/ciphers/aes.js";
import { toHex } from "../../lib/bytes/mod.ts";
import { createGcm } from "../../lib/crypto/gcm.ts";
import { NobleAead } from "../../lib/crypto/noble_aead.ts";
import { pattern } from "./cases.ts";

test("GCM agrees with node:crypto for every length from 0 to 600", () => {
  const key = pattern(16, 9);
  const nonce = pattern(12, 7);
  const aad = pattern(13, 5);
  const raw = createGcm(key);
  for (let length = 0; length <= 600; length++) {
    const plaintext = pattern(length);
    const sealed = new Uint8Array(length + 16);
    raw.seal(nonce, aad, plaintext, sealed);
    const cipher = createCipheriv("aes-128-gcm", key, nonce).setAAD(aad);
    assert.equal(toHex(sealed), toHex(Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])));
    const opened = new Uint8Array(length);
    assert.ok(raw.open(nonce, aad, sealed, opened));
    assert.deepEqual(opened, plaintext);
  }
});

test("GCM of the runtime and noble's, its stand-in, seal alike and refuse alike", () => {
  for (const keyLength of [16, 24, 32]) {
    const key = pattern(keyLength, 77);
    const nonce = pattern(12, 7);
    const raw = createGcm(key);
    const noble = new NobleAead(gcm, key);
    for (const length of [0, 1, 15, 16, 17, 64, 255, 1500]) {
      const [a, b] = [new Uint8Array(length + 16), new Uint8Array(length + 16)];
      raw.seal(nonce, pattern(13), pattern(length), a);
      noble.seal(nonce, pattern(13), pattern(length), b);
      assert.deepEqual(a, b);
      const opened = new Uint8Array(length);
      assert.ok(noble.open(nonce, pattern(13), a, opened));
      assert.deepEqual(opened, pattern(length));
      a[length + 15]! ^= 1;
      assert.ok(!noble.open(nonce, pattern(13), a, opened));
      assert.ok(!raw.open(nonce, pattern(13), a, opened));
    }
  }
});
