import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

interface Slopes {
  readonly unit: "bytes" | "objects kept";
  readonly report: Readonly<Record<string, { readonly slope: number; readonly right: boolean }>>;
}

// A young generation that no run fills: a collection in the middle would make the figure nonsense.
const V8 = ["--expose-gc", "--min-semi-space-size=64", "--max-semi-space-size=64"];
const FLAGS = "Deno" in globalThis
  ? ["run", "-A", "--no-check", `--v8-flags=${V8.join(",")}`]
  : "Bun" in globalThis
  ? []
  : V8;

test("sealed messages are written and read without allocating: 0 bytes each under V8, no object kept under Bun", () => {
  const script = fileURLToPath(new URL("seal_slope.ts", import.meta.url));
  const child = spawnSync(process.execPath, [...FLAGS, script], { encoding: "utf8" });
  assert.equal(child.status, 0, child.stderr);
  const { unit, report } = JSON.parse(child.stdout) as Slopes;
  assert.equal(unit, "Bun" in globalThis ? "objects kept" : "bytes");
  const { control, ...operations } = report;
  assert.equal(Object.keys(operations).length, 8);
  for (const [name, { slope, right }] of Object.entries(operations)) {
    assert.ok(right, name);
    // On Node, and there alone, CCM beyond 128 bytes is the runtime's own, which makes objects for every message.
    if (/^AES-CCM .* 1024$/.test(name) && !("Deno" in globalThis || "Bun" in globalThis)) continue;
    assert.ok(Math.abs(slope) < (unit === "bytes" ? 1 : 0.01), `${name}: ${slope} ${unit}`);
  }
  // The measure sees what does allocate: 16 bytes in an object of their own.
  if (unit === "bytes") assert.ok(control!.slope > 16, `${control!.slope}`);
});
