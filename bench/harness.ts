// What every bench shares: rivals in one run, taken in turns, the median of several rounds; bytes of heap for each call
// as a slope between two counts of calls. Run one on a runtime of choice, or all on all by bench/run.ts; for the bytes V8
// wants `--expose-gc --min-semi-space-size=64 --max-semi-space-size=64` (Deno: in --v8-flags). `--full` measures longer.
import { arch, cpus } from "node:os";
import process from "node:process";

/** One way to do the work; without `call` where this runtime has none. */
export interface Contender {
  readonly name: string;
  readonly call: (() => unknown) | undefined;
}

/** The same work by all who can; the first is ours, and the ratio of the others is to it. */
export interface Group {
  readonly name: string;
  /** Bytes of payload a call; 0 where MB/s say nothing. */
  readonly bytes: number;
  readonly contenders: readonly Contender[];
}

/** What one contender took. */
export interface Measure {
  readonly name: string;
  /** Nanoseconds a call, the median; undefined where this runtime has none. */
  readonly time?: number;
  /** Bytes of V8's heap a call; undefined where it is not seen. */
  readonly heap?: number;
}

/** One bench on one runtime, as `--json` prints it. */
export interface Report {
  readonly title: string;
  readonly runtime: string;
  readonly machine: string;
  readonly mode: string;
  readonly groups: readonly { readonly name: string; readonly bytes: number; readonly measures: readonly Measure[] }[];
}

const full = process.argv.includes("--full");
const bun = "Bun" in globalThis;
const { gc } = globalThis as { gc?: () => void };

/** Measures and prints one table, or with `--json` a {@link Report}. */
export function run(title: string, groups: readonly Group[]): void {
  const { deno, bun: bunVersion, node } = process.versions;
  const cpu = cpus()[0]?.model.trim() ?? "unknown processor";
  const report: Report = {
    title,
    runtime: deno ? `Deno ${deno}` : bunVersion ? `Bun ${bunVersion}` : `Node ${node}`,
    machine: `${cpu}, ${cpus().length} x ${arch()}`,
    mode: full ? "full" : "quick",
    groups: groups.map(({ name, bytes, contenders }) => ({ name, bytes, measures: measure(contenders) })),
  };
  if (process.argv.includes("--json")) console.log(JSON.stringify(report));
  else print(report);
}

function print({ title, runtime, machine, mode, groups }: Report): void {
  console.log(`${title}: ${runtime}, ${machine}, ${mode}`);
  console.log(line("", "ns/op", "MB/s", "times ours", "bytes/op"));
  for (const { name, bytes, measures } of groups) {
    console.log(name);
    for (const [i, { name, time, heap }] of measures.entries()) {
      if (time === undefined) {
        console.log(line(name, "none here"));
        continue;
      }
      const rate = bytes === 0 ? "" : (bytes * 1000 / time).toFixed(0);
      const ratio = i === 0 ? "" : (time / measures[0]!.time!).toFixed(2);
      console.log(line(name, time.toFixed(0), rate, ratio, heap?.toFixed(0) ?? "not seen"));
    }
  }
}

function line(name: string, ...columns: readonly string[]): string {
  return `  ${name.padEnd(24)}${columns.map((column) => column.padStart(12)).join("")}`.trimEnd();
}

function measure(contenders: readonly Contender[]): Measure[] {
  const times = timesOf(contenders);
  return contenders.map(({ name, call }, i) => {
    if (call === undefined) return { name };
    const heap = allocated(call);
    return { name, time: times[i]!, ...(heap === undefined ? {} : { heap }) };
  });
}

/** The median nanoseconds of each, in turns, so that a slow moment of the machine falls on all. */
function timesOf(contenders: readonly Contender[]): (number | undefined)[] {
  const rounds = full ? 31 : 11;
  const target = full ? 20 : 5;
  const counts = contenders.map(({ call }) => call && calls(call, target));
  const times: number[][] = contenders.map(() => []);
  for (let round = 0; round < rounds; round++) {
    contenders.forEach(({ call }, i) => {
      if (call) times[i]!.push(elapsed(call, counts[i]!) * 1e6 / counts[i]!);
    });
  }
  return times.map((list) => list.sort((a, b) => a - b)[list.length >> 1]);
}

/** How many calls take `target` milliseconds, once the JIT has had its share. */
function calls(call: () => unknown, target: number): number {
  let count = 2000;
  elapsed(call, count);
  elapsed(call, count);
  for (;;) {
    const time = elapsed(call, count);
    if (time >= target) return count;
    count = Math.ceil(count * Math.min(10, 1.2 * target / Math.max(time, 0.01)));
  }
}

/** Milliseconds. */
function elapsed(call: () => unknown, count: number): number {
  const start = performance.now();
  for (let i = 0; i < count; i++) call();
  return performance.now() - start;
}

/** Bytes of V8's heap a call, what lies outside of it not counted; Bun's figure proves nothing. */
function allocated(call: () => unknown): number | undefined {
  if (bun || gc === undefined) return undefined;
  const grown = (count: number) => {
    gc();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < count; i++) call();
    return process.memoryUsage().heapUsed - before;
  };
  // So few calls that no collection falls among them: noble's GCM makes 40 KB each.
  grown(100);
  const slopes = Array.from({ length: 7 }, () => (grown(400) - grown(100)) / 300);
  return slopes.sort((a, b) => a - b)[3]!;
}
