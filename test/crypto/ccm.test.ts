import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { test } from "node:test";
import { toHex } from "../../lib/bytes/mod.ts";
import { Ccm, createCcm } from "../../lib/crypto/ccm.ts";
import { createAead } from "../../lib/crypto/mod.ts";
import { pattern, secretPattern } from "./cases.ts";

const KEY = pattern(16, 9);

test("our own CCM agrees with one built from node:crypto's CTR and CBC for every length from 0 to 600", () => {
  const nonce = pattern(13, 7);
  const aad = pattern(13, 5);
  const own = new Ccm(KEY, 13, 8);
  for (let length = 0; length <= 600; length++) {
    const plaintext = pattern(length);
    const expected = toHex(ccmOfNode(KEY, nonce, aad, plaintext, 8));
    const sealed = new Uint8Array(length + 8);
    own.seal(nonce, aad, plaintext, sealed);
    assert.equal(toHex(sealed), expected, `${length}`);
    const opened = new Uint8Array(length);
    assert.ok(own.open(nonce, aad, sealed, opened));
    assert.deepEqual(opened, plaintext);
  }
});

test("our own CCM agrees with it for every length of additional data from 0 to 300 and around two bytes' end", () => {
  const nonce = pattern(12, 7);
  const plaintext = pattern(20);
  const own = new Ccm(KEY, 12, 16);
  // RFC 3610 2.2 changes the form of the length at 0xFF00.
  for (const length of [...Array(301).keys(), 0xfeff, 0xff00, 0xff01, 0xffff, 0x10000, 0x12345]) {
    const aad = pattern(length);
    const sealed = new Uint8Array(36);
    own.seal(nonce, aad, plaintext, sealed);
    assert.equal(toHex(sealed), toHex(ccmOfNode(KEY, nonce, aad, plaintext, 16)), `${length}`);
  }
});

test("our own CCM agrees with it for every nonce, tag and key the door offers, empty messages too", () => {
  for (const keyLength of [16, 24, 32]) {
    for (const nonceLength of [7, 12, 13]) {
      for (const tagLength of [8, 16]) {
        for (const [aadLength, length] of [[0, 0], [0, 1], [1, 0], [14, 16], [15, 17], [0, 100000]] as const) {
          if (length >= 65536 && nonceLength === 13) continue;
          const key = pattern(keyLength, 31);
          const nonce = pattern(nonceLength, 17);
          const sealed = new Uint8Array(length + tagLength);
          new Ccm(key, nonceLength, tagLength).seal(nonce, pattern(aadLength), pattern(length), sealed);
          const expected = ccmOfNode(key, nonce, pattern(aadLength), pattern(length), tagLength);
          assert.equal(toHex(sealed), toHex(expected), `${keyLength} ${nonceLength} ${tagLength} ${length}`);
        }
      }
    }
  }
});

test("what the door chooses, ours or the runtime's, seals alike and opens the other's for every length", () => {
  const own = new Ccm(KEY, 12, 8);
  const chosen = createCcm(KEY, 12, 8);
  const nonce = pattern(12);
  const aad = pattern(13);
  for (let length = 0; length <= 300; length++) {
    const plaintext = pattern(length);
    const [a, b] = [new Uint8Array(length + 8), new Uint8Array(length + 8)];
    own.seal(nonce, aad, plaintext, a);
    chosen.seal(nonce, aad, plaintext, b);
    assert.deepEqual(a, b, `${length}`);
    const opened = new Uint8Array(length);
    assert.ok(chosen.open(nonce, aad, a, opened), `${length}`);
    assert.deepEqual(opened, plaintext);
    b[length]! ^= 1;
    assert.ok(!chosen.open(nonce, aad, b, opened), `${length}`);
    assert.ok(!own.open(nonce, aad, b, opened), `${length}`);
  }
});

test("CCM with a nonce of 13 bytes seals 65535 bytes and refuses one more, both ways", () => {
  using aead = createAead({ cipher: "aes-ccm", nonceLength: 13, tagLength: 8 }, secretPattern(16));
  const nonce = pattern(13);
  const aad = new Uint8Array(0);
  const out = new Uint8Array(65544);
  assert.equal(aead.sealInto(nonce, aad, pattern(65535), out), 65543);
  assert.equal(aead.openInto(nonce, aad, out.subarray(0, 65543), out), 65535);
  assert.deepEqual(out.subarray(0, 65535), pattern(65535));
  assert.throws(() => aead.sealInto(nonce, aad, pattern(65536), out), RangeError);
  assert.equal(aead.openInto(nonce, aad, out, out), -1);
});

test("our own CCM leaves no key stream or right tag of a refused record behind in what it gives out", () => {
  const own = new Ccm(KEY, 12, 16);
  const nonce = pattern(12);
  const sealed = new Uint8Array(40);
  own.seal(nonce, nonce, pattern(24), sealed);
  sealed[30]! ^= 4;
  const out = new Uint8Array(24);
  assert.equal(own.open(nonce, nonce, sealed, out), false);
  // The next record is right: nothing of the last one is in the state.
  const again = new Uint8Array(40);
  own.seal(nonce, nonce, pattern(24), again);
  sealed[30]! ^= 4;
  assert.deepEqual(again, sealed);
});

/** CCM as RFC 3610 2 writes it: a CBC-MAC whose IV is zero, under CTR; both modes are node:crypto's on every runtime. */
function ccmOfNode(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  message: Uint8Array,
  tagLength: number,
): Uint8Array {
  const lengthBytes = 15 - nonce.length;
  const first = new Uint8Array(16);
  first[0] = (aad.length > 0 ? 64 : 0) + 8 * ((tagLength - 2) / 2) + (lengthBytes - 1);
  first.set(nonce, 1);
  new DataView(first.buffer).setUint16(14, message.length & 0xffff);
  if (lengthBytes > 2) first[13] = message.length >> 16;
  const length = aad.length === 0
    ? []
    : aad.length < 0xff00
    ? [aad.length >> 8, aad.length & 255]
    : [0xff, 0xfe, 0, aad.length >> 16, (aad.length >> 8) & 255, aad.length & 255];
  const blocks = Buffer.concat([first, padded(Buffer.concat([Uint8Array.from(length), aad])), padded(message)]);
  // An ECB chain, since Deno has no aes-192-cbc.
  const ecb = createCipheriv(`aes-${8 * key.length}-ecb`, key, null).setAutoPadding(false);
  let mac: Uint8Array = new Uint8Array(16);
  for (let at = 0; at < blocks.length; at += 16) mac = ecb.update(mac.map((byte, i) => byte ^ blocks[at + i]!));
  const counter = new Uint8Array(16);
  counter[0] = lengthBytes - 1;
  counter.set(nonce, 1);
  const ctr = createCipheriv(`aes-${8 * key.length}-ctr`, key, counter);
  const tag = ctr.update(mac).subarray(0, tagLength);
  return Buffer.concat([ctr.update(message), tag]);
}

function padded(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([bytes, new Uint8Array((16 - (bytes.length % 16)) % 16)]);
}
