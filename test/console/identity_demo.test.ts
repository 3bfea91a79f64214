import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { demoIdentity } from "../../transports/console/demo/identity.ts";
import type { Console } from "../../transports/console/mod.ts";
import { UsageError } from "../../transports/console/arguments.ts";
import { createIdentityFile, fileSubscribers, openIdentityFile } from "../../transports/files/mod.ts";
import { withCode } from "../aka/vectors.ts";
import { CHEAP, provisioned, subscriber } from "../identity/files.ts";
import { startSeccf } from "../support/spawn.ts";
import { virtualPlatform } from "../support/virtual.ts";

const IMSI = "001010000000001";

/** What is used of a console here. */
function desk(env: Record<string, string> = {}): Console {
  const none = () => assert.fail("not used");
  return {
    platform: virtualPlatform(),
    input: (async function* () {})(),
    ...{ write: none, say: none, appendLine: none, env: (name) => env[name] },
    readText: (path) => readFile(path, "utf8"),
    interrupted: new AbortController().signal,
  };
}

test("the demo runs with an identity file, and the file keeps what its subscriber accepted", async () => {
  const folder = mkdtempSync(join(tmpdir(), "seccf-demo-"));
  try {
    const path = join(folder, "device.id");
    const state = {
      // It was used before, and the Key Manager has forgotten: it has to be told by AUTS.
      sequence: new Array<number>(32).fill(77),
      pinTries: 3,
      gbabp: new Uint8Array(255).fill(255),
      gbanl: Array.from({ length: 4 }, () => new Uint8Array(255).fill(255)),
    };
    const entry = { ...subscriber("sim", IMSI), state } as ReturnType<typeof subscriber>;
    await createIdentityFile(path, { unlock: "four words of it", cost: CHEAP, entries: [entry] });
    await using demo = startSeccf(["demo", "--identity", `file:${path}`], { SECCF_PASSPHRASE: "four words of it" });
    assert.deepEqual(await demo.exit, { code: 0, signal: null }, demo.errText);
    assert.match(demo.outText, /^device +opened its identity file .*device\.id: 001010000000001@/m);
    assert.match(demo.outText, /\none association, 3 uses, 3 keys, 3 processes, [0-9]+ ms\n$/);
    using file = await openIdentityFile(path, { unlock: "four words of it" });
    const kept = await file.look((entries) => entries.get("subscriber", "sim").state?.sequence ?? []);
    assert.equal(Math.max(...kept), 78);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("without a file one is made, with a passphrase beside it; what is there is used as it is", async () => {
  const folder = mkdtempSync(join(tmpdir(), "seccf-demo-"));
  try {
    const path = join(folder, "device.id");
    const made = await demoIdentity(`file:${path}`, IMSI, desk());
    assert.equal(made.keyManager, "bsf.mnc001.mcc001.pub.3gppnetwork.org");
    assert.deepEqual(readdirSync(folder).sort(), ["device.id", "device.id.passphrase"]);
    assert.equal(statSync(`${path}.passphrase`).mode & 0o777, 0o600);
    const unlock = readFileSync(`${path}.passphrase`, "utf8").trim();
    using subscribers = await fileSubscribers(path, { unlock });
    assert.equal(subscribers.size, 1);
    const other = join(folder, "other.id");
    await createIdentityFile(other, { unlock: "words", cost: CHEAP, entries: [provisioned("device-7")] });
    const words = desk({ SECCF_PASSPHRASE: "words" });
    await assert.rejects(demoIdentity(`file:${other}`, IMSI, words), withCode("identity-unavailable"));
    await assert.rejects(demoIdentity(`file:${other}`, IMSI, desk()), UsageError);
    await assert.rejects(demoIdentity("pcsc", IMSI, desk()), UsageError);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
