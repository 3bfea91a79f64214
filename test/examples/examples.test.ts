import assert from "node:assert/strict";
import { test } from "node:test";
import { startScript } from "../support/spawn.ts";

test("the example of all roles in one process runs as it stands", async () => {
  await using example = startScript("examples/one_process.ts", []);
  assert.deepEqual(await example.exit, { code: 0, signal: null }, example.errText);
  assert.equal(example.outText, "200 001010123456789@ims.mnc001.mcc001.3gppnetwork.org says 21.5\n");
});
