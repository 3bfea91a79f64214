import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SeccfError } from "../../lib/error.ts";
import { formatAuthItem, parseChallenges, parseCredentials, parseParameters } from "../../lib/http/mod.ts";
import { withCode } from "./vectors.ts";

const read = (field: string) =>
  parseChallenges(field).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

test("several challenges in one field are told apart (the example of RFC 9110 11.6.1)", () => {
  const field = 'Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""';
  assert.deepEqual(read(field), [
    ["basic", { realm: "simple" }],
    ["newauth", { realm: "apps", type: "1", title: 'Login to "apps"' }],
  ]);
});

test("empty elements, bad white space, bare schemes and bare tokens are read as RFC 9110 11 has them", () => {
  assert.deepEqual(read(', Negotiate , Basic YWxhZGRpbg==,, Digest  a = b ,C="d, e=\\"f" ,'), [
    ["negotiate", {}],
    ["basic", {}],
    ["digest", { a: "b", c: 'd, e="f' }],
  ]);
  assert.deepEqual(read(""), []);
  assert.deepEqual(read(" ,\t, "), []);
});

test("values are UTF-8, one character a byte in the field, and come back so", () => {
  const written = formatAuthItem("Digest", [{ name: "username", value: 'Jäsøn "Doe" \\', quoted: true }]);
  assert.equal(written, 'Digest username="JÃ¤sÃ¸n \\"Doe\\" \\\\"');
  assert.equal(parseCredentials(written).parameters.get("username"), 'Jäsøn "Doe" \\');
  new Headers().set("authorization", written);
});

test("a parameter twice, an open quote, a lone byte of UTF-8 and junk are malformed", () => {
  const bad = [
    'Digest realm="a", Realm="b"',
    'Digest realm="a',
    'Digest realm="\\',
    'Digest realm="a"b',
    'Digest realm="\xff"',
    'Digest realm="\u0100"',
    'Digest realm="a\u0000"',
    "Digest a=b, realm=",
    "Digest =x",
    'Digest a="b" c="d"',
    "@",
    "Digest a=b, @",
  ];
  for (const field of bad) assert.throws(() => parseChallenges(field), withCode("malformed"), field);
});

test("credentials are one set, and information has no scheme", () => {
  assert.throws(() => parseCredentials(""), withCode("malformed"));
  assert.throws(() => parseCredentials("Digest a=b, Basic c=d"), withCode("malformed"));
  assert.deepEqual(Object.fromEntries(parseParameters('rspauth="00", QOP=auth ,')), { rspauth: "00", qop: "auth" });
  for (const field of ["Digest a=b", "a", "a=b, a=c", "a=b c=d"]) {
    assert.throws(() => parseParameters(field), withCode("malformed"), field);
  }
});

test("a field is bounded in bytes, challenges and parameters", () => {
  const parameters = (count: number) => Array.from({ length: count }, (_, i) => `p${i}=1`).join(",");
  assert.equal(parseChallenges(`Digest ${parameters(24)}`)[0]?.parameters.size, 24);
  assert.equal(parseChallenges("A a=b,".repeat(8)).length, 8);
  for (const field of ["x".repeat(8193), `Digest ${parameters(25)}`, "A a=b,".repeat(9)]) {
    assert.throws(() => parseChallenges(field), withCode("too-large"));
  }
});

test("no control character and no stray text reaches a written field", () => {
  const write = (value: string, quoted: boolean) => formatAuthItem("Digest", [{ name: "a", value, quoted }]);
  for (const value of ["a\r\nb: c", "\u0000", "\u007f"]) assert.throws(() => write(value, true), withCode("malformed"));
  for (const value of ["", "a b", 'a"', "a,b", "ä"]) assert.throws(() => write(value, false), withCode("malformed"));
});

test("what is written is read back, and hostile text throws nothing but SeccfError", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), fc.string({ unit: "binary" }), (value, junk) => {
      if (!/\p{Cc}/u.test(value)) {
        const written = formatAuthItem("Digest", [{ name: "a", value, quoted: true }]);
        assert.equal(parseCredentials(written).parameters.get("a"), value);
      }
      for (const field of [junk, `Digest a="b", ${junk}`, `Digest a="${junk}"`, `Digest ${junk}=x`]) {
        for (const parse of [parseChallenges, parseCredentials, parseParameters]) {
          try {
            parse(field);
          } catch (error) {
            assert.ok(error instanceof SeccfError, String(error));
          }
        }
      }
    }),
    { seed: 11, numRuns: 150 },
  );
});
