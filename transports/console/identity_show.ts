/** `seccf identity show`: names, kinds and fingerprints. @module */

import { toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { type FileFact, openIdentityFile } from "../files/mod.ts";
import type { Arguments } from "./arguments.ts";
import { type Command, type Console, printable } from "./console.ts";
import { UNLOCK_NOTE, UNLOCK_OPTIONS, unlockOf } from "./identity_unlock.ts";

/** One line, or with `--json` one object, an entry. */
export const showCommand: Command = {
  spec: {
    name: "identity show",
    summary: "what is in an identity file, without its secrets",
    operands: ["FILE"],
    options: UNLOCK_OPTIONS,
    notes: [UNLOCK_NOTE, "With --json each entry is one JSON object a line, on stdout."],
  },
  async run(given, console) {
    using opener = await unlockOf(given, console);
    using file = await openIdentityFile(given.operands[0] ?? "", opener.opener);
    await printFacts(await file.facts(), given, console);
    return 0;
  },
};

/** To standard output, in the form that the command line asks for. */
export async function printFacts(
  facts: readonly FileFact[],
  given: Pick<Arguments, "has">,
  console: Console,
): Promise<void> {
  const line = given.has("--json") ? (fact: FileFact) => JSON.stringify(fact, withoutBytes) : lineOf;
  for (const fact of facts) await console.write(toUtf8(`${line(fact)}\n`));
}

function lineOf(fact: FileFact): string {
  const { kind, name, fingerprint } = fact;
  const more: string[] = [];
  if (fact.kind === "subscriber") {
    const { algorithm, imsi, impi, keyManager } = fact;
    more.push(`IMSI ${imsi}`, ...(impi === name ? [] : [`IMPI ${impi}`]), `Key Manager ${keyManager}`, algorithm);
  } else if (fact.kind === "provisioned") {
    more.push(`identity ${identityText(fact.identity)}`);
    if (fact.next) {
      const until = new Date(fact.next.until).toISOString();
      more.push(
        `attempt ${fact.attempt}: ${identityText(fact.next.identity)} (${fact.next.fingerprint}) until ${until}`,
      );
    }
  }
  return printable(`${kind.padEnd(12)} ${name}: ${[...more, `fingerprint ${fingerprint}`].join(", ")}`);
}

/** As text where it is some, else in hexadecimal digits. */
function identityText(identity: Uint8Array): string {
  const text = new TextDecoder().decode(identity);
  return toHex(toUtf8(text)) === toHex(identity) ? text : `0x${toHex(identity)}`;
}

function withoutBytes(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? identityText(value) : value;
}
