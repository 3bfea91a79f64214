/** A folder for the moment that nobody else can enter. @module */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder of its own (mode 0700), removed with all that is in it when it is left. */
export class PrivateFolder implements AsyncDisposable {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Makes one among the system's temporary files. */
  static async make(): Promise<PrivateFolder> {
    return new PrivateFolder(await mkdtemp(join(tmpdir(), "seccf-")));
  }

  /** The path of `name` in it. */
  path(name: string): string {
    return join(this.#path, name);
  }

  /** Writes a new file (mode 0600) and returns its path. */
  async write(name: string, bytes: Uint8Array): Promise<string> {
    await writeFile(this.path(name), bytes, { mode: 0o600, flag: "wx" });
    return this.path(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#path, { recursive: true, force: true });
  }
}
