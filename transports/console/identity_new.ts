/** `seccf identity new`: a subscriber or a provisioned key in a new file, or beside what a file has. @module */

import { existsSync } from "node:fs";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { type SecretBytes, secretRandom } from "../../lib/crypto/mod.ts";
import { impiOf, type MncLength, startRotation } from "../../lib/identity/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { createIdentityFile, type FileEntry, type IdentityFile, openIdentityFile } from "../files/mod.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import type { Command, Console } from "./console.ts";
import { printFacts } from "./identity_show.ts";
import {
  type GivenUnlock,
  hexSecret,
  readSecretText,
  UNLOCK_NOTE,
  UNLOCK_OPTIONS,
  unlockOf,
} from "./identity_unlock.ts";

/** Secrets come from a file or are made up. */
export const newCommand: Command = {
  spec: {
    name: "identity new",
    summary: "put a subscriber or a key into an identity file, which is made if it is not there",
    operands: ["FILE"],
    options: [
      { name: "--imsi", value: "DIGITS", help: "a subscriber" },
      {
        name: "--k-file",
        value: "FILE",
        help: "its K and OPc (or OP): lines K=HEX, OPC=HEX, OP=HEX; made up if not given",
      },
      { name: "--mnc-length", value: "2|3", help: "digits of its network's code (default 2)" },
      { name: "--impi", value: "NAME", help: "its private identity, if not made of the IMSI" },
      { name: "--key-manager", value: "NAME", help: "its Key Manager, if not made of the IMSI" },
      { name: "--id", value: "ID", help: "or a provisioned key, by the name that the peer knows it by" },
      { name: "--key-file", value: "FILE", help: "the key, hexadecimal digits; 32 bytes made up if not given" },
      { name: "--name", value: "NAME", help: "what to call it in the file (default: the IMPI, or the ID)" },
      {
        name: "--list",
        value: "FILE",
        help: "an identity file with the same passphrase that gets a copy: the server's list",
      },
      ...UNLOCK_OPTIONS,
    ],
    notes: [UNLOCK_NOTE],
  },
  run,
};

async function run(given: Arguments, console: Console): Promise<number> {
  const entry = await entryOf(given, console);
  const path = given.operands[0] ?? "";
  const list = given.one("--list");
  using opener = await unlockOf(given, console, { repeat: !existsSync(path) });
  // The list first: a device whose secret nobody else has would be lost, a secret without a device is none.
  for (const place of list === undefined ? [path] : [list, path]) await addTo(place, entry, opener);
  using file = await openIdentityFile(path, opener.opener);
  await printFacts((await file.facts()).filter(({ name }) => name === entry.name), given, console);
  return 0;
}

/** Adds to a file that is there, or makes it. Throws `state` where the name is taken. */
async function addTo(path: string, entry: FileEntry, { opener }: GivenUnlock): Promise<void> {
  let file: IdentityFile;
  try {
    await createIdentityFile(path, { ...opener, entries: [entry] });
    return;
  } catch (error) {
    if (!(error instanceof SeccfError) || error.code !== "state") throw error;
    file = await openIdentityFile(path, opener);
  }
  using _open = file;
  await file.change((entries) => entries.add(entry));
}

async function entryOf(given: Arguments, console: Console): Promise<FileEntry> {
  const [imsi, id] = [given.one("--imsi"), given.one("--id")];
  if ((imsi === undefined) === (id === undefined)) throw new UsageError("--imsi DIGITS or --id ID is needed");
  try {
    return imsi === undefined
      ? await provisionedOf(id ?? "", given, console)
      : await subscriberOf(imsi, given, console);
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message);
    throw error;
  }
}

async function provisionedOf(id: string, given: Arguments, console: Console): Promise<FileEntry> {
  refuse(given, "--id", ["--k-file", "--mnc-length", "--impi", "--key-manager"]);
  const path = given.one("--key-file");
  const key = path === undefined
    ? secretRandom(32, console.platform.random)
    : hexSecret((await readSecretText(path, console)).trim(), "a key");
  if (key.byteLength < 16 || key.byteLength > 64) throw new UsageError("a key has 16 to 64 bytes");
  return {
    kind: "provisioned",
    name: given.one("--name") ?? id,
    rotation: startRotation({ identity: toUtf8(id), key }),
  };
}

async function subscriberOf(imsi: string, given: Arguments, console: Console): Promise<FileEntry> {
  refuse(given, "--imsi", ["--key-file"]);
  if (!/^[0-9]{6,15}$/.test(imsi)) throw new UsageError("an IMSI has 6 to 15 digits");
  const mncLength = mncLengthOf(given);
  const [impi, keyManager] = [given.one("--impi"), given.one("--key-manager")];
  return {
    ...{ kind: "subscriber", name: given.one("--name") ?? impi ?? impiOf(imsi, mncLength), imsi, mncLength },
    credentials: await credentialsOf(given, console),
    ...(impi === undefined ? {} : { impi }),
    ...(keyManager === undefined ? {} : { keyManager }),
  };
}

/** `--mnc-length`. Throws {@link UsageError}. */
export function mncLengthOf(given: Arguments): MncLength {
  const digits = given.one("--mnc-length") ?? "2";
  if (digits !== "2" && digits !== "3") throw new UsageError("--mnc-length is 2 or 3");
  return digits === "2" ? 2 : 3;
}

async function credentialsOf(given: Arguments, console: Console) {
  const path = given.one("--k-file");
  if (path === undefined) {
    const made = (): SecretBytes => secretRandom(16, console.platform.random);
    return { k: made(), opc: made() };
  }
  const values = new Map<string, SecretBytes>();
  for (const line of (await readSecretText(path, console)).split(/\r?\n/)) {
    const [, name, digits] = /^\s*(K|KI|OPC|OP)\s*[=:]\s*([0-9a-f]{32})\s*$/i.exec(line) ?? [];
    if (name === undefined || digits === undefined) {
      throw new UsageError("a line of --k-file is K=HEX, OPC=HEX or OP=HEX");
    }
    values.set(name.toUpperCase().replace("KI", "K"), hexSecret(digits, name));
  }
  const [k, opc, op] = [values.get("K"), values.get("OPC"), values.get("OP")];
  if (k && opc) return { k, opc };
  if (k && op) return { k, op };
  throw new UsageError("--k-file needs K and OPC, or K and OP");
}

function refuse(given: Arguments, option: string, others: readonly string[]): void {
  const wrong = others.find((name) => given.has(name));
  if (wrong !== undefined) throw new UsageError(`${wrong} does not go with ${option}`);
}
