// Short records with openssl (max_fragment_length) and gnutls (record_size_limit), both ways: an end that is sent more says record_overflow.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { createAssociation, rawPsk, startLifetime } from "../../lib/association/mod.ts";
import { fromHex, fromUtf8, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { tls } from "../../transports/tls/mod.ts";
import { webPlatform } from "../../web_platform.ts";
import { start, startSeccf } from "../support/spawn.ts";

const KEY = "0102030405060708090a0b0c0d0e0f10";
const IDENTITY = "Client_identity";
const SUITE = "TLS_PSK_WITH_AES_128_GCM_SHA256";
const GNUTLS = "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:-CIPHER-ALL:-MAC-ALL:+PSK:+AES-128-GCM:+AEAD";
const LINE = `${"0123456789".repeat(300)} end\n`;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return address !== null && typeof address === "object" ? address.port : assert.fail();
}

test("seccf serve keeps to openssl's max_fragment_length", async () => {
  const words = ["--psk", `${IDENTITY}=${KEY}`, "--echo", "--suite", SUITE];
  await using server = startSeccf(["serve", "tls-psk://127.0.0.1:0", ...words]);
  const [, at] = await server.until(/^listening tls-psk:\/\/(.*)\n/);
  await using client = start("openssl", [
    ...["s_client", "-tls1_2", "-connect", at ?? assert.fail(), "-nocommands", "-maxfraglen", "512"],
    ...["-psk", KEY, "-psk_identity", IDENTITY, "-cipher", "PSK-AES128-GCM-SHA256:@SECLEVEL=0"],
  ]);
  await client.until(/Cipher is [A-Z]/);
  client.write(LINE);
  await client.until(/0123456789 end\n/);
});

/** Sends a long line and wants it back, with a limit of 512. */
async function echo(port: number, reply: () => Promise<void>): Promise<void> {
  await using association = createAssociation({
    ...{ reference: IDENTITY, serverName: "127.0.0.1", role: "initiator", platform: webPlatform },
    peer: { identity: toUtf8("127.0.0.1"), assurance: "psk" },
    origin: rawPsk({ identity: toUtf8(IDENTITY), key: secretFrom(fromHex(KEY)), use: "tls" }),
    lifetime: startLifetime({ clock: webPlatform.clock, seconds: 3600 }),
  });
  await using channel = await association.bind(
    tls({ port, host: "127.0.0.1", suites: [SUITE], recordSizeLimit: 512 }),
  );
  await channel.send(toUtf8(LINE));
  await reply();
  let heard = "";
  for await (const { payload } of channel) {
    assert.ok(payload.length <= 512);
    heard += fromUtf8(payload);
    if (heard.endsWith("end\n")) break;
  }
  assert.equal(heard, LINE);
}

test("openssl's server keeps to our limit, and we to its", async () => {
  const port = await freePort();
  await using server = start("openssl", [
    ...["s_server", "-tls1_2", "-accept", `127.0.0.1:${port}`, "-nocert", "-psk", KEY, "-psk_identity", IDENTITY],
    ...["-cipher", "PSK-AES128-GCM-SHA256:@SECLEVEL=0"],
  ]);
  await server.until(/ACCEPT/);
  await echo(port, async () => {
    await server.until(/0123456789 end\n/);
    server.write(LINE);
  });
});

test("gnutls' server keeps to our limit, and we to its", async () => {
  const folder = mkdtempSync(join(tmpdir(), "seccf-"));
  try {
    const keys = join(folder, "psk.txt");
    writeFileSync(keys, `${IDENTITY}:${KEY}\n`);
    const port = await freePort();
    const words = ["--echo", "-p", `${port}`, "--pskpasswd", keys, "--recordsize=600"];
    await using server = start("gnutls-serv", [...words, "--priority", GNUTLS]);
    await server.until(/listening on IPv4 .*done\n/);
    await echo(port, () => Promise.resolve());
  } finally {
    rmSync(folder, { recursive: true });
  }
});
