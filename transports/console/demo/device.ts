/** The demo's device: a soft USIM with a PIN, one association, three uses. @module */

import {
  keyFingerprint,
  openSealed,
  sealMessage,
  type SecurityAssociation,
  type Use,
} from "../../../lib/association/mod.ts";
import { fromHex, fromUtf8, toHex, toUtf8 } from "../../../lib/bytes/mod.ts";
import { secretFrom, suiteById } from "../../../lib/crypto/mod.ts";
import { SeccfError } from "../../../lib/error.ts";
import { softUsim, usimIdentity } from "../../../lib/identity/mod.ts";
import type { Platform } from "../../../lib/platform.ts";
import { createAgent } from "../../../lib/roles/mod.ts";
import { http, plainHttp } from "../../http/mod.ts";
import { tls } from "../../tls/mod.ts";
import { report } from "./process.ts";
import type { DeviceTask } from "./task.ts";

/** Runs through the story once. */
export async function runDevice(task: DeviceTask, platform: Platform): Promise<void> {
  const { subscriber, keyManager, enabler } = task;
  using pin = secretFrom(toUtf8(subscriber.pin));
  await using card = softUsim({
    credentials: { k: secretFrom(fromHex(subscriber.k)), opc: secretFrom(fromHex(subscriber.opc)) },
    imsi: subscriber.imsi,
    pin,
  });
  await using identity = await usimIdentity(card.connect(), { pin });
  step(`has a soft USIM, its PIN verified: ${identity.aka?.impi}`);

  // Names stay names in URLs, realms and keys; where they are is said here, as curl --resolve does.
  await using network = plainHttp({ resolve: { [enabler.name]: `127.0.0.1:${enabler.http}` } });
  await using agent = createAgent({
    ...platform,
    fetch: network.fetch,
    identity,
    keyManager: `http://127.0.0.1:${keyManager.port}/`,
    keyManagerName: keyManager.name,
  });
  await using association = await agent.associate(enabler.name);
  const seconds = Math.round((association.expiresAt - platform.clock.now()) / 1000);
  step(`bootstrapped with ${keyManager.name}: association ${toHex(association.id)} for ${seconds} s`);

  await overTls(association, enabler.tls);
  await overHttp(association);
  await sealed(association, network.fetch);
}

async function overTls(association: SecurityAssociation, port: number): Promise<void> {
  await using channel = await association.bind(tls({ host: "127.0.0.1", port }));
  await channel.send(toUtf8("21.5"));
  const { suite = 0 } = channel.binding;
  step(`PSK-TLS, ${suiteById(suite)?.name}: "${await next(channel)}"`);
  await tell("tls", association, { kind: "tls", suite });
}

async function overHttp(association: SecurityAssociation): Promise<void> {
  await using channel = await association.bind(http({ scheme: "http:", path: "/readings" }));
  await channel.send(toUtf8("21.6"));
  step(`HTTP Digest, Ua id 0100000002: "${await next(channel)}"`);
  await tell("http", association, { kind: "http" });
}

async function sealed(association: SecurityAssociation, fetch: Platform["fetch"]): Promise<void> {
  using sealer = await association.sealer("message");
  const message = await sealMessage(sealer, toUtf8("21.7"));
  const url = `http://${association.serverName}/sealed`;
  const response = await fetch(new Request(url, { method: "POST", body: message.slice() }));
  const answer = await openSealed(sealer, new Uint8Array(await response.arrayBuffer()));
  step(`sealed message, COSE_Encrypt0 of ${message.length} bytes, no connection: "${fromUtf8(answer)}"`);
  await tell("message", association, { kind: "object", purpose: "message" });
}

async function next(channel: AsyncIterable<{ readonly payload: Uint8Array }>): Promise<string> {
  for await (const { payload } of channel) return fromUtf8(payload);
  throw new SeccfError("closed", "the enabler said nothing");
}

async function tell(name: string, association: SecurityAssociation, use: Use): Promise<void> {
  report({ kind: "key", use: name, fingerprint: await keyFingerprint(association, use) });
}

function step(text: string): void {
  report({ kind: "step", text });
}
