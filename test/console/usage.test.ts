import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { type Console, main } from "../../transports/console/mod.ts";
import { splitKey } from "../../transports/console/keys.ts";
import { startSeccf } from "../support/spawn.ts";
import { virtualPlatform } from "../support/virtual.ts";

const KEY = "000102030405060708090a0b0c0d0e0f";

/** Runs the command in this process, on a console that keeps what is written. */
async function run(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
  let out = "";
  let err = "";
  const console: Console = {
    platform: virtualPlatform(),
    input: (async function* () {})(),
    write(bytes) {
      out += new TextDecoder().decode(bytes);
      return Promise.resolve();
    },
    say: (line) => void (err += `${line}\n`),
    env: (name) => env[name],
    readText: () => Promise.reject(Object.assign(new Error("none"), { code: "ENOENT" })),
    appendLine() {},
    interrupted: new AbortController().signal,
  };
  const status = await main(words, console);
  return { status, out, err };
}

test("--help tells of every command and every option, on standard output", async () => {
  const all = await run(["--help"]);
  assert.equal(all.status, 0);
  assert.match(all.out, /^ {2}connect .*\n {2}serve /m);
  const connect = await run(["connect", "--help"]);
  assert.equal(connect.status, 0);
  for (const option of ["--psk-identity ID", "--psk HEX", "--suite NAME", "--linger SECONDS", "--json"]) {
    assert.ok(connect.out.includes(`  ${option} `), option);
  }
  assert.match(connect.out, /--psk HEX .*test keys/);
  assert.match(connect.out, /TLS_PSK_WITH_AES_128_CBC_SHA \(legacy\)/);
  const serve = await run(["serve", "-h"]);
  for (const option of ["--psk ID=HEX", "--hint TEXT", "--echo"]) assert.ok(serve.out.includes(`  ${option} `), option);
});

test("--version tells the release that both manifests tell", async () => {
  const { status, out } = await run(["--version"]);
  assert.equal(status, 0);
  for (const manifest of ["package.json", "deno.json"]) {
    const { version } = JSON.parse(readFileSync(new URL(`../../${manifest}`, import.meta.url), "utf8"));
    assert.equal(out, `seccf ${version}\n`);
  }
});

test("wrong usage is one line that helps, and status 2", async () => {
  const url = "tls-psk://127.0.0.1:1";
  const key = ["--psk-identity", "one", "--psk", KEY];
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /a command is needed: .*connect, serve/],
    [["conect"], /no such command: conect; did you mean connect\?/],
    [["serve", url, "--ehco"], /no such option: --ehco; did you mean --echo\? \(see seccf serve --help\)/],
    [["connect", url, "--psk-idenity=one"], /--psk-idenity; did you mean --psk-identity\?/],
    [["connect", url, "--frobnicate"], /no such option: --frobnicate \(see/],
    [["connect", ...key], /takes URL, not 0 arguments/],
    [["connect", url, url, ...key], /takes URL, not 2 arguments/],
    [["connect", url, "--psk-identity", "one"], /a key is needed/],
    [["connect", url, "--psk", KEY], /--psk-identity ID is needed/],
    [["connect", url, ...key, "--psk", KEY], /--psk is given twice/],
    [["connect", url, ...key, "--psk-file", "x"], /can not be read: ENOENT/],
    [["connect", url, "--psk-identity", "one", "--psk", "xyz"], /hexadecimal/],
    [["connect", url, "--psk-identity", "one", "--psk", "0011"], /16 to 64 bytes/],
    [["connect", url, "--psk-identity", "x".repeat(129), "--psk", KEY], /1 to 128 bytes/],
    [["connect", "https://127.0.0.1:1", ...key], /tls-psk:\/\/HOST:PORT/],
    [["connect", "tls-psk://127.0.0.1", ...key], /tls-psk:\/\/HOST:PORT/],
    [["connect", "tls-psk://127.0.0.1:65536", ...key], /tls-psk:\/\/HOST:PORT/],
    [["connect", "tls-psk://127.0.0.1:0", ...key], /1 to 65535/],
    [["connect", url, ...key, "--linger", "soon"], /--linger is a number of seconds/],
    [["connect", url, ...key, "--linger"], /--linger needs a value/],
    [["connect", url, ...key, "--suite", "--json"], /--suite needs a value/],
    [["connect", url, ...key, "--json=yes"], /--json takes no value/],
    [["connect", url, ...key, "--suite", "TLS_PSK_WITH_AES_128_CM_8"], /did you mean TLS_PSK_WITH_AES_128_CCM_8\?/],
    [["connect", url, ...key, "--allow", "everything"], /no such weakness/],
    [["serve", url], /a key is needed/],
    [["serve", url, "--psk", KEY], /a known key is ID=HEX/],
    [["serve", url, "--psk", `=${KEY}`], /a known key is ID=HEX/],
    [["serve", url, "--psk", `one=${KEY}`, "--hint", "x".repeat(129)], /--hint is at most 128 bytes/],
  ];
  for (const [words, expected] of cases) {
    const { status, out, err } = await run(words);
    assert.equal(status, 2, words.join(" "));
    assert.match(err, expected);
    assert.match(err, /^[^\n]*\n$/);
    assert.equal(out, "");
  }
});

test("no message shows a key, right or wrong", async () => {
  const url = "tls-psk://127.0.0.1:1";
  for (const secret of [KEY, "0011deadbeef", "zz11deadbeef"]) {
    const lines = [
      ["connect", url, secret, "--psk-identity", "one"],
      ["connect", url, "--psk", secret, "--psk", secret, "--psk-identity", "one"],
      ["connect", url, "--psk", secret.slice(1), "--psk-identity", "one"],
      ["serve", url, "--psk", secret],
      ["serve", url, `--psk=one=${secret}x`],
      ["serve", url, `--psj=one=${secret}`],
    ];
    for (const words of lines) {
      const { status, out, err } = await run(words);
      assert.equal(status, 2);
      assert.equal((out + err).includes(secret.slice(2)), false, words.join(" "));
    }
  }
});

test("with --json an error is an object", async () => {
  const { status, err } = await run(["serve", "nowhere", "--json", "--psk", `one=${KEY}`]);
  assert.equal(status, 2);
  const { event, code, message } = JSON.parse(err);
  assert.deepEqual([event, code], ["error", "usage"]);
  assert.match(message, /HOST:PORT/);
});

test("a known key is split at its last =", () => {
  assert.deepEqual(splitKey("one=00ff"), { identity: "one", hex: "00ff" });
  assert.deepEqual(splitKey("a=b==00ff"), { identity: "a=b=", hex: "00ff" });
  assert.deepEqual(splitKey("YmFzZTY0==00"), { identity: "YmFzZTY0=", hex: "00" });
  assert.deepEqual(toUtf8(splitKey("grün=00").identity).length, 5);
});

test("a peer that is not there is unreachable: one line, status 1", async () => {
  // Port 1 of loopback, tcpmux, is served by nobody here.
  const { status, err } = await run(["connect", "tls-psk://127.0.0.1:1", "--psk-identity", "one", "--psk", KEY]);
  assert.equal(status, 1);
  assert.match(err, /^seccf: unreachable: [^\n]*\n$/);
});

test("the command itself: a mistyped option is status 2", async () => {
  await using seccf = startSeccf(["serve", "tls-psk://127.0.0.1:0", "--eco"]);
  assert.deepEqual(await seccf.exit, { code: 2, signal: null });
  assert.equal(
    seccf.errText,
    "seccf: usage: no such option: --eco; did you mean --echo? (see seccf serve --help)\n",
  );
});
