import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { fingerprint, secretFrom } from "../../lib/crypto/mod.ts";
import { type Console, main } from "../../transports/console/mod.ts";
import { fileSubscribers, openIdentityFile } from "../../transports/files/mod.ts";
import { secretHex } from "../aka/vectors.ts";
import { startSeccf } from "../support/spawn.ts";
import { virtualPlatform } from "../support/virtual.ts";

const K = "465b5ce8b199b49faa5f0a2ee238a6bc";
const OPC = "cd63cb71954a9f4e48a5994e37a02baf";
const WRAPPING = "01".repeat(32);
const IMSI = "001010000000001";
const IMPI = `${IMSI}@ims.mnc001.mcc001.3gppnetwork.org`;
const wrappingKey = secretHex(WRAPPING);

/** A folder with a wrapping key in it, and `seccf` in this process. */
class Desk implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "seccf-identity-"));
  readonly key: readonly string[] = ["--wrapping-key-file", this.write("wrapping", `${WRAPPING}\n`)];

  path(name: string): string {
    return join(this.#folder, name);
  }

  write(name: string, text: string): string {
    writeFileSync(this.path(name), text, { mode: 0o600 });
    return this.path(name);
  }

  async run(words: readonly string[], more: { env?: Record<string, string>; answers?: string[] } = {}) {
    let out = "";
    let err = "";
    const { env = {}, answers } = more;
    const console: Console = {
      platform: virtualPlatform(),
      input: (async function* () {})(),
      write(bytes) {
        out += new TextDecoder().decode(bytes);
        return Promise.resolve();
      },
      say: (line) => void (err += `${line}\n`),
      env: (name) => env[name],
      readText: (path) => readFile(path, "utf8"),
      appendLine() {},
      ...(answers ? { askSecret: () => Promise.resolve(secretFrom(toUtf8(answers.shift() ?? ""))) } : {}),
      interrupted: new AbortController().signal,
    };
    const status = await main(["identity", ...words], console);
    assert.ok(
      !(out + err).toLowerCase().includes(K.slice(4, 20)) && !(out + err).includes(WRAPPING.slice(8)),
      "a secret shows",
    );
    return { status, out, err };
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true });
  }
}

test("new makes a file with a subscriber, show tells who it is and nothing secret [SEC_CF-ADM-001]", async () => {
  using desk = new Desk();
  const file = desk.path("device.id");
  const kFile = desk.write("k", `K=${K}\nOPC=${OPC}\n`);
  const made = await desk.run(["new", file, "--imsi", IMSI, "--k-file", kFile, ...desk.key]);
  assert.equal(made.status, 0, made.err);
  const line = `subscriber   ${IMPI}: IMSI ${IMSI}, Key Manager bsf.mnc001.mcc001.pub.3gppnetwork.org, milenage, ` +
    `fingerprint ${fingerprint(secretHex(K))}\n`;
  assert.equal(made.out, line);
  const added = await desk.run(["new", file, "--id", "device-7", "--name", "meter", ...desk.key]);
  assert.match(added.out, /^provisioned {2}meter: identity device-7, fingerprint [0-9a-f]{16}\n$/);
  assert.ok((await desk.run(["show", file, ...desk.key])).out.startsWith(line));
  const json = (await desk.run(["show", file, "--json", ...desk.key])).out.trim().split("\n").map((text) =>
    JSON.parse(text)
  );
  assert.deepEqual(json.map(({ kind, name }) => [kind, name]), [["subscriber", IMPI], ["provisioned", "meter"]]);
  assert.equal(json[1].identity, "device-7");
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const again = await desk.run(["new", file, "--id", "device-7", "--name", "other", ...desk.key]);
  assert.equal(again.status, 1);
  assert.match(again.err, /^seccf: state: /);
});

test("--list gives the server the same subscriber in a file of its own", async () => {
  using desk = new Desk();
  const [device, list] = [desk.path("device.id"), desk.path("subscribers.id")];
  for (const imsi of [IMSI, "001010000000002"]) {
    const path = imsi === IMSI ? device : desk.path("second.id");
    assert.equal((await desk.run(["new", path, "--imsi", imsi, "--list", list, ...desk.key])).status, 0);
  }
  using subscribers = await fileSubscribers(list, { wrappingKey });
  using own = await fileSubscribers(device, { wrappingKey });
  assert.deepEqual([subscribers.size, own.size], [2, 1]);
  assert.equal(fingerprint(subscribers.find(IMPI)!.credentials.k), fingerprint(own.find(IMPI)!.credentials.k));
});

test("import makes a file for each of a thousand devices and the Key Manager's list, and goes on where it stopped [SEC_CF-ADM-001]", async () => {
  using desk = new Desk();
  const count = 40;
  const rows = Array.from(
    { length: count },
    (_, i) => `00101${String(i).padStart(10, "0")} ${String(i).padStart(32, "a")} ${OPC}`,
  );
  const source = desk.write("maker.out", `* made up\nQuantity: ${count}\nvar_out: IMSI/KI/OPC\n${rows.join("\n")}\n`);
  const [list, folder, keys] = [desk.path("subscribers.id"), desk.path("devices"), desk.path("keys")];
  const words = ["import", source, "--to", list, "--folder", folder, "--device-keys", keys, ...desk.key];
  const done = await desk.run(words);
  assert.equal(done.status, 0, done.err);
  assert.equal(done.out, `${count} subscribers into ${list}, a file for each in ${folder}\n`);
  assert.equal(readdirSync(folder).length, count);
  using subscribers = await fileSubscribers(list, { wrappingKey });
  assert.equal(subscribers.size, count);
  const lines = readFileSync(keys, "utf8").trim().split("\n").map((line) => line.split(" "));
  assert.equal(new Set(lines.map(([, , hex]) => hex)).size, count);
  assert.equal(statSync(keys).mode & 0o777, 0o600);
  for (const [impi = "", path = "", hex = ""] of lines) {
    using own = await fileSubscribers(path, { wrappingKey: secretHex(hex) });
    assert.equal(fingerprint(own.find(impi)!.credentials.k), fingerprint(subscribers.find(impi)!.credentials.k));
  }
  // Interrupted: some devices' files were not made yet.
  for (const [, path = ""] of lines.slice(30)) rmSync(path);
  const again = await desk.run(words);
  assert.equal(again.out, `0 subscribers into ${list}, ${count} were there, a file for each in ${folder}\n`);
  assert.equal(readFileSync(keys, "utf8").trim().split("\n").length, count);
  assert.equal(readdirSync(folder).length, count);
  // The same subscriber with another key is somebody's mistake.
  desk.write("maker.out", `imsi,ki,opc\n${rows[0]!.split(" ")[0]},${K},${OPC}\n`);
  assert.match((await desk.run(words)).err, /^seccf: state: .* another key/);
});

test("devices' files open with the list's passphrase where they have no keys of their own", async () => {
  using desk = new Desk();
  const source = desk.write("cards.json", JSON.stringify([{ imsi: IMSI, ki: K, opc: OPC }]));
  const words = ["import", source, "--to", desk.path("list"), "--folder", desk.path("devices"), ...desk.key];
  for (const expected of [/^1 subscribers into/, /^0 subscribers into .*, 1 were there/]) {
    assert.match((await desk.run(words)).out, expected);
  }
  using own = await fileSubscribers(join(desk.path("devices"), `${IMSI}.id`), { wrappingKey });
  assert.equal(fingerprint(own.find(IMPI)!.credentials.k), fingerprint(secretHex(K)));
});

test("passwd needs what opens the file, and the new passphrase twice where it is typed [SEC_CF-SEC-003]", async () => {
  using desk = new Desk();
  const file = desk.path("device.id");
  await desk.run(["new", file, "--id", "device-7", ...desk.key]);
  const differing = await desk.run(["passwd", file, ...desk.key], { answers: ["new words", "new word"] });
  assert.deepEqual([differing.status, differing.err], [
    2,
    "seccf: usage: the two are not the same (see seccf identity --help)\n",
  ]);
  assert.equal((await desk.run(["passwd", file, ...desk.key], { answers: ["new words", "new words"] })).status, 0);
  const old = await desk.run(["show", file, ...desk.key]);
  assert.deepEqual([old.status, old.err], [
    1,
    "seccf: auth-failed: the identity file opens with a passphrase, which was not given\n",
  ]);
  const wrong = await desk.run(["passwd", file, "--new-wrapping-key-file", desk.path("wrapping")], {
    env: { SECCF_PASSPHRASE: "guess" },
  });
  assert.match(wrong.err, /^seccf: auth-failed: not the passphrase/);
  const env = { SECCF_PASSPHRASE: "new words" };
  assert.equal((await desk.run(["passwd", file, "--new-wrapping-key-file", desk.path("wrapping")], { env })).status, 0);
  (await openIdentityFile(file, { wrappingKey }))[Symbol.dispose]();
});

test("rotate installs a key beside the old one, once, and show says until when", async () => {
  using desk = new Desk();
  const file = desk.path("device.id");
  await desk.run(["new", file, "--id", "device-7", ...desk.key]);
  const words = [
    "rotate",
    file,
    "device-7",
    "--new-id",
    "device-7;1",
    "--key-file",
    desk.write("next", K),
    ...desk.key,
  ];
  const done = await desk.run([...words, "--within", "60"]);
  assert.equal(done.status, 0, done.err);
  const next = `attempt 1: device-7;1 \\(${fingerprint(secretHex(K))}\\) until 2026-01-01T00:01:00.000Z`;
  assert.match(done.out, new RegExp(`^provisioned {2}device-7: identity device-7, ${next}, fingerprint`));
  assert.match((await desk.run(words)).err, /^seccf: state: /);
  assert.match((await desk.run([...words, "--attempt", "1"])).err, /^seccf: replayed: /);
});

test("wrong usage is one line, status 2, and makes no file", async () => {
  using desk = new Desk();
  const file = desk.path("device.id");
  const bad = desk.write("bad", "not hex");
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /a command is needed: identity new, identity show/],
    [["nwe"], /no such command: identity nwe; did you mean identity new\?/],
    [["new", file], /--imsi DIGITS or --id ID is needed/],
    [["new", file, "--imsi", IMSI, "--id", "x"], /--imsi DIGITS or --id ID is needed/],
    [["new", file, "--imsi", "12"], /6 to 15 digits/],
    [["new", file, "--imsi", IMSI, "--mnc-length", "4"], /2 or 3/],
    [["new", file, "--imsi", IMSI, "--key-file", bad], /--key-file does not go with --imsi/],
    [["new", file, "--imsi", IMSI, "--k-file", bad], /K=HEX/],
    [["new", file, "--imsi", IMSI, "--k-file", desk.write("half", `K=${K}`)], /needs K and OPC/],
    [["new", file, "--id", "x", "--key-file", bad], /hexadecimal/],
    [["new", file, "--id", "x", "--key-file", desk.path("none")], /can not be read: ENOENT/],
    [["new", file, "--id", "x"], /a passphrase is needed: --passphrase-file FILE or SECCF_PASSPHRASE/],
    [["new", file, "--id", "x", "--wrapping-key-file", bad], /hexadecimal/],
    [["new", file, "--id", "x", "--passphrase-file", bad, ...desk.key], /not both/],
    [["import", bad], /--to FILE is needed/],
    [["import", bad, "--to", file, "--device-keys", "x"], /--device-keys needs --folder/],
    [["rotate", file, "x"], /--new-id ID and --key-file FILE are needed/],
    [["rotate", file, "x", "--new-id", "y", "--key-file", bad, "--within", "soon"], /--within is a whole number/],
  ];
  for (const [words, expected] of cases) {
    const { status, out, err } = await desk.run(words);
    assert.equal(status, 2, `${words.join(" ")}: ${err}`);
    assert.match(err, expected);
    assert.match(err, /^[^\n]*\n$/);
    assert.equal(out, "");
  }
  assert.ok(!existsSync(file));
  assert.match((await desk.run(["--help"])).out, /^ {2}identity new .*\n {2}identity show /m);
  assert.match((await desk.run(["new", "--help"])).out, /usage: seccf identity new FILE \[options\]/);
});

test("a file that is not there, foreign or open to others says so and stays as it is", async () => {
  using desk = new Desk();
  const foreign = desk.write("foreign", "mine");
  assert.match(
    (await desk.run(["show", desk.path("none"), ...desk.key])).err,
    /^seccf: identity-unavailable: there is no/,
  );
  for (const words of [["show", foreign], ["new", foreign, "--id", "x"], ["passwd", foreign]]) {
    assert.match((await desk.run([...words, ...desk.key])).err, /^seccf: malformed: not an identity file\n$/);
  }
  assert.equal(readFileSync(foreign, "utf8"), "mine");
  chmodSync(foreign, 0o644);
  assert.match(
    (await desk.run(["show", foreign, ...desk.key])).err,
    /^seccf: identity-unavailable: others than its owner/,
  );
});

test("the command itself: a passphrase from the environment or a file", async () => {
  using desk = new Desk();
  const file = desk.path("device.id");
  await using made = startSeccf(["identity", "new", file, "--id", "device-7"], {
    SECCF_PASSPHRASE: "four words of it",
  });
  assert.deepEqual(await made.exit, { code: 0, signal: null }, made.errText);
  const words = desk.write("words", "four words of it\n");
  await using shown = startSeccf(["identity", "show", file, "--passphrase-file", words, "--json"]);
  assert.deepEqual(await shown.exit, { code: 0, signal: null }, shown.errText);
  assert.equal(JSON.parse(shown.outText).name, "device-7");
});
