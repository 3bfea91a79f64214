// The rules of COSE messages that no published example breaks. RFC 9052 3, 5, 6.
import test from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { fromHex, toUtf8 } from "../../lib/bytes/mod.ts";
import {
  type CborMap,
  CborTag,
  type CborValue,
  decodeEncrypt0,
  decodeMac0,
  encodeCbor,
  encryptionAlgorithm,
  macAlgorithm,
  openEncrypt0,
  sealEncrypt0,
  signMac0,
  verifyMac0,
} from "../../lib/cose/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";

const KEY_16 = () => secretFrom(new Uint8Array(16).fill(1));
const NONCE = new Uint8Array(13).fill(2);
const OPEN = { algorithm: 10, key: KEY_16(), contextIv: NONCE };
const VERIFY = { algorithm: 5, key: secretFrom(new Uint8Array(32)) };
const NO_HEADERS: CborMap = new Map();

type Entries = readonly (readonly [number | string, CborValue])[];

/** A message of either kind with these headers; its content is right for nothing. */
function messages(inside: Entries, outside: Entries): { encrypt0: Uint8Array; mac0: Uint8Array } {
  const wrapped = encodeCbor(new Map(inside));
  const content = new Uint8Array(40);
  return {
    encrypt0: encodeCbor(new CborTag(16, [wrapped, new Map(outside), content])),
    mac0: encodeCbor(new CborTag(17, [wrapped, new Map(outside), content, new Uint8Array(32)])),
  };
}

function refuses(inside: Entries, outside: Entries, code: string): void {
  const { encrypt0, mac0 } = messages(inside, outside);
  assert.throws(() => openEncrypt0(encrypt0, OPEN), { code });
  assert.throws(() => verifyMac0(mac0, VERIFY), { code });
}

test("a critical header is refused in either bucket, whatever it names", () => {
  for (const crit of [[1], [99], ["x"]]) {
    refuses([[1, 10], [2, crit]], [], "unsupported");
    refuses([[1, 10]], [[2, crit]], "unsupported");
  }
  refuses([[1, 10], [2, []]], [], "malformed");
  refuses([[1, 10], [2, 1]], [], "malformed");
});

test("an IV and a Partial IV together are refused, wherever they stand", () => {
  const iv = new Uint8Array(13);
  const partialIv = new Uint8Array(1);
  refuses([[1, 10]], [[5, iv], [6, partialIv]], "malformed");
  refuses([[1, 10], [5, iv]], [[6, partialIv]], "malformed");
  refuses([[1, 10], [5, iv], [6, partialIv]], [], "malformed");
});

test("a label in both buckets is refused", () => {
  refuses([[1, 10]], [[1, 10]], "malformed");
  refuses([[1, 10], [4, new Uint8Array(1)]], [[4, new Uint8Array(1)]], "malformed");
});

test("headers of the wrong type are refused", () => {
  for (const label of [4, 5, 6, 10]) {
    for (const value of [1, "text", null, [new Uint8Array(1)]]) refuses([[1, 10]], [[label, value]], "malformed");
  }
  for (const value of [new Uint8Array(1), null, true]) refuses([[1, value]], [], "malformed");
  for (const value of [-1, new Uint8Array(1), null]) refuses([[1, 10], [3, value]], [], "malformed");
});

test("a message without an algorithm, with an unknown one and with another one are three different things", () => {
  refuses([[4, new Uint8Array(1)]], [], "malformed");
  for (const unknown of [0, 15, -7, 99, "A128GCM"]) refuses([[1, unknown]], [], "unsupported");
  assert.throws(() => openEncrypt0(messages([[1, 1]], []).encrypt0, OPEN), { code: "downgrade" });
  assert.throws(() => verifyMac0(messages([[1, 4]], []).mac0, VERIFY), { code: "downgrade" });
  assert.throws(() => openEncrypt0(messages([[1, 5]], []).encrypt0, OPEN), { code: "unsupported" });
  assert.throws(() => verifyMac0(messages([[1, 10]], []).mac0, VERIFY), { code: "unsupported" });
});

test("other shapes are refused: fields, types, tags, detached content", () => {
  const wrapped = encodeCbor(new Map([[1, 10]]));
  const content = new Uint8Array(40);
  const good: readonly CborValue[] = [wrapped, new Map(), content];
  const shapes: CborValue[] = [
    ...[new CborTag(16, good.slice(0, 2)), new CborTag(16, [...good, content]), new CborTag(16, wrapped)],
    ...[new CborTag(16, [wrapped, new Map(), null]), new CborTag(16, [new Map(), new Map(), content])],
    ...[new CborTag(16, [wrapped, [], content]), new CborTag(16, [wrapped, new Map(), "text"])],
    ...[new CborTag(16, [encodeCbor([1]), new Map(), content]), new CborTag(16, [encodeCbor(1), new Map(), content])],
    ...[
      new CborTag(16, [fromHex("a10100a1"), new Map(), content]),
      new CborTag(16, [fromHex("bf0100ff"), new Map(), content]),
    ],
    ...[new CborTag(17, good), new CborTag(96, good), new CborTag(16, new CborTag(16, good)), good, null],
  ];
  for (const shape of shapes) assert.throws(() => decodeEncrypt0(encodeCbor(shape)), { code: "malformed" });
  assert.ok(decodeEncrypt0(encodeCbor(good), { tagged: false }));
  assert.throws(() => decodeEncrypt0(encodeCbor(new CborTag(16, good)), { tagged: false }), { code: "malformed" });
  const mac: CborValue = [wrapped, new Map(), content, "tag"];
  assert.throws(() => decodeMac0(encodeCbor(new CborTag(17, mac))), { code: "malformed" });
  assert.throws(() => decodeMac0(encodeCbor(new CborTag(16, [...good, content]))), { code: "malformed" });
});

test("IVs of the wrong length are the peer's fault in a message and the caller's outside of it", () => {
  const sealed = (headers: Entries) => sealEncrypt0(toUtf8("m"), { unprotectedHeaders: new Map(headers) }, OPEN);
  assert.throws(() => openEncrypt0(messages([[1, 10]], [[5, new Uint8Array(12)]]).encrypt0, OPEN), {
    code: "malformed",
  });
  assert.throws(() => openEncrypt0(messages([[1, 10]], [[6, new Uint8Array(14)]]).encrypt0, OPEN), {
    code: "malformed",
  });
  const { contextIv: _, ...unknown } = OPEN;
  assert.throws(() => openEncrypt0(sealed([]), unknown), { code: "malformed" });
  assert.throws(() => openEncrypt0(sealed([[6, fromHex("01")]]), unknown), { code: "malformed" });
  assert.throws(() => openEncrypt0(sealed([]), { ...OPEN, contextIv: new Uint8Array(12) }), RangeError);
});

test("keys of the wrong length and algorithms not offered are the caller's fault", () => {
  const sealed = sealEncrypt0(toUtf8("m"), {}, OPEN);
  const key = secretFrom(new Uint8Array(32));
  assert.throws(() => openEncrypt0(sealed, { ...OPEN, key }), RangeError);
  assert.throws(() => sealEncrypt0(toUtf8("m"), {}, { ...OPEN, key }), RangeError);
  for (const algorithm of [0, 5, 14, 15, 99]) {
    assert.throws(() => openEncrypt0(sealed, { ...OPEN, algorithm }), RangeError);
    assert.throws(() => sealEncrypt0(toUtf8("m"), {}, { ...OPEN, algorithm }), RangeError);
  }
  assert.throws(() => signMac0(toUtf8("m"), {}, { ...VERIFY, algorithm: 10 }), RangeError);
  assert.throws(() => verifyMac0(sealed, { ...VERIFY, algorithm: 15 }), RangeError);
});

test("sealing refuses headers that opening would", () => {
  const twice: CborMap = new Map([[1, 10]]);
  assert.throws(() => sealEncrypt0(toUtf8("m"), { unprotectedHeaders: twice }, OPEN), { code: "malformed" });
  const crit: CborMap = new Map([[2, [4]]]);
  assert.throws(() => sealEncrypt0(toUtf8("m"), { protectedHeaders: crit }, OPEN), { code: "unsupported" });
  assert.throws(() => signMac0(toUtf8("m"), { protectedHeaders: crit }, VERIFY), { code: "unsupported" });
});

test("a truncated HMAC is good only as the algorithm that truncates", () => {
  const options = { ...VERIFY, algorithm: 4 };
  const short = signMac0(toUtf8("m"), {}, options);
  assert.deepEqual(verifyMac0(short, options), toUtf8("m"));
  const { protectedBytes, content, tag } = decodeMac0(signMac0(toUtf8("m"), {}, VERIFY));
  for (const length of [0, 8, 31, 33]) {
    const cut = new Uint8Array(length);
    cut.set(tag.subarray(0, length));
    const message = encodeCbor(new CborTag(17, [protectedBytes, NO_HEADERS, content, cut]));
    assert.throws(() => verifyMac0(message, VERIFY), { code: "auth-failed" }, `${length}`);
  }
});

test("a content shorter than the tag is not authentic", () => {
  const wrapped = encodeCbor(new Map([[1, 10]]));
  for (let length = 0; length < 8; length++) {
    const message = encodeCbor(new CborTag(16, [wrapped, NO_HEADERS, new Uint8Array(length)]));
    assert.throws(() => openEncrypt0(message, OPEN), { code: "auth-failed" });
  }
});

test("a message may be as long as the caller says, and no longer", () => {
  const sealed = sealEncrypt0(new Uint8Array(60_000), {}, OPEN);
  assert.equal(openEncrypt0(sealed, OPEN).length, 60_000);
  assert.throws(() => openEncrypt0(sealed, { ...OPEN, maximumLength: 60_000 }), { code: "too-large" });
  const signed = signMac0(new Uint8Array(70_000), {}, VERIFY);
  assert.throws(() => verifyMac0(signed, VERIFY), { code: "too-large" });
  assert.equal(verifyMac0(signed, { ...VERIFY, maximumLength: 80_000 }).length, 70_000);
});

test("each algorithm is found by its number alone", () => {
  assert.deepEqual([1, 2, 3, 10, 11, 12, 13, 24, 30, 31, 32, 33].map((id) => encryptionAlgorithm(id)?.id), [
    ...[1, 2, 3, 10, 11, 12, 13, 24, 30, 31, 32, 33],
  ]);
  assert.deepEqual([4, 5, 6, 7].map((id) => macAlgorithm(id)?.id), [4, 5, 6, 7]);
  for (const id of [0, -1, 14, 15, 25, "10", undefined, null]) {
    assert.equal(encryptionAlgorithm(id), undefined);
    assert.equal(macAlgorithm(id), undefined);
  }
});

test("property: sealing and opening agree for every algorithm, and another key or external_aad opens nothing", () => {
  const algorithm = fc.constantFrom(1, 2, 3, 10, 11, 12, 13, 24, 30, 31, 32, 33);
  fc.assert(
    fc.property(
      algorithm,
      fc.uint8Array({ maxLength: 100 }),
      fc.uint8Array({ maxLength: 30 }),
      (id, message, externalAad) => {
        const { keyLength, nonceLength } = encryptionAlgorithm(id)!;
        const key = secretFrom(new Uint8Array(keyLength).fill(7));
        const options = { algorithm: id, key, externalAad, contextIv: new Uint8Array(nonceLength).fill(9) };
        const sealed = sealEncrypt0(message, { unprotectedHeaders: new Map([[6, fromHex("0102")]]) }, options);
        assert.deepEqual(openEncrypt0(sealed, options), message);
        const other = secretFrom(new Uint8Array(keyLength).fill(8));
        assert.throws(() => openEncrypt0(sealed, { ...options, key: other }), { code: "auth-failed" });
        const more = new Uint8Array(externalAad.length + 1);
        assert.throws(() => openEncrypt0(sealed, { ...options, externalAad: more }), { code: "auth-failed" });
      },
    ),
    { numRuns: 100, seed: 9053 },
  );
});

test("property: whatever bytes come, decoding and opening throw nothing but SeccfError", () => {
  const good = [sealEncrypt0(toUtf8("message"), {}, OPEN), signMac0(toUtf8("message"), {}, VERIFY)];
  const mutated = fc.tuple(fc.constantFrom(...good), fc.nat(), fc.nat(255)).map(([bytes, at, byte]) => {
    const copy = bytes.slice();
    copy[at % copy.length] = byte;
    return copy;
  });
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 60 })), (bytes) => {
      for (const act of [() => openEncrypt0(bytes, OPEN), () => verifyMac0(bytes, VERIFY)]) {
        try {
          act();
        } catch (error) {
          assert.ok(error instanceof SeccfError, String(error));
        }
      }
    }),
    { numRuns: 1000, seed: 16 },
  );
});
