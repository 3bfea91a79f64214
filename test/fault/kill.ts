/** Kills a process that changes an identity file, and looks at what it left. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fingerprint, type SecretBytes, secretFrom } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { createIdentityFile, type IdentityFile, openIdentityFile } from "../../transports/files/mod.ts";
import { type Running, startScript } from "../support/spawn.ts";

export const WRAPPING: readonly SecretBytes[] = [1, 2].map((byte) => secretFrom(new Uint8Array(32).fill(byte)));

/** What the file is after so many steps: every third changes how it opens, the others change a key. */
export function stepOf(step: number): { readonly wrapping: number; readonly key: number } {
  return { wrapping: Math.floor(step / 3) % 2, key: step % 3 === 0 && step > 0 ? step - 1 : step };
}

export function keyOf(step: number): SecretBytes {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, step);
  return secretFrom(bytes);
}

/** A file that is killed at as often as one likes. */
export class Victim implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "seccf-kill-"));
  readonly #path = join(this.#folder, "device.id");
  #step = 0;
  #next: Running | undefined;
  /** How often a change was under way, as far as the process had told. */
  interrupted = 0;

  /** Starts a process on the file, kills it `afterMs` after its first change began, and compares. */
  async kill(afterMs: number): Promise<void> {
    if (!existsSync(this.#path)) {
      const entries = [{ kind: "key", name: "k", key: keyOf(0) }] as const;
      await createIdentityFile(this.#path, { wrappingKey: WRAPPING[0]!, entries });
    }
    await using child = startScript("test/fault/kill_child.ts", [this.#path, String(this.#step)]);
    await child.until(/begin/);
    // Busy: timers are too coarse to meet every point of a change that takes a millisecond.
    const end = performance.now() + afterMs;
    while (performance.now() < end);
    child.signal("SIGKILL");
    await child.exit;
    const said = (word: string) =>
      Number([...child.outText.matchAll(new RegExp(`${word} ([0-9]+)\n`, "g"))].at(-1)?.[1] ?? this.#step);
    const [begun, done] = [said("begin"), said("done")];
    if (begun > done) this.interrupted++;
    this.#step = await this.#found(done, begun);
  }

  /** The files in the folder, but for the lock's. */
  get left(): readonly string[] {
    return readdirSync(this.#folder).filter((name) => !name.endsWith(".lock"));
  }

  [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.#folder, { recursive: true });
    return Promise.resolve();
  }

  /** Which step the file shows: the last that was done, or the one that had begun. */
  async #found(done: number, begun: number): Promise<number> {
    for (const step of new Set([begun, done])) {
      using file = await this.#open(stepOf(step).wrapping);
      const [fact] = await file?.facts() ?? [];
      if (fact?.kind === "key" && fact.fingerprint === fingerprint(keyOf(stepOf(step).key))) return step;
    }
    return assert.fail(`neither step ${done} nor ${begun}`);
  }

  async #open(wrapping: number): Promise<IdentityFile | undefined> {
    try {
      return await openIdentityFile(this.#path, { wrappingKey: WRAPPING[wrapping]! });
    } catch (error) {
      if (error instanceof SeccfError && error.code === "auth-failed") return undefined;
      throw error;
    }
  }
}
