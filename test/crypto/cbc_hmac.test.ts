import assert from "node:assert/strict";
import { createHmac as hmacOfNode } from "node:crypto";
import { test } from "node:test";
import { _SHA1 } from "@noble/hashes/legacy.js";
import { _SHA256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { toHex } from "../../lib/bytes/mod.ts";
import { createCbc } from "../../lib/crypto/cbc.ts";
import { type CbcHmac, createCbcHmac, secretFrom } from "../../lib/crypto/mod.ts";
import { bytesOf, eachFlip, pattern, readVectors, secretPattern } from "./cases.ts";

type Hash = "sha-1" | "sha-256";
const kinds = (["sha-1", "sha-256"] as const).flatMap((hash) =>
  [true, false].map((encryptThenMac) => ({
    hash,
    encryptThenMac,
    name: `CBC with ${hash}, ${encryptThenMac ? "encrypt-then-MAC" : "MAC-then-encrypt"},`,
  }))
);
const IV = pattern(16, 60);
const HEADER = Uint8Array.from([...pattern(8, 80), 23, 3, 3]);
const MAC_LENGTH = { "sha-1": 20, "sha-256": 32 };

test("MAC-then-encrypt seals and opens the vectors of OpenSSL's AES-128-CBC-HMAC ciphers", () => {
  const vectors = readVectors<{
    key: string;
    macKey: string;
    rows: [hash: Hash, header: string, record: string, plaintext: string][];
  }>("crypto/cbc_hmac.json");
  assert.equal(vectors.rows.length, 6);
  for (const [hash, header, recordText, plaintext] of vectors.rows) {
    const options = { hash, encryptThenMac: false };
    using protection = createCbcHmac(
      options,
      secretFrom(bytesOf(vectors.key)),
      secretFrom(bytesOf(vectors.macKey)),
    );
    const record = bytesOf(recordText);
    const out = new Uint8Array(record.length);
    const length = protection.sealInto(record.subarray(0, 16), bytesOf(header), bytesOf(plaintext), out);
    assert.equal(toHex(out.subarray(0, length)), recordText);
    assert.equal(protection.openInto(bytesOf(header), record, out), plaintext.length / 2);
    assert.equal(toHex(out.subarray(0, plaintext.length / 2)), plaintext);
  }
});

for (const { hash, encryptThenMac, name } of kinds) {
  const create = () =>
    createCbcHmac({ hash, encryptThenMac }, secretPattern(16), secretFrom(pattern(MAC_LENGTH[hash])));

  test(`${name} gives -1 and zeros for a record with any single bit flipped, in record or header`, () => {
    using protection = create();
    const header = HEADER.slice();
    const sealed = seal(protection, header, pattern(33));
    const out = new Uint8Array(sealed.length);
    for (const part of [sealed, header]) {
      eachFlip(part, (bit) => {
        out.fill(0xa5);
        assert.equal(protection.openInto(header, sealed, out), -1, `bit ${bit}`);
        assert.ok(out.subarray(0, sealed.length - 17 - protection.macLength).every((byte) => byte === 0));
      });
    }
    assert.deepEqual(open(protection, header, sealed), pattern(33));
  });

  test(`${name} gives back what was sealed, in place and apart, for every length from 0 to 300`, () => {
    using protection = create();
    for (let length = 0; length <= 300; length++) {
      const sealed = seal(protection, HEADER, pattern(length));
      assert.equal(sealed.length % 16, encryptThenMac ? protection.macLength % 16 : 0);
      assert.deepEqual(open(protection, HEADER, sealed), pattern(length), `${length}`);
      for (const at of [0, 16]) {
        const room = new Uint8Array(16 + sealed.length).fill(0xa5);
        room.set(pattern(length), at);
        const written = protection.sealInto(IV, HEADER, room.subarray(at, at + length), room);
        assert.deepEqual(room.subarray(0, written), sealed);
        assert.equal(protection.openInto(HEADER, room.subarray(0, written), room.subarray(at)), length);
        assert.deepEqual(room.subarray(at, at + length), pattern(length));
      }
    }
  });

  test(`${name} gives -1 for whatever a stranger sends, and throws nothing`, () => {
    using protection = create();
    const out = new Uint8Array(700);
    for (let length = 0; length < 200; length++) {
      assert.equal(protection.openInto(HEADER, pattern(length, 3), out), -1, `${length}`);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 700 }), (bytes) => {
        assert.equal(protection.openInto(HEADER, bytes, out), -1);
      }),
      { seed: 13, numRuns: 200 },
    );
    assert.equal(protection.openInto(HEADER, new Uint8Array(16 * 5000 + 16), new Uint8Array(16 * 5000)), -1);
  });

  test(`${name} opens every padding from 0 to 255 and refuses each with any byte of it changed`, () => {
    using protection = create();
    const out = new Uint8Array(700);
    for (let padding = 0; padding <= 255; padding++) {
      // The data is as long as makes whole blocks.
      const body = encryptThenMac ? 0 : MAC_LENGTH[hash];
      const data = pattern(32 + (64 - ((body + 1 + padding) % 16)) % 16);
      const paddingBytes = new Uint8Array(padding + 1).fill(padding);
      const good = craft(hash, encryptThenMac, data, paddingBytes);
      assert.equal(protection.openInto(HEADER, good, out), data.length, `${padding}`);
      assert.deepEqual(out.subarray(0, data.length), data);
      for (const at of new Set([0, padding >> 1, padding - 1].filter((at) => at >= 0 && at < padding))) {
        const wrong = paddingBytes.slice();
        wrong[at]! ^= 1 << (padding & 7);
        assert.equal(
          protection.openInto(HEADER, craft(hash, encryptThenMac, data, wrong), out),
          -1,
          `${padding} ${at}`,
        );
      }
    }
  });

  test(`${name} refuses every wrong length of padding, also one that reaches into the MAC or past the start`, () => {
    using protection = create();
    const out = new Uint8Array(700);
    for (const padding of [0, 7, 15]) {
      const data = pattern((64 - (((encryptThenMac ? 0 : MAC_LENGTH[hash]) + 1 + padding) % 16)) % 16 + 16);
      for (let claimed = 0; claimed <= 255; claimed++) {
        const bytes = new Uint8Array(padding + 1).fill(padding);
        bytes[padding] = claimed;
        const length = protection.openInto(HEADER, craft(hash, encryptThenMac, data, bytes), out);
        // A claim of 0 is a padding of none: right for encrypt-then-MAC, whose padding the sender's MAC covers.
        const expected = claimed === padding
          ? data.length
          : encryptThenMac && claimed === 0
          ? data.length + padding
          : -1;
        assert.equal(length, expected, `${padding} ${claimed}`);
      }
    }
    // All of the padding says 31, but half of it is there.
    const reaching = craft(
      hash,
      encryptThenMac,
      pattern(encryptThenMac ? 0 : 32 - MAC_LENGTH[hash] % 16),
      new Uint8Array(16).fill(255),
    );
    assert.equal(protection.openInto(HEADER, reaching, out), -1);
  });

  test(`${name} refuses wrong IVs, headers and too little room with RangeError, before anything is written`, () => {
    using protection = create();
    const sealed = seal(protection, HEADER, pattern(40));
    const out = pattern(sealed.length);
    const before = out.slice();
    for (const length of [0, 12, 15, 17]) {
      assert.throws(() => protection.sealInto(new Uint8Array(length), HEADER, pattern(40), out), RangeError);
    }
    // Longer ones are RFC 9146 5.2's, which has no MAC-then-encrypt.
    for (const length of [0, 10, ...encryptThenMac ? [] : [12, 13]]) {
      assert.throws(() => protection.sealInto(IV, new Uint8Array(length), pattern(40), out), RangeError);
      assert.throws(() => protection.openInto(new Uint8Array(length), sealed, out), RangeError);
    }
    assert.throws(() => protection.sealInto(IV, HEADER, pattern(40), out.subarray(1)), RangeError);
    assert.throws(
      () => protection.openInto(HEADER, sealed, out.subarray(0, sealed.length - 18 - protection.macLength)),
      RangeError,
    );
    assert.throws(() => protection.sealInto(IV, HEADER, new Uint8Array(65536), new Uint8Array(70000)), RangeError);
    assert.deepEqual(out, before);
  });

  test(`${name} throws state once disposed`, () => {
    const protection = create();
    const sealed = seal(protection, HEADER, pattern(40));
    protection[Symbol.dispose]();
    protection[Symbol.dispose]();
    const state = { name: "SeccfError", code: "state" };
    assert.throws(() => protection.sealInto(IV, HEADER, pattern(40), new Uint8Array(200)), state);
    assert.throws(() => protection.openInto(HEADER, sealed, new Uint8Array(200)), state);
  });
}

for (
  const { hash, prototype } of [{ hash: "sha-1", prototype: _SHA1.prototype }, {
    hash: "sha-256",
    prototype: _SHA256.prototype,
  }] as const
) {
  test(`MAC-then-encrypt with ${hash} compresses as many blocks whatever padding a record of one length has or claims`, () => {
    const options = { hash, encryptThenMac: false };
    using protection = createCbcHmac(options, secretPattern(16), secretFrom(pattern(MAC_LENGTH[hash])));
    const out = new Uint8Array(700);
    // A name that is protected in the types: every compression of the hash goes through it.
    const hooked = prototype as unknown as { process: (...parameters: unknown[]) => void };
    const process = hooked.process;
    const counts = new Set<number>();
    try {
      for (let padding = 0; padding <= 255; padding++) {
        const data = pattern(512 - MAC_LENGTH[hash] - 1 - padding);
        const right = craft(hash, false, data, new Uint8Array(padding + 1).fill(padding));
        const wrong = craft(hash, false, data, new Uint8Array(padding + 1).fill(padding ^ 0x41));
        const broken = right.slice();
        broken[70]! ^= 1;
        for (const record of [right, wrong, broken]) {
          let count = 0;
          hooked.process = function (...parameters) {
            count++;
            process.apply(this, parameters);
          };
          protection.openInto(HEADER, record, out);
          hooked.process = process;
          counts.add(count);
        }
      }
    } finally {
      hooked.process = process;
    }
    // 13 + 512 - MAC - 1 bytes and 9 of the hash's own make 8 blocks or 9; one more finishes the HMAC.
    assert.deepEqual([...counts], [hash === "sha-1" ? 10 : 9]);
  });
}

test("each order of MAC and encryption refuses the other's records, and each hash the other's", () => {
  const protections = kinds.map(({ hash, encryptThenMac }) =>
    createCbcHmac({ hash, encryptThenMac }, secretPattern(16), secretFrom(pattern(20)))
  );
  for (const sealer of protections) {
    const sealed = seal(sealer, HEADER, pattern(50));
    for (const opener of protections) {
      assert.equal(opener.openInto(HEADER, sealed, new Uint8Array(300)), opener === sealer ? 50 : -1);
    }
  }
});

function seal(protection: CbcHmac, header: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const room = new Uint8Array(plaintext.length + 80);
  return room.slice(0, protection.sealInto(IV, header, plaintext, room));
}

function open(protection: CbcHmac, header: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  const room = new Uint8Array(sealed.length);
  const length = protection.openInto(header, sealed, room);
  return length === -1 ? undefined : room.slice(0, length);
}

/** A record with any padding bytes, right MAC and all, by node:crypto's HMAC (RFC 5246 6.2.3.2, RFC 7366 3). */
function craft(hash: Hash, encryptThenMac: boolean, data: Uint8Array, padding: Uint8Array): Uint8Array {
  const mac = (...parts: Uint8Array[]) => {
    const hmac = hmacOfNode(hash.replace("-", ""), pattern(MAC_LENGTH[hash]));
    for (const part of parts) hmac.update(part);
    return hmac.digest();
  };
  const length = (count: number) => Uint8Array.of(count >> 8, count & 255);
  const inner = encryptThenMac
    ? Buffer.concat([data, padding])
    : Buffer.concat([data, mac(HEADER, length(data.length), data), padding]);
  using cbc = createCbc(secretPattern(16));
  cbc.encryptInto(IV, inner, inner);
  const body = Buffer.concat([IV, inner]);
  return new Uint8Array(encryptThenMac ? Buffer.concat([body, mac(HEADER, length(body.length), body)]) : body);
}
