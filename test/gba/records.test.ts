import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromHex, fromUtf8, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretEqual, secretFrom, secretRandom } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { decodeBootstrappingInfo, encodeBootstrappingInfo, openRecord, sealRecord } from "../../lib/gba/mod.ts";
import { digestVectors } from "../http/vectors.ts";
import { seededRandom } from "../support/virtual.ts";
import { v, withCode } from "./vectors.ts";

const random = seededRandom(61);
const place = { wrappingKey: secretRandom(32, random), storeKey: "ub/1" };
const layout = ["bytes", "secret", "bytes"] as const;
const seal = () => sealRecord(place, [toUtf8("one"), secretFrom(fromHex(v.run.ks)), new Uint8Array()], random);

test("a sealed record opens to its fields where it was sealed, and shows none of them", () => {
  const sealed = seal();
  const fields = openRecord(place, sealed, layout);
  assert.ok(fields);
  assert.equal(fromUtf8(fields[0]), "one");
  assert.ok(secretEqual(fields[1], fromHex(v.run.ks)));
  assert.equal(fields[2].length, 0);
  assert.ok(!String.fromCharCode(...sealed).includes("one"));
  assert.notDeepEqual(seal(), sealed);
});

test("with any bit changed, cut short, moved, under another key or layout, a record is not there", () => {
  const sealed = seal();
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const flipped = sealed.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(openRecord(place, flipped, layout), undefined, `bit ${bit}`);
  }
  for (let length = 0; length < sealed.length; length++) {
    assert.equal(openRecord(place, sealed.subarray(0, length), layout), undefined, `${length} bytes`);
  }
  assert.equal(openRecord({ ...place, storeKey: "ub/2" }, sealed, layout), undefined);
  assert.equal(openRecord({ ...place, wrappingKey: secretRandom(32, random) }, sealed, layout), undefined);
  assert.equal(openRecord(place, sealed, ["bytes", "secret"]), undefined);
  assert.equal(openRecord(place, sealed, ["bytes", "secret", "bytes", "bytes"]), undefined);
});

test("any fields round trip, and a field too long for its length is refused", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), (fields) => {
      const opened = openRecord(place, sealRecord(place, fields, random), fields.map(() => "bytes" as const));
      assert.deepEqual(opened?.map((field) => [...field]), fields.map((field) => [...field]));
    }),
    { seed: 62, numRuns: 60 },
  );
  assert.throws(() => sealRecord(place, [new Uint8Array(65_536)], random), RangeError);
});

test("the vectors' BootstrappingInfo is read, and ours is read back with the BSF's time", () => {
  const info = { btid: v.run.btid, expiresAtWall: Date.UTC(2026, 11, 31, 23, 59, 59) };
  assert.deepEqual(decodeBootstrappingInfo(toUtf8(digestVectors.ub.successBody)), info);
  assert.equal(fromUtf8(encodeBootstrappingInfo(info)), digestVectors.ub.successBody);
  const timed = { ...info, writtenAtWall: Date.UTC(2026, 0, 1) };
  assert.deepEqual(decodeBootstrappingInfo(encodeBootstrappingInfo(timed)), timed);
});

test("prefixes, offsets, comments, white space and unknown elements are passed over (TS 24.109 Annex C)", () => {
  const document = `<?xml version="1.0"?>
    <b:BootstrappingInfo xmlns:b="uri:3gpp-gba" xmlns:x="urn:x" x:y="z"><!-- -->
      <b:btid> ${v.run.btid} </b:btid><x:btid>other@x</x:btid><b:unknown><b:btid>other@x</b:btid></b:unknown>
      <b:lifetime>2027-01-01T01:59:59+02:00</b:lifetime>
      <b:Extension><x:currenttime>2026-01-01T00:00:00Z</x:currenttime><x:more/></b:Extension>
    </b:BootstrappingInfo>`;
  assert.deepEqual(decodeBootstrappingInfo(toUtf8(document)), {
    btid: v.run.btid,
    expiresAtWall: Date.UTC(2026, 11, 31, 23, 59, 59),
    writtenAtWall: Date.UTC(2026, 0, 1),
  });
});

test("a document without exactly one btid and lifetime, in another namespace, or with bad values is malformed", () => {
  const good = digestVectors.ub.successBody;
  const bad = [
    good.replace("uri:3gpp-gba", "uri:3gpp-gbb"),
    good.replaceAll("BootstrappingInfo", "Info"),
    good.replace(/<btid>.*<\/btid>/, ""),
    good.replace(/(<btid>.*<\/btid>)/, "$1$1"),
    good.replace(/(<lifetime>.*<\/lifetime>)/, "$1$1"),
    good.replace(/<lifetime>.*<\/lifetime>/, ""),
    good.replace(/<lifetime>.*<\/lifetime>/, "<lifetime>soon</lifetime>"),
    good.replace("<btid>", "<btid>a<x/>"),
    good.replace(v.run.btid, "no b-tid"),
    good.replace("</lifetime>", "</lifetime><Extension><currenttime>x</currenttime></Extension>"),
    "",
  ];
  for (const text of bad) assert.throws(() => decodeBootstrappingInfo(toUtf8(text)), withCode("malformed"), text);
  assert.throws(() => decodeBootstrappingInfo(new Uint8Array(9000)), withCode("too-large"));
});

test("a reader of hostile documents throws nothing but SeccfError", () => {
  const good = digestVectors.ub.successBody;
  fc.assert(
    fc.property(fc.nat(good.length), fc.nat(good.length), fc.string({ unit: "binary" }), (from, to, text) => {
      const [start, end] = [Math.min(from, to), Math.max(from, to)];
      for (const document of [good.slice(0, start) + text + good.slice(end), good.slice(start, end)]) {
        try {
          decodeBootstrappingInfo(toUtf8(document));
        } catch (error) {
          assert.ok(error instanceof SeccfError, String(error));
        }
      }
    }),
    { seed: 63, numRuns: 80 },
  );
});
