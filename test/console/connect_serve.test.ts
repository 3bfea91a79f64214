import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { type Running, startSeccf } from "../support/spawn.ts";

const KEY = "000102030405060708090a0b0c0d0e0f";

async function listening(server: Running): Promise<string> {
  const [, url] = await server.until(/^listening (tls-psk:\/\/127\.0\.0\.1:[1-9][0-9]*)\n/m);
  return url ?? assert.fail();
}

function serve(...words: string[]): Running {
  return startSeccf(["serve", "tls-psk://127.0.0.1:0", ...words]);
}

function connect(url: string, ...words: string[]): Running {
  return startSeccf(["connect", url, "--linger", "0.2", ...words]);
}

test("connect gets back from serve --echo what it sends, and an identity may have = in it", async () => {
  await using server = serve("--psk", `a=b==${KEY}`, "--echo");
  await using client = connect(await listening(server), "--psk-identity", "a=b=", "--psk", KEY);
  const sent = new Uint8Array(300_000).map((_, index) => index * 7);
  client.write(sent);
  client.endInput();
  assert.deepEqual(await client.exit, { code: 0, signal: null });
  assert.ok(Buffer.from(client.out).equals(sent));
  assert.equal(client.errText, "");
  server.signal("SIGTERM");
  assert.deepEqual(await server.exit, { code: 0, signal: null });
  assert.equal(server.outText, "");
  assert.match(server.errText, /^listening [^\n]*\n$/);
});

test("serve prints what its clients send, and a wrong key is one line and status 1", async () => {
  await using server = serve("--psk", `one=${KEY}`, "--suite", "TLS_PSK_WITH_AES_128_CCM_8");
  const url = await listening(server);
  await using wrong = connect(url, "--psk-identity", "one", "--psk", KEY.replace("0f", "ff"));
  assert.deepEqual(await wrong.exit, { code: 1, signal: null });
  assert.match(wrong.errText, /^seccf: auth-failed: [^\n]*\n$/);
  await using right = connect(url, "--psk-identity", "one", "--psk", KEY);
  right.write("good morning\n");
  right.endInput();
  assert.equal((await right.exit).code, 0);
  await server.until(/good morning\n/);
  await server.until(/\nseccf: auth-failed: [^\n]*\n$/);
});

test("keys come from a file or the environment, and --json speaks to programs", async () => {
  const folder = mkdtempSync(join(tmpdir(), "seccf-"));
  try {
    const file = join(folder, "keys");
    const log = join(folder, "keylog");
    writeFileSync(file, `one=${"00".repeat(16)}\ntwo=${KEY}\n`);
    await using server = serve("--psk-file", file, "--json", "--echo", "--keylog", log);
    const [, url] = await server.until(/^\{"event":"listening","url":"([^"]*)"\}\n/);
    const words = ["connect", url ?? "", "--psk-identity", "two", "--json"];
    await using client = startSeccf([...words, "--linger", "0.1"], { SECCF_PSK: KEY });
    client.endInput();
    assert.equal((await client.exit).code, 0);
    const connected = { event: "connected", suite: "TLS_AES_128_GCM_SHA256" };
    assert.deepEqual(client.errText.trim().split("\n").map((line) => JSON.parse(line)), [connected]);
    await server.until(/"disconnected"/);
    const [, ...events] = server.errText.trim().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(events, [{ event: "connected", identity: "two", suite: connected.suite }, {
      event: "disconnected",
      identity: "two",
    }]);
    assert.match(readFileSync(log, "utf8"), /^(?:[A-Z_0]+ [0-9a-f]{64} [0-9a-f]{64}\n){5}$/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("an interrupted connect closes properly, and its status says that it was interrupted", async () => {
  await using server = serve("--psk", `one=${KEY}`, "--json");
  const [, url] = await server.until(/"url":"([^"]*)"/);
  await using client = connect(url ?? "", "--psk-identity", "one", "--psk", KEY);
  client.write("before\n");
  await server.until(/before/);
  client.signal("SIGINT");
  assert.equal((await client.exit).code, 130);
  // A connection that is only cut would be an error here.
  await server.until(/"disconnected"/);
});
