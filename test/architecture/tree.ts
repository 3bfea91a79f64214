/** Reads the repository as the rules see it. @module */

import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Sources } from "./rules.ts";

const top = fileURLToPath(new URL("../../", import.meta.url));

/** What ships. */
export const SHIPPED: readonly string[] = [
  "lib/**/*.ts",
  "transports/**/*.ts",
  "mod.ts",
  "ports.ts",
  "cli.ts",
  "web_platform.ts",
];

/** What proves it. */
export const PROVING: readonly string[] = ["test/**/*.ts", "bench/**/*.ts", "examples/**/*.ts", "scripts/**/*.ts"];

/** The files that `patterns` match, by path from the top. */
export function readTree(patterns: readonly string[]): Sources {
  const paths = patterns.flatMap((pattern) => globSync(pattern, { cwd: top })).map((path) =>
    path.replaceAll("\\", "/")
  );
  return new Map([...new Set(paths)].sort().map((path) => [path, readFileSync(top + path, "utf8")]));
}
