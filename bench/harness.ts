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
  /** Bytes of memory a call; undefined where it is not seen. */
  readonly heap?: number;
  /** In a group with a unit of its own: how many of it; undefined where there is none. */
  readonly value?: number;
  /** Why there is no figure, where that is not for lack of the thing itself. */
  readonly none?: string;
}

/** The same work by all who did it. */
export interface Measured {
  readonly name: string;
  /** Bytes of payload a call; 0 where MB/s say nothing. */
  readonly bytes: number;
  /** What the values are, where it is no time that is measured. */
  readonly unit?: string;
  readonly measures: readonly Measure[];
}

/** One bench on one runtime, as `--json` prints it. */
export interface Report {
  readonly title: string;
  readonly runtime: string;
  readonly machine: string;
  readonly mode: string;
  readonly groups: readonly Measured[];
}

/** Whether to measure longer. */
export const full: boolean = process.argv.includes("--full");
const bun = "Bun" in globalThis;
const { gc } = globalThis as { gc?: () => void };

/** Measures and prints one table, or with `--json` a {@link Report}. */
export function run(title: string, groups: readonly Group[]): void {
  publish(title, groups.map(({ name, bytes, contenders }) => ({ name, bytes, measures: measure(contenders) })));
}

/** Prints what was measured, as {@link run} does. */
export function publish(title: string, groups: readonly Measured[]): void {
  const { deno, bun: bunVersion, node } = process.versions;
  const cpu = cpus()[0]?.model.trim() ?? "unknown processor";
  const report: Report = {
    title,
    runtime: deno ? `Deno ${deno}` : bunVersion ? `Bun ${bunVersion}` : `Node ${node}`,
    machine: `${cpu}, ${cpus().length} x ${arch()}`,
    mode: full ? "full" : "quick",
    groups,
  };
  if (process.argv.includes("--json")) console.log(JSON.stringify(report));
  else print(report);
}

function print({ title, runtime, machine, mode, groups }: Report): void {
  console.log(`${title}: ${runtime}, ${machine}, ${mode}`);
  console.log(line("", "ns/op", "a second", "MB/s", "times ours", "bytes/op"));
  for (const { name, bytes, unit, measures } of groups) {
    console.log(unit === undefined ? name : `${name}: ${unit}`);
    for (const [i, { name, time, heap, value, none = "none here" }] of measures.entries()) {
      const figure = time ?? value;
      const ratio = i === 0 || figure === undefined ? "" : ratioOf(figure, measures[0]!);
      if (figure === undefined) console.log(line(name, none));
      else if (time === undefined) console.log(line(name, figure.toFixed(0), "", "", ratio));
      else {
        const rate = bytes === 0 ? "" : (bytes * 1000 / time).toFixed(0);
        console.log(
          line(name, time.toFixed(0), (1e9 / time).toFixed(0), rate, ratio, heap?.toFixed(0) ?? ""),
        );
      }
    }
  }
}

/** How many times ours a figure is; empty where ours is none. */
export function ratioOf(figure: number, { time, value }: Measure): string {
  const first = time ?? value;
  return first ? (figure / first).toFixed(2) : "";
}

function line(name: string, ...columns: readonly string[]): string {
  return `  ${name.padEnd(32)}${columns.map((column) => column.padStart(12)).join("")}`.trimEnd();
}

/** The middle of `list`, which it sorts. */
export function median(list: number[]): number | undefined {
  return list.sort((a, b) => a - b)[list.length >> 1];
}

/** Milliseconds of processor time that this process has had, its threads together. */
export function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/**
 * The median nanoseconds of works that may take their time, in turns of `count` calls, so that a slow moment of the
 * machine falls on all. The first turns are the JIT's. `clock` in milliseconds.
 */
export async function inTurns(
  works: { readonly [name: string]: (() => unknown) | undefined },
  { count, rounds, warmUp = 1, clock = () => performance.now() }: {
    readonly count: number;
    readonly rounds: number;
    readonly warmUp?: number;
    readonly clock?: () => number;
  },
): Promise<Measure[]> {
  const times: number[][] = Object.keys(works).map(() => []);
  for (let round = -warmUp; round < rounds; round++) {
    for (const [i, work] of Object.values(works).entries()) {
      if (!work) continue;
      const start = clock();
      for (let n = 0; n < count; n++) {
        const soon = work();
        if (soon instanceof Promise) await soon;
      }
      if (round >= 0) times[i]!.push((clock() - start) * 1e6 / count);
    }
  }
  return Object.keys(works).map((name, i) => {
    const time = median(times[i]!);
    return time === undefined ? { name } : { name, time };
  });
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
  return times.map(median);
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

/** Bytes a call of V8's heap and of array buffers outside of it; Bun's figure proves nothing. */
function allocated(call: () => unknown): number | undefined {
  if (bun || gc === undefined) return undefined;
  const used = () => {
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const grown = (count: number) => {
    gc();
    const before = used();
    for (let i = 0; i < count; i++) call();
    return used() - before;
  };
  // So few calls that no collection falls among them: noble's GCM makes 40 KB each.
  grown(100);
  const slopes = Array.from({ length: 7 }, () => (grown(400) - grown(100)) / 300);
  return slopes.sort((a, b) => a - b)[3]!;
}
