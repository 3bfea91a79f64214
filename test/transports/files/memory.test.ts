// What is left in the memory of a process that opened an identity file and closed it. Linux alone shows it.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { toHex, toUtf8 } from "../../../lib/bytes/mod.ts";
import { decodeCbor } from "../../../lib/cose/mod.ts";
import { scryptKey, secretFrom } from "../../../lib/crypto/mod.ts";
import { expose } from "../../../lib/crypto/secret.ts";
import { startRotation } from "../../../lib/identity/mod.ts";
import { createIdentityFile } from "../../../transports/files/mod.ts";
import { webPlatform } from "../../../web_platform.ts";
import { CHEAP } from "../../identity/files.ts";
import { start } from "../../support/spawn.ts";
import { countInMemory } from "./memory.ts";

test("a process that closed its identity file holds no key and no passphrase in its memory [SEC_CF-SEC-001]", async () => {
  if (!existsSync("/proc/self/mem")) return;
  const folder = mkdtempSync(join(tmpdir(), "seccf-memory-"));
  try {
    const [path, file] = [join(folder, "device.id"), join(folder, "words")];
    const [k, opc, key, words] = [random(16), random(16), random(32), toHex(random(16))];
    writeFileSync(file, words, { mode: 0o600 });
    const credentials = { k: secretFrom(k), opc: secretFrom(opc) };
    const entries = [
      { kind: "subscriber", name: "sim", imsi: "001010000000001", mncLength: 2, credentials },
      {
        kind: "provisioned",
        name: "meter",
        rotation: startRotation({ identity: toUtf8("device-7"), key: secretFrom(key) }),
      },
    ] as const;
    await createIdentityFile(path, { unlock: words, cost: CHEAP, entries });
    // Their second halves: what is freed without being wiped is written over at its beginning.
    const needles = [k, swapped(k), opc, key, fileKey(path, words), toUtf8(words)].map((secret) =>
      secret.subarray(secret.length / 2)
    );
    // While the file is open they are there, or this test could not find them.
    const open = await lookInto([path, file, "before"], needles);
    assert.ok(open[2]! > 0 && open[3]! > 0 && open[4]! > 0, `found ${open.join()}`);
    assert.deepEqual(await lookInto([path, file, "after"], needles), needles.map(() => 0));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

async function lookInto(words: readonly string[], needles: readonly Uint8Array[]): Promise<number[]> {
  const script = fileURLToPath(new URL("memory_child.ts", import.meta.url));
  const flags = "Deno" in globalThis
    ? ["run", "--allow-all", "--no-check", "--quiet", "--v8-flags=--expose-gc"]
    : "Bun" in globalThis
    ? []
    : ["--expose-gc"];
  await using child = start(process.execPath, [...flags, script, ...words]);
  const [, pid] = await child.until(/^ready ([0-9]+)\n/);
  return countInMemory(Number(pid), needles);
}

function random(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  webPlatform.random(bytes);
  return bytes;
}

/** The key that the passphrase makes, by the salt in the file's header. */
function fileKey(path: string, words: string): Uint8Array {
  const [, , header] = decodeCbor(readFileSync(path)) as [string, number, Uint8Array];
  const [[, salt]] = decodeCbor(header) as [[number, Uint8Array]];
  return expose(scryptKey(secretFrom(toUtf8(words)), salt, CHEAP, 32));
}

/** As the first round key of AES lies in memory where words have their low byte first. */
function swapped(key: Uint8Array): Uint8Array {
  return key.map((_, i) => key[i ^ 3]!);
}
