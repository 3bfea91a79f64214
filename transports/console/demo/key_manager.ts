/** The demo's Key Manager: Ub on plain HTTP, Nbsp_GBA inside PSK-TLS, everything in memory. @module */

import { createAuthenticationCentre } from "../../../lib/aka/mod.ts";
import { createAssociation, createKeyTable, rawPsk, startLifetime } from "../../../lib/association/mod.ts";
import { fromHex, toUtf8 } from "../../../lib/bytes/mod.ts";
import { secretFrom, secretRandom } from "../../../lib/crypto/mod.ts";
import { impiOf } from "../../../lib/identity/mod.ts";
import type { Platform } from "../../../lib/platform.ts";
import { createKeyManager } from "../../../lib/roles/mod.ts";
import { fileSubscribers, type FoundSubscribers } from "../../files/mod.ts";
import { serveHttp, serveHttpOver } from "../../http/mod.ts";
import { memoryStore } from "../../stores/memory.ts";
import { tls } from "../../tls/mod.ts";
import { report } from "./process.ts";
import type { KeyManagerTask } from "./task.ts";

/** Runs until `until` settles. */
export async function runKeyManager(task: KeyManagerTask, platform: Platform, until: Promise<void>): Promise<void> {
  const { clock, random } = platform;
  const { subscriber, enabler, name } = task;
  await using store = memoryStore({ clock });
  using known = await subscribersOf(subscriber);
  using wrappingKey = secretRandom(32, random);
  using keyManager = createKeyManager({
    ...platform,
    name,
    centre: createAuthenticationCentre({
      subscribers: (impi) => known.find(impi),
      store,
      random,
    }),
    store,
    wrappingKey,
    lifetimeSeconds: 3600,
    enablers: { [enabler.identity]: { names: enabler.names, showImpi: true } },
  });
  const keys = createKeyTable();
  keys.set(toUtf8(enabler.identity), provisioned(task, platform));
  const handler = keyManager.handle.bind(keyManager);
  await using ub = await serveHttp((request) => handler(request), { port: 0 });
  await using nbsp = serveHttpOver(
    await tls({ host: "127.0.0.1", port: 0, hint: "" }).listen(keys, { platform }),
    handler,
  );
  report({ kind: "step", text: `listens as ${name}: Ub on ${ub.url.host}, Nbsp_GBA in PSK-TLS on ${nbsp.url.host}` });
  report({ kind: "ready", ports: { ub: Number(ub.url.port), nbsp: Number(nbsp.url.port) } });
  await until;
}

/** One, by its figures, or those of an identity file. */
async function subscribersOf(task: KeyManagerTask["subscriber"]): Promise<Pick<FoundSubscribers, "find"> & Disposable> {
  if ("path" in task) return await fileSubscribers(task.path, { unlock: task.passphrase });
  const credentials = { k: secretFrom(fromHex(task.k)), opc: secretFrom(fromHex(task.opc)) };
  const impi = impiOf(task.imsi, 2);
  return {
    find: (asked) => asked === impi ? { credentials } : undefined,
    [Symbol.dispose]() {
      for (const secret of Object.values(credentials)) secret[Symbol.dispose]();
    },
  };
}

function provisioned({ enabler, name }: KeyManagerTask, platform: Platform) {
  using key = secretFrom(fromHex(enabler.key));
  const identity = toUtf8(enabler.identity);
  return createAssociation({
    reference: enabler.identity,
    serverName: name,
    role: "responder",
    peer: { identity, assurance: "psk" },
    origin: rawPsk({ identity, key, use: "tls" }),
    lifetime: startLifetime({ clock: platform.clock, seconds: 86_400 }),
    platform,
  });
}
