// Run as its own process by ccm.test.ts: prints what a record costs, as a slope between two counts of calls, so that
// what measuring itself allocates drops out. Under V8 in bytes of heap; under Bun, whose figure of the heap moves in
// steps, in objects still alive after a collection.
import process from "node:process";
import { Ccm } from "../../lib/crypto/ccm.ts";
import { createAead, secretFrom } from "../../lib/crypto/mod.ts";

const { gc, Bun } = globalThis as { gc?: () => void; Bun?: { gc(force: boolean): void } };
const jsc = Bun && await import("bun:jsc" as string) as { heapStats(): { objectCount: number } };
const nonce = new Uint8Array(12);
const aad = new Uint8Array(13);
const out = new Uint8Array(1100);

const door = createAead({ cipher: "aes-ccm", nonceLength: 12, tagLength: 8 }, secretFrom(new Uint8Array(16)));
const own = new Ccm(new Uint8Array(16), 12, 8);
const short = { plaintext: new Uint8Array(64), sealed: new Uint8Array(72) };
const long = { plaintext: new Uint8Array(1001), sealed: new Uint8Array(1009) };
door.sealInto(nonce, aad, short.plaintext, short.sealed);
own.seal(nonce, aad, long.plaintext, long.sealed);
const forged = short.sealed.slice();
forged[3]! ^= 1;

const operations: Record<string, { run: () => unknown; expected: unknown; count: number }> = {
  "seal 64": { run: () => door.sealInto(nonce, aad, short.plaintext, out), expected: 72, count: 4000 },
  "open 64": { run: () => door.openInto(nonce, aad, short.sealed, out), expected: 64, count: 4000 },
  "refuse 64": { run: () => door.openInto(nonce, aad, forged, out), expected: -1, count: 4000 },
  "seal 1001": { run: () => own.seal(nonce, aad, long.plaintext, out), expected: undefined, count: 500 },
  "open 1001": { run: () => own.open(nonce, aad, long.sealed, out), expected: true, count: 500 },
  "control": { run: () => kept = new Uint8Array(16), expected: undefined, count: 500 },
};
/** What the control allocates must not be optimized away. */
let kept: unknown;

const report: Record<string, { slope: number; right: boolean }> = {};
for (const [name, { run, expected, count }] of Object.entries(operations)) {
  let right = true;
  const grown = (calls: number): number => {
    const before = measure();
    for (let i = 0; i < calls; i++) right = run() === expected && right;
    return measure(false) - before;
  };
  // The JIT's own objects come first, and stray ones later: hence the median.
  for (let i = 0; i < 4; i++) grown(count);
  const slopes = Array.from({ length: 7 }, () => (grown(3 * count) - grown(count)) / (2 * count));
  report[name] = { slope: slopes.sort((a, b) => a - b)[3]!, right };
}
console.log(JSON.stringify({ unit: jsc ? "objects kept" : gc ? "bytes" : "nothing", report, kept: typeof kept }));

function measure(collect = true): number {
  if (jsc) {
    Bun.gc(true);
    return jsc.heapStats().objectCount;
  }
  if (collect) gc?.();
  return process.memoryUsage().heapUsed;
}
