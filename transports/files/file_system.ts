/** The file system of the runtime, as identity files use it. @module */

import { constants } from "node:fs";
import { type FileHandle, link, lstat, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import process from "node:process";
import type { FileFacts, FileSystem, NewFile } from "../../lib/identity/mod.ts";
import { lockFile } from "./lock.ts";

/** What {@link nodeFileSystem} takes. */
export interface FileSystemOptions {
  /** How long a change waits for others to end theirs. Default 10. */
  readonly lockSeconds?: number;
}

/** `node:fs`, on every runtime that has it. */
export function nodeFileSystem({ lockSeconds = 10 }: FileSystemOptions = {}): FileSystem {
  return {
    read,
    create,
    rename: (from, to) => rename(from, to),
    link: linkUnlessTaken,
    remove: (path) => rm(path, { force: true }),
    syncFolder,
    lock: (path, options = {}) => lockFile(path, lockSeconds, options),
  };
}

async function read(path: string, most: number): ReturnType<FileSystem["read"]> {
  const seen = await lstat(path).catch(noneIfMissing);
  if (!seen) return undefined;
  const nothing = new Uint8Array(0);
  // A pipe or a device is not even opened: that alone may block, or do something.
  if (!seen.isFile()) return { facts: factsOf(seen), bytes: nothing };
  const file = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0)).catch(noneIfMissing);
  if (!file) return undefined;
  try {
    // Of what was opened, which may be another file than what was looked at.
    const stats = await file.stat();
    const facts = factsOf(stats);
    if (!stats.isFile() || stats.size > most) return { facts, bytes: nothing };
    return { facts, bytes: await readAll(file, stats.size) };
  } finally {
    await file.close();
  }
}

/** Up to the end or `size`, so that a file which grows meanwhile takes no more memory than was granted. */
async function readAll(file: FileHandle, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  let at = 0;
  while (at < size) {
    const { bytesRead } = await file.read(bytes, at, size - at, at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return bytes.subarray(0, at);
}

async function create(path: string): Promise<NewFile> {
  const file = await open(path, "wx", 0o600);
  return {
    async write(bytes) {
      let at = 0;
      while (at < bytes.length) at += (await file.write(bytes, at, bytes.length - at)).bytesWritten;
    },
    sync: () => file.sync(),
    close: () => file.close(),
  };
}

async function linkUnlessTaken(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

async function syncFolder(path: string): Promise<void> {
  // Windows opens no folders, and has no mode bits: there names are as durable as the system makes them.
  if (process.platform === "win32") return;
  const folder = await open(dirname(path), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

interface Stats {
  isFile(): boolean;
  isSymbolicLink(): boolean;
  readonly mode: number;
  readonly size: number;
}

function factsOf(stats: Stats): FileFacts {
  const kind = stats.isFile() ? "file" : stats.isSymbolicLink() ? "link" : "other";
  return { kind, mode: process.platform === "win32" ? undefined : stats.mode & 0o777, size: stats.size };
}

function noneIfMissing(error: unknown): undefined {
  if (codeOf(error) !== "ENOENT") throw error;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
