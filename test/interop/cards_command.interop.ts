// `seccf identity card` and `seccf demo --identity pcsc` at a real pcscd with vpcd's reader.
import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "../../lib/bytes/mod.ts";
import { virtualReader } from "../../transports/cards/virtual/mod.ts";
import { startSeccf } from "../support/spawn.ts";
import { near, PIN, v } from "../transports/cards/home.ts";
import { inserted, startPcscd } from "./pcscd.ts";

test("identity card lists readers and what the card says of itself, with its PIN and without", async () => {
  await using service = await startPcscd();
  const usim = near({
    isim: { impi: "alice@operator.example", impus: ["sip:alice@operator.example"], domain: "operator.example" },
  });
  await using _reader = virtualReader({ card: usim, port: service.port });
  await inserted(service.cards);
  const card = [
    "Virtual PCD 00 00: a card",
    `  answer to reset ${toHex(usim.atr)}`,
    '  application usim a0000000871002ffffffff8900000100 "USIM"',
    '  application isim a0000000871004ffffffff8900000100 "ISIM"',
  ];
  await using locked = startSeccf(["identity", "card"]);
  assert.deepEqual(await locked.exit, { code: 0, signal: null }, locked.errText);
  assert.deepEqual(locked.outText.trimEnd().split("\n"), [
    ...card,
    "  PIN with 3 tries left",
    "  pin-required: the card wants its PIN, 3 tries left",
    "Virtual PCD 00 01: no card",
  ]);
  await using open = startSeccf(["identity", "card", "--reader", "00 00"], { SECCF_PIN: PIN });
  assert.deepEqual(await open.exit, { code: 0, signal: null }, open.errText);
  assert.deepEqual(open.outText.trimEnd().split("\n"), [
    ...card,
    "  PIN verified or not needed",
    "  IMPI alice@operator.example (isim)",
    "  IMPU sip:alice@operator.example",
    "  domain operator.example",
    "  Key Manager bsf.operator.example",
  ]);
  const told = locked.outText + locked.errText + open.outText + open.errText;
  for (const secret of [PIN, v.K!, v.OPc!]) assert.ok(!told.includes(secret));
});

test("the demo runs with its subscriber on a card in pcscd's reader", async () => {
  await using service = await startPcscd();
  await using demo = startSeccf(["demo", "--identity", `pcsc:${service.port}`]);
  assert.deepEqual(await demo.exit, { code: 0, signal: null }, demo.outText + demo.errText);
  assert.match(
    demo.outText,
    /put a soft USIM into the reader Virtual PCD 00 00 and opened it by PC\/SC: 001010000000001@/,
  );
  assert.match(demo.outText, /one association, 3 uses, 3 keys, 3 processes/);
});
