// seccf against gnutls' own server and client, on loopback: a second stack, with other habits in its hellos and records.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { start, startSeccf } from "../support/spawn.ts";

const KEY = "0102030405060708090a0b0c0d0e0f10";
const WRONG_KEY = "0102030405060708090a0b0c0d0e0f11";
const IDENTITY = "Client_identity";
const SUITES = [
  { iana: "TLS_PSK_WITH_AES_128_GCM_SHA256", gnutls: "+AES-128-GCM:+AEAD" },
  { iana: "TLS_PSK_WITH_AES_128_CCM_8", gnutls: "+AES-128-CCM-8:+AEAD" },
  { iana: "TLS_PSK_WITH_AES_128_CCM", gnutls: "+AES-128-CCM:+AEAD" },
  { iana: "TLS_PSK_WITH_AES_256_GCM_SHA384", gnutls: "+AES-256-GCM:+AEAD" },
  { iana: "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256", gnutls: "+CHACHA20-POLY1305:+AEAD" },
  { iana: "TLS_PSK_WITH_AES_128_CBC_SHA256", gnutls: "+AES-128-CBC:+SHA256" },
  { iana: "TLS_PSK_WITH_AES_128_CBC_SHA", gnutls: "+AES-128-CBC:+SHA1" },
] as const;

function priority(suite: string): string {
  return `NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:-CIPHER-ALL:-MAC-ALL:+PSK:${suite}`;
}

/** gnutls-serv takes no 0: a port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return address !== null && typeof address === "object" ? address.port : assert.fail();
}

for (const { iana, gnutls } of SUITES) {
  test(`seccf connect to gnutls-serv with ${iana}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "seccf-"));
    try {
      const keys = join(folder, "psk.txt");
      writeFileSync(keys, `${IDENTITY}:${KEY}\n`);
      const port = await freePort();
      const words = ["--echo", "-p", `${port}`, "--pskpasswd", keys, "--pskhint", "hint1"];
      await using server = start("gnutls-serv", [...words, "--priority", priority(gnutls)]);
      await server.until(/listening on IPv4 .*done\n/);
      const connect = (key: string) =>
        startSeccf([
          "connect",
          `tls-psk://127.0.0.1:${port}`,
          "--psk-identity",
          IDENTITY,
          "--psk",
          key,
          "--suite",
          iana,
        ]);
      await using wrong = connect(WRONG_KEY);
      assert.equal((await wrong.exit).code, 1);
      await using client = connect(KEY);
      client.write("what is the reading?\n");
      await client.until(/^what is the reading\?\n/);
      client.endInput();
      assert.deepEqual(await client.exit, { code: 0, signal: null }, client.errText);
      assert.match(wrong.errText, /^seccf: auth-failed: /);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test(`gnutls-cli to seccf serve with ${iana}`, async () => {
    await using server = startSeccf([
      ...["serve", "tls-psk://127.0.0.1:0", "--psk", `${IDENTITY}=${KEY}`],
      ...["--echo", "--suite", iana],
    ]);
    const [, port] = await server.until(/^listening tls-psk:\/\/127\.0\.0\.1:(.*)\n/);
    const connect = (key: string) =>
      start("gnutls-cli", [
        ...["127.0.0.1", "-p", `${port}`, "--priority", priority(gnutls)],
        ...["--pskusername", IDENTITY, "--pskkey", key],
      ]);
    await using wrong = connect(WRONG_KEY);
    assert.equal((await wrong.exit).code, 1);
    await server.until(/^seccf: auth-failed: /m);
    await using client = connect(KEY);
    await client.until(/Handshake was completed/);
    client.write("mirror, mirror\n");
    await client.until(/^mirror, mirror\n/m);
    client.endInput();
    assert.equal((await client.exit).code, 0);
  });
}
