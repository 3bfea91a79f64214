/**
 * Records in a folder, one file each: for the few that a device has, its sessions and counters above all. A file is written
 * beside the old one, synced, and then takes its name, so a crash at any moment leaves the old record or the new one.
 * One process has the folder at a time.
 *
 * @module
 */

import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../lib/clock.ts";
import { concat, equal, fromUtf8, Reader, toHex, toUtf8, Writer } from "../../lib/bytes/mod.ts";
import { digest } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import type { FileSystem } from "../../lib/identity/mod.ts";
import type { RecordStore, StoredRecord } from "../../lib/store.ts";
import { webPlatform } from "../../web_platform.ts";
import { nodeFileSystem } from "./file_system.ts";

/** What {@link fileStore} takes. */
export interface FileStoreOptions {
  /** What records expire by. Default: the machine's. */
  readonly clock?: Clock;
  /** How long to wait for another process that has the folder. Default 10. */
  readonly lockSeconds?: number;
}

/**
 * The store in `folder`, which is made where it is missing, mode 0700. Values lie there as they are given: they are sealed
 * before. Throws `identity-unavailable` while another process has it. Its operations throw `state` for a file that is damaged, and what the
 * system throws, and then nothing was changed.
 */
export async function fileStore(folder: string, options: FileStoreOptions = {}): Promise<RecordStore> {
  const { clock = webPlatform.clock, lockSeconds } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const fileSystem = nodeFileSystem(lockSeconds === undefined ? {} : { lockSeconds });
  const lock = await fileSystem.lock(join(folder, "store"));
  const store = new FolderStore(folder, fileSystem, clock, lock);
  try {
    await store.sweep();
    return store;
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

/** What is in a file: a record, or a counter, whose version is its next number and whose time is its last use's. */
interface Content {
  readonly key: string;
  readonly version: number;
  /** Milliseconds from its writing on; 0 for ever. */
  readonly ttl: number;
  /** On the wall clock, milliseconds. */
  readonly writtenAt: number;
  readonly value: Uint8Array;
}

class FolderStore implements RecordStore {
  readonly #folder: string;
  readonly #fileSystem: FileSystem;
  readonly #clock: Clock;
  readonly #lock: AsyncDisposable;
  /** On the monotonic clock: a wall clock that was set back makes nothing live longer. */
  readonly #expiresAt = new Map<string, number>();
  #turn: Promise<unknown> = Promise.resolve();
  #nextVersion = 0;
  #endOfVersions = 0;

  constructor(folder: string, fileSystem: FileSystem, clock: Clock, lock: AsyncDisposable) {
    this.#folder = folder;
    this.#fileSystem = fileSystem;
    this.#clock = clock;
    this.#lock = lock;
  }

  get(key: string): Promise<StoredRecord | undefined> {
    return this.#inTurn(async () => {
      const found = await this.#live(key);
      return found && { value: found.value, version: found.version };
    });
  }

  put(
    key: string,
    record: Uint8Array,
    { expected, ttlSeconds }: { readonly expected: number; readonly ttlSeconds?: number },
  ): Promise<number | undefined> {
    checkKey(key);
    if (record.length > MOST_VALUE) return Promise.reject(new SeccfError("too-large", "a value has 1 MB at most"));
    const value = new Uint8Array(record);
    return this.#inTurn(async () => {
      if (((await this.#live(key))?.version ?? 0) !== expected) return undefined;
      const version = await this.#newVersion();
      const ttl = ttlSeconds === undefined ? 0 : millisecondsOf(ttlSeconds);
      await this.#write("r", { key, version, ttl, value, writtenAt: this.#wall() });
      this.#expiresAt.delete(this.#path("r", key));
      if (ttl > 0) this.#expiresAt.set(this.#path("r", key), this.#clock.now() + ttl);
      return version;
    });
  }

  delete(key: string, { expected }: { readonly expected: number }): Promise<boolean> {
    return this.#inTurn(async () => {
      if ((await this.#live(key))?.version !== expected) return false;
      await this.#remove(key);
      return true;
    });
  }

  reserve(
    counter: string,
    count: number,
    { atLeast = 0, ttlSeconds }: { readonly atLeast?: number; readonly ttlSeconds?: number } = {},
  ): Promise<number> {
    checkKey(counter);
    if (!Number.isSafeInteger(count) || count < 1) throw new RangeError("a block is a positive number of numbers");
    const ttl = ttlSeconds === undefined ? 0 : millisecondsOf(ttlSeconds);
    return this.#inTurn(() => this.#reserve("c", counter, count, { atLeast, ttl }));
  }

  /** Removes what has expired, and what a crash has left half written. What is damaged stays, for who asks for it to hear of. */
  async sweep(): Promise<void> {
    for (const name of await readdir(this.#folder)) {
      if (name.endsWith(".new")) await this.#fileSystem.remove(join(this.#folder, name));
      const [, kind] = /^([rc])[0-9a-f]{32}$/.exec(name) ?? [];
      if (!kind) continue;
      const path = join(this.#folder, name);
      const content = await this.#read(path).catch(unlessDamaged);
      if (content && kind === "r") await this.#live(content.key);
      else if (content && this.#isOver(path, content)) await this.#fileSystem.remove(path);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inTurn(async () => await this.#lock[Symbol.asyncDispose]());
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => {});
    return mine;
  }

  async #reserve(
    kind: "c" | "v",
    counter: string,
    count: number,
    { atLeast, ttl }: { readonly atLeast: number; readonly ttl: number },
  ): Promise<number> {
    const path = this.#path(kind, counter);
    const before = await this.#read(path);
    const first = Math.max(before && !this.#isOver(path, before) ? before.version : 0, atLeast);
    if (!Number.isSafeInteger(first + count)) throw new SeccfError("exhausted", "no numbers left");
    const writtenAt = ttl === 0 ? 0 : this.#wall();
    await this.#write(kind, { key: counter, version: first + count, ttl, writtenAt, value: new Uint8Array(0) });
    this.#expiresAt.delete(path);
    return first;
  }

  /** No version comes again, whatever was deleted: all are of one counter, which is reserved ahead. */
  async #newVersion(): Promise<number> {
    if (this.#nextVersion === this.#endOfVersions) {
      this.#nextVersion = await this.#reserve("v", "versions", VERSIONS, { atLeast: 1, ttl: 0 });
      this.#endOfVersions = this.#nextVersion + VERSIONS;
    }
    return this.#nextVersion++;
  }

  /** The record, unless its time is over: then it is removed. */
  async #live(key: string): Promise<Content | undefined> {
    const path = this.#path("r", key);
    const content = await this.#read(path);
    if (!content) return undefined;
    if (!this.#isOver(path, content)) return content;
    await this.#remove(key);
    return undefined;
  }

  /** Whether the time of what is at `path` is over. */
  #isOver(path: string, { ttl, writtenAt }: Content): boolean {
    if (ttl === 0) return false;
    let expiresAt = this.#expiresAt.get(path);
    if (expiresAt === undefined) {
      expiresAt = this.#clock.now() + Math.min(ttl, ttl + writtenAt - this.#wall());
      this.#expiresAt.set(path, expiresAt);
    }
    return expiresAt <= this.#clock.now();
  }

  async #remove(key: string): Promise<void> {
    const path = this.#path("r", key);
    await this.#fileSystem.remove(path);
    await this.#fileSystem.syncFolder(path);
    this.#expiresAt.delete(path);
  }

  async #read(path: string): Promise<Content | undefined> {
    const found = await this.#fileSystem.read(path, MOST);
    if (!found) return undefined;
    try {
      return decode(found.bytes);
    } catch (cause) {
      throw new SeccfError("state", "a file of the store is damaged", { cause });
    }
  }

  async #write(kind: string, content: Content): Promise<void> {
    const path = this.#path(kind, content.key);
    const beside = `${path}.new`;
    await this.#fileSystem.remove(beside);
    const file = await this.#fileSystem.create(beside);
    try {
      await file.write(encode(content));
      await file.sync();
    } finally {
      await file.close();
    }
    await this.#fileSystem.rename(beside, path);
    await this.#fileSystem.syncFolder(path);
  }

  /** A name of fixed length in any file system, whatever is in the key. */
  #path(kind: string, key: string): string {
    return join(this.#folder, kind + toHex(digest("sha-256", toUtf8(key)).subarray(0, 16)));
  }

  #wall(): number {
    return Math.max(0, Math.floor(this.#clock.wall()));
  }
}

/** Of at least one. */
function millisecondsOf(seconds: number): number {
  return Math.max(1, Math.floor(seconds * 1000));
}

/** One file that is damaged must not keep all others from being read. */
function unlessDamaged(error: unknown): undefined {
  if (!(error instanceof SeccfError && error.code === "state")) throw error;
}

/** `format (1), version (7), time to live (7), written at (7), key behind its length (1), value, checksum (8)`. */
function encode({ key, version, ttl, writtenAt, value }: Content): Uint8Array {
  const writer = new Writer().u8(FORMAT);
  for (const number of [version, ttl, writtenAt]) {
    writer.u24(Math.floor(number / 0x100000000)).u32(number % 0x100000000);
  }
  const bytes = concat(writer.vector8(toUtf8(key)).done(), value);
  return concat(bytes, checksum(bytes));
}

function decode(bytes: Uint8Array): Content {
  const body = bytes.subarray(0, Math.max(0, bytes.length - CHECKSUM));
  if (!equal(checksum(body), bytes.subarray(body.length))) throw new SeccfError("malformed", "cut or altered");
  const reader = new Reader(body);
  if (reader.u8() !== FORMAT) throw new SeccfError("unsupported", "another format");
  const number = () => reader.u24() * 0x100000000 + reader.u32();
  const [version, ttl, writtenAt] = [number(), number(), number()];
  const key = fromUtf8(reader.vector8());
  return { key, version, ttl, writtenAt, value: new Uint8Array(reader.rest()) };
}

/** Against a disk that fails, not against a stranger: values are sealed. */
function checksum(bytes: Uint8Array): Uint8Array {
  return digest("sha-256", bytes).subarray(0, CHECKSUM);
}

/** RangeError unless `key` is one that every store takes. */
function checkKey(key: string): void {
  if (!/^[\x20-\x7e]{1,200}$/.test(key)) throw new RangeError("a key is 1 to 200 printable ASCII characters");
}

const FORMAT = 1;
const CHECKSUM = 8;
/** Versions that are reserved at a time. */
const VERSIONS = 1024;
/** Bytes of the longest value. */
const MOST_VALUE = 1_000_000;
/** Bytes of the longest file. */
const MOST = MOST_VALUE + 1024;
