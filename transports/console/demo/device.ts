/** The demo's device: a soft USIM with a PIN, one association, three uses. @module */

import {
  keyFingerprint,
  openSealed,
  sealMessage,
  type SecurityAssociation,
  type Use,
} from "../../../lib/association/mod.ts";
import { fromHex, fromUtf8, toHex, toUtf8 } from "../../../lib/bytes/mod.ts";
import { type SecretBytes, secretFrom, suiteById } from "../../../lib/crypto/mod.ts";
import type { Clock } from "../../../lib/clock.ts";
import { deadline } from "../../../lib/deadline.ts";
import { SeccfError } from "../../../lib/error.ts";
import { type IdentityModule, type SoftUsim, softUsim, usimIdentity } from "../../../lib/identity/mod.ts";
import type { Platform } from "../../../lib/platform.ts";
import { createAgent } from "../../../lib/roles/mod.ts";
import { type Pcsc, pcsc, pcscIdentity } from "../../cards/pcsc/mod.ts";
import { virtualReader } from "../../cards/virtual/mod.ts";
import { fileIdentity } from "../../files/mod.ts";
import { http, plainHttp } from "../../http/mod.ts";
import { tls } from "../../tls/mod.ts";
import { report } from "./process.ts";
import type { DeviceTask } from "./task.ts";

/** Runs through the story once. */
export async function runDevice(task: DeviceTask, platform: Platform): Promise<void> {
  const { subscriber, keyManager, enabler } = task;
  await using identity = await openIdentity(subscriber, platform);

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

/** A soft USIM with a PIN, here or in a card reader, or what is in the identity file. */
async function openIdentity(subscriber: DeviceTask["subscriber"], { clock }: Platform): Promise<IdentityModule> {
  if ("path" in subscriber) {
    const identity = await fileIdentity(subscriber.path, { unlock: subscriber.passphrase });
    step(`opened its identity file ${subscriber.path}: ${identity.aka?.impi}`);
    return identity;
  }
  using pin = secretFrom(toUtf8(subscriber.pin));
  const card = softUsim({
    credentials: { k: secretFrom(fromHex(subscriber.k)), opc: secretFrom(fromHex(subscriber.opc)) },
    imsi: subscriber.imsi,
    pin,
  });
  if (subscriber.vpcd !== undefined) return await openThroughPcscd(card, subscriber.vpcd, pin, clock);
  const identity = await usimIdentity(card.connect(), { pin });
  step(`has a soft USIM, its PIN verified: ${identity.aka.impi}`);
  return withParts(identity, card);
}

/** The card in one of vpcd's readers, and the identity out of that reader by PC/SC, as any program would have it. */
async function openThroughPcscd(card: SoftUsim, port: number, pin: SecretBytes, clock: Clock): Promise<IdentityModule> {
  const cards = pcsc();
  const before = new Set((await cards.readers()).filter(({ present }) => present).map(({ name }) => name));
  const reader = virtualReader({ card, port });
  const found = await newCard(cards, before, toHex(card.atr), clock);
  const identity = await pcscIdentity({ reader: found, pin });
  step(`put a soft USIM into the reader ${found} and opened it by PC/SC: ${identity.aka.impi}`);
  return withParts(identity, reader, card);
}

async function newCard(cards: Pcsc, before: ReadonlySet<string>, atr: string, clock: Clock): Promise<string> {
  using limit = deadline({ clock, seconds: READER_SECONDS, reason: noReader });
  for await (const readers of cards.watch(limit)) {
    const found = readers.find(({ name, ...card }) => !before.has(name) && toHex(card.atr) === atr);
    if (found) return found.name;
  }
  throw noReader();
}

function noReader(): SeccfError {
  return new SeccfError("identity-unavailable", "the card did not appear in a reader: is vpcd a driver of pcscd?");
}

function withParts(identity: IdentityModule, ...parts: readonly AsyncDisposable[]): IdentityModule {
  return {
    ...identity.aka ? { aka: identity.aka } : {},
    async [Symbol.asyncDispose]() {
      await identity[Symbol.asyncDispose]();
      for (const part of parts) await part[Symbol.asyncDispose]();
    },
  };
}

/** pcscd looks for cards now and then. */
const READER_SECONDS = 10;

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
