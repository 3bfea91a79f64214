// The promise of createRecordNumberMask: a record's mask allocates nothing.
import { test } from "node:test";
import { assertNoAllocation } from "./slope.ts";

test("masks of record numbers are made without allocating: 0 bytes each under V8, no object kept under Bun", () => {
  assertNoAllocation("mask_slope.ts", ["AES", "ChaCha20"]);
});
