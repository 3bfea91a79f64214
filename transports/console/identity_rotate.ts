/** `seccf identity rotate`: a new provisioned key beside the old one, which stays until the new one has proved itself. @module */

import { toUtf8 } from "../../lib/bytes/mod.ts";
import { deviceExpire, deviceInstall } from "../../lib/identity/mod.ts";
import { openIdentityFile } from "../files/mod.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import type { Command, Console } from "./console.ts";
import { printFacts } from "./identity_show.ts";
import { hexSecret, readSecretText, UNLOCK_NOTE, UNLOCK_OPTIONS, unlockOf } from "./identity_unlock.ts";

/** The device's half: the server has to accept the new key already. */
export const rotateCommand: Command = {
  spec: {
    name: "identity rotate",
    summary: "install a new provisioned key beside the old one",
    operands: ["FILE", "NAME"],
    options: [
      { name: "--new-id", value: "ID", help: "the name that the server knows the new key by" },
      { name: "--key-file", value: "FILE", help: "the new key, hexadecimal digits" },
      { name: "--attempt", value: "N", help: "the server's count of attempts (default: one more than the last)" },
      {
        name: "--within",
        value: "SECONDS",
        help: "give up if it has carried nothing by then (default 604800, a week)",
      },
      ...UNLOCK_OPTIONS,
    ],
    notes: [
      "The server has to accept the new key before. The device tries it first and the old one after",
      "it, and drops the old one when the server has proved that it has the new one.",
      UNLOCK_NOTE,
    ],
  },
  run,
};

async function run(given: Arguments, console: Console): Promise<number> {
  const [path = "", name = ""] = given.operands;
  const [id, keyFile] = [given.one("--new-id"), given.one("--key-file")];
  if (id === undefined || keyFile === undefined) throw new UsageError("--new-id ID and --key-file FILE are needed");
  const within = wholeOf(given, "--within", 10 * 366 * 86_400) ?? 604_800;
  const attempt = wholeOf(given, "--attempt", Number.MAX_SAFE_INTEGER);
  using key = hexSecret((await readSecretText(keyFile, console)).trim(), "a key");
  using opener = await unlockOf(given, console);
  using file = await openIdentityFile(path, opener.opener);
  const now = console.platform.clock.wall();
  const next = { identity: toUtf8(id), key };
  await file.change((entries) => {
    const entry = entries.get("provisioned", name);
    const before = deviceExpire(entry.rotation, now);
    const offer = { attempt: attempt ?? before.attempt + 1, next, until: Math.ceil(now + within * 1000) };
    entries.replace({ ...entry, rotation: deviceInstall(before, offer) });
  });
  await printFacts((await file.facts()).filter((fact) => fact.name === name), given, console);
  return 0;
}

function wholeOf(given: Arguments, name: string, most: number): number | undefined {
  const text = given.one(name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || value < 1 || value > most) {
    throw new UsageError(`${name} is a whole number, 1 to ${most}`);
  }
  return value;
}
