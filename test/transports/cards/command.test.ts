// `seccf identity card` against a pcscd double on a UNIX socket, and what it is not given.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fromUtf8 } from "../../../lib/bytes/mod.ts";
import { main } from "../../../transports/console/mod.ts";
import { webPlatform } from "../../../web_platform.ts";
import { PcscdDouble } from "./doubles.ts";
import { near, PIN } from "./home.ts";

interface Said {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command with these words in a console of its own. */
async function seccf(
  words: readonly string[],
  more: { env?: Record<string, string>; file?: string } = {},
): Promise<Said> {
  let [out, err] = ["", ""];
  const status = await main(["identity", "card", ...words], {
    platform: webPlatform,
    input: (async function* () {})(),
    write: (bytes) => Promise.resolve(void (out += fromUtf8(bytes))),
    say: (line) => void (err += `${line}\n`),
    env: (name) => more.env?.[name],
    readText: () => more.file === undefined ? Promise.reject(new Error("no file")) : Promise.resolve(more.file),
    appendLine: () => undefined,
    interrupted: new AbortController().signal,
  });
  return { status, out, err };
}

/** The double behind a socket of its own. */
async function listening(double: PcscdDouble) {
  const folder = mkdtempSync(join(tmpdir(), "seccf-card-"));
  const path = join(folder, "pcscd.comm");
  const server = createServer((socket) => {
    void double.open().then(async (stream) => {
      socket.on("error", () => undefined);
      socket.on("data", (bytes) => void stream.write(bytes).catch(() => undefined));
      socket.on("close", () => void stream[Symbol.asyncDispose]());
      for await (const piece of stream) socket.write(piece);
      socket.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => server.close(() => resolve()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

test("a card is described in lines, or with --json in one object a reader; a PIN is presented to a named card only", async () => {
  const usim = near({ isim: { impi: "alice@operator.example" } });
  const double = new PcscdDouble(usim);
  await using socket = await listening(double);
  const locked = await seccf(["--pcscd", socket.path], { env: { SECCF_PIN: PIN } });
  assert.equal(locked.status, 0);
  assert.match(locked.out, /^Double 00: a card\n {2}answer to reset 3b[0-9a-f]+\n/);
  assert.match(locked.out, /PIN with 3 tries left\n {2}pin-required: /);
  assert.ok(!double.seen.some((line) => line.startsWith("0020000108")));
  const open = await seccf(["--pcscd", socket.path, "--reader", "Double", "--json"], { env: { SECCF_PIN: PIN } });
  const { applications, atr: _atr, ...rest } = JSON.parse(open.out);
  assert.deepEqual(applications.map(({ kind, label }: { kind: string; label: string }) => [kind, label]), [
    ["usim", "USIM"],
    ["isim", "ISIM"],
  ]);
  assert.deepEqual(rest, {
    ...{ reader: "Double 00", card: "present", pin: "open", application: "isim" },
    ...{ impi: "alice@operator.example", keyManager: "bsf.operator.example", impus: [] },
  });
});

test("an empty reader, a card of another kind and a wrong PIN are told and are no failure", async () => {
  const double = new PcscdDouble();
  await using socket = await listening(double);
  assert.equal((await seccf(["--pcscd", socket.path])).out, "Double 00: no card\n");
  double.card = near();
  double.intercept = () => "6a82";
  const strange = await seccf(["--pcscd", socket.path]);
  assert.deepEqual([strange.status, strange.err], [0, ""]);
  assert.match(strange.out, /\n {2}identity-unavailable: the card answered 6A82 to SELECT MF\n$/);
  double.intercept = undefined;
  const wrong = await seccf(["--pcscd", socket.path, "--reader", "Double", "--pin-file", "pin"], { file: "9999\n" });
  assert.match(wrong.out, /PIN with 2 tries left\n {2}pin-required: /);
});

test("what can not be done is one line, and its status", async () => {
  const cases: [string[], number, RegExp][] = [
    [["--pcscd", "/nonexistent/socket"], 1, /^seccf: unreachable: pcscd is not running/],
    [["--modem", "/nonexistent/ttyUSB9"], 1, /^seccf: unreachable: the serial line can not be opened/],
    [["--reader", "a", "--modem", "b"], 2, /^seccf: usage: --reader or --modem, not both/],
    [["--application", "sim"], 2, /^seccf: usage: --application is usim or isim/],
    [["--pin-file", "pin"], 2, /^seccf: usage: a PIN goes to one card/],
    [["--reader", "a", "--pin-file", "pin"], 2, /^seccf: usage: a PIN is 4 to 8 digits/],
  ];
  for (const [words, status, line] of cases) {
    const said = await seccf(words, { file: "not a PIN" });
    assert.equal(said.status, status, words.join(" "));
    assert.match(said.err, line);
    assert.ok(said.err.split("\n").length <= 2 && !said.err.includes("not a PIN"));
  }
});
