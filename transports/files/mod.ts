/** Identity files on disk, `seccf/file`: for devices without a card, and for whoever makes and keeps such files. @module */

import { toUtf8 } from "../../lib/bytes/mod.ts";
import { type ScryptCost, type SecretBytes, secretFrom, wipe } from "../../lib/crypto/mod.ts";
import {
  createIdentityFile as createFile,
  type FileEntry,
  type FileIdentity,
  type FileKey,
  type FilePlace,
  type FoundSubscribers,
  type IdentityFile,
  identityOfFile,
  type MonotonicCounter,
  openIdentityFile as openFile,
  subscribersOfFile,
  type Unlock,
} from "../../lib/identity/mod.ts";
import type { Platform, Wait } from "../../lib/platform.ts";
import { webPlatform } from "../../web_platform.ts";
import { nodeFileSystem } from "./file_system.ts";

export {
  DEFAULT_COST,
  type FileEntry,
  type FileFact,
  type FileIdentity,
  type FileKey,
  type FoundSubscribers,
  type IdentityFile,
  type KeyOffer,
  type MonotonicCounter,
  newFileKey,
  type ScryptCost,
  storedCounter,
  type Unlock,
} from "../../lib/identity/mod.ts";
export { type FileSystemOptions, nodeFileSystem } from "./file_system.ts";
export { fileStore, type FileStoreOptions } from "./store.ts";

/**
 * A passphrase. A string can not be wiped, and stays in memory until the collector has used its place for something else;
 * a {@link SecretBytes} of its UTF-8 can, and is left to the caller. A function is asked once.
 */
export type Passphrase = string | SecretBytes | (() => string | SecretBytes | Promise<string | SecretBytes>);

/** What opens a file: one of the two. */
export type Opener =
  | { readonly unlock: Passphrase; readonly wrappingKey?: never }
  /** At least 16 bytes that nobody can guess: from a TPM, a card, a Key Manager. Stays the caller's. */
  | { readonly wrappingKey: SecretBytes; readonly unlock?: never };

/** What every use of a file may be told. */
export interface FileUse extends Wait, Partial<Pick<Platform, "clock" | "random">> {
  /** A number outside of the disk by which an old copy of the file is found. */
  readonly counter?: MonotonicCounter;
  /** How long a change waits for other processes to end theirs. Default 10. */
  readonly lockSeconds?: number;
}

/** What {@link fileIdentity} takes. */
export type FileIdentityUse = FileUse & Opener & {
  /** The name of the subscriber. Default: the only one. */
  readonly identity?: string;
  /** `"gba-u"`: Ks stays inside of the soft USIM. Default `"gba-me"`. */
  readonly mode?: "gba-me" | "gba-u";
};

/** What {@link createIdentityFile} takes. */
export type CreateFileUse = FileUse & (Opener | { readonly fileKey: FileKey }) & {
  /** Copied. */
  readonly entries?: readonly FileEntry[];
  /** The price of the passphrase. Default: 32 MiB, about half a second on a small server. */
  readonly cost?: ScryptCost;
};

/**
 * The identity module of a device whose secrets are in the file at `path`. Throws what {@link openIdentityFile} throws. Each
 * challenge that it accepts is stored before it is answered.
 *
 * ```ts
 * await using identity = await fileIdentity("./device.id", { unlock: () => askForPassphrase() });
 * ```
 */
// req: SEC_CF-SEC-001
// req: SEC_CF-ADM-001
export async function fileIdentity(path: string, options: FileIdentityUse): Promise<FileIdentity> {
  const { signal, identity, mode = "gba-me", clock = webPlatform.clock, random = webPlatform.random } = options;
  const file = await openIdentityFile(path, options);
  try {
    return await identityOfFile(file, {
      ...{ clock, random, mode },
      ...(identity === undefined ? {} : { identity }),
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}

/**
 * A file to look at or to change. Throws `identity-unavailable` where there is none, it is a link or no regular file, or others
 * than its owner may use it; `auth-failed` for another passphrase or wrapping key, `mac-failure` for a file that was altered,
 * `malformed` for one that is damaged or no identity file, `unsupported` for one of a later version, `too-large`, and `replayed`
 * for an old copy that was put back. None of them is ever written over.
 */
// req: SEC_CF-SEC-001
export async function openIdentityFile(path: string, options: FileUse & Opener): Promise<IdentityFile> {
  using opener = await openerOf(options);
  return await openFile({ ...placeOf(path, options), unlock: opener.unlock });
}

/** Makes a file, mode 0600. Throws `state` where anything is at `path`. */
// req: SEC_CF-ADM-001
export async function createIdentityFile(path: string, options: CreateFileUse): Promise<void> {
  const { entries = [], cost } = options;
  const place = { ...placeOf(path, options), entries, ...(cost ? { cost } : {}) };
  if ("fileKey" in options) return await createFile({ ...place, unlock: options.fileKey });
  using opener = await openerOf(options);
  await createFile({ ...place, unlock: opener.unlock });
}

/** The subscribers of a file, for the authentication centre of a Key Manager; the caller disposes them. */
export async function fileSubscribers(path: string, options: FileUse & Opener): Promise<FoundSubscribers> {
  using file = await openIdentityFile(path, options);
  return await subscribersOfFile(file);
}

function placeOf(
  path: string,
  { random = webPlatform.random, counter, lockSeconds, signal }: FileUse,
): FilePlace & Wait {
  const fileSystem = nodeFileSystem(lockSeconds === undefined ? {} : { lockSeconds });
  return { path, fileSystem, random, ...(counter ? { counter } : {}), ...(signal ? { signal } : {}) };
}

/** Disposing wipes what was made of a string, and nothing that is the caller's. */
async function openerOf(opener: Opener): Promise<Disposable & { readonly unlock: Unlock }> {
  const keep = () => undefined;
  if (opener.wrappingKey) return { unlock: { wrappingKey: opener.wrappingKey }, [Symbol.dispose]: keep };
  const given = typeof opener.unlock === "function" ? await opener.unlock() : opener.unlock;
  if (typeof given !== "string") return { unlock: { passphrase: given }, [Symbol.dispose]: keep };
  // As RFC 8265 4.2.2 compares passwords: two keyboards may compose one letter differently.
  const bytes = toUtf8(given.normalize("NFC"));
  const passphrase = secretFrom(bytes);
  wipe(bytes);
  return { unlock: { passphrase }, [Symbol.dispose]: () => passphrase[Symbol.dispose]() };
}
