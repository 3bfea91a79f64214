/** Stand-ins for the programs that reach a token: scripts of the runtime that runs the test, which behave as the real ones were seen to. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { VirtualClock } from "../../support/virtual.ts";

/** A folder with stand-ins, and what they were asked. */
export class StandIns implements Disposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), "seccf-roots-"));

  /** A script, in JavaScript with `node:` modules; returns the command that runs it. It finds its folder in `folder`. */
  script(name: string, source: string): readonly string[] {
    const path = join(this.folder, `${name}.mjs`);
    const head = `import process from "node:process";
import { appendFileSync, existsSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { createHmac } from "node:crypto";
import { join } from "node:path";
const folder = ${JSON.stringify(this.folder)};
const words = process.argv.slice(2);
appendFileSync(join(folder, "calls"), JSON.stringify(words) + "\\n");
writeFileSync(join(folder, "environment"), JSON.stringify(process.env));
`;
    writeFileSync(path, head + source);
    const flags = "Deno" in globalThis ? ["run", "--allow-all", "--no-check", "--quiet"] : [];
    return [process.execPath, ...flags, path];
  }

  /** A program of its own name, for who finds it on the path {@link folder}. */
  program(name: string, source: string): void {
    const words = this.script(name, source).map((word) => `'${word}'`).join(" ");
    const path = join(this.folder, name);
    writeFileSync(path, `#!/bin/sh\nexec ${words} "$@"\n`);
    chmodSync(path, 0o755);
  }

  /** Puts a file where the stand-ins find it. */
  put(name: string, bytes: Uint8Array | string): void {
    writeFileSync(join(this.folder, name), bytes);
  }

  /** The words of each call so far. */
  get calls(): string[][] {
    return this.#lines("calls").map((line) => JSON.parse(line));
  }

  /** What the stand-ins left in a file, as text. */
  text(name: string): string {
    return this.#lines(name).join("\n");
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }

  #lines(name: string): string[] {
    try {
      return readFileSync(join(this.folder, name), "utf8").split("\n").filter((line) => line !== "");
    } catch {
      return [];
    }
  }
}

/** Passes `seconds` of the clock as soon as `ready` says that what is to be interrupted has begun. */
export async function passWhen(clock: VirtualClock, seconds: number, ready: () => boolean): Promise<void> {
  while (!ready()) await clock.settle();
  await clock.advance(seconds * 1000);
}

/** The code of the error that `promise` fails with. */
export async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(() => "none", (error) => error.code ?? error.name);
}
