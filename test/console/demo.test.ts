import assert from "node:assert/strict";
import { test } from "node:test";
import { startSeccf } from "../support/spawn.ts";

test("the demo is three processes, one association, three uses and three keys", async () => {
  await using demo = startSeccf(["demo"]);
  assert.deepEqual(await demo.exit, { code: 0, signal: null }, demo.errText);
  const lines = demo.outText.trimEnd().split("\n");
  for (const role of ["key-manager", "enabler", "device"]) {
    assert.ok(lines.some((line) => line.startsWith(role)), `a line of the ${role}`);
  }
  const keys = lines.flatMap((line) => /^(.*?) +key ([0-9a-f]{16}) at both ends$/.exec(line)?.slice(1) ?? []);
  assert.deepEqual([keys[0], keys[2], keys[4]], ["PSK-TLS", "HTTP Digest", "sealed message"]);
  assert.equal(new Set([keys[1], keys[3], keys[5]]).size, 3);
  assert.match(lines.at(-1) ?? "", /^one association, 3 uses, 3 keys, 3 processes, [0-9]+ ms$/);
  assert.equal(demo.errText, "");
});

test("a role of the demo ends when its parent is gone", async () => {
  await using role = startSeccf(["demo-role", "key-manager"]);
  const subscriber = { imsi: "001010000000001", k: "00".repeat(16), opc: "00".repeat(16) };
  const enabler = { identity: "meter.example.net", key: "00".repeat(16), names: ["meter.example.net"] };
  role.write(`${JSON.stringify({ name: "bsf.example.net", subscriber, enabler })}\n`);
  await role.until(/"ready"/);
  role.endInput();
  assert.deepEqual(await role.exit, { code: 0, signal: null });
});

test("a demo that is interrupted ends, and its processes before it", async () => {
  await using demo = startSeccf(["demo"]);
  await demo.until(/key-manager/);
  demo.signal("SIGTERM");
  assert.deepEqual(await demo.exit, { code: 143, signal: null });
  assert.match(demo.errText, /^seccf: interrupted: SIGTERM$/m);
});
