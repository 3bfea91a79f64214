/** What a command tells on standard error: lines for people, or JSON for programs. @module */

import { suiteById } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import { type Console, printable } from "./console.ts";

/** Says what happens and what fails. */
export interface Reporter {
  /** `listening` is said to everybody, the others with `--json` only. */
  event(name: "listening" | "connected" | "disconnected", details: Details): void;
  /** One line: `seccf: CODE: message`. */
  failure(error: unknown, details?: Details): void;
}

/** What an event is about; a suite by its number. */
export interface Details {
  readonly url?: string;
  readonly remote?: string;
  readonly identity?: string;
  readonly suite?: number | undefined;
}

/** In the form that the command line asks for. */
export function reporter(given: Pick<Arguments, "has">, console: Pick<Console, "say">): Reporter {
  if (given.has("--json")) {
    const line = (fields: Record<string, unknown>) => console.say(JSON.stringify(fields));
    return {
      event: (event, details) => line({ event, ...named(details) }),
      failure: (error, details = {}) => line({ event: "error", ...described(error), ...named(details) }),
    };
  }
  return {
    event: (event, { url }) => void (event === "listening" && console.say(`${event} ${url}`)),
    failure(error, { remote, identity } = {}) {
      const { code, message } = described(error);
      const who = remote ?? identity;
      console.say(printable(`seccf: ${code}: ${message}${who === undefined ? "" : ` (${who})`}`));
    },
  };
}

/** The exit status that an error means. */
export function exitStatus(error: unknown): number {
  if (error instanceof UsageError) return 2;
  if (error === "SIGINT") return 130;
  if (error === "SIGTERM") return 143;
  return 1;
}

function described(error: unknown): { code: string; message: string } {
  if (error instanceof SeccfError) return { code: error.code, message: error.message };
  if (error instanceof UsageError) return { code: "usage", message: error.message };
  if (typeof error === "string") return { code: "interrupted", message: error };
  return { code: "internal", message: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
}

function named({ suite, ...rest }: Details): Record<string, unknown> {
  return suite === undefined ? rest : { ...rest, suite: suiteById(suite)?.name ?? suite };
}
