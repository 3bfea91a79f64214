// Run as its own process by hmac.test.ts.
import { createHmac, secretFrom } from "../../lib/crypto/mod.ts";
import { type Operation, printSlopes } from "./slope.ts";

const hmac = createHmac("sha-256", secretFrom(new Uint8Array(32).fill(7)));
const out = new Uint8Array(32);
const operations: Record<string, Operation> = {};
for (const size of [0, 16, 64, 256, 1024, 2048]) {
  const message = new Uint8Array(size).fill(size);
  operations[`sign ${size}`] = { run: () => hmac.signInto(message, out), expected: 32, count: 1000 };
}
const message = new Uint8Array(64);
const tag = new Uint8Array(32);
hmac.signInto(message, tag);
const forged = tag.slice();
forged[31]! ^= 1;
operations["verify 64"] = { run: () => hmac.verify(message, tag), expected: true, count: 1000 };
operations["refuse 64"] = { run: () => hmac.verify(message, forged), expected: false, count: 1000 };
// Records of a device differ in length from one to the next.
let next = 0;
const lengths = Array.from({ length: 64 }, (_, i) => new Uint8Array(16 + 5 * i));
operations["sign changing lengths"] = {
  run: () => hmac.signInto(lengths[next++ & 63]!, out),
  expected: 32,
  count: 1000,
};

await printSlopes(operations);
