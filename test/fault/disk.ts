/**
 * A file system that forgets as real ones do: what was written is there for all to see, and gone at a crash unless it was
 * synced; names given and taken last when their folder was synced. Any call may fail, or be the last.
 */
import type { FileRead, FileSystem, NewFile } from "../../lib/identity/mod.ts";

/** What happens at one call. */
export interface Fault {
  /** The first call is 1. */
  readonly at: number;
  /** `error`: this call fails, and does nothing or (`late`) all. `crash`: so, and nothing works after it. */
  readonly kind: "error" | "late error" | "crash" | "late crash";
}

/** How much of what was not synced outlives a crash. */
export interface Crash {
  /** How many of the changes of names. */
  readonly names: number;
  readonly data: "lost" | "torn" | "kept";
}

interface Inode {
  data: Uint8Array;
  synced: Uint8Array;
  readonly mode: number;
}

type Names = Map<string, Inode>;

/** One folder. Its lock is free as soon as the process that held it is gone. */
export class Disk implements FileSystem {
  readonly names: Names = new Map();
  #durable: Names = new Map();
  /** Changes of names since the folder was synced, in order. */
  #pending: ((names: Names) => void)[] = [];
  #fault: Fault | undefined;
  #crashed = false;
  #locked: Promise<void> = Promise.resolve();
  /** Calls since the fault was set. */
  calls = 0;

  set fault(fault: Fault | undefined) {
    this.#fault = fault;
    this.calls = 0;
  }

  /** How many changes of names a crash now might or might not keep. */
  get unsyncedNames(): number {
    return this.#pending.length;
  }

  /** What the machine finds when it starts again. */
  after(crash: Crash): Disk {
    const found = new Disk();
    const names: Names = new Map(this.#durable);
    for (const change of this.#pending.slice(0, crash.names)) change(names);
    for (const [name, { data, synced, mode }] of names) {
      const torn = data.subarray(0, Math.ceil(data.length / 2));
      const left = crash.data === "kept" || data === synced ? data : crash.data === "torn" ? torn : new Uint8Array(0);
      found.put(name, left, mode);
    }
    return found;
  }

  /** Puts a file there from outside, durably. */
  put(name: string, data: Uint8Array, mode = 0o600): void {
    const inode = { data, synced: data, mode };
    this.names.set(name, inode);
    this.#durable.set(name, inode);
  }

  bytes(name: string): Uint8Array {
    return this.names.get(name)?.data.slice() ?? new Uint8Array(0);
  }

  read(path: string): Promise<FileRead | undefined> {
    return this.#call(() => {
      const inode = this.names.get(path);
      if (!inode) return undefined;
      const { data, mode } = inode;
      return { facts: { kind: "file", mode, size: data.length } as const, bytes: data.slice() };
    });
  }

  create(path: string): Promise<NewFile> {
    return this.#call(() => {
      if (this.names.has(path)) throw new Error("EEXIST");
      const none = new Uint8Array(0);
      const inode: Inode = { data: none, synced: none, mode: 0o600 };
      this.#rename((names) => void names.set(path, inode));
      return {
        write: (bytes) => this.#call(() => void (inode.data = bytes.slice())),
        sync: () => this.#call(() => void (inode.synced = inode.data)),
        close: () => this.#call(() => undefined),
      };
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#call(() => {
      const inode = this.names.get(from);
      if (!inode) throw new Error("ENOENT");
      this.#rename((names) => {
        names.set(to, inode);
        names.delete(from);
      });
    });
  }

  link(from: string, to: string): Promise<boolean> {
    return this.#call(() => {
      const inode = this.names.get(from);
      if (!inode) throw new Error("ENOENT");
      if (this.names.has(to)) return false;
      this.#rename((names) => void names.set(to, inode));
      return true;
    });
  }

  remove(path: string): Promise<void> {
    return this.#call(() => {
      if (this.names.has(path)) this.#rename((names) => void names.delete(path));
    });
  }

  syncFolder(): Promise<void> {
    return this.#call(() => {
      this.#durable = new Map(this.names);
      this.#pending = [];
    });
  }

  async lock(): Promise<AsyncDisposable> {
    await this.#call(() => undefined);
    const before = this.#locked;
    let free = (): void => undefined;
    this.#locked = new Promise((resolve) => void (free = resolve));
    await before;
    return {
      [Symbol.asyncDispose]() {
        free();
        return Promise.resolve();
      },
    };
  }

  #rename(change: (names: Names) => void): void {
    change(this.names);
    this.#pending.push(change);
  }

  #call<T>(work: () => T): Promise<T> {
    return new Promise((resolve) => {
      if (this.#crashed) throw new Error("the machine is down");
      const fault = ++this.calls === this.#fault?.at ? this.#fault.kind : undefined;
      if (fault?.endsWith("crash")) this.#crashed = true;
      if (fault === "error" || fault === "crash") throw new Error("EIO");
      const result = work();
      if (fault) throw new Error("EIO");
      resolve(result);
    });
  }
}
