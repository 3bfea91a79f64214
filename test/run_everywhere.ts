/** Runs test files under Node, Deno and Bun and counts what each of them found. @module */

import { spawn, spawnSync } from "node:child_process";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

/** Over all runtimes. */
export interface Totals {
  readonly passed: number;
  readonly failed: number;
}

interface Runtime {
  readonly name: string;
  args(report: string, files: readonly string[]): string[];
}

/** What one runtime found. */
interface Outcome extends Totals {
  readonly name: string;
  readonly titles: readonly string[];
  readonly told: string;
}

/** A line that a test begins with this is shown without it, also where all is well: what a test found out besides. */
export const TOLD = "told| ";

// One test that hangs must not hang the run; a whole run has its own limit because Deno has none for a test, and none
// can stop a loop without end.
const TEST_LIMIT_MS = 60_000;
const RUN_LIMIT_MS = 600_000;

const RUNTIMES: readonly Runtime[] = [
  {
    name: "node",
    args: (report, files) => [
      // One process for all files, as the other two do: three times as quick.
      ...["--test", "--test-isolation=none", `--test-timeout=${TEST_LIMIT_MS}`],
      ...["--test-reporter=spec", "--test-reporter-destination=stdout"],
      ...["--test-reporter=junit", `--test-reporter-destination=${report}`, ...files],
    ],
  },
  {
    name: "deno",
    args: (report, files) => {
      // One file that imports all: each named to Deno would load the library anew, a third of its time.
      const all = join(dirname(report), "all.test.ts");
      writeFileSync(
        all,
        files.map((file) => `import ${JSON.stringify(pathToFileURL(resolve(file)).href)};\n`).join(""),
      );
      return ["test", "-A", "--no-check", "--reporter=pretty", `--junit-path=${report}`, all];
    },
  },
  {
    name: "bun",
    args: (report, files) => [
      ...["test", `--timeout=${TEST_LIMIT_MS}`, "--reporter=junit", `--reporter-outfile=${report}`],
      // Without "./" an argument is a filter over the names that Bun takes for tests.
      ...files.map((file) => `./${file}`),
    ],
  },
];

/** The files that `pattern` matches and one of `filters` names: a file, a folder or a part of a path. */
export function findTests(pattern: string, filters: readonly string[]): string[] {
  const files = globSync(pattern).map((file) => file.replaceAll("\\", "/")).sort();
  const wanted = filters.map((filter) => filter.replace(/^\.\//, ""));
  return files.filter((file) => wanted.length === 0 || wanted.some((filter) => file.includes(filter)));
}

/**
 * Runs `files` under each runtime, `atOnce` of them side by side, and prints a line for each.
 * A runtime that is missing, finds no test, leaves one out, or finds other tests than the first is a failure.
 */
export async function runEverywhere(files: readonly string[], { atOnce }: { atOnce: number }): Promise<Totals> {
  if (files.length === 0) {
    console.error("no test found");
    return { passed: 0, failed: 1 };
  }
  const scratch = mkdtempSync(join(tmpdir(), "seccf-test-"));
  const outcomes: Outcome[] = [];
  const waiting = [...RUNTIMES];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) outcomes.push(await runOne(next, files, scratch));
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  rmSync(scratch, { recursive: true });
  for (const line of tellings(outcomes)) console.log(line);
  const unequal = compareTitles(outcomes);
  for (const line of unequal) console.error(line);
  const sum = (key: keyof Totals): number => outcomes.reduce((total, outcome) => total + outcome[key], 0);
  return { passed: sum("passed"), failed: sum("failed") + (unequal.length > 0 ? 1 : 0) };
}

async function runOne({ name, args }: Runtime, files: readonly string[], scratch: string): Promise<Outcome> {
  const bin = join("node_modules", ".bin", name);
  const version = spawnSync(bin, ["--version"], { encoding: "utf8" });
  if (version.status !== 0) {
    console.error(`${name}: missing (run npm ci)`);
    return { name, titles: [], passed: 0, failed: 1, told: "" };
  }
  const report = join(scratch, `${name}.xml`);
  const started = performance.now();
  const { status, output, late } = await execute(bin, args(report, files), join(scratch, "compiled"));
  const { titles, bad, skipped } = readReport(existsSync(report) ? readFileSync(report, "utf8") : "");
  const passed = titles.length - bad - skipped;
  // The exit status also tells of a file that could not be loaded and of a failure between tests.
  const failed = bad + skipped || (status === 0 && titles.length > 0 ? 0 : 1);
  if (failed > 0) console.log(output.split("\n").filter((line) => line !== "" && !PASSED.test(line)).join("\n"));
  if (late) console.log(`${name}: killed, its time was over; the last it said:\n${output.trimEnd().slice(-300)}`);
  const left = skipped > 0 ? ` (${skipped} left out)` : "";
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const numbers = /\d+\.\d+\.\d+/.exec(version.stdout)?.[0];
  console.log(`${name} ${numbers}: ${passed} passed, ${failed} failed${left}, ${seconds} s`);
  return { name, titles, passed, failed, told: readTold(output) };
}

/** What an ordinary run says of itself and of a test that passed. */
const PASSED = /^✔ |^\(pass\) | \.\.\. .*ok(?: \(|$)|^running \d+ tests? from|^test\/.*:$/;

interface Execution {
  readonly status: number | null;
  readonly output: string;
  /** Killed because it did not end. */
  readonly late: boolean;
}

function execute(bin: string, args: readonly string[], compiled: string): Promise<Execution> {
  return new Promise((resolve) => {
    // Node's processes that tests start are dozens, and each would strip the library's types again.
    const env = { ...process.env, NO_COLOR: "1", NODE_COMPILE_CACHE: compiled };
    const child = spawn(bin, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    let late = false;
    const limit = setTimeout(() => {
      // Node waits for the tests under way when it is asked to end, and a loop without end is never over.
      late = child.kill("SIGKILL");
    }, RUN_LIMIT_MS);
    let output = "";
    const collect = (chunk: string): void => {
      output += chunk;
    };
    child.stdout.setEncoding("utf8").on("data", collect);
    child.stderr.setEncoding("utf8").on("data", collect);
    const end = (status: number | null, more = ""): void => {
      clearTimeout(limit);
      resolve({ status, output: output + more, late });
    };
    child.on("error", ({ message }) => end(null, `\n${message}`));
    child.on("close", (status) => end(status));
  });
}

/** The titles and counts of a JUnit report; none of an empty one, which a runtime that died leaves. */
export function readReport(report: string): { titles: string[]; bad: number; skipped: number } {
  const count = (pattern: RegExp): number => report.match(pattern)?.length ?? 0;
  const titles = [...report.matchAll(/<testcase\b[^"]*?name="([^"]*)"/g)].map(([, title]) => unescape(title!));
  return { titles, bad: count(/<(?:failure|error)\b/g), skipped: count(/<skipped\b/g) };
}

/** XML entities; Node escapes quotes twice. */
function unescape(text: string): string {
  const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", "#10": "\\n" };
  const once = (escaped: string): string =>
    escaped.replace(/&(amp|lt|gt|quot|apos|#10);/g, (_, name) => entities[name]!);
  return once(once(text));
}

/** What a run says behind {@link TOLD}, line by line. */
export function readTold(output: string): string {
  const lines = output.split("\n").map((line) => line.trimStart()).filter((line) => line.startsWith(TOLD));
  return lines.map((line) => line.slice(TOLD.length)).join("\n");
}

/** What runtimes told, each thing once, below the names of all that told it. */
export function tellings(outcomes: readonly { name: string; told: string }[]): string[] {
  const texts = [...new Set(outcomes.map(({ told }) => told))].filter((told) => told !== "");
  return texts.map((text) => {
    const names = outcomes.filter(({ told }) => told === text).map(({ name }) => name);
    return `${names.join(", ")}:\n${text}`;
  });
}

/** Where two runtimes found different tests: lines for people, none when all is well. */
export function compareTitles(outcomes: readonly { name: string; titles: readonly string[] }[]): string[] {
  const [first, ...others] = outcomes;
  return others.flatMap((other) => {
    const only = (these: readonly string[], those: readonly string[]): string[] => {
      const left = [...those];
      return these.filter((title) => {
        const at = left.indexOf(title);
        if (at >= 0) left.splice(at, 1);
        return at < 0;
      });
    };
    const lines = (name: string, titles: string[]): string[] =>
      titles.slice(0, 10).map((title) => `found by ${name} alone: ${title}`);
    const missing = only(first!.titles, other.titles);
    const surplus = only(other.titles, first!.titles);
    if (missing.length + surplus.length === 0) return [];
    const counts = `${first!.name} found ${first!.titles.length} tests, ${other.name} ${other.titles.length}`;
    return [counts, ...lines(first!.name, missing), ...lines(other.name, surplus)];
  });
}
