/** `npm run ok`: everything that must hold besides the tests. Runs all of it and names what failed. @module */

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

const exported: string[] = Object.values(JSON.parse(readFileSync("deno.json", "utf8")).exports);

/** What is checked, and the command that does. */
const CHECKS: readonly (readonly [what: string, ...command: string[]])[] = [
  ["format", "deno", "fmt", "--check"],
  ["lint", "deno", "lint", "--quiet"],
  ["types", "npm", "run", "--silent", "types"],
  ["types as Deno sees them", "deno", "check", "--quiet", ...exported],
  ["documentation of every exported symbol", "deno", "doc", "--lint", ...exported],
  ["CONFORMANCE.md", "node", "scripts/conformance.ts", "--check"],
  ["package", "node", "scripts/check_package.ts"],
  ["package for JSR", "deno", "publish", "--dry-run", "--allow-dirty", "--quiet"],
];

const failed: string[] = [];
for (const [what, program, ...args] of CHECKS) {
  const started = performance.now();
  const run = spawnSync(program!, args, {
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const good = run.status === 0;
  console.log(`${good ? "ok" : "FAILED"}  ${what}, ${((performance.now() - started) / 1000).toFixed(1)} s`);
  if (!good) {
    failed.push(what);
    console.log(`${run.stdout}${run.stderr}${run.error?.message ?? ""}`.trimEnd());
  }
}
console.log(failed.length === 0 ? "ok" : `not ok: ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;
