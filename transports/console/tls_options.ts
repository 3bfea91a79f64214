/** What `connect` and `serve` have in common: the options of the TLS carrier. @module */

import { cipherSuites } from "../../lib/crypto/mod.ts";
import type { TlsCarrierOptions } from "../tls/mod.ts";
import { type Arguments, type OptionSpec, suggestion, UsageError } from "./arguments.ts";
import type { Console } from "./console.ts";

/** For the table of each command. */
export const TLS_OPTIONS: readonly OptionSpec[] = [
  { name: "--suite", value: "NAME", repeated: true, help: "a cipher suite by IANA name, best first" },
  { name: "--allow", value: "WEAKNESS", repeated: true, help: "mac-then-encrypt or no-extended-master-secret" },
  {
    name: "--keylog",
    value: "FILE",
    help: "append session secrets, for a packet analyser; the file opens all traffic",
  },
];

/** The notes below them. */
export const TLS_NOTES: readonly string[] = [
  "Cipher suites; the legacy ones take part only when named:",
  ...cipherSuites.map(({ name, legacy }) => `  ${name}${legacy ? " (legacy)" : ""}`),
];

/** Throws {@link UsageError} for a suite or a weakness that does not exist. */
export function tlsOptions(
  given: Arguments,
  console: Console,
): Pick<TlsCarrierOptions, "suites" | "macThenEncrypt" | "requireExtendedMasterSecret" | "keyLog"> {
  const suites = given.all("--suite");
  const weaknesses = given.all("--allow");
  const keyLog = given.one("--keylog");
  for (const name of suites) check("cipher suite", name, cipherSuites.map((suite) => suite.name));
  for (const name of weaknesses) check("weakness", name, WEAKNESSES);
  return {
    ...(suites.length > 0 && { suites: [...new Set(suites)] }),
    macThenEncrypt: weaknesses.includes("mac-then-encrypt"),
    requireExtendedMasterSecret: !weaknesses.includes("no-extended-master-secret"),
    ...(keyLog !== undefined && { keyLog: (line: string) => console.appendLine(keyLog, line) }),
  };
}

function check(what: string, name: string, known: readonly string[]): void {
  if (known.includes(name)) return;
  throw new UsageError(`no such ${what}: ${name}${suggestion(name, known) || `; there is ${known.join(", ")}`}`);
}

const WEAKNESSES = ["mac-then-encrypt", "no-extended-master-secret"];
