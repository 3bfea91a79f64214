/** Identity files that the tests of this room share. */
import { fromHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { type SecretBytes, secretFrom } from "../../lib/crypto/mod.ts";
import {
  createIdentityFile,
  type FileEntry,
  type FilePlace,
  type FileSystem,
  type IdentityFile,
  openIdentityFile,
  startRotation,
  type Unlock,
} from "../../lib/identity/mod.ts";
import { Disk } from "../fault/disk.ts";
import { seededRandom } from "../support/virtual.ts";
import { secretHex } from "../aka/vectors.ts";
import { credentials, IMSI } from "./cards.ts";

export const PATH = "device.id";
/** The cheapest that is allowed. */
export const CHEAP = { logN: 10, r: 1, p: 1 } as const;

export function passphrase(words: string): Unlock {
  return { passphrase: secretFrom(toUtf8(words)) };
}

export function wrapping(byte: number): Unlock {
  return { wrappingKey: secretFrom(new Uint8Array(32).fill(byte)) };
}

export function place(fileSystem: FileSystem = new Disk(), seed = 1): FilePlace {
  return { path: PATH, fileSystem, random: seededRandom(seed) };
}

export function subscriber(name = "sim", imsi: string = IMSI): FileEntry {
  return { kind: "subscriber", name, credentials: credentials(), imsi, mncLength: 2 };
}

export function provisioned(name: string, key = "0b".repeat(16)): FileEntry {
  return { kind: "provisioned", name, rotation: startRotation({ identity: toUtf8(name), key: secretHex(key) }) };
}

export function keyEntry(name: string, key: SecretBytes = secretFrom(fromHex("c0ffee00".repeat(4)))): FileEntry {
  return { kind: "key", name, key };
}

/** A file with these entries, opened. */
export async function fileWith(
  entries: readonly FileEntry[],
  options: Partial<FilePlace & { unlock: Unlock }> = {},
): Promise<IdentityFile & { readonly place: FilePlace }> {
  const { unlock = wrapping(1), ...more } = options;
  const where = { ...place(), ...more };
  await createIdentityFile({ ...where, unlock, entries });
  return Object.assign(await openIdentityFile({ ...where, unlock }), { place: where });
}
