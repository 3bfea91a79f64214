/** Pre-shared keys as an operator gives them: a file, a variable, or, for test keys, the command line. @module */

import {
  createAssociation,
  createKeyTable,
  type KeyTable,
  rawPsk,
  type Role,
  type SecurityAssociation,
  startLifetime,
} from "../../lib/association/mod.ts";
import { fromHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom, wipe } from "../../lib/crypto/mod.ts";
import type { Platform } from "../../lib/platform.ts";
import { type Arguments, type OptionSpec, UsageError } from "./arguments.ts";
import type { Console } from "./console.ts";

/** Where a client's one key may come from. */
export const CLIENT_KEY_OPTIONS: readonly OptionSpec[] = [
  { name: "--psk-identity", value: "ID", help: "the name of the key, shown to the server" },
  { name: "--psk-file", value: "FILE", help: "the key: a file with hexadecimal digits" },
  { name: "--psk", value: "HEX", help: "the key itself, for test keys: others see command lines" },
];

/** Where a server's keys may come from. */
export const SERVER_KEY_OPTIONS: readonly OptionSpec[] = [
  { name: "--psk-file", value: "FILE", help: "known keys: a file with a line ID=HEX for each" },
  { name: "--psk", value: "ID=HEX", repeated: true, help: "a known key, for test keys: others see command lines" },
];

/** What `--help` says of the environment. */
export const KEY_NOTE = "The variable SECCF_PSK may hold the same as the file of --psk-file. Keys are 16 to 64 bytes.";

/** The association of a client with one provisioned key. Throws {@link UsageError} when there is none, or more than one. */
export async function clientAssociation(
  given: Arguments,
  console: Console,
  serverName: string,
): Promise<SecurityAssociation> {
  const identity = given.one("--psk-identity");
  if (identity === undefined) throw new UsageError("--psk-identity ID is needed");
  const [hex, ...more] = [given.one("--psk"), ...await elsewhere(given, console)].filter((text) => text !== undefined);
  if (hex === undefined) throw new UsageError("a key is needed: --psk-file FILE, SECCF_PSK or --psk HEX");
  if (more.length > 0) throw new UsageError("one key is needed, not several");
  const peer = toUtf8(serverName);
  return associate({ platform: console.platform, identity, hex: hex.trim(), role: "initiator", serverName, peer });
}

/** All keys that a server was given. Throws {@link UsageError} when there is none. */
export async function serverKeys(given: Arguments, console: Console, serverName: string): Promise<KeyTable> {
  const files = (await elsewhere(given, console)).flatMap((text) => text.split(/\r?\n/));
  const lines = [...given.all("--psk"), ...files.filter((line) => line !== "")];
  if (lines.length === 0) throw new UsageError("a key is needed: --psk-file FILE, SECCF_PSK or --psk ID=HEX");
  const table = createKeyTable();
  for (const line of lines) {
    const { identity, hex } = splitKey(line);
    const peer = toUtf8(identity);
    table.set(
      peer,
      associate({ platform: console.platform, identity, hex, role: "responder", serverName, peer }),
    );
  }
  return table;
}

/** Splits `ID=HEX` at the last `=`: identities may contain one, as base64 does. Throws {@link UsageError}. */
export function splitKey(text: string): { readonly identity: string; readonly hex: string } {
  const at = text.lastIndexOf("=");
  if (at < 1) throw new UsageError("a known key is ID=HEX");
  return { identity: text.slice(0, at), hex: text.slice(at + 1) };
}

/** What the file and the environment say. */
async function elsewhere(given: Arguments, console: Console): Promise<string[]> {
  const path = given.one("--psk-file");
  const variable = console.env("SECCF_PSK");
  const texts = variable === undefined || variable === "" ? [] : [variable];
  if (path === undefined) return texts;
  try {
    return [await console.readText(path), ...texts];
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    throw new UsageError(`the key file can not be read: ${code || error}`);
  }
}

interface ProvisionedKey {
  readonly platform: Platform;
  readonly identity: string;
  readonly hex: string;
  readonly role: Role;
  readonly serverName: string;
  /** Who is at the other end, as far as this key says. */
  readonly peer: Uint8Array;
}

function associate({ platform, identity, hex, role, serverName, peer }: ProvisionedKey): SecurityAssociation {
  return createAssociation({
    reference: identity,
    serverName,
    role,
    peer: { identity: peer, assurance: "psk" },
    origin: toOrigin(identity, hex),
    // A key from a command line has no end of its own; it lives as long as the process.
    lifetime: startLifetime({ clock: platform.clock, seconds: YEAR_SECONDS }),
    platform,
  });
}

function toOrigin(identity: string, hex: string): ReturnType<typeof rawPsk> {
  if (!/^(?:[0-9A-Fa-f]{2})+$/.test(hex)) throw new UsageError("a key is an even number of hexadecimal digits");
  const bytes = fromHex(hex);
  using key = secretFrom(bytes);
  wipe(bytes);
  try {
    return rawPsk({ identity: toUtf8(identity), key, use: "tls" });
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message);
    throw error;
  }
}

const YEAR_SECONDS = 366 * 24 * 3600;
