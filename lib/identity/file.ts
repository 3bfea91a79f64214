/**
 * The encrypted identity file: what a device without a card keeps its secrets in. Read and written whole; each change is
 * old or new and never half, whatever fails or is interrupted, and changes of several processes follow one another.
 *
 * It is no card: whoever has both the file and what opens it has the secrets, an old copy opens with the old passphrase, and
 * the blocks that a disk wrote over once may still be read from it. What was decrypted is wiped after each use; strings, and
 * the runtime's own copies of keys, go when the collector takes them.
 *
 * @module
 */

import { equal, toHex } from "../bytes/mod.ts";
import { type ScryptCost, type SecretBytes, wipe } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { Random, Wait } from "../platform.ts";
import { decodeContent, encodeContent, factOf, type FileEntry, type FileFact } from "./file_content.ts";
import type { MonotonicCounter } from "./file_counter.ts";
import { FileEntries } from "./file_entries.ts";
import {
  type FileKey,
  fileKeyOf,
  MOST_FILE_BYTES,
  newFileKey,
  openFile,
  readFile,
  type SealedFile,
  sealFile,
  type Unlock,
} from "./file_format.ts";
import type { FileSystem } from "./file_system.ts";
import { deriveProvisioned } from "./provisioned.ts";

/** Where an identity file is, and what it needs. */
export interface FilePlace {
  /** As `fileSystem` understands it. A change puts a new file in its place. */
  readonly path: string;
  /** Reads, locks and replaces the file, such as `nodeFileSystem` of `seccf/file`. */
  readonly fileSystem: FileSystem;
  /** Makes the salt of a passphrase and the 32 bytes that keep two writings from having one key. */
  readonly random: Random;
  /**
   * A number outside of the file, by which an old copy that was put back is found. Without it an old copy opens, and a
   * challenge that a subscriber accepted since that copy was made would be accepted again.
   */
  readonly counter?: MonotonicCounter;
}

/** What {@link openIdentityFile} takes. */
export interface OpenFileOptions extends FilePlace, Wait {
  /** What the file opens with, for the caller to wipe. Anything else is `auth-failed`, the other kind of secret too. */
  readonly unlock: Unlock;
}

/** What {@link createIdentityFile} takes. */
export interface CreateFileOptions extends FilePlace, Wait {
  /** How the file will open; a key may be given instead that several files are to share, and stays the caller's. */
  readonly unlock: Unlock | FileKey;
  /** The price of a passphrase. Default {@link DEFAULT_COST}. */
  readonly cost?: ScryptCost;
  /** What is in the file from the start, copied. Default none. RangeError for what no module could work with, `state` for a name or an identity taken twice. */
  readonly entries?: readonly FileEntry[];
}

/** An identity file that was opened. It holds the file's key, and no other secret between two calls. */
export interface IdentityFile extends Disposable {
  /** Names and fingerprints of what is in it, no secret. */
  facts(options?: Wait): Promise<readonly FileFact[]>;
  /** Shows the entries to `use`, as long as that takes. Throws `state` when the passphrase was changed elsewhere. */
  look<T>(use: (entries: FileEntries) => T, options?: Wait): Promise<T>;
  /**
   * Changes entries: all that `change` does is stored when this resolves, and when it rejects the file is as it was, or,
   * after an error of the disk, as it was to be. Nobody else changes the file meanwhile.
   */
  change<T>(change: (entries: FileEntries) => T, options?: Wait): Promise<T>;
  /** 32 bytes for `label`, from a key entry. */
  derive(name: string, label: Uint8Array, options?: Wait): Promise<SecretBytes>;
  /**
   * From now on the file opens with `unlock` alone. Needs what opened it until now, again, and throws `auth-failed` when
   * that is not it. Old or new, never half. Others who have the file open have to open it again.
   */
  relock(before: Unlock, unlock: Unlock, options?: Wait & { readonly cost?: ScryptCost }): Promise<void>;
}

/** Makes a new file; throws `state` where anything is, and `identity-unavailable` where none can be made. */
// req: SEC_CF-ADM-001
export async function createIdentityFile(options: CreateFileOptions): Promise<void> {
  const { path, fileSystem, random, unlock, cost, counter, entries = [], signal } = options;
  using added = new FileEntries([]);
  for (const entry of entries) added.add(entry);
  const shared = "contentKey" in unlock;
  const key = shared ? unlock : newFileKey(unlock, random, cost);
  try {
    // A file that replaces one that is gone goes on where the counter stands.
    const generation = (await counter?.value(waitOf(signal)) ?? 0) + 1;
    const plaintext = encodeContent(added.all);
    const bytes = sealFile(plaintext, key, generation, random);
    wipe(plaintext);
    await writing(() => place(fileSystem, path, bytes, random));
    await counter?.advance(generation, waitOf(signal));
  } finally {
    if (!shared) key[Symbol.dispose]();
  }
}

/**
 * Opens a file. Throws `identity-unavailable` where there is none, it is no regular file or others than its owner may use it;
 * `auth-failed` for another passphrase or wrapping key, `mac-failure` for a file that was altered, `malformed` for one that is
 * damaged or no identity file, `unsupported` for a later version, `too-large`, `replayed` for an old copy.
 */
// req: SEC_CF-SEC-001
export async function openIdentityFile(options: OpenFileOptions): Promise<IdentityFile> {
  const sealed = await load(options);
  const key = fileKeyOf(options.unlock, sealed);
  const file = new OpenedFile(options, key, sealed.generation);
  try {
    await file.look(() => undefined, waitOf(options.signal));
    return file;
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}

class OpenedFile implements IdentityFile {
  readonly #place: FilePlace;
  #key: FileKey;
  /** The highest generation that this process has seen of the file. */
  #seen: number;
  #disposed = false;

  constructor(place: FilePlace, key: FileKey, seen: number) {
    this.#place = place;
    this.#key = key;
    this.#seen = seen;
  }

  facts(options: Wait = {}): Promise<readonly FileFact[]> {
    return this.look((entries) => entries.all.map(factOf), options);
  }

  async look<T>(use: (entries: FileEntries) => T, options: Wait = {}): Promise<T> {
    using entries = this.#open(await this.#current(options));
    return use(entries);
  }

  async change<T>(change: (entries: FileEntries) => T, options: Wait = {}): Promise<T> {
    await using _lock = await this.#lock(options);
    const before = await this.#current(options);
    using entries = this.#open(before);
    const result = change(entries);
    if (entries.changed) await this.#store(entries, this.#key, before.generation + 1, options);
    return result;
  }

  derive(name: string, label: Uint8Array, options: Wait = {}): Promise<SecretBytes> {
    return this.look((entries) => deriveProvisioned(entries.get("key", name).key, label), options);
  }

  // req: SEC_CF-SEC-003
  async relock(before: Unlock, unlock: Unlock, options: Wait & { readonly cost?: ScryptCost } = {}): Promise<void> {
    await using _lock = await this.#lock(options);
    const sealed = await this.#current(options);
    fileKeyOf(before, sealed)[Symbol.dispose]();
    using entries = this.#open(sealed);
    const key = newFileKey(unlock, this.#place.random, options.cost);
    try {
      await this.#store(entries, key, sealed.generation + 1, options);
    } catch (error) {
      key[Symbol.dispose]();
      throw error;
    }
    this.#key[Symbol.dispose]();
    this.#key = key;
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#key[Symbol.dispose]();
  }

  async #lock({ signal }: Wait): Promise<AsyncDisposable> {
    if (this.#disposed) throw new SeccfError("state", "the identity file was closed");
    try {
      return await this.#place.fileSystem.lock(this.#place.path, waitOf(signal));
    } catch (cause) {
      if (cause instanceof SeccfError || signal?.aborted) throw cause;
      throw new SeccfError("identity-unavailable", "the identity file can not be locked", { cause });
    }
  }

  async #current({ signal }: Wait): Promise<SealedFile> {
    const sealed = await load(this.#place);
    if (this.#disposed) throw new SeccfError("state", "the identity file was closed");
    const least = Math.max(this.#seen, await this.#place.counter?.value(waitOf(signal)) ?? 0);
    if (sealed.generation < least) throw new SeccfError("replayed", "an old copy of the identity file was put back");
    return sealed;
  }

  #open(sealed: SealedFile): FileEntries {
    if (!equal(sealed.keyId, this.#key.id)) {
      throw new SeccfError("state", "the identity file opens in another way since it was opened");
    }
    const plaintext = openFile(sealed, this.#key);
    // Only here is it known that the generation is the file's own word.
    this.#seen = Math.max(this.#seen, sealed.generation);
    try {
      return new FileEntries(decodeContent(plaintext));
    } finally {
      wipe(plaintext);
    }
  }

  async #store(entries: FileEntries, key: FileKey, generation: number, { signal }: Wait): Promise<void> {
    const { fileSystem, path, random, counter } = this.#place;
    const plaintext = encodeContent(entries.all);
    const bytes = sealFile(plaintext, key, generation, random);
    wipe(plaintext);
    if (bytes.length > MOST_FILE_BYTES) throw new SeccfError("exhausted", "the identity file is full");
    signal?.throwIfAborted();
    await writing(() => replace(fileSystem, path, bytes));
    this.#seen = generation;
    // After the file, so that no crash leaves a counter that the file can not reach; and before the caller goes on, so that
    // whoever puts the old copy back in between undoes nothing that was answered.
    await counter?.advance(generation);
  }
}

async function load({ fileSystem, path }: FilePlace): Promise<SealedFile> {
  let found: Awaited<ReturnType<FileSystem["read"]>>;
  try {
    found = await fileSystem.read(path, MOST_FILE_BYTES);
  } catch (cause) {
    throw new SeccfError("identity-unavailable", "the identity file can not be read", { cause });
  }
  if (!found) throw new SeccfError("identity-unavailable", "there is no identity file");
  const { kind, mode = 0, size } = found.facts;
  if (kind !== "file") throw new SeccfError("identity-unavailable", "the identity file is a link or no file at all");
  if (mode & 0o077) {
    throw new SeccfError(
      "identity-unavailable",
      "others than its owner may use the identity file: its mode has to be 600",
    );
  }
  if (size > MOST_FILE_BYTES) throw new SeccfError("too-large", "an identity file of unlikely size");
  return readFile(found.bytes);
}

/** A new file at `path`, where nothing may be. */
async function place(fileSystem: FileSystem, path: string, bytes: Uint8Array, random: Random): Promise<void> {
  const tag = new Uint8Array(8);
  random(tag);
  // Not the name that changes use: no lock is held.
  const temporary = `${path}.${toHex(tag)}.new`;
  try {
    await write(fileSystem, temporary, bytes);
    if (!await fileSystem.link(temporary, path)) throw new SeccfError("state", "something is where the file is to be");
  } finally {
    await fileSystem.remove(temporary).catch(() => undefined);
  }
  await fileSystem.syncFolder(path);
}

/** Puts `bytes` in the place of the file. The caller holds the lock. */
async function replace(fileSystem: FileSystem, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.new`;
  // What an interrupted change left.
  await fileSystem.remove(temporary);
  try {
    await write(fileSystem, temporary, bytes);
    await fileSystem.rename(temporary, path);
  } catch (error) {
    await fileSystem.remove(temporary).catch(() => undefined);
    throw error;
  }
  await fileSystem.syncFolder(path);
}

async function write(fileSystem: FileSystem, path: string, bytes: Uint8Array): Promise<void> {
  const file = await fileSystem.create(path);
  try {
    await file.write(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function writing(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    if (cause instanceof SeccfError) throw cause;
    throw new SeccfError("identity-unavailable", "the identity file can not be written", { cause });
  }
}

function waitOf(signal: AbortSignal | undefined): Wait {
  return signal ? { signal } : {};
}
