import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { escapeXml, parseXml } from "../../lib/xml/mod.ts";

const parse = (text: string) => parseXml(toUtf8(text));
const refuses = (code: string, ...documents: string[]) => {
  for (const text of documents) {
    const isCode = (error: unknown) => error instanceof SeccfError && error.code === code;
    assert.throws(() => parse(text), isCode, text.slice(0, 80));
  }
};

test("a document becomes a tree with namespaces, text and CDATA in place", () => {
  const root = parse(
    '<?xml version="1.0" encoding="utf-8"?><!-- c --><a xmlns="urn:x" k="v">1&amp;<b/>2<![CDATA[<&]]></a>',
  );
  assert.deepEqual(root, {
    namespace: "urn:x",
    name: "a",
    text: "1&2<&",
    children: [{ namespace: "urn:x", name: "b", text: "", children: [] }],
  });
});

test("prefixes are resolved, a byte order mark is passed over, numeric references are read", () => {
  assert.deepEqual(parse('\ufeff<p:a xmlns:p="urn:p">&#65;&#x42;</p:a>'), {
    namespace: "urn:p",
    name: "a",
    text: "AB",
    children: [],
  });
});

test("document types, entities and processing instructions are refused, whatever they hold", () => {
  refuses(
    "malformed",
    "<!DOCTYPE a><a/>",
    '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
    '<!DOCTYPE a SYSTEM "http://example.net/a.dtd"><a/>',
    "<a>&x;</a>",
    "<a>&constructor;</a>",
    "<a><?php x ?></a>",
    '<?xml-stylesheet href="x"?><a/>',
  );
});

test("what is not one well-formed UTF-8 document is refused", () => {
  refuses(
    "malformed",
    "",
    " ",
    "text",
    "<a>",
    "</a>",
    "<a></b>",
    "<a/><b/>",
    "<a/>text",
    "<a b=c/>",
    '<a b="1" b="2"/>',
    "<p:a/>",
    "<a>\u0001</a>",
    "<a>&#0;</a>",
    '<?xml version="1.1"?><a/>',
    '<?xml version="1.0" encoding="ISO-8859-1"?><a/>',
  );
  const notUtf8 = Uint8Array.of(0x3c, 0x61, 0x3e, 0xff, 0x3c, 0x2f, 0x61, 0x3e);
  assert.throws(() => parseXml(notUtf8), (error) => error instanceof SeccfError && error.code === "malformed");
});

test("size, depth and number of elements are bounded", () => {
  const nested = (depth: number) => "<a>".repeat(depth) + "</a>".repeat(depth);
  assert.equal(parse(nested(16)).name, "a");
  refuses("too-large", nested(17), `<a>${"<b/>".repeat(256)}</a>`, `<a>${" ".repeat(17_000)}</a>`);
  assert.equal(parse(`<a>${"<b/>".repeat(255)}</a>`).children.length, 255);
});

test("a reader of hostile bytes throws nothing but SeccfError", () => {
  const seeds = [
    '<a xmlns="u"><b>1</b></a>',
    '<?xml version="1.0"?>',
    "<![CDATA[",
    "]]>",
    "&amp;",
    "&#x41;",
    "<!--",
    "-->",
  ];
  const piece = fc.oneof(fc.constantFrom(...seeds), fc.string({ unit: "binary" }));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), fc.uint8Array({ maxLength: 8 }), (pieces, bytes) => {
      for (const document of [toUtf8(pieces.join("")), bytes]) {
        try {
          parseXml(document);
        } catch (error) {
          assert.ok(error instanceof SeccfError, String(error));
        }
      }
    }),
    { seed: 7, numRuns: 150 },
  );
});

test("escaped text comes back as it went in, and control characters have no form", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const plain = text.replace(/\r/g, "");
      assert.equal(parse(`<a>${escapeXml(plain)}</a>`).text, plain);
    }),
    { seed: 8, numRuns: 200 },
  );
  assert.throws(() => escapeXml("\u0000"), (error) => error instanceof SeccfError && error.code === "malformed");
});
