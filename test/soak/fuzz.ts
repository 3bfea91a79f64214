/**
 * Every parser, for ten minutes each unless told otherwise:
 * `node test/soak/fuzz.ts [--seconds N] [--seed N] [--at-once N] [--keep] [--harvest] [PART OF A NAME]...`
 *
 * Fails where a parser throws anything but SeccfError, changes its input, decodes what it encodes to something else, takes
 * more than two seconds for one input, never ends, or holds more and more memory; prints the parser, the input and the seed.
 * `--keep` adds an input for each new way in which a parser ended, and those that broke a rule, to test/vectors/fuzz.
 * `--harvest` begins from everything in test/vectors as well.
 *
 * Each parser runs in a process of its own, so that one which never ends can be stopped.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { fromHex, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { fuzzKept, fuzzRound } from "../fuzz/fuzzer.ts";
import { keptInputs, keptPath, readKept } from "../fuzz/kept.ts";
import type { Parser } from "../fuzz/parser.ts";
import { PARSERS } from "../fuzz/parsers/mod.ts";

/** Milliseconds for one input. */
const SLOW = 2000;
/** Bytes that the heap may grow by between the first seconds and the last. */
const MORE_HEAP = 16 * 2 ** 20;
const RUNS = 500;
/** Inputs kept for one parser, and the bytes of one. */
const MOST_KEPT = 24;
const LONGEST_KEPT = 600;

/** What a process says at its end. */
interface Verdict {
  readonly runs: number;
  /** Hexadecimal, of inputs worth keeping. */
  readonly kept: readonly string[];
  readonly broken?: string;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "600" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    "at-once": { type: "string", default: "2" },
    keep: { type: "boolean", default: false },
    harvest: { type: "boolean", default: false },
    only: { type: "string" },
  },
});
const seconds = Number(values.seconds);
const firstSeed = Number(values.seed);

if (values.only !== undefined) await runOne(values.only);
else await runAll();

async function runAll(): Promise<void> {
  const wanted = Object.entries(PARSERS).flatMap(([room, parsers]) => parsers.map(({ name }) => ({ room, name })))
    .filter(({ name }) => positionals.length === 0 || positionals.some((part) => name.includes(part)));
  console.log(`${wanted.length} parsers, ${seconds} s each, --seed ${firstSeed}`);
  const kept = new Map<string, Map<string, readonly string[]>>();
  const waiting = [...wanted];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const { room, name } = next;
      const verdict = await inProcess(`${room}/${name}`);
      console.log(
        `${verdict.broken ? "BAD " : "good"} ${name}: ${verdict.runs} inputs${
          verdict.broken ? `, ${verdict.broken}` : ""
        }`,
      );
      if (verdict.broken) process.exitCode = 1;
      const ofRoom = kept.get(room) ?? new Map<string, readonly string[]>();
      kept.set(room, ofRoom.set(name, verdict.kept));
    }
  };
  await Promise.all(Array.from({ length: Number(values["at-once"]) }, worker));
  if (values.keep) { for (const [room, found] of kept) writeKept(room, found); }
}

/** Runs one parser in a process; says so where it does not come to an end. */
function inProcess(only: string): Promise<Verdict> {
  const words = ["--expose-gc", fileURLToPath(import.meta.url), "--only", only, "--seconds", `${seconds}`];
  words.push("--seed", `${firstSeed}`, ...(values.harvest ? ["--harvest"] : []));
  const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
  const limit = setTimeout(() => child.kill("SIGKILL"), (seconds + 60) * 1000);
  let said = "";
  child.stdout.on("data", (bytes: Uint8Array) => said += new TextDecoder().decode(bytes));
  return new Promise((resolve) => {
    child.once("close", (code) => {
      clearTimeout(limit);
      const lines = said.trimEnd().split("\n");
      const last = lines.at(-1) ?? "";
      if (code === 0 && last.startsWith("{")) return resolve(JSON.parse(last) as Verdict);
      // Its lines but the last are the seeds of its rounds.
      resolve({
        runs: RUNS * lines.length,
        kept: [],
        broken: `ended with ${code} or never, in the round of seed ${last}`,
      });
    });
  });
}

async function runOne(only: string): Promise<void> {
  const [room = "", name = ""] = [only.slice(0, only.indexOf("/")), only.slice(only.indexOf("/") + 1)];
  const parser = Object.entries(PARSERS).find(([key]) => key === room)?.[1].find((each) => each.name === name);
  if (!parser) throw new TypeError(`no parser ${only}`);
  const timed = withinTime(parser);
  const found = new Map<string, Uint8Array>();
  const note = (outcome: string, bytes: Uint8Array): void => {
    const known = found.get(outcome);
    if (!known || known.length > bytes.length) found.set(outcome, bytes.slice());
  };
  const begin = keptInputs(readKept(room), parser);
  let broken = await fuzzKept(timed, begin, note);
  const known = new Set(found.keys());
  if (values.harvest) broken ??= await fuzzKept(timed, harvest(), note);
  const ends = performance.now() + seconds * 1000;
  let runs = begin.length;
  let heap: number | undefined;
  let round = 0;
  for (; !broken && performance.now() < ends; round++) {
    const seed = (firstSeed + round) | 0;
    console.log(seed);
    broken = await fuzzRound(timed, [...begin, ...found.values()], { seed, runs: RUNS, note });
    runs += RUNS;
    if (round === 20) heap = heapInUse();
  }
  const more = heap === undefined ? 0 : heapInUse() - heap;
  const reasons = [
    ...(broken ? [`${broken.reason.slice(0, 400)}; input ${broken.input}; seed ${broken.seed}`] : []),
    ...(more > MORE_HEAP ? [`the heap grew by ${more} bytes in ${round} rounds`] : []),
  ];
  // What decodes leads further than what is refused.
  const kept = [...found].filter(([outcome, { length }]) => !known.has(outcome) && length <= LONGEST_KEPT)
    .toSorted(([a], [b]) => Number(b.startsWith("ok ")) - Number(a.startsWith("ok ")))
    .slice(0, Math.max(0, MOST_KEPT - known.size)).map(([, bytes]) => toHex(bytes));
  const verdict: Verdict = {
    runs,
    kept: [...kept, ...(broken ? [broken.input] : [])],
    ...(reasons.length > 0 && { broken: reasons.join("; ") }),
  };
  console.log(JSON.stringify(verdict));
}

function withinTime(parser: Parser): Parser {
  return {
    ...parser,
    async decode(bytes) {
      const start = performance.now();
      try {
        return await parser.decode(bytes);
      } finally {
        const took = performance.now() - start;
        // A machine that was busy elsewhere is no fault of the parser's: once more.
        if (took > SLOW) await again(parser, bytes);
      }
    },
  };
}

async function again(parser: Parser, bytes: Uint8Array): Promise<void> {
  const start = performance.now();
  await Promise.resolve().then(() => parser.decode(bytes)).catch(() => undefined);
  const took = performance.now() - start;
  if (took > SLOW) throw new RangeError(`${Math.round(took)} ms for ${bytes.length} bytes`);
}

function heapInUse(): number {
  (globalThis as { gc?: () => void }).gc?.();
  return process.memoryUsage().heapUsed;
}

/** Every text in test/vectors, as bytes where it is hexadecimal; and messages without the headers before them. */
function harvest(): Uint8Array[] {
  const found = new Set<string>();
  const visit = (value: unknown): void => {
    if (typeof value === "string") found.add(value);
    else if (typeof value === "object" && value !== null) { for (const each of Object.values(value)) visit(each); }
  };
  for (const path of globSync("test/vectors/**/*.json")) {
    if (!path.includes("wycheproof")) visit(JSON.parse(readFileSync(path, "utf8")));
  }
  return [...found].filter(({ length }) => length <= 8192).flatMap((text) => {
    const hex = /^[cs]?((?:[0-9a-f]{2})+)$/.exec(text)?.[1];
    if (hex === undefined) return [toUtf8(text)];
    const bytes = fromHex(hex);
    // Headers of records, of messages, of both; and as one piece of what an engine is fed.
    const inner = [4, 5, 9, 12, 13, 25].filter((length) => length < bytes.length).map((length) =>
      bytes.subarray(length)
    );
    return [toUtf8(hex), bytes, ...inner, Uint8Array.of(255, ...bytes)];
  });
}

function writeKept(room: string, found: ReadonlyMap<string, readonly string[]>): void {
  const { source, inputs } = readKept(room);
  const rows = (PARSERS as Readonly<Record<string, readonly Parser[]>>)[room]!.flatMap(({ name }) => {
    const all = [...new Set([...(inputs[name] ?? []), ...(found.get(name) ?? [])])];
    return all.length === 0 ? [] : [`${JSON.stringify(name)}:${JSON.stringify(all)}`];
  });
  writeFileSync(keptPath(room), `{\n"source":${JSON.stringify(source)},\n"inputs":{\n${rows.join(",\n")}\n}\n}\n`);
}
