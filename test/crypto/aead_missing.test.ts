// The ciphers in a process that lacks WebAssembly, an instruction of it, or the runtime's cryptography.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const runtime = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];
const path = fileURLToPath(new URL("aead_child.ts", import.meta.url));

for (
  const [title, missing, native, kernels] of [
    ["all there", [], 2, 2],
    ["without WebAssembly", ["wasm"], 2, 0],
    ["without one of its instructions", ["relaxed"], 2, 0],
    ["without the runtime's cryptography", ["native"], 0, 2],
    ["with neither", ["native", "wasm"], 0, 0],
  ] as const
) {
  test(`${title}, the 33 published vectors of GCM, CCM and ChaCha20-Poly1305 are sealed, opened, and refused when forged`, () => {
    const child = spawnSync(process.execPath, [...runtime, path, ...missing], { encoding: "utf8" });
    assert.equal(child.status, 0, child.stderr);
    assert.deepEqual(JSON.parse(child.stdout), { native, kernels, right: 33 });
  });
}
