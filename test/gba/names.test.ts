import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { uaIdentifier, type Use } from "../../lib/association/mod.ts";
import { fromHex, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import {
  btidDomain,
  canonicalFqdn,
  checkBtid,
  checkHint,
  decodeNafId,
  encodeNafId,
  formatDateTime,
  formatPskIdentity,
  makeBtid,
  parseBtid,
  parseDateTime,
  parsePskIdentity,
} from "../../lib/gba/mod.ts";
import { v, withCode } from "./vectors.ts";

test("a name has one form: lower case, no final dot", () => {
  for (const name of ["naf.example.com", "NAF.Example.COM", "naf.example.com."]) {
    assert.equal(canonicalFqdn(name), "naf.example.com");
  }
  assert.equal(canonicalFqdn("xn--mnchen-3ya.example"), "xn--mnchen-3ya.example");
  assert.equal(canonicalFqdn("localhost"), "localhost");
  const longest = [..."abc"].map((letter) => letter.repeat(63)).join(".") + `.${"d".repeat(61)}`;
  assert.equal(canonicalFqdn(longest).length, 253);
});

test("U-labels, addresses, empty and overlong labels, and everything that is no name are refused", () => {
  const bad = [
    "",
    ".",
    "a..b",
    ".a",
    "a.b..",
    "-a.b",
    "a-.b",
    "a_b.c",
    "a b",
    " a",
    "a\n",
    "münchen.example",
    "a\u3002b",
    "\u212a.example", // the KELVIN SIGN, which lower-cases to an ASCII letter
    "127.0.0.1",
    "1",
    "a.1",
    "0x7f.1",
    "a.0x7f",
    "[::1]",
    "::1",
    "a:80",
    "a/b",
    "a@b",
    "a;b",
    "a%41",
    `${"a".repeat(64)}.b`,
    `${"a.".repeat(126)}ab`,
  ];
  for (const name of bad) assert.throws(() => canonicalFqdn(name), withCode("malformed"), JSON.stringify(name));
});

test("NAF_Id is the canonical name before five bytes, and reads back as nothing else", () => {
  for (const { ua, nafId } of v.naf) {
    assert.equal(toHex(encodeNafId({ fqdn: "NAF.example.com.", ua: fromHex(ua) })), nafId);
    assert.deepEqual(decodeNafId(fromHex(nafId)), { fqdn: v.run.fqdn, ua: fromHex(ua) });
  }
  assert.throws(() => encodeNafId({ fqdn: v.run.fqdn, ua: new Uint8Array(4) }), RangeError);
  for (
    const bytes of [
      fromHex("0100000002"),
      toUtf8("NAF.example.com\u0001\0\0\0\u0002"),
      toUtf8("naf.example.com.\u0001\0\0\0\u0002"),
    ]
  ) {
    assert.throws(() => decodeNafId(bytes), withCode("malformed"));
  }
});

test("[SEC_CF-KEM-001] each use has the Ua identifier of DESIGN's table, under both profiles", () => {
  const table: [Use, string, string][] = [
    [{ kind: "tls", suite: 0x00a8 }, "03000100a8", "01000100a8"],
    [{ kind: "tls", suite: 0xc0a8 }, "030001c0a8", "010001c0a8"],
    [{ kind: "tls", suite: 0x1301 }, "0100000007", "0100000007"],
    [{ kind: "tls", suite: 0x1305 }, "0100000007", "0100000007"],
    [{ kind: "http" }, "0100000002", "0100000002"],
    [{ kind: "http", suite: 0xc02f }, "030001c02f", "010001c02f"],
    [{ kind: "http", suite: 0x1301 }, "0300011301", "0100011301"],
    [{ kind: "supl" }, "0300000001", "0300000001"],
    [{ kind: "locsip" }, "0300000002", "0300000002"],
    [{ kind: "sip" }, "0300000003", "0300000003"],
    [{ kind: "object", purpose: "message" }, "ff00000001", "ff00000001"],
    [{ kind: "object", purpose: "push" }, "ff00000002", "ff00000002"],
    [{ kind: "object", purpose: "dm-bootstrap" }, "ff00000003", "ff00000003"],
    [{ kind: "object", purpose: "sip-body" }, "ff00000004", "ff00000004"],
    [{ kind: "object", purpose: "receipt" }, "ff00000005", "ff00000005"],
    [{ kind: "object", purpose: "nbsp" }, "ff00000006", "ff00000006"],
  ];
  for (const [use, oma, threeGpp] of table) {
    assert.equal(toHex(uaIdentifier(use)), oma, JSON.stringify(use));
    assert.equal(toHex(uaIdentifier(use, "oma")), oma);
    assert.equal(toHex(uaIdentifier(use, "3gpp")), threeGpp);
  }
  assert.equal(new Set(table.map(([, oma]) => oma)).size, table.length - 1);
});

test("a purpose outside the table and a suite of more than 16 bits are refused", () => {
  for (const purpose of ["", "Message", "toString", "__proto__", "message "]) {
    assert.throws(() => uaIdentifier({ kind: "object", purpose }), RangeError, purpose);
  }
  for (const suite of [-1, 0x10000, 1.5, NaN]) assert.throws(() => uaIdentifier({ kind: "tls", suite }), RangeError);
});

test("B-TID is base64(RAND)@BSF, and its BSF reads exactly its own form", () => {
  const rand = fromHex(v.run.rand);
  assert.equal(makeBtid(rand, v.run.bsf.toUpperCase()), v.run.btid);
  assert.deepEqual(parseBtid(v.run.btid), { rand, bsf: v.run.bsf });
  assert.equal(checkBtid(v.run.btid), v.run.btid);
  assert.equal(btidDomain(v.run.btid), v.run.bsf);
  assert.throws(() => makeBtid(new Uint8Array(15), v.run.bsf), RangeError);
  assert.equal(makeBtid(rand, `${"b".repeat(63)}.${"s".repeat(20)}`).length, 109);
  assert.throws(() => makeBtid(rand, `${"b".repeat(63)}.${"s".repeat(21)}`), RangeError);
  const [text, bsf] = v.run.btid.split("@");
  const bad = ["", "@", text!, `@${bsf}`, `${text}@`, `${text}@${bsf}@`, `${text}@${bsf}.`, `${text}@BSF.example`];
  bad.push(`${text!.slice(4)}@${bsf}`, `${text!.replace("NQ==", "NR==")}@${bsf}`, ` ${v.run.btid}`, `a@${bsf}`);
  for (const btid of bad) assert.throws(() => parseBtid(btid), withCode("malformed"), btid);
});

test("to others a B-TID is opaque, but never text that could leave its field", () => {
  for (const btid of ["a@b", "3A/+=~x@bsf.example.net", `${"a".repeat(107)}@b`]) assert.equal(checkBtid(btid), btid);
  for (
    const btid of [
      "a",
      "@b",
      "a@",
      'a"@b',
      "a\\@b",
      "a;b@c",
      "a b@c",
      "a\u0000@b",
      "ä@b",
      "a@b c",
      "a@b@c",
      `${"a".repeat(108)}@b`,
    ]
  ) {
    assert.throws(() => checkBtid(btid), withCode("malformed"), btid);
  }
});

test("a PSK identity is method;B-TID, and other methods and texts are nobody's", () => {
  assert.equal(new TextDecoder().decode(formatPskIdentity(v.run.btid)), v.psk.identity);
  assert.equal(parsePskIdentity(toUtf8(v.psk.identity)), v.run.btid);
  const others = [
    "",
    "3GPP-bootstrapping",
    "3GPP-bootstrapping;",
    "3GPP-bootstrapping-uicc;a@b",
    "3gpp-bootstrapping;a@b",
  ];
  others.push("3GPP-AKMA;a@b", "3GPP-bootstrapping;a@b;c", "3GPP-bootstrapping;a", "a@b", ";a@b");
  for (const identity of others) assert.equal(parsePskIdentity(toUtf8(identity)), undefined, identity);
  assert.equal(parsePskIdentity(Uint8Array.of(0xff)), undefined);
});

test("a hint must name the method, among others or alone; no hint is no objection", () => {
  checkHint(undefined);
  checkHint(new Uint8Array());
  for (const hint of ["3GPP-bootstrapping", "3GPP-bootstrapping-uicc;3GPP-bootstrapping", "a; 3GPP-bootstrapping"]) {
    checkHint(toUtf8(hint));
  }
  for (const hint of ["3GPP-bootstrapping-uicc", "3GPP-AKMA", "x"]) {
    assert.throws(() => checkHint(toUtf8(hint)), withCode("unsupported"), hint);
  }
  assert.throws(() => checkHint(Uint8Array.of(0xff, 0xfe)), withCode("unsupported"));
});

test("dates are read with Z and offsets, written in UTC, and impossible ones refused", () => {
  const at = Date.UTC(2026, 11, 31, 23, 59, 59);
  assert.equal(formatDateTime(at + 999), "2026-12-31T23:59:59Z");
  for (const text of ["2026-12-31T23:59:59Z", "2027-01-01T01:59:59+02:00", "2026-12-31T18:29:59-05:30"]) {
    assert.equal(parseDateTime(text), at, text);
  }
  assert.equal(parseDateTime("2026-12-31T23:59:59.123456789Z"), at + 123);
  const bad = [
    "",
    "2026-12-31",
    "2026-12-31T23:59:59",
    "2026-12-31 23:59:59Z",
    "2026-02-30T00:00:00Z",
    "2026-13-01T00:00:00Z",
  ];
  bad.push("2026-12-31T24:00:00Z", "2026-12-31T23:59:60Z", "2026-12-31T23:59:59+15:00", "2026-12-31T23:59:59+01:60");
  bad.push("+12026-12-31T23:59:59Z", "2026-12-31t23:59:59z", "2026-12-31T23:59:59.Z", " 2026-12-31T23:59:59Z");
  for (const text of bad) assert.throws(() => parseDateTime(text), withCode("malformed"), text);
});

test("readers of names throw nothing but SeccfError", () => {
  const readers: ((text: string) => unknown)[] = [
    canonicalFqdn,
    parseBtid,
    checkBtid,
    btidDomain,
    parseDateTime,
    (text) => parsePskIdentity(toUtf8(text)),
    (text) => decodeNafId(toUtf8(text)),
    (text) => checkHint(toUtf8(text)),
  ];
  const pieces = fc.array(
    fc.oneof(fc.constantFrom(v.run.btid, v.psk.identity, ".", "@", ";"), fc.string({ unit: "binary" })),
  );
  fc.assert(
    fc.property(pieces, (parts) => {
      for (const read of readers) {
        try {
          read(parts.join(""));
        } catch (error) {
          assert.ok(error instanceof SeccfError, String(error));
        }
      }
    }),
    { seed: 21, numRuns: 100 },
  );
});
