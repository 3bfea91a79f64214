import assert from "node:assert/strict";
import test from "node:test";
import { linesOf } from "../../transports/console/lines.ts";
import { type Running, startSeccf } from "../support/spawn.ts";

const KEY = "000102030405060708090a0b0c0d0e0f";

async function serve(...words: string[]): Promise<{ readonly server: Running; readonly url: string }> {
  const server = startSeccf(["serve", "dtls://127.0.0.1:0", "--psk", `one=${KEY}`, ...words]);
  const [, url] = await server.until(/(dtls:\/\/127\.0\.0\.1:[1-9][0-9]*)/);
  return { server, url: url ?? assert.fail() };
}

function connect(url: string, ...words: string[]): Running {
  return startSeccf(["connect", url, "--linger", "0.2", "--psk-identity", "one", "--psk", KEY, ...words]);
}

test("over dtls:// connect gets back from serve --echo what it sends, a datagram a line, with Connection IDs or without", async () => {
  const { server, url } = await serve("--echo");
  await using _server = server;
  for (const words of [[], ["--cid"], ["--no-cid", "--mtu", "200"]]) {
    await using client = connect(url, ...words);
    client.write("one\ntwo\n\nand no line end");
    await client.until(/two\n\n/);
    client.endInput();
    assert.deepEqual(await client.exit, { code: 0, signal: null }, client.errText);
    assert.equal(client.outText, "one\ntwo\n\nand no line end");
  }
  server.signal("SIGTERM");
  assert.deepEqual(await server.exit, { code: 0, signal: null });
  assert.match(server.errText, /^listening [^\n]*\n$/);
});

test("over dtls:// a line that fits into no datagram is too-large, and the next client is served", async () => {
  const { server, url } = await serve();
  await using _server = server;
  await using client = connect(url, "--mtu", "300");
  client.write(`${"x".repeat(400)}\n`);
  assert.deepEqual(await client.exit, { code: 1, signal: null });
  assert.match(client.errText, /^seccf: too-large: [^\n]*\n$/);
  await using good = connect(url);
  good.write("short\n");
  await server.until(/short\n/);
});

test("an interrupted connect says goodbye over dtls:// as well", async () => {
  const { server, url } = await serve("--json");
  await using _server = server;
  await using client = connect(url);
  client.write("before\n");
  await server.until(/before/);
  client.signal("SIGINT");
  assert.equal((await client.exit).code, 130);
  await server.until(/"disconnected"/);
});

test("what is for datagrams alone is refused over tls-psk://, and what makes no sense everywhere", async () => {
  const key = ["--psk-identity", "one", "--psk", KEY];
  const cases: [string[], RegExp][] = [
    [["connect", "tls-psk://127.0.0.1:1", ...key, "--cid"], /--cid is for dtls:\/\//],
    [["connect", "tls-psk://127.0.0.1:1", ...key, "--mtu", "500"], /--mtu is for dtls:\/\//],
    [["connect", "dtls://127.0.0.1:1", ...key, "--mtu", "99"], /128 to 65507/],
    [["connect", "dtls://127.0.0.1:1", ...key, "--cid", "--no-cid"], /exclude/],
    [["connect", "dtls://127.0.0.1:1", ...key, "--forward-secrecy", "--no-forward-secrecy"], /exclude/],
  ];
  for (const [words, expected] of cases) {
    await using seccf = startSeccf(words);
    assert.equal((await seccf.exit).code, 2, words.join(" "));
    assert.match(seccf.errText, expected);
  }
});

async function* pieces(text: string, size: number): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < text.length; at += size) {
    yield await Promise.resolve(new TextEncoder().encode(text.slice(at, at + size)));
  }
}

test("lines are the same whatever pieces they come in, and one beyond all datagrams is too-large", async () => {
  for (const size of [1, 2, 3, 100]) {
    const lines: string[] = [];
    for await (const line of linesOf(pieces("one\n\ntwo\r\nlast", size))) lines.push(new TextDecoder().decode(line));
    assert.deepEqual(lines, ["one\n", "\n", "two\r\n", "last"]);
  }
  await assert.rejects(linesOf(pieces("x".repeat(70_000), 10_000)).next(), { code: "too-large" });
});

test("over dtls:// a wrong key ends when its time is over, and the message says that it may be the key", async () => {
  const { server, url } = await serve("--tls-version", "1.2");
  await using _server = server;
  const wrong = KEY.replace(/^../, "ff");
  await using client = startSeccf(["connect", url, "--psk-identity", "one", "--psk", wrong, "--timeout", "1"]);
  assert.deepEqual(await client.exit, { code: 1, signal: null });
  assert.match(client.errText, /timeout: .*; over UDP a wrong key or identity is silence too/);
});
