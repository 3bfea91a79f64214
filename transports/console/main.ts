/** `seccf`: finds the command, runs it, and turns what it throws into a line and an exit status. @module */

import { helpFor, parseArguments, suggestion, UsageError } from "./arguments.ts";
import type { Command, CommandGroup, Console } from "./console.ts";
import { connectCommand } from "./connect.ts";
import { demoCommand, demoRoleCommand } from "./demo/mod.ts";
import { identityCommands } from "./identity.ts";
import { exitStatus, reporter } from "./report.ts";
import { serveCommand } from "./serve.ts";
import { VERSION } from "./version.ts";

const COMMANDS: readonly (Command | CommandGroup)[] = [demoCommand, connectCommand, serveCommand, identityCommands];
/** What the program calls itself, and nobody else. */
const INTERNAL: readonly Command[] = [demoRoleCommand];

/** Runs `words`, the command line without the program's own name, and returns the exit status: 0, 1, or 2 for wrong usage. */
export async function main(words: readonly string[], console: Console): Promise<number> {
  const [name, ...rest] = words;
  try {
    if (name === "--help" || name === "-h" || name === "help") return await print(console, overview());
    if (name === "--version") return await print(console, `seccf ${VERSION}\n`);
    const found = [...COMMANDS, ...INTERNAL].find(({ spec }) => spec.name === name);
    if (!found) throw new UsageError(wrongCommand(name, COMMANDS));
    const wantsGroup = "commands" in found && /^(?:--help|-h|help)$/.test(rest[0] ?? "");
    if (wantsGroup) return await print(console, groupHelp(found));
    const command = "commands" in found ? commandOf(found, rest.shift()) : found;
    const given = parseArguments(command.spec, rest);
    if (given.help) return await print(console, helpFor(command.spec));
    return await command.run(given, console);
  } catch (error) {
    const shown = error instanceof UsageError ? withHelp(error, name) : error;
    reporter({ has: (option) => rest.includes(option) }, console).failure(shown);
    return exitStatus(error);
  }
}

/** The command of a group that `word` names. */
function commandOf({ spec, commands }: CommandGroup, word: string | undefined): Command {
  const name = `${spec.name} ${word ?? ""}`.trim();
  const command = commands.find((each) => each.spec.name === name);
  if (!command) throw new UsageError(wrongCommand(word === undefined ? undefined : name, commands));
  return command;
}

function overview(): string {
  return [
    "seccf - one security association from SIM to server",
    "",
    "usage: seccf COMMAND ..., seccf --version",
    "",
    ...listOf(COMMANDS),
    "",
    "seccf COMMAND --help tells more. Errors are one line, `seccf: CODE: message`;",
    "the exit status is 1, or 2 for wrong usage.",
    "",
  ].join("\n");
}

function groupHelp({ spec, commands }: CommandGroup): string {
  return [
    `seccf ${spec.name} - ${spec.summary}`,
    "",
    ...listOf(commands),
    "",
    `seccf ${spec.name} ... --help tells more of each.`,
    "",
  ].join("\n");
}

function listOf(commands: readonly (Command | CommandGroup)[]): string[] {
  const width = Math.max(...commands.map(({ spec }) => spec.name.length));
  return commands.map(({ spec }) => `  ${spec.name.padEnd(width)}  ${spec.summary}`);
}

async function print(console: Console, text: string): Promise<number> {
  await console.write(new TextEncoder().encode(text));
  return 0;
}

function wrongCommand(name: string | undefined, commands: readonly (Command | CommandGroup)[]): string {
  const names = commands.map(({ spec }) => spec.name);
  if (name === undefined) return `a command is needed: ${names.join(", ")}`;
  return `no such command: ${name}${suggestion(name, names) || `; there is ${names.join(", ")}`}`;
}

function withHelp(error: UsageError, name: string | undefined): UsageError {
  const known = COMMANDS.some(({ spec }) => spec.name === name);
  return new UsageError(`${error.message} (see seccf ${known ? `${name} ` : ""}--help)`);
}
