/** The kept inputs of test/vectors/fuzz: what a parser's mutations begin from, one for each way it is known to end. */
import { readFileSync } from "node:fs";
import { fromHex } from "../../lib/bytes/mod.ts";
import type { Parser } from "./parser.ts";

/** The file of a room. */
export interface KeptFile {
  readonly source: string;
  /** Name of a parser -> inputs in hexadecimal. */
  readonly inputs: Readonly<Record<string, readonly string[]>>;
}

/** Where a room's inputs are kept. */
export function keptPath(room: string): URL {
  return new URL(`../vectors/fuzz/kept_${room}.json`, import.meta.url);
}

/** The file as it is. */
export function readKept(room: string): KeptFile {
  return JSON.parse(readFileSync(keptPath(room), "utf8")) as KeptFile;
}

/** What one of the parsers of a file begins from. */
export function keptInputs({ inputs }: KeptFile, { name, seeds = [] }: Parser): readonly Uint8Array[] {
  return [...seeds, ...(inputs[name] ?? []).map(fromHex)];
}
