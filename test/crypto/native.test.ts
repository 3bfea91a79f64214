// What the library chooses when a runtime lacks something: each choice in a process that truly lacks it.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { nativeCrypto, nativeSha256 } from "../../lib/crypto/native.ts";

const bun = "Bun" in globalThis;
const runtime = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];
const path = fileURLToPath(new URL("native_child.ts", import.meta.url));

function answer(missing: readonly string[]): Record<string, unknown> {
  const child = spawnSync(process.execPath, [...runtime, path, ...missing], { encoding: "utf8" });
  assert.equal(child.status, 0, child.stderr);
  const { native, chosen, of, digests, tags, agreements } = JSON.parse(child.stdout);
  assert.deepEqual([digests, tags, agreements], of, missing.join());
  return { native, chosen };
}

test("the three runtimes give their cryptography without an import, and Bun its one-shot SHA-256", () => {
  assert.notEqual(nativeCrypto, undefined);
  assert.equal(nativeSha256 !== undefined, bun);
  assert.deepEqual(answer([]), { native: true, chosen: bun ? "OneShotHmac" : "KernelHmac" });
});

test("without WebAssembly, which is without a JIT, the runtime's own hash answers", () => {
  assert.deepEqual(answer(["wasm"]), { native: true, chosen: bun ? "OneShotHmac" : "HashedHmac" });
});

test("without the runtime's cryptography the kernel answers, and noble every other hash", () => {
  assert.deepEqual(answer(["native"]), { native: false, chosen: "KernelHmac" });
  assert.deepEqual(answer(["native", "process"]), { native: false, chosen: "KernelHmac" });
});

test("a runtime that refuses to be asked is one without", () => {
  assert.deepEqual(answer(["refused"]), { native: false, chosen: bun ? "OneShotHmac" : "KernelHmac" });
});

test("with neither, the loop answers", () => {
  assert.deepEqual(answer(["native", "wasm"]), { native: false, chosen: "KernelHmac" });
});
