/**
 * `npm run bench`: every bench on Node, Deno and Bun, one table each: nanoseconds a call, how many times ours that is, and
 * bytes of memory a call where V8 shows them. `npm run bench -- hmac` runs what a word names, `--full` measures longer. Writes no file.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Measure, ratioOf, type Report } from "./harness.ts";

const V8 = ["--expose-gc", "--min-semi-space-size=64", "--max-semi-space-size=64"];
const RUNTIMES: readonly (readonly [name: string, words: readonly string[]])[] = [
  ["node", V8],
  ["deno", ["run", "--allow-all", "--no-check", `--v8-flags=${V8.join(",")}`]],
  ["bun", []],
];
const NO_BENCH = ["harness.ts", "run.ts"];

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const flags = process.argv.slice(2).filter((word) => word.startsWith("--"));
const wanted = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const benches = readdirSync(here("."))
  .filter((name) => name.endsWith(".ts") && !NO_BENCH.includes(name))
  .filter((name) => wanted.length === 0 || wanted.includes(name.slice(0, -3)));
if (benches.length === 0) throw new Error(`no bench is named ${wanted.join(" or ")}`);
for (const bench of benches) print(RUNTIMES.map(([name, words]) => report(name, words, bench)));

function report(runtime: string, words: readonly string[], bench: string): Report {
  const command = here(`../node_modules/.bin/${runtime}`);
  const child = spawnSync(command, [...words, here(bench), "--json", ...flags], {
    encoding: "utf8",
    maxBuffer: 1 << 24,
  });
  if (child.status !== 0) throw new Error(`${bench} on ${runtime}: ${child.error ?? child.stderr}`);
  return JSON.parse(child.stdout);
}

function print(reports: readonly Report[]): void {
  const [first] = reports;
  console.log(`${first!.title}: ${first!.machine}, ${first!.mode}; ns/op, times ours, bytes/op`);
  console.log(row("", reports.map(({ runtime }) => runtime)));
  for (const [at, group] of first!.groups.entries()) {
    console.log(group.unit === undefined ? group.name : `${group.name}: ${group.unit}`);
    for (const [i, { name }] of group.measures.entries()) {
      console.log(
        row(`  ${name}`, reports.map(({ groups }) => cell(groups[at]!.measures[i]!, groups[at]!.measures[0]!))),
      );
    }
  }
}

function cell({ time, value, heap, none = "none here" }: Measure, ours: Measure): string {
  const figure = time ?? value;
  if (figure === undefined) return none;
  const ratio = `${ratioOf(figure, ours)}x`;
  return `${figure.toFixed(0)} ${ratio.padStart(7)} ${(heap?.toFixed(0) ?? "-").padStart(6)}`;
}

function row(name: string, cells: readonly string[]): string {
  return `${name.padEnd(32)}${cells.map((cell) => cell.padStart(24)).join("")}`.trimEnd();
}
