/** What a command sees of the process it runs in: streams, environment, files, time. @module */

import type { SecretBytes } from "../../lib/crypto/mod.ts";
import type { Platform } from "../../lib/platform.ts";
import type { Arguments, CommandSpec } from "./arguments.ts";

/** The process, or a test's stand-in. */
export interface Console {
  /** Time, randomness, the network. */
  readonly platform: Platform;
  /** Standard input, to be read once. */
  readonly input: AsyncIterable<Uint8Array>;
  /** To standard output; resolves when it is taken, throws `closed` when nobody reads it any more. */
  write(bytes: Uint8Array): Promise<void>;
  /** A line to standard error. */
  say(line: string): void;
  /** A variable of the environment. */
  env(name: string): string | undefined;
  /** A text file, UTF-8. Throws what the system throws. */
  readText(path: string): Promise<string>;
  /** Appends a line to a file that only its owner may read. */
  appendLine(path: string, line: string): void;
  /** Asks a person, who types without an echo; absent where nobody sits at a terminal. The answer is UTF-8, the caller's. */
  readonly askSecret?: (question: string) => Promise<SecretBytes>;
  /** Aborts at SIGINT and SIGTERM, with the signal's name as its reason. */
  readonly interrupted: AbortSignal;
}

/** One word of `seccf`. */
export interface Command {
  readonly spec: CommandSpec;
  /** Returns the exit status. Throws `SeccfError` for 1, `UsageError` for 2. */
  run(given: Arguments, console: Console): Promise<number>;
}

/** Words that stand behind one word: `seccf identity new`. */
export interface CommandGroup {
  readonly spec: Pick<CommandSpec, "name" | "summary">;
  /** Their names begin with the group's. */
  readonly commands: readonly Command[];
}

/** Text without what could move a terminal's cursor or end a line: names come from strangers. */
export function printable(text: string): string {
  return text.replace(/[^\x20-\x7e\u00a0-\ufffd]/g, "?");
}
