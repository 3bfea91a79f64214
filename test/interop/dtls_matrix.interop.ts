// Every DTLS peer that Debian or npm has, both directions, every suite that both sides know; the last test prints it all.
import assert from "node:assert/strict";
import { getCiphers } from "node:crypto";
import { createSocket } from "node:dgram";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { createAssociation, rawPsk, startLifetime } from "../../lib/association/mod.ts";
import { fromHex, fromUtf8, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { nodeDtlsClient } from "../../transports/dtls/mod.ts";
import { webPlatform } from "../../web_platform.ts";
import { type Running, start, startScript, startSeccf } from "../support/spawn.ts";

const KEY = "0102030405060708090a0b0c0d0e0f10";
/** The example's, as libcoap takes it: text. */
const COAP_KEY = "a key for a test";
const IDENTITY = "Client_identity";
const SUITES = [
  { iana: "TLS_PSK_WITH_AES_128_GCM_SHA256", openssl: "PSK-AES128-GCM-SHA256", gnutls: "+AES-128-GCM:+AEAD" },
  { iana: "TLS_PSK_WITH_AES_128_CCM_8", openssl: "PSK-AES128-CCM8", gnutls: "+AES-128-CCM-8:+AEAD" },
  { iana: "TLS_PSK_WITH_AES_128_CBC_SHA256", openssl: "PSK-AES128-CBC-SHA256", gnutls: "+AES-128-CBC:+SHA256" },
  { iana: "TLS_PSK_WITH_AES_128_CBC_SHA", openssl: "PSK-AES128-CBC-SHA", gnutls: "+AES-128-CBC:+SHA1" },
] as const;
type Suite = typeof SUITES[number];
const AEAD: readonly Suite[] = [SUITES[0], SUITES[1]];

/** What each cell came to. */
const cells: { peer: string; direction: string; suite: string; outcome: string }[] = [];

function cell(peer: string, direction: "from us" | "to us", { iana }: Suite, run: () => Promise<string | void>): void {
  test(`DTLS 1.2 with ${peer}, ${direction}, ${iana}`, async () => {
    const entry = { peer, direction, suite: iana, outcome: "FAILED" };
    cells.push(entry);
    entry.outcome = await run() ?? "ok";
  });
}

function gap(peer: string, direction: "from us" | "to us", suites: readonly Suite[], reason: string): void {
  for (const { iana } of suites) cells.push({ peer, direction, suite: iana, outcome: `none: ${reason}` });
}

async function freePort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

async function serve(suite: Suite, ...words: string[]): Promise<{ readonly server: Running; readonly port: number }> {
  const server = startSeccf([
    ...["serve", "dtls://127.0.0.1:0", "--psk", `${IDENTITY}=${KEY}`, "--echo", "--suite", suite.iana],
    ...words,
  ]);
  const [, port] = await server.until(/^listening dtls:\/\/127\.0\.0\.1:([0-9]+)\n/);
  return { server, port: Number(port) };
}

/** Ours asks, an echoing peer answers. */
async function connectAndEcho(port: number, suite: Suite): Promise<void> {
  await using client = startSeccf([
    ...["connect", `dtls://127.0.0.1:${port}`, "--psk-identity", IDENTITY, "--psk", KEY],
    ...["--suite", suite.iana, "--linger", "0.3"],
  ]);
  client.write("mirror, mirror\n");
  await client.until(/^mirror, mirror\n/);
  client.endInput();
  assert.deepEqual(await client.exit, { code: 0, signal: null }, client.errText);
}

function gnutlsPriority(suite: string): string {
  return `NORMAL:-VERS-ALL:+VERS-DTLS1.2:-KX-ALL:-CIPHER-ALL:-MAC-ALL:+PSK:${suite}`;
}

for (const suite of SUITES) {
  cell("openssl", "from us", suite, async () => {
    const port = await freePort();
    await using server = start("openssl", [
      ...["s_server", "-dtls1_2", "-accept", `127.0.0.1:${port}`, "-mtu", "1400", "-timeout", "-nocert"],
      ...["-psk", KEY, "-psk_identity", IDENTITY, "-psk_hint", "hint1", "-cipher", `${suite.openssl}:@SECLEVEL=0`],
    ]);
    await server.until(/ACCEPT/);
    await using client = startSeccf([
      ...["connect", `dtls://127.0.0.1:${port}`, "--psk-identity", IDENTITY, "--psk", KEY],
      ...["--suite", suite.iana, "--linger", "0.3"],
    ]);
    client.write("what is the reading?\n");
    await server.until(/what is the reading\?\n/);
    server.write("it is 21.5\n");
    await client.until(/it is 21\.5\n/);
    client.endInput();
    assert.deepEqual(await client.exit, { code: 0, signal: null }, client.errText);
  });

  cell("openssl", "to us", suite, async () => {
    const { server, port } = await serve(suite);
    await using _server = server;
    await using client = start("openssl", [
      ...["s_client", "-dtls1_2", "-connect", `127.0.0.1:${port}`, "-mtu", "1400", "-timeout", "-nocommands"],
      ...["-psk", KEY, "-psk_identity", IDENTITY, "-cipher", `${suite.openssl}:@SECLEVEL=0`],
    ]);
    await client.until(/Cipher is PSK/);
    client.write("mirror, mirror\n");
    await client.until(/^mirror, mirror\n/m);
  });

  cell("gnutls", "from us", suite, async () => {
    const folder = mkdtempSync(join(tmpdir(), "seccf-"));
    try {
      const keys = join(folder, "psk.txt");
      writeFileSync(keys, `${IDENTITY}:${KEY}\n`);
      const port = await freePort();
      const words = ["-u", "--echo", "-p", `${port}`, "--pskpasswd", keys, "--pskhint", "hint1"];
      await using server = start("gnutls-serv", [...words, "--priority", gnutlsPriority(suite.gnutls)]);
      await server.until(/listening on IPv4 .*done\n/);
      await connectAndEcho(port, suite);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  cell("gnutls", "to us", suite, async () => {
    const { server, port } = await serve(suite);
    await using _server = server;
    await using client = start("gnutls-cli", [
      ...["-u", "127.0.0.1", "-p", `${port}`, "--priority", gnutlsPriority(suite.gnutls)],
      ...["--pskusername", IDENTITY, "--pskkey", KEY],
    ]);
    await client.until(/Handshake was completed/);
    client.write("mirror, mirror\n");
    await client.until(/^mirror, mirror\n/m);
  });
}

for (const library of ["openssl", "gnutls"] as const) {
  for (const suite of AEAD) {
    cell(`libcoap (${library})`, "from us", suite, async () => {
      const port = await freePort();
      // Never without -A: it would listen to everybody. The secure port is the next one.
      await using server = start("stdbuf", [
        // Line by line, else a pipe gets nothing before it ends.
        ...["-oL", `coap-server-${library}`, "-v", "7"],
        ...["-A", "127.0.0.1", "-p", `${port}`, "-k", COAP_KEY, "-h", "CoAP"],
      ]);
      await server.until(/created DTLS endpoint/i);
      await using client = startScript("examples/coap.ts", ["get", "127.0.0.1", `${port + 1}`, "/", suite.iana]);
      await client.until(/2\.05 This is a test server made with libcoap/);
    });

    cell(`libcoap (${library})`, "to us", suite, async () => {
      await using server = startScript("examples/coap.ts", ["serve", "127.0.0.1", "0", "/", suite.iana]);
      const [, url] = await server.until(/^listening (coaps:.*)\n/);
      await using client = start(`coap-client-${library}`, [
        ...["-B", "10", "-k", COAP_KEY, "-u", IDENTITY, "-m", "get", `${url}/reading`],
      ]);
      await client.until(/21\.5/);
    });
  }
  for (const direction of ["from us", "to us"] as const) {
    gap(`libcoap (${library})`, direction, [SUITES[2], SUITES[3]], "CoAP's profile (RFC 7252 9.1.3) has no CBC suites");
  }
}

for (const suite of SUITES) {
  gap("node-dtls-client", "from us", [suite], "it is no server");
  cell("node-dtls-client", "to us", suite, async () => {
    if (suite.iana.includes("CCM") && !getCiphers().includes("aes-128-ccm")) {
      return "none: it takes AES-CCM from node:crypto, which this runtime lacks";
    }
    // It has no extensions at all.
    const { server, port } = await serve(
      suite,
      ...["--allow", "no-extended-master-secret", "--allow", "mac-then-encrypt", "--hint", ""],
    );
    await using _server = server;
    await using association = createAssociation({
      reference: IDENTITY,
      serverName: "127.0.0.1",
      role: "initiator",
      peer: { identity: toUtf8("127.0.0.1"), assurance: "psk" },
      origin: rawPsk({ identity: toUtf8(IDENTITY), key: secretFrom(fromHex(KEY)), use: "tls" }),
      lifetime: startLifetime({ clock: webPlatform.clock, seconds: 3600 }),
      platform: webPlatform,
    });
    await using channel = await association.bind(nodeDtlsClient({ port, suite: suite.iana, handshakeSeconds: 5 }));
    await channel.send(toUtf8("mirror, mirror"));
    for await (const { payload } of channel) {
      assert.equal(fromUtf8(payload), "mirror, mirror");
      break;
    }
    return "ok";
  });
}

test("the matrix of DTLS peers, as it was found", () => {
  const rows = [...new Set(cells.map(({ peer, direction }) => `${peer}, ${direction}`))].map((name) => {
    const own = cells.filter(({ peer, direction }) => `${peer}, ${direction}` === name);
    return [name, ...SUITES.map(({ iana }) => own.find(({ suite }) => suite === iana)?.outcome ?? "missing")];
  });
  for (const [index, { iana }] of SUITES.entries()) {
    console.log(iana);
    for (const row of rows) console.log(`  ${row[0]!.padEnd(28)} ${row[index + 1]}`);
  }
  assert.ok(cells.every(({ outcome }) => outcome !== "FAILED"));
});
