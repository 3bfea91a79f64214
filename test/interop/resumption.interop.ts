// Sessions that go on between seccf and openssl or gnutls, on streams and datagrams, by ticket and by session id.
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { createAssociation, rawPsk, startLifetime } from "../../lib/association/mod.ts";
import type { Carrier } from "../../lib/association/ports.ts";
import { fromHex, fromUtf8, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { dtls } from "../../transports/dtls/mod.ts";
import { tls } from "../../transports/tls/mod.ts";
import { webPlatform } from "../../web_platform.ts";
import { type Running, start, startSeccf } from "../support/spawn.ts";

const KEY = "0102030405060708090a0b0c0d0e0f10";
const IDENTITY = "Client_identity";
const OPENSSL = ["-psk", KEY, "-psk_identity", IDENTITY, "-cipher", "PSK-AES128-GCM-SHA256:@SECLEVEL=0"];
const SUITES = ["TLS_PSK_WITH_AES_128_GCM_SHA256"];
const GNUTLS = "NORMAL:-VERS-ALL:+VERS-TLS1.2:+VERS-DTLS1.2:-KX-ALL:-CIPHER-ALL:-MAC-ALL:+PSK:+AES-128-GCM:+AEAD";

async function freePort(transport: "tls" | "dtls"): Promise<number> {
  if (transport === "tls") {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    await new Promise((resolve) => server.close(resolve));
    return address !== null && typeof address === "object" ? address.port : assert.fail();
  }
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

async function serve(scheme: "tls-psk" | "dtls"): Promise<{ readonly server: Running; readonly at: string }> {
  const words = ["--psk", `${IDENTITY}=${KEY}`, "--echo", "--suite", SUITES[0]!];
  const server = startSeccf(["serve", `${scheme}://127.0.0.1:0`, ...words]);
  const [, at] = await server.until(/^listening [a-z-]+:\/\/(.*)\n/);
  return { server, at: at ?? assert.fail() };
}

/** A temporary folder for the test. */
async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "seccf-"));
  try {
    await run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

for (const [way, words] of [["ticket", []], ["session id", ["-no_ticket"]]] as const) {
  for (const [scheme, version] of [["tls-psk", "tls1_2"], ["dtls", "dtls1_2"]] as const) {
    test(`openssl s_client goes on with a session by ${way} at seccf serve ${scheme}://`, () =>
      inFolder(async (folder) => {
        const { server, at } = await serve(scheme);
        await using _server = server;
        const file = join(folder, "session");
        for (const [session, expected] of [["-sess_out", /New, /], ["-sess_in", /Reused, /]] as const) {
          const line = ["s_client", `-${version}`, "-connect", at, "-nocommands", ...OPENSSL, ...words, session, file];
          await using client = start("openssl", line);
          await client.until(/Cipher is [A-Z]/);
          client.write("mirror, mirror\n");
          await client.until(/^mirror, mirror\n/m);
          client.endInput();
          assert.equal((await client.exit).code, 0);
          assert.match(client.outText, expected);
        }
        assert.equal(server.errText.split("\n").length, 2, server.errText);
      }));
  }
}

/** Binds twice to an echoing server; whether the key was asked for, each time. */
async function bindTwice(carrier: Carrier, echo: (said: string) => Promise<void>): Promise<boolean[]> {
  await using association = createAssociation({
    ...{ reference: IDENTITY, serverName: "127.0.0.1", role: "initiator", platform: webPlatform },
    peer: { identity: toUtf8("127.0.0.1"), assurance: "psk" },
    origin: rawPsk({ identity: toUtf8(IDENTITY), key: secretFrom(fromHex(KEY)), use: "tls" }),
    lifetime: startLifetime({ clock: webPlatform.clock, seconds: 3600 }),
  });
  let asked = 0;
  const find = association.find.bind(association);
  Object.assign(association, { find: (...question: Parameters<typeof find>) => (asked++, find(...question)) });
  const outcomes: boolean[] = [];
  for (const said of ["once\n", "twice\n"]) {
    const before = asked;
    await using channel = await association.bind(carrier);
    outcomes.push(asked > before);
    await channel.send(toUtf8(said));
    await echo(said);
    let heard = "";
    for await (const { payload } of channel) {
      heard += fromUtf8(payload);
      if (heard.includes(said)) break;
    }
  }
  return outcomes;
}

for (const [way, words] of [["ticket", []], ["session id", ["-no_ticket"]]] as const) {
  for (const [transport, version] of [["tls", "tls1_2"], ["dtls", "dtls1_2"]] as const) {
    test(`seccf goes on with a session by ${way} at openssl s_server over ${transport}`, async () => {
      const port = await freePort(transport);
      await using server = start("openssl", [
        ...["s_server", `-${version}`, "-accept", `127.0.0.1:${port}`, "-nocert", ...OPENSSL, ...words],
      ]);
      await server.until(/ACCEPT/);
      const options = { port, host: "127.0.0.1", suites: SUITES };
      const outcomes = await bindTwice(transport === "tls" ? tls(options) : dtls(options), async (said) => {
        await server.until(new RegExp(said));
        server.write(said);
      });
      assert.deepEqual(outcomes, [true, false]);
      assert.match(server.outText, /Reused session-id/);
    });
  }
}

test("gnutls-cli goes on with a session at seccf serve", async () => {
  const { server, at } = await serve("tls-psk");
  await using _server = server;
  const [host = "", port = ""] = at.split(":");
  await using client = start("gnutls-cli", [
    ...[host, "-p", port, "--resume", "--priority", GNUTLS, "--pskusername", IDENTITY, "--pskkey", KEY],
  ]);
  await client.until(/This is a resumed session/);
  client.write("mirror, mirror\n");
  await client.until(/^mirror, mirror\n/m);
});

for (const transport of ["tls", "dtls"] as const) {
  test(`seccf goes on with a session at gnutls-serv over ${transport}`, () =>
    inFolder(async (folder) => {
      const keys = join(folder, "psk.txt");
      writeFileSync(keys, `${IDENTITY}:${KEY}\n`);
      const port = await freePort(transport);
      const words = [...(transport === "dtls" ? ["-u"] : []), "--echo", "-p", `${port}`, "--pskpasswd", keys];
      await using server = start("gnutls-serv", [...words, "--priority", GNUTLS]);
      await server.until(/listening on IPv4 .*done\n/);
      const options = { port, host: "127.0.0.1", suites: SUITES };
      const outcomes = await bindTwice(transport === "tls" ? tls(options) : dtls(options), () => Promise.resolve());
      assert.deepEqual(outcomes, [true, false]);
    }));
}
