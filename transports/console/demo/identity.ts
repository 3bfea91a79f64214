/** `seccf demo --identity file:PATH`: the device's subscriber out of an identity file, which is made if it is not there. @module */

import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { open } from "node:fs/promises";
import { toHex } from "../../../lib/bytes/mod.ts";
import { secretRandom } from "../../../lib/crypto/mod.ts";
import { SeccfError } from "../../../lib/error.ts";
import { impiOf } from "../../../lib/identity/mod.ts";
import { createIdentityFile, openIdentityFile } from "../../files/mod.ts";
import { UsageError } from "../arguments.ts";
import type { Console } from "../console.ts";
import type { FileTask } from "./task.ts";

/** What the processes are told of the file, and who its subscriber's Key Manager is. */
export interface DemoIdentity {
  readonly file: FileTask;
  readonly keyManager: string;
}

/**
 * Reads `file:PATH`. The passphrase is SECCF_PASSPHRASE; without it one is made with the file and kept beside it, in
 * PATH.passphrase, where only a demo may keep one. Throws {@link UsageError}, and what opening a file throws.
 */
export async function demoIdentity(text: string, imsi: string, console: Console): Promise<DemoIdentity> {
  const path = /^file:(.+)$/.exec(text)?.[1];
  if (path === undefined) throw new UsageError("--identity is file:PATH or pcsc[:PORT]");
  const passphrase = await passphraseFor(path, console);
  if (!existsSync(path)) {
    const { random } = console.platform;
    const credentials = { k: secretRandom(16, random), opc: secretRandom(16, random) };
    const entry = { kind: "subscriber", name: impiOf(imsi, 2), credentials, imsi, mncLength: 2 } as const;
    await createIdentityFile(path, { unlock: passphrase, entries: [entry] });
  }
  using file = await openIdentityFile(path, { unlock: passphrase });
  const [subscriber, ...more] = (await file.facts()).filter((fact) => fact.kind === "subscriber");
  if (!subscriber || more.length > 0) {
    throw new SeccfError("identity-unavailable", "the demo needs an identity file with one subscriber");
  }
  return { file: { path, passphrase }, keyManager: subscriber.keyManager };
}

/** Reads `pcsc` and `pcsc:PORT`: the port of vpcd; `undefined` for anything else. Throws {@link UsageError} for no port. */
export function vpcdPort(text: string | undefined): { readonly vpcd: number } | undefined {
  const match = /^pcsc(?::(.*))?$/.exec(text ?? "");
  if (!match) return undefined;
  const vpcd = Number(match[1] ?? "35963");
  if (!Number.isInteger(vpcd) || vpcd < 1 || vpcd > 65_535) throw new UsageError("--identity pcsc:PORT, 1 to 65535");
  return { vpcd };
}

async function passphraseFor(path: string, console: Console): Promise<string> {
  const given = console.env("SECCF_PASSPHRASE");
  if (given !== undefined && given !== "") return given;
  const beside = `${path}.passphrase`;
  if (existsSync(beside)) return (await console.readText(beside)).trim();
  if (existsSync(path)) throw new UsageError("SECCF_PASSPHRASE is needed: the identity file is there already");
  const made = toHex(randomBytes(16));
  const file = await open(beside, "wx", 0o600);
  try {
    await file.writeFile(`${made}\n`);
  } finally {
    await file.close();
  }
  return made;
}
