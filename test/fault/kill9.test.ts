import assert from "node:assert/strict";
import { test } from "node:test";
import { Victim } from "./kill.ts";

test("a process that is killed in the middle of a change leaves the old file or the new one [SEC_CF-SEC-003]", async () => {
  await using victim = new Victim();
  for (const afterMs of [0, 0.7, 1.9, 4.3, 11]) await victim.kill(afterMs);
  // What an interrupted change leaves is cleared away by the next.
  assert.deepEqual(victim.left.filter((name) => !/^device\.id(\.new)?$/.test(name)), []);
});
