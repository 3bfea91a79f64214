/**
 * A lock that no crash leaves behind: SQLite's own, on an empty file beside the one that is locked. No runtime gives
 * flock or fcntl to its programs, all three give SQLite, which takes such a lock for an exclusive transaction; the system
 * frees it with the process. A file that says "locked" would have to be judged and removed after a `kill -9`, and two
 * processes that judge at once both take it.
 *
 * @module
 */

import { closeSync, openSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { SeccfError } from "../../lib/error.ts";
import type { Wait } from "../../lib/platform.ts";

/** Who holds or waits for a path in this process: SQLite would tell them from each other, but they would have to ask again and again. */
const queues = new Map<string, Promise<void>>();

/** Waits at most `seconds`, then throws `identity-unavailable`. The lock's file stays where it is, `path` with `.lock` behind it. */
export async function lockFile(path: string, seconds: number, { signal }: Wait): Promise<AsyncDisposable> {
  const file = `${resolve(path)}.lock`;
  const before = queues.get(file) ?? Promise.resolve();
  let done = (): void => undefined;
  const mine = new Promise<void>((free) => void (done = free));
  const tail = before.then(() => mine);
  queues.set(file, tail);
  const leave = (): void => {
    done();
    if (queues.get(file) === tail) queues.delete(file);
  };
  await before;
  try {
    const release = await acquire(file, performance.now() + seconds * 1000, signal);
    return {
      [Symbol.asyncDispose]() {
        release();
        leave();
        return Promise.resolve();
      },
    };
  } catch (error) {
    leave();
    throw error;
  }
}

async function acquire(file: string, deadline: number, signal: AbortSignal | undefined): Promise<() => void> {
  for (let pause = 1;; pause = Math.min(2 * pause, 50)) {
    signal?.throwIfAborted();
    const release = tryLock(file);
    if (release) return release;
    if (performance.now() >= deadline) {
      throw new SeccfError("identity-unavailable", "another process has been changing the identity file for too long");
    }
    await new Promise<void>((again) => setTimeout(again, pause));
  }
}

/** Undefined while another has it. */
function tryLock(file: string): (() => void) | undefined {
  try {
    // SQLite would make it with the mode that the process's mask leaves.
    closeSync(openSync(file, "wx", 0o600));
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
  const database = new (sqlite().DatabaseSync)(file);
  try {
    database.exec("PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    return () => database.close();
  } catch (error) {
    database.close();
    if (error instanceof Error && /\blocked\b/.test(error.message)) return undefined;
    throw error;
  }
}

interface Sqlite {
  readonly DatabaseSync: new (path: string) => { exec(sql: string): void; close(): void };
}

/** Asked for at first use: a program that only reads identity files needs none. */
function sqlite(): Sqlite {
  const found = process.getBuiltinModule("node:sqlite") as Sqlite | undefined;
  if (!found) throw new SeccfError("unsupported", "this runtime has no node:sqlite, whose locks identity files need");
  return found;
}
