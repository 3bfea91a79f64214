// What an operation allocates, measured in a process of its own as a slope between two counts of calls, so that what
// measuring itself allocates drops out. Under V8 in bytes: heap and memory outside of it. Bun's figure of the heap
// moves in steps and proves nothing; there it is objects still alive after a collection, which shows leaks alone.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** An operation, what it returns when it is right, and how many calls make the smaller count. */
export interface Operation {
  readonly run: () => unknown;
  readonly expected: unknown;
  readonly count: number;
}

interface Slopes {
  readonly unit: "bytes" | "objects kept";
  readonly report: Readonly<Record<string, { readonly slope: number; readonly right: boolean }>>;
}

/** Of an operation: a round takes milliseconds. */
const MOST_ROUNDS = 100;

/** What the control allocates must not be optimized away. */
let kept: unknown;

/**
 * In the child, whose words name the operations that may allocate: measures each and prints the report. A control that
 * allocates 16 bytes a call is added.
 */
export async function printSlopes(operations: Readonly<Record<string, Operation>>): Promise<void> {
  // Rounds in search of a good one would be without end for them.
  const exempt = [...process.argv.slice(2), "control"];
  const measure = await measurer();
  const control: Operation = { run: () => kept = new Uint8Array(16), expected: undefined, count: 200 };
  const report: Record<string, { slope: number; right: boolean }> = {};
  for (const [name, { run, expected, count }] of Object.entries({ ...operations, control })) {
    let right = true;
    const grown = (calls: number): number => {
      const before = measure.collected();
      for (let i = 0; i < calls; i++) right = run() === expected && right;
      return measure.now() - before;
    };
    // What allocates does so in every round; the JIT's own objects, early or late on a busy machine, are not in all. So
    // rounds go on until one is free of them, and a machine that is busy in all of them has to be so for very long.
    for (let i = 0; i < 4; i++) grown(count);
    const slopes: number[] = [];
    const round = () => slopes.push((grown(3 * count) - grown(count)) / (2 * count));
    for (let i = 0; i < 7; i++) round();
    const least = () => slopes.reduce((least, slope) => Math.abs(slope) < Math.abs(least) ? slope : least);
    while (!exempt.includes(name) && Math.abs(least()) > measure.nothing && slopes.length < MOST_ROUNDS) round();
    // A collection in the middle makes the least of what does allocate nonsense.
    report[name] = { slope: name === "control" ? Math.max(...slopes) : least(), right };
  }
  console.log(JSON.stringify({ unit: measure.unit, report, kept: typeof kept }));
}

async function measurer() {
  const { gc, Bun } = globalThis as { gc?: () => void; Bun?: { gc(force: boolean): void } };
  if (Bun !== undefined) {
    const jsc = await import("bun:jsc" as string) as { heapStats(): { objectCount: number } };
    const alive = () => {
      Bun.gc(true);
      return jsc.heapStats().objectCount;
    };
    return { unit: "objects kept", nothing: 0.001, collected: alive, now: alive };
  }
  if (gc === undefined) throw new Error("wants --expose-gc");
  const now = () => {
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const collected = () => {
    gc();
    return now();
  };
  return { unit: "bytes", nothing: 0.1, collected, now };
}

// A young generation that no run fills: a collection in the middle would make the figure nonsense.
const V8 = ["--expose-gc", "--min-semi-space-size=64", "--max-semi-space-size=64"];
const FLAGS = "Deno" in globalThis
  ? ["run", "-A", "--no-check", `--v8-flags=${V8.join(",")}`]
  : "Bun" in globalThis
  ? []
  : V8;

/**
 * In the test: runs `script` of this folder and asserts that each of `names` is right and, but for those that `exempt`
 * names, allocates nothing.
 */
export function assertNoAllocation(script: string, names: readonly string[], exempt: readonly string[] = []): void {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const child = spawnSync(process.execPath, [...FLAGS, path, ...exempt], { encoding: "utf8" });
  assert.equal(child.status, 0, child.stderr);
  const { unit, report } = JSON.parse(child.stdout) as Slopes;
  assert.equal(unit, "Bun" in globalThis ? "objects kept" : "bytes");
  const { control, ...operations } = report;
  assert.deepEqual(Object.keys(operations), names);
  for (const [name, { slope, right }] of Object.entries(operations)) {
    assert.ok(right, name);
    if (exempt.includes(name)) continue;
    assert.ok(Math.abs(slope) < (unit === "bytes" ? 1 : 0.01), `${name}: ${slope} ${unit}`);
  }
  // The measure sees what does allocate.
  if (unit === "bytes") assert.ok(control!.slope > 16, `${control!.slope}`);
}
