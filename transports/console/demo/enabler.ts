/** The demo's enabler: one name, three doors (PSK-TLS, HTTP Digest, sealed messages), and a Key Manager it asks. @module */

import {
  createAssociation,
  keyFingerprint,
  rawPsk,
  type SecureChannel,
  type SecurityAssociation,
  startLifetime,
  type Use,
} from "../../../lib/association/mod.ts";
import { fromHex, fromUtf8, toUtf8 } from "../../../lib/bytes/mod.ts";
import { secretFrom } from "../../../lib/crypto/mod.ts";
import type { Platform } from "../../../lib/platform.ts";
import { createEnabler, type Enabler } from "../../../lib/roles/mod.ts";
import { sealMessage } from "../../../lib/association/mod.ts";
import { httpOver, serveHttp } from "../../http/mod.ts";
import { tls } from "../../tls/mod.ts";
import { report } from "./process.ts";
import type { EnablerTask } from "./task.ts";

/** Runs until `until` settles. */
export async function runEnabler(task: EnablerTask, platform: Platform, until: Promise<void>): Promise<void> {
  const { keyManager, name } = task;
  await using toKeyManager = provisioned(task, platform);
  await using nbsp = httpOver(() => toKeyManager.bind(tls({ host: "127.0.0.1", port: keyManager.port })));
  await using enabler = createEnabler({
    ...platform,
    fetch: nbsp.fetch,
    id: name,
    keyManager: `https://${keyManager.name}/`,
  });
  await using overTls = await enabler.listen(tls({ host: "127.0.0.1", port: 0 }));
  await using overHttp = await serveHttp(requests(enabler), { port: 0 });
  report({ kind: "step", text: `listens as ${name}: PSK-TLS on ${overTls.url.host}, HTTP on ${overHttp.url.host}` });
  report({ kind: "ready", ports: { tls: Number(overTls.url.port), http: Number(overHttp.url.port) } });
  const serving = (async () => {
    for await (const channel of overTls) void echo(channel);
  })();
  await until;
  await overTls[Symbol.asyncDispose]();
  await serving;
}

async function echo(channel: SecureChannel): Promise<void> {
  await using _closed = channel;
  const { association, binding: { suite } } = channel;
  if (suite !== undefined) await tell("tls", association, { kind: "tls", suite });
  report({
    kind: "step",
    text: `let ${fromUtf8(channel.peer.identity)} in over PSK-TLS: its key came in mid-handshake`,
  });
  for await (const { payload } of channel) await channel.send(toUtf8(`got ${fromUtf8(payload)} over tls`));
}

/** `/sealed` needs no credentials of HTTP: what is posted there proves itself. */
function requests(enabler: Enabler): (request: Request) => Promise<Response> {
  const authenticated = enabler.handle(async (request, peer) => {
    await tell("http", peer.association, { kind: "http" });
    report({ kind: "step", text: `let ${fromUtf8(peer.identity)} in over HTTP Digest` });
    return new Response(`got ${await request.text()} over http`);
  });
  return async (request) => {
    if (new URL(request.url).pathname !== "/sealed") return await authenticated(request);
    const { payload, association } = await enabler.open("message", new Uint8Array(await request.arrayBuffer()));
    await tell("message", association, { kind: "object", purpose: "message" });
    report({ kind: "step", text: `opened a sealed message of ${payload.length} bytes` });
    using sealer = await association.sealer("message");
    const answer = await sealMessage(sealer, toUtf8(`got ${fromUtf8(payload)} sealed`));
    return new Response(answer.slice());
  };
}

async function tell(name: string, association: SecurityAssociation, use: Use): Promise<void> {
  report({ kind: "key", use: name, fingerprint: await keyFingerprint(association, use) });
}

function provisioned({ provisioned: { identity, key: hex }, keyManager }: EnablerTask, platform: Platform) {
  using key = secretFrom(fromHex(hex));
  return createAssociation({
    reference: identity,
    serverName: keyManager.name,
    role: "initiator",
    peer: { identity: toUtf8(keyManager.name), assurance: "psk" },
    origin: rawPsk({ identity: toUtf8(identity), key, use: "tls" }),
    lifetime: startLifetime({ clock: platform.clock, seconds: 86_400 }),
    platform,
  });
}
