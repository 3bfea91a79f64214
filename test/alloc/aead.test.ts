// The promise of AES-GCM and ChaCha20-Poly1305: a record of a device allocates nothing.
import { test } from "node:test";
import { assertNoAllocation } from "./slope.ts";

const CIPHERS: readonly (readonly [name: string, sizes: readonly number[]])[] = [
  ["AES-128-GCM", [0, 64, 768]],
  ["AES-256-GCM", [512]],
  ["ChaCha20-Poly1305", [16, 64, 4096]],
];

test("AES-GCM and ChaCha20-Poly1305 seal, open and refuse records without allocating, whatever their lengths", () => {
  const names = CIPHERS.flatMap(([name, sizes]) => [
    ...sizes.flatMap((size) => [
      `${name} seal ${size}`,
      `${name} open ${size}`,
      ...(size === 64 ? [`${name} refuse 64`] : []),
    ]),
    `${name} seal changing lengths`,
  ]);
  assertNoAllocation("aead_slope.ts", names);
});
