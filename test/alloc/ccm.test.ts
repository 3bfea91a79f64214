// The promise of our CCM: a record allocates nothing.
import { test } from "node:test";
import { assertNoAllocation } from "./slope.ts";

test("CCM seals, opens and refuses records without allocating: 0 bytes each under V8, no object kept under Bun", () => {
  assertNoAllocation("ccm_slope.ts", ["seal 64", "open 64", "refuse 64", "seal 1001", "open 1001"]);
});
