// The promise of sealInto and openInto: a message allocates nothing.
import { test } from "node:test";
import { assertNoAllocation } from "./slope.ts";

const SIZES = [64, 1024];
const names = (cipher: string) =>
  SIZES.flatMap((size) => [`${cipher} seal ${size}`, `${cipher} seal and open ${size}`]);
// On Node, and there alone, CCM beyond 128 bytes is the runtime's own, which makes objects for every message.
const NATIVE = "Deno" in globalThis || "Bun" in globalThis ? [] : ["AES-CCM seal 1024", "AES-CCM seal and open 1024"];

test("sealed messages are written and read without allocating: 0 bytes each under V8, no object kept under Bun", () => {
  assertNoAllocation("seal_slope.ts", [...names("AES-CCM"), ...names("HMAC")], NATIVE);
});
