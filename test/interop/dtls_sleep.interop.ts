// A device of ours that sleeps, is switched off, and goes on in its session, which openssl's server never notices.
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { createAssociation, rawPsk, startLifetime } from "../../lib/association/mod.ts";
import { fromHex, fromUtf8, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { type DatagramChannel, dtls, savedSessions } from "../../transports/dtls/mod.ts";
import { fileStore } from "../../transports/files/mod.ts";
import { webPlatform } from "../../web_platform.ts";
import { start } from "../support/spawn.ts";

const KEY = "0102030405060708090a0b0c0d0e0f10";
const IDENTITY = "Client_identity";
const SUITES = [
  { iana: "TLS_PSK_WITH_AES_128_GCM_SHA256", openssl: "PSK-AES128-GCM-SHA256" },
  { iana: "TLS_PSK_WITH_AES_128_CCM_8", openssl: "PSK-AES128-CCM8" },
  { iana: "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256", openssl: "ECDHE-PSK-CHACHA20-POLY1305" },
  { iana: "TLS_PSK_WITH_AES_128_CBC_SHA256", openssl: "PSK-AES128-CBC-SHA256" },
] as const;

async function freePort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}

async function readOne(channel: DatagramChannel): Promise<string> {
  for await (const { payload } of channel) return fromUtf8(payload);
  return assert.fail("the end");
}

for (const { iana, openssl } of SUITES) {
  test(`a session with openssl s_server goes on after sleep and after a restart with ${iana}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "seccf-sleep-"));
    const port = await freePort();
    await using server = start("openssl", [
      ...["s_server", "-dtls1_2", "-accept", `127.0.0.1:${port}`, "-mtu", "1400", "-timeout", "-cipher"],
      ...[`${openssl}:@SECLEVEL=0`, "-nocert", "-psk", KEY, "-psk_identity", IDENTITY],
    ]);
    await server.until(/ACCEPT/);
    await using association = createAssociation({
      ...{ reference: IDENTITY, serverName: "localhost", role: "initiator", platform: webPlatform },
      peer: { identity: toUtf8("openssl"), assurance: "psk" },
      origin: rawPsk({ identity: toUtf8(IDENTITY), key: secretFrom(fromHex(KEY)), use: "tls" }),
      lifetime: startLifetime({ clock: webPlatform.clock, seconds: 3600 }),
    });
    const awake = async () => {
      const store = await fileStore(folder);
      const sessions = savedSessions({ store, wrappingKey: secretFrom(new Uint8Array(32).fill(1)) });
      const channel = await association.bind(dtls({ host: "127.0.0.1", port, sessions, suites: [iana] }));
      return { store, channel };
    };
    for (const [word, answer] of [["first", "one"], ["second", "two"], ["third", "three"]] as const) {
      const { store, channel } = await awake();
      await channel.send(toUtf8(`the ${word} word\n`));
      await server.until(new RegExp(`the ${word} word\n`));
      server.write(`answer ${answer}\n`);
      assert.equal(await readOne(channel), `answer ${answer}\n`);
      await channel.sleep();
      await store[Symbol.asyncDispose]();
    }
    assert.equal(server.outText.match(/CIPHER is/g)?.length, 1, "one handshake");
    rmSync(folder, { recursive: true });
  });
}
