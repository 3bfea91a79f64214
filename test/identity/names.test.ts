import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromHex, fromUtf8, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import {
  bsfNameOf,
  decodeBootstrap,
  decodeImsi,
  decodeMncLength,
  decodeNafRecord,
  deriveNafKey,
  encodeBootstrap,
  encodeImsi,
  encodeNafRecord,
  impiOf,
} from "../../lib/identity/mod.ts";
import { assertSecret, flips, type NafVectors, secretHex, vectors, withCode } from "../aka/vectors.ts";
import { v } from "./cards.ts";

const nafs = vectors<NafVectors>("aka");

test("IMPI and Key Manager's name follow from the IMSI, for network codes of 2 and 3 digits (TS 23.003)", () => {
  assert.equal(impiOf("001010123456789", 2), v.IMPI);
  assert.equal(bsfNameOf("001010123456789", 2), v.BSF_FQDN);
  assert.equal(impiOf("310410123456789", 3), "310410123456789@ims.mnc410.mcc310.3gppnetwork.org");
  assert.equal(bsfNameOf("310410123456789", 3), "bsf.mnc410.mcc310.pub.3gppnetwork.org");
  for (const bad of ["", "12345", "1234567890123456", "00101012345678a"]) {
    assert.throws(() => impiOf(bad, 2), RangeError);
    assert.throws(() => bsfNameOf(bad, 2), RangeError);
  }
});

test("EF_IMSI is a length, parity, and digits with the low nibble first (TS 31.102 4.2.2)", () => {
  assert.equal(decodeImsi(fromHex("080910101032547698")), "001010123456789");
  assert.equal(toHex(encodeImsi("001010123456789")), "080910101032547698");
  assert.equal(decodeImsi(fromHex("082980124300000010")), "208213400000001");
  assert.equal(toHex(encodeImsi("00101012345678")), "0801101010325476f8");
  assert.equal(decodeImsi(fromHex("0801101010325476f8")), "00101012345678");
});

test("an EF_IMSI without an IMSI is malformed: empty, too short, letters, no parity", () => {
  for (
    const bad of [
      "",
      "ffffffffffffffffff",
      "0809101010325476",
      "0809a01010325476f8",
      "090910101032547698",
      "0801101010325476",
      "0305101010",
      "080810101032547698",
    ]
  ) {
    assert.throws(() => decodeImsi(fromHex(bad)), withCode("malformed"), bad);
  }
});

test("every IMSI reads back from its file", () => {
  const digits = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 6, maxLength: 15 }).map((d) => d.join(""));
  fc.assert(fc.property(digits, (imsi) => assert.equal(decodeImsi(encodeImsi(imsi)), imsi)), { seed: 4, numRuns: 200 });
});

test("EF_AD tells the length of the network code in its fourth byte, or does not", () => {
  assert.equal(decodeMncLength(fromHex("00000002")), 2);
  assert.equal(decodeMncLength(fromHex("800000f3")), 3);
  for (const silent of ["000000", "00000000", "00000001", "00000004", ""]) {
    assert.equal(decodeMncLength(fromHex(silent)), undefined);
  }
});

test("Ks_NAF and Ks_int_NAF are those computed from Milenage set 1 for five protocols [SEC_CF-KEM-001]", () => {
  assert.equal(nafs.naf.length, 5);
  const ks = secretHex(nafs.Ks);
  const rand = fromHex(nafs.RAND);
  for (const { NAF_Id, Ks_NAF, Ks_int_NAF } of nafs.naf) {
    const nafId = fromHex(NAF_Id);
    for (const impi of [nafs.IMPI, toUtf8(nafs.IMPI)]) {
      assertSecret(deriveNafKey(ks, { label: "gba-me", rand, impi, nafId }), Ks_NAF, "Ks_NAF");
      assertSecret(deriveNafKey(ks, { label: "gba-u", rand, impi, nafId }), Ks_int_NAF, "Ks_int_NAF");
    }
  }
});

test("another bit of NAF_Id, RAND or IMPI gives another key, and the IMPI is normalized by NFKC", () => {
  const ks = secretHex(nafs.Ks);
  const { NAF_Id, Ks_NAF } = nafs.naf[0]!;
  const good = { label: "gba-me", rand: fromHex(nafs.RAND), impi: toUtf8(nafs.IMPI), nafId: fromHex(NAF_Id) } as const;
  for (const field of ["rand", "impi", "nafId"] as const) {
    for (const flipped of flips(good[field])) {
      assert.throws(() => assertSecret(deriveNafKey(ks, { ...good, [field]: flipped }), Ks_NAF, field));
    }
  }
  const wide = [...nafs.IMPI].map((c) => /[a-z0-9]/.test(c) ? String.fromCodePoint(c.codePointAt(0)! + 0xfee0) : c)
    .join("");
  assertSecret(deriveNafKey(ks, { ...good, impi: wide }), Ks_NAF, "NFKC");
});

test("EF_GBABP is RAND, B-TID and lifetime behind lengths of one byte (TS 31.102 4.2.79)", () => {
  const parameters = { rand: new Uint8Array(16).fill(1), btid: toUtf8("b@bsf"), lifetime: toUtf8("2026") };
  const bytes = encodeBootstrap(parameters);
  assert.equal(toHex(bytes), "10" + "01".repeat(16) + "05" + "6240627366" + "04" + "32303236");
  const file = new Uint8Array(60).fill(0xff);
  file.set(bytes);
  assert.deepEqual(decodeBootstrap(file), parameters);
  assert.equal(decodeBootstrap(new Uint8Array(60).fill(0xff)), undefined);
  assert.equal(decodeBootstrap(new Uint8Array(60)), undefined);
  for (const bad of ["10aa", "0fff", "10" + "01".repeat(16) + "05aa"]) {
    assert.throws(() => decodeBootstrap(fromHex(bad)), withCode("malformed"));
  }
  assert.throws(() => encodeBootstrap({ ...parameters, btid: new Uint8Array(256) }), withCode("too-large"));
});

test("a record of EF_GBANL is NAF_Id under 80, B-TID under 81, and FF (TS 31.102 4.2.83)", () => {
  const record = { nafId: fromHex("6e0100000002"), btid: toUtf8("b@bsf") };
  const bytes = encodeNafRecord(record, 20)!;
  assert.equal(toHex(bytes), "80066e0100000002" + "81056240627366" + "ffffffffff");
  assert.deepEqual(decodeNafRecord(bytes), record);
  assert.equal(fromUtf8(decodeNafRecord(bytes)!.btid), "b@bsf");
  assert.equal(encodeNafRecord(record, 14), undefined);
  assert.equal(decodeNafRecord(new Uint8Array(20).fill(0xff)), undefined);
  assert.throws(() => decodeNafRecord(fromHex("8006")), withCode("malformed"));
});

test("decoders of files throw nothing but SeccfError at any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      for (const decode of [decodeImsi, decodeMncLength, decodeBootstrap]) {
        try {
          decode(bytes);
        } catch (error) {
          assert.ok(error instanceof SeccfError);
        }
      }
    }),
    { seed: 5, numRuns: 500 },
  );
});
