/** The few things that an identity file asks of a file system, each of which may fail or be the last before a crash. Types only. @module */

import type { Wait } from "../platform.ts";

/** What lies at a path. */
export interface FileFacts {
  /** Links are not followed. */
  readonly kind: "file" | "link" | "other";
  /** The nine permission bits; undefined where the system has none. */
  readonly mode: number | undefined;
  /** Bytes. */
  readonly size: number;
}

/** A regular file's bytes, with the facts of the very file that was read. */
export interface FileRead {
  /** Where there are bytes, those of the open file: its path may by then name another. */
  readonly facts: FileFacts;
  /** Empty where `facts` say that it is no regular file, or is larger than asked for. */
  readonly bytes: Uint8Array;
}

/** A file being written. */
export interface NewFile {
  /** Resolves when the system has taken all of `bytes`, which the loss of power may still undo. */
  write(bytes: Uint8Array): Promise<void>;
  /** Resolves when what was written would survive the loss of power. */
  sync(): Promise<void>;
  /** Gives the system's handle back, also of a file that was not written to its end. */
  close(): Promise<void>;
}

/** A file system. Every method throws what the system throws. */
export interface FileSystem {
  /** Undefined where nothing is. At most `most` bytes are read. */
  read(path: string, most: number): Promise<FileRead | undefined>;
  /** A new file that its owner alone may read and write (0600); fails where anything is. */
  create(path: string): Promise<NewFile>;
  /** Puts `from` in the place of `to`: at each moment `to` is the one or the other. */
  rename(from: string, to: string): Promise<void>;
  /** A second name for `from`; false where anything is at `to`. */
  link(from: string, to: string): Promise<boolean>;
  /** Does nothing where nothing is. */
  remove(path: string): Promise<void>;
  /** Resolves when names given and taken in the folder of `path` would survive the loss of power. */
  syncFolder(path: string): Promise<void>;
  /** Waits until nobody else, in this process or another, holds the lock of `path`. The end of a process frees it. */
  lock(path: string, options?: Wait): Promise<AsyncDisposable>;
}
