// That disposing forgets: looked for in the memory of a process, since a heap snapshot of V8 shows no bytes.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const path = fileURLToPath(new URL("memory_child.ts", import.meta.url));
const runtime = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];

test("a key is in memory while it lives, and nowhere after it and what was keyed with it are disposed", () => {
  const child = spawnSync(process.execPath, [...runtime, path], { encoding: "utf8" });
  assert.equal(child.status, 0, child.stderr);
  const { seen, before, after } = JSON.parse(child.stdout);
  // A process's memory can be read where there is a /proc.
  assert.equal(seen, process.platform === "linux");
  if (!seen) return;
  // The look does find: the secret itself, and the block that a keyed state keeps.
  assert.ok(before.key >= 1 && before.ipad >= 1, child.stdout);
  assert.deepEqual(after, { key: 0, ipad: 0, opad: 0 });
});
