/** What the tests of tokens have in common: folders, one-off commands, and a TLS channel whose device key is in the token. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import {
  createAssociation,
  createKeyTable,
  derivedRoot,
  type SecurityAssociation,
  startLifetime,
} from "../../lib/association/mod.ts";
import { fromUtf8, toUtf8 } from "../../lib/bytes/mod.ts";
import { type SecretBytes, secretEqual } from "../../lib/crypto/mod.ts";
import { deriveProvisioned, type IdentityModule } from "../../lib/identity/mod.ts";
import { tls } from "../../transports/tls/mod.ts";
import { webPlatform } from "../../web_platform.ts";

export const DEVICE: Uint8Array = toUtf8("meter-7");

/** A folder of one test, removed after it. */
export function scratch(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "seccf-roots-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Runs a program to its end and returns what it wrote, as text of one byte a character; fails with its complaint. */
export async function command(
  program: string,
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const options = { env: { ...process.env, ...env }, encoding: "latin1", timeout: 50_000 } as const;
  const { stdout } = await promisify(execFile)(program, [...words], options);
  return stdout;
}

/** The code of the error that `promise` fails with. */
export async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(() => "none", (error) => error.code ?? error.name);
}

/** The token derives for three labels what memory does from the same key, and for each another key. */
export async function assertSameKeys(module: IdentityModule, key: SecretBytes): Promise<void> {
  const derived: SecretBytes[] = [];
  for (const label of ["km.example.net tls", "km.example.net http", ""].map(toUtf8)) {
    const mine = await module.provisioned!.derive(DEVICE, label);
    assert.ok(secretEqual(mine, deriveProvisioned(key, label)), fromUtf8(label));
    assert.ok(derived.every((other) => !secretEqual(mine, other)));
    derived.push(mine);
  }
}

/** A channel over TLS and TCP on loopback between the token and an enabler that holds the same key in memory; there and back. */
export async function assertChannel(module: IdentityModule, key: SecretBytes): Promise<void> {
  const serverName = "enabler.example.net";
  const end = (role: "initiator" | "responder"): SecurityAssociation =>
    createAssociation({
      reference: "meter-7",
      serverName,
      role,
      peer: { identity: role === "initiator" ? toUtf8(serverName) : DEVICE, assurance: "psk" },
      origin: derivedRoot({
        identity: DEVICE,
        serverName,
        derive: (label, wait) =>
          role === "initiator"
            ? module.provisioned!.derive(DEVICE, label, wait)
            : Promise.resolve(deriveProvisioned(key, label)),
      }),
      lifetime: startLifetime({ clock: webPlatform.clock, seconds: 3600 }),
      platform: webPlatform,
    });
  const table = createKeyTable();
  table.set(DEVICE, end("responder"));
  await using listener = await tls({ host: "127.0.0.1", port: 0 }).listen(table, { platform: webPlatform });
  const answering = (async () => {
    for await (const channel of listener) {
      for await (const { payload } of channel) {
        await channel.send(toUtf8(`${fromUtf8(channel.peer.identity)} said ${fromUtf8(payload)}`));
        return;
      }
    }
  })();
  const port = Number(listener.url.port);
  await using channel = await end("initiator").bind(tls({ host: "127.0.0.1", port }));
  await channel.send(toUtf8("42 kWh"));
  for await (const { payload } of channel) {
    assert.equal(fromUtf8(payload), "meter-7 said 42 kWh");
    break;
  }
  await answering;
}
