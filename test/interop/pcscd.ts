/** pcscd with vpcd's reader, started for one test and stopped by its own id. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Pcsc, pcsc, type ReaderState } from "../../transports/cards/pcsc/mod.ts";
import { type Running, start } from "../support/spawn.ts";

const DRIVER = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";

/** A running pcscd. */
export interface Service extends AsyncDisposable {
  readonly process: Running;
  readonly cards: Pcsc;
  /** Where the first of vpcd's two slots listens. */
  readonly port: number;
}

/** Starts pcscd with one virtual reader of two slots, on ports that were free, or on `port` again. It has one socket for all: another one that runs fails the test. */
export async function startPcscd(port?: number): Promise<Service> {
  const cards = pcsc();
  await assert.rejects(cards.readers(), "another pcscd runs on this machine");
  const chosen = port ?? await freePort();
  const folder = mkdtempSync(join(tmpdir(), "seccf-pcscd-"));
  const channel = `0x${chosen.toString(16)}`;
  writeFileSync(
    join(folder, "vpcd"),
    `FRIENDLYNAME "Virtual PCD"\nDEVICENAME /dev/null:${channel}\nLIBPATH ${DRIVER}\nCHANNELID ${channel}\n`,
  );
  // --info: it says when it is ready.
  const process = start("pcscd", ["--foreground", "--info", "--config", folder]);
  try {
    await process.until(/daemon ready/);
    await listening(cards);
  } catch (error) {
    await process[Symbol.asyncDispose]();
    throw error;
  }
  let gone = false;
  void process.exit.then(() => gone = true);
  return {
    process,
    cards,
    port: chosen,
    async [Symbol.asyncDispose]() {
      if (!gone) process.signal("SIGTERM");
      await process.exit;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** It says that it is ready a moment before it is. */
async function listening(cards: Pcsc): Promise<void> {
  for (let attempt = 0;; attempt++) {
    try {
      assert.equal((await cards.readers()).length, 2);
      return;
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Waits until the readers are as wanted. */
export async function until(cards: Pcsc, wanted: (readers: readonly ReaderState[]) => boolean): Promise<void> {
  for await (const readers of cards.watch()) if (wanted(readers)) return;
}

/** Waits until pcscd, which looks now and then, has seen that the first slot is empty. */
export async function emptied(cards: Pcsc): Promise<void> {
  await until(cards, ([first]) => first?.present === false);
}

/** Waits for a card in the first slot. */
export async function inserted(cards: Pcsc): Promise<void> {
  await until(cards, ([first]) => first?.present === true && first.atr.length > 0);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  assert.ok(typeof address === "object" && address);
  return address.port;
}
