import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { fileStore } from "../../transports/files/mod.ts";
import type { RecordStore } from "../../lib/store.ts";
import { VirtualClock } from "../support/virtual.ts";
import { testRecordStore } from "./record_store.ts";

/** A store that takes its folder with it. */
async function temporary(clock: VirtualClock): Promise<RecordStore & { readonly folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), "seccf-store-"));
  const store = await fileStore(folder, { clock });
  return {
    folder,
    get: (...all) => store.get(...all),
    put: (...all) => store.put(...all),
    delete: (...all) => store.delete(...all),
    reserve: (...all) => store.reserve(...all),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true });
    },
  };
}

testRecordStore("file", temporary);

const put = { expected: 0 };

test("file store: what was written is there after a restart, with its version, its time and its counters", async () => {
  const folder = mkdtempSync(join(tmpdir(), "seccf-store-"));
  const clock = new VirtualClock();
  const before = await fileStore(folder, { clock });
  const version = await before.put("a", Uint8Array.of(1), { ...put, ttlSeconds: 100 });
  await before.put("b", Uint8Array.of(2), { ...put, ttlSeconds: 10 });
  assert.equal(await before.reserve("n", 5), 0);
  await before[Symbol.asyncDispose]();
  await clock.advance(50_000);
  writeFileSync(join(folder, "half.new"), "what a crash left");
  const after = await fileStore(folder, { clock });
  assert.deepEqual(await after.get("a"), { value: Uint8Array.of(1), version });
  assert.equal(await after.get("b"), undefined);
  assert.equal(await after.reserve("n", 5), 5);
  assert.ok(await after.put("c", Uint8Array.of(3), put) ?? 0 > (version ?? 0));
  await clock.advance(50_000);
  assert.equal(await after.get("a"), undefined);
  assert.deepEqual(readdirSync(folder).filter((name) => name.endsWith(".new")), []);
  await after[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

test("file store: a clock that is set back over a restart makes no record live longer than it was to live", async () => {
  const folder = mkdtempSync(join(tmpdir(), "seccf-store-"));
  const clock = new VirtualClock();
  const before = await fileStore(folder, { clock });
  await before.put("a", Uint8Array.of(1), { ...put, ttlSeconds: 100 });
  await before[Symbol.asyncDispose]();
  clock.setWall(0);
  const after = await fileStore(folder, { clock });
  await clock.advance(100_000);
  assert.equal(await after.get("a"), undefined);
  await after[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

test("file store: a file that was cut or altered is an error, not another value; its folder has one owner", async () => {
  const clock = new VirtualClock();
  await using store = await temporary(clock);
  await store.reserve("n", 5);
  const [name] = readdirSync(store.folder).filter((each) => /^c[0-9a-f]{32}$/.test(each)) as [string];
  const path = join(store.folder, name);
  const good = readFileSync(path);
  for (let at = 0; at < good.length; at++) {
    const altered = new Uint8Array(good);
    altered[at]! ^= 1;
    writeFileSync(path, altered);
    await assert.rejects(store.reserve("n", 5), { code: "state" });
  }
  writeFileSync(path, good.subarray(0, 10));
  await assert.rejects(store.reserve("n", 5), { code: "state" });
  writeFileSync(path, good);
  assert.equal(await store.reserve("n", 5), 5);
});

test("file store: one record that is damaged keeps no other from being read, also after a restart", async () => {
  const folder = mkdtempSync(join(tmpdir(), "seccf-store-"));
  const clock = new VirtualClock();
  {
    await using store = await fileStore(folder, { clock });
    await store.put("good", Uint8Array.of(1), put);
    await store.put("bad", Uint8Array.of(2), put);
  }
  const records = readdirSync(folder).filter((each) => /^r[0-9a-f]{32}$/.test(each)).map((each) => join(folder, each));
  for (const path of records) {
    const bytes = readFileSync(path);
    if (!bytes.includes("bad")) continue;
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(path, bytes);
  }
  {
    await using store = await fileStore(folder, { clock });
    assert.deepEqual((await store.get("good"))?.value, Uint8Array.of(1));
    await assert.rejects(store.get("bad"), { code: "state" });
  }
  rmSync(folder, { recursive: true });
});
