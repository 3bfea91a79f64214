/** The real process, by `node:process` as the three runtimes have it. @module */

import { appendFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import process from "node:process";
import { SeccfError } from "../../lib/error.ts";
import { webPlatform } from "../../web_platform.ts";
import type { Console } from "./console.ts";
import { askOnTerminal } from "./identity_prompt.ts";

/** This process as a {@link Console}. */
export function processConsole(): Console {
  const interruption = new AbortController();
  // Once: a second one finds no listener and ends a process that does not want to close.
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => interruption.abort(name));
  // A reader that went away is told to whoever writes; without a listener it would end the process.
  process.stdout.on("error", () => {});
  process.stderr.on("error", () => {});
  return {
    platform: webPlatform,
    input: process.stdin,
    write: (bytes) =>
      new Promise((resolve, reject) => {
        process.stdout.write(bytes, (cause) => {
          if (cause) reject(new SeccfError("closed", "standard output is closed", { cause }));
          else resolve();
        });
      }),
    say: (line) => void process.stderr.write(`${line}\n`),
    env: (name) => process.env[name],
    readText: (path) => readFile(path, "utf8"),
    appendLine: (path, line) => appendFileSync(path, `${line}\n`, { mode: 0o600 }),
    ...(process.stdin.isTTY
      ? {
        askSecret: (question: string) =>
          askOnTerminal(process.stdin, (text) => void process.stderr.write(text), question),
      }
      : {}),
    interrupted: interruption.signal,
  };
}
