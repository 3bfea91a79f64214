/** `seccf identity import`: subscribers from a SIM maker's file into one identity file, or into one for each device of a factory. @module */

import { existsSync } from "node:fs";
import { mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { toHex } from "../../lib/bytes/mod.ts";
import { fingerprint } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { importSubscribers, type SubscriberEntry } from "../../lib/identity/mod.ts";
import { createIdentityFile, type FileKey, newFileKey, type Opener, openIdentityFile } from "../files/mod.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import type { Command, Console } from "./console.ts";
import { mncLengthOf } from "./identity_new.ts";
import {
  type GivenUnlock,
  hexSecret,
  readSecretText,
  UNLOCK_NOTE,
  UNLOCK_OPTIONS,
  unlockOf,
} from "./identity_unlock.ts";

/** Also the enrolment of a factory: a thousand devices by one command. */
export const importCommand: Command = {
  spec: {
    name: "identity import",
    summary: "subscribers from a SIM maker's output file, CSV or JSON",
    operands: ["SOURCE"],
    options: [
      { name: "--to", value: "FILE", help: "all of them into this identity file: the Key Manager's list" },
      { name: "--folder", value: "FOLDER", help: "and each into a file of its own there, IMSI.id: the devices'" },
      {
        name: "--device-keys",
        value: "FILE",
        help: "a wrapping key for each device's file, written here: IMPI FILE HEX",
      },
      { name: "--mnc-length", value: "2|3", help: "digits of the network's code (default 2)" },
      { name: "--op-file", value: "FILE", help: "the operator's OP, hexadecimal digits, for cards without OPc" },
      ...UNLOCK_OPTIONS,
    ],
    notes: [
      "SOURCE has lines of names and values, or is a JSON array; it holds keys in clear: destroy it afterwards.",
      "Without --device-keys the devices' files open with the passphrase of the list. Run again after an",
      "interruption, it goes on: what is there already is left, what is there and differs is an error.",
      UNLOCK_NOTE,
    ],
  },
  run,
};

async function run(given: Arguments, console: Console): Promise<number> {
  const [list, folder] = [given.one("--to"), given.one("--folder")];
  if (list === undefined) throw new UsageError("--to FILE is needed");
  if (given.has("--device-keys") && folder === undefined) throw new UsageError("--device-keys needs --folder FOLDER");
  const subscribers = await subscribersOf(given, console);
  using opener = await unlockOf(given, console, { repeat: !existsSync(list) });
  // First the list: a device that works has to be known.
  const added = await addAll(list, subscribers, opener);
  if (folder !== undefined) await enrol(folder, subscribers, opener, given, console);
  const there = subscribers.length - added;
  const more = `${there === 0 ? "" : `, ${there} were there`}${
    folder === undefined ? "" : `, a file for each in ${folder}`
  }`;
  await console.write(new TextEncoder().encode(`${added} subscribers into ${list}${more}\n`));
  return 0;
}

async function subscribersOf(given: Arguments, console: Console): Promise<SubscriberEntry[]> {
  const text = await readSecretText(given.operands[0] ?? "", console);
  const opFile = given.one("--op-file");
  const op = opFile === undefined ? undefined : hexSecret((await readSecretText(opFile, console)).trim(), "OP");
  if (op && op.byteLength !== 16) throw new UsageError("OP has 16 bytes");
  return importSubscribers(text, { mncLength: mncLengthOf(given), ...(op ? { op } : {}) });
}

/** Adds those that are not there; throws `state` for one that is there with another key. */
async function addAll(path: string, subscribers: readonly SubscriberEntry[], { opener }: GivenUnlock): Promise<number> {
  try {
    await createIdentityFile(path, { ...opener, entries: subscribers });
    return subscribers.length;
  } catch (error) {
    if (!isTaken(error)) throw error;
  }
  using file = await openIdentityFile(path, opener);
  const known = new Map((await file.facts()).map((fact) => [fact.name, fact.fingerprint]));
  return await file.change((entries) => {
    let added = 0;
    for (const subscriber of subscribers) {
      const before = known.get(subscriber.name);
      if (before === undefined) {
        entries.add(subscriber);
        added++;
      } else if (before !== fingerprint(subscriber.credentials.k)) throw differs();
    }
    return added;
  });
}

async function enrol(
  folder: string,
  subscribers: readonly SubscriberEntry[],
  opener: GivenUnlock,
  given: Arguments,
  console: Console,
): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const keyFile = given.one("--device-keys");
  if (keyFile !== undefined) return await enrolApart(folder, subscribers, keyFile, console);
  // One derivation for all: files with one passphrase are as good as one file to whoever guesses it, whatever their salts.
  using shared = newFileKey(opener.unlock, console.platform.random);
  for (const subscriber of subscribers) await createOr(pathOf(folder, subscriber), subscriber, shared, opener.opener);
}

/** Keys are written down before their files: a key without a file harms nobody, a file without its key is lost. */
async function enrolApart(
  folder: string,
  subscribers: readonly SubscriberEntry[],
  keyFile: string,
  console: Console,
): Promise<void> {
  const written = await writtenKeys(keyFile);
  const keys = await open(keyFile, "a", 0o600);
  try {
    const lines: string[] = [];
    for (const subscriber of subscribers) {
      const path = pathOf(folder, subscriber);
      if (written.has(path)) continue;
      const bytes = new Uint8Array(32);
      console.platform.random(bytes);
      written.set(path, toHex(bytes));
      lines.push(`${subscriber.name} ${path} ${toHex(bytes)}\n`);
    }
    await keys.write(lines.join(""));
    await keys.sync();
  } finally {
    await keys.close();
  }
  for (const subscriber of subscribers) {
    const path = pathOf(folder, subscriber);
    using wrappingKey = hexSecret(written.get(path) ?? "", "a device's key");
    using key = newFileKey({ wrappingKey }, console.platform.random);
    await createOr(path, subscriber, key, { wrappingKey });
  }
}

/** Of an earlier run that was interrupted, by path. */
async function writtenKeys(path: string): Promise<Map<string, string>> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  });
  return new Map([...text.matchAll(/^\S+ (.+) ([0-9a-f]{64})$/gm)].map(([, file = "", hex = ""]) => [file, hex]));
}

function pathOf(folder: string, { imsi }: SubscriberEntry): string {
  return join(folder, `${imsi}.id`);
}

/** A file for one subscriber; one that is there has to be his. */
async function createOr(path: string, entry: SubscriberEntry, fileKey: FileKey, opener: Opener): Promise<void> {
  try {
    await createIdentityFile(path, { fileKey, entries: [entry] });
  } catch (error) {
    if (!isTaken(error)) throw error;
    using file = await openIdentityFile(path, opener);
    const [fact] = await file.facts();
    if (fact?.name !== entry.name || fact.fingerprint !== fingerprint(entry.credentials.k)) throw differs();
  }
}

function isTaken(error: unknown): boolean {
  return error instanceof SeccfError && error.code === "state";
}

function differs(): SeccfError {
  return new SeccfError("state", "a subscriber of the list is there already, with another key");
}
