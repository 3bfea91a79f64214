import assert from "node:assert/strict";
import { test } from "node:test";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { createChaCha } from "../../lib/crypto/chacha.ts";
import { NobleAead } from "../../lib/crypto/noble_aead.ts";
import { pattern } from "./cases.ts";

test("ChaCha20-Poly1305 of the runtime and noble's, its stand-in on Bun, agree for every length from 0 to 600", () => {
  const key = pattern(32, 9);
  const nonce = pattern(12, 7);
  const aad = pattern(13, 5);
  const raw = createChaCha(key);
  const noble = new NobleAead(chacha20poly1305, key);
  for (let length = 0; length <= 600; length++) {
    const plaintext = pattern(length);
    const [a, b] = [new Uint8Array(length + 16), new Uint8Array(length + 16)];
    raw.seal(nonce, aad, plaintext, a);
    noble.seal(nonce, aad, plaintext, b);
    assert.deepEqual(a, b, `${length}`);
    const opened = new Uint8Array(length);
    assert.ok(raw.open(nonce, aad, b, opened));
    assert.deepEqual(opened, plaintext);
    a[length]! ^= 1;
    assert.ok(!raw.open(nonce, aad, a, opened));
    assert.ok(!noble.open(nonce, aad, a, opened));
  }
});
