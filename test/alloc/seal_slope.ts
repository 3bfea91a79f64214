// Run as its own process by seal.test.ts: prints what a sealed message costs, as a slope between two counts of calls, so
// that what measuring itself allocates drops out. Under V8 in bytes of heap; under Bun, whose figure of the heap moves in
// steps, in objects still alive after a collection. The lifetime stands still: a runtime's clock makes a number each time.
import process from "node:process";
import { openSealing, type Sealing } from "../../lib/association/sealer.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import type { Sealer } from "../../lib/association/ports.ts";
import { seededRandom, VirtualClock } from "../support/virtual.ts";

const { gc, Bun } = globalThis as { gc?: () => void; Bun?: { gc(force: boolean): void } };
const jsc = Bun && await import("bun:jsc" as string) as { heapStats(): { objectCount: number } };

const clock = new VirtualClock();
const random = seededRandom(1);

function end(role: "initiator" | "responder", algorithm: number): Promise<Sealing> {
  return openSealing({
    key: secretFrom(new Uint8Array(32)),
    associationId: new Uint8Array(8),
    role,
    use: new Uint8Array(5),
    lifetime: { left: 1000 },
    platform: { clock, random },
    algorithm,
  });
}

interface Operation {
  readonly run: () => number;
  readonly expected: number;
  readonly count: number;
}

const operations: Record<string, Operation> = {};
for (const [name, algorithm] of [["AES-CCM", 10], ["HMAC", 5]] as const) {
  const from = (await end("initiator", algorithm)).sealer();
  const to = (await end("responder", algorithm)).sealer();
  for (const size of [64, 1024]) {
    const message = new Uint8Array(size).fill(1);
    const out = new Uint8Array(size + from.overhead);
    const back = new Uint8Array(size);
    const count = size === 64 ? 1000 : 200;
    const seal = () => from.sealInto(message, out) > size ? size : -1;
    // Fresh messages, or the window would refuse them: what sealing costs is known from the line above.
    const sealAndOpen = () => openExactly(to, out, from.sealInto(message, out), back);
    operations[`${name} seal ${size}`] = { run: seal, expected: size, count };
    operations[`${name} seal and open ${size}`] = { run: sealAndOpen, expected: size, count };
  }
}

/** Opens the first `length` bytes: the array of that length is made once, as a receiver's buffer is. */
function openExactly(to: Sealer, sealed: Uint8Array, length: number, back: Uint8Array): number {
  let exact = exacts.get(length);
  if (!exact) exacts.set(length, exact = new Uint8Array(length));
  for (let i = 0; i < length; i++) exact[i] = sealed[i]!;
  return to.openInto(exact, back);
}

const exacts = new Map<number, Uint8Array>();
const report: Record<string, { slope: number; right: boolean }> = {};
let kept: unknown;
const control = () => {
  kept = new Uint8Array(16);
  return 16;
};
operations.control = { run: control, expected: 16, count: 500 };
for (const [name, { run, expected, count }] of Object.entries(operations)) {
  let right = true;
  const grown = (calls: number): number => {
    const before = measure();
    for (let i = 0; i < calls; i++) right = run() === expected && right;
    return measure(false) - before;
  };
  // What allocates does so in every round; the JIT's own objects, early or late on a busy machine, are not in all.
  for (let i = 0; i < 4; i++) grown(count);
  const slopes = Array.from({ length: 5 }, () => (grown(3 * count) - grown(count)) / (2 * count));
  report[name] = { slope: slopes.reduce((least, slope) => Math.abs(slope) < Math.abs(least) ? slope : least), right };
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
