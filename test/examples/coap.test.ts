import assert from "node:assert/strict";
import { test } from "node:test";
import { startScript } from "../support/spawn.ts";

test("CoAP over DTLS: the example asks its own server", async () => {
  await using example = startScript("examples/coap.ts", []);
  assert.deepEqual(await example.exit, { code: 0, signal: null }, example.errText);
  assert.match(example.outText, /^listening coaps:\/\/127\.0\.0\.1:\d+\n2\.05 21\.5\n$/);
});
