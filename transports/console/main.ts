/** `seccf`: finds the command, runs it, and turns what it throws into a line and an exit status. @module */

import { helpFor, parseArguments, suggestion, UsageError } from "./arguments.ts";
import type { Command, Console } from "./console.ts";
import { connectCommand } from "./connect.ts";
import { demoCommand, demoRoleCommand } from "./demo/mod.ts";
import { exitStatus, reporter } from "./report.ts";
import { serveCommand } from "./serve.ts";

const COMMANDS: readonly Command[] = [demoCommand, connectCommand, serveCommand];
/** What the program calls itself, and nobody else. */
const INTERNAL: readonly Command[] = [demoRoleCommand];

/** Runs `words`, the command line without the program's own name, and returns the exit status: 0, 1, or 2 for wrong usage. */
export async function main(words: readonly string[], console: Console): Promise<number> {
  const [name, ...rest] = words;
  try {
    if (name === "--help" || name === "-h" || name === "help") return await print(console, overview());
    const command = [...COMMANDS, ...INTERNAL].find(({ spec }) => spec.name === name);
    if (!command) throw new UsageError(wrongCommand(name));
    const given = parseArguments(command.spec, rest);
    if (given.help) return await print(console, helpFor(command.spec));
    return await command.run(given, console);
  } catch (error) {
    const shown = error instanceof UsageError ? withHelp(error, name) : error;
    reporter({ has: (option) => rest.includes(option) }, console).failure(shown);
    return exitStatus(error);
  }
}

function overview(): string {
  const width = Math.max(...COMMANDS.map(({ spec }) => spec.name.length));
  return [
    "seccf - one security association from SIM to server",
    "",
    "usage: seccf COMMAND ...",
    "",
    ...COMMANDS.map(({ spec }) => `  ${spec.name.padEnd(width)}  ${spec.summary}`),
    "",
    "seccf COMMAND --help tells more. Errors are one line, `seccf: CODE: message`;",
    "the exit status is 1, or 2 for wrong usage.",
    "",
  ].join("\n");
}

async function print(console: Console, text: string): Promise<number> {
  await console.write(new TextEncoder().encode(text));
  return 0;
}

function wrongCommand(name: string | undefined): string {
  const names = COMMANDS.map(({ spec }) => spec.name);
  if (name === undefined) return `a command is needed: ${names.join(", ")}`;
  return `no such command: ${name}${suggestion(name, names) || `; there is ${names.join(", ")}`}`;
}

function withHelp(error: UsageError, name: string | undefined): UsageError {
  const known = COMMANDS.some(({ spec }) => spec.name === name);
  return new UsageError(`${error.message} (see seccf ${known ? `${name} ` : ""}--help)`);
}
