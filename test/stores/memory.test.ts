import test from "node:test";
import assert from "node:assert/strict";
import { memoryStore } from "../../transports/stores/memory.ts";
import { VirtualClock } from "../support/virtual.ts";
import { testRecordStore } from "./record_store.ts";

testRecordStore("memory", (clock) => Promise.resolve(memoryStore({ clock })));

const put = { expected: 0 };

test("memory store: a full one refuses new keys, keeps the old, and takes some once others expired", async () => {
  const clock = new VirtualClock();
  await using store = memoryStore({ clock, capacity: 2 });
  const version = await store.put("a", new Uint8Array(1), put) ?? 0;
  await store.put("b", new Uint8Array(1), { ...put, ttlSeconds: 1 });
  await assert.rejects(store.put("c", new Uint8Array(1), put), { name: "SeccfError", code: "exhausted" });
  const second = await store.put("a", new Uint8Array(2), { expected: version });
  await clock.advance(1000);
  assert.ok(await store.put("c", new Uint8Array(1), put));
  assert.equal(await store.get("b"), undefined);
  assert.equal((await store.get("a"))?.version, second);
});
