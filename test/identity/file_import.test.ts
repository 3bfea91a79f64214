// Lists of subscribers. The makers' text form has no published definition: these lists are made up after descriptions of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fingerprint } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { importSubscribers } from "../../lib/identity/mod.ts";
import { assertSecret, secretHex } from "../aka/vectors.ts";

// TS 35.208 test set 1: K, OP, OPc.
const K = "465b5ce8b199b49faa5f0a2ee238a6bc";
const OP = "cdc202d5123e20f62b6d676ac72cb318";
const OPC = "cd63cb71954a9f4e48a5994e37a02baf";

const MAKER = `
*
* Some maker, some order
*
Customer: Example Networks
Quantity: 2
Batch: 00017
Transport_key: 0
*
Var_In:
IMSI: 001010000000001
*
Var_Out: ICCID/IMSI/PIN1/PUK1/ADM1/KI/OPC
8988211000000000017 001010000000001 1234 12345678 0011223344556677 ${K.toUpperCase()} ${OPC}
8988211000000000025 001010000000002 1234 12345678 0011223344556677 ${"11".repeat(16)} ${OPC}
`;

function refusal(text: string): string {
  try {
    importSubscribers(text);
    return "";
  } catch (error) {
    assert.ok(error instanceof SeccfError, String(error));
    assert.ok(!text.includes("001010000000001") || !error.message.includes("001010000000001"));
    return `${error.code}: ${error.message}`;
  }
}

test("a maker's text form, values under names and JSON give the same subscribers [SEC_CF-ADM-001]", () => {
  const csv = `"IMSI","ICCID","Ki","OPC","ADM1"\r\n"001010000000001","898","${K}","${OPC}","x""y,z"\r\n` +
    `001010000000002,898,${"11".repeat(16)},${OPC},\r\n`;
  const semicolons = csv.replaceAll(",", ";").replace("y;z", "y");
  const json = JSON.stringify([
    { imsi: "001010000000001", iccid: 898, Ki: K, OPc: OPC },
    { IMSI: "001010000000002", K: "11".repeat(16), OPC, note: null },
  ]);
  for (const text of [MAKER, MAKER.replaceAll("\n", "\r\n"), csv, `\ufeff${csv}`, semicolons, json]) {
    const [one, two, ...more] = importSubscribers(text);
    assert.equal(more.length, 0);
    assert.equal(one?.name, "001010000000001@ims.mnc001.mcc001.3gppnetwork.org");
    assert.equal(two?.imsi, "001010000000002");
    assert.ok(one && "opc" in one.credentials);
    assertSecret(one.credentials.k, K, "Ki");
    assertSecret(one.credentials.opc, OPC, "OPc");
  }
});

test("OP may be the row's or one for all, and the MNC may have three digits", () => {
  const op = secretHex(OP);
  const [one] = importSubscribers(`imsi,ki\n310150123456789,${K}`, { op, mncLength: 3 });
  assert.equal(one?.name, "310150123456789@ims.mnc150.mcc310.3gppnetwork.org");
  assert.ok(one && "op" in one.credentials);
  assert.equal(fingerprint(one.credentials.op), fingerprint(op));
  const [two] = importSubscribers(`imsi,ki,op,mnc_length\n310150123456789,${K},${OP},3`);
  assert.ok(two && "op" in two.credentials && two.mncLength === 3);
});

test("a list that does not say what it should is refused with its line, and no value is shown", () => {
  const csv = (...rows: string[]) => `imsi,ki,opc\n${rows.join("\n")}`;
  const good = `001010000000001,${K},${OPC}`;
  const cases: readonly (readonly [string, RegExp])[] = [
    ["", /^malformed: no subscriber/],
    ["imsi,ki,opc\n", /^malformed: no subscriber/],
    [csv(good, good), /^malformed: line 3 .* there before/],
    [csv("0010100000000012345,a,b"), /^malformed: line 2 .* 6 to 15 digits/],
    [csv(`001010000000001,${K.slice(2)},${OPC}`), /^malformed: line 2 .* Ki has 32/],
    [csv(`001010000000001,${K},${OPC}00`), /^malformed: line 2 .* OPc has 32/],
    [csv(`001010000000001,${K}`), /^malformed: line 2 .* 2 fields, not 3/],
    [csv(`001010000000001,,${OPC}`), /^malformed: line 2 .* no Ki/],
    [csv(`,${K},${OPC}`), /^malformed: line 2 .* no IMSI/],
    [csv(`001010000000001,${K},`), /^malformed: line 2 .* neither OPc nor OP/],
    [csv(`001010000000001,"${K}"x,${OPC}`), /^malformed: line 2 .* quotation/],
    [`imsi,ki,k,opc\n001010000000001,${K},${K},${OPC}`, /^malformed: line 2 .* a field twice/],
    [`imsi,ki,opc,mnclength\n${good},4`, /^malformed: line 2 .* 2 or 3 digits/],
    [`imsi,eki,opc\n${good}`, /^unsupported: .* transport key/],
    [MAKER.replace("Transport_key: 0", "Transport_key: 17"), /^unsupported: .* transport key/],
    [MAKER.replace("Var_Out", "Variables"), /^malformed: /],
    ["[{]", /^malformed: not JSON$/],
    ["[1]", /^malformed: row 1 .* not an object/],
    ['[{"imsi":1010000000001}]', /^malformed: row 1 .* not text/],
  ];
  for (const [text, expected] of cases) assert.match(refusal(text), expected);
});

test("a list of a hundred thousand is read, one of more is not", () => {
  const rows = (count: number) =>
    "imsi,ki,opc\n" +
    Array.from({ length: count }, (_, i) => `00101${String(i).padStart(10, "0")},${K},${OPC}`).join("\n");
  assert.equal(importSubscribers(rows(10_000)).length, 10_000);
  assert.match(refusal(rows(100_001)), /^too-large/);
});

test("whatever the text, it is read or a SeccfError says why not", () => {
  const words = fc.constantFrom(
    "imsi",
    "ki",
    "opc",
    ",",
    ";",
    "/",
    ":",
    "*",
    '"',
    "\n",
    " ",
    "001010000000001",
    K,
    "var_out",
    "[",
    "{",
    "}",
  );
  fc.assert(fc.property(fc.array(words, { maxLength: 60 }), (parts) => void refusal(parts.join(""))), {
    numRuns: 300,
    seed: 5,
  });
  fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => void refusal(text)), { numRuns: 200, seed: 6 });
});
