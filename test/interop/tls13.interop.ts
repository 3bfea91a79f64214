// TLS 1.3 with external keys: seccf against openssl's and gnutls' own servers and clients, on loopback.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { type Running, start, startSeccf } from "../support/spawn.ts";

const KEY = "0102030405060708090a0b0c0d0e0f10";
const WRONG_KEY = "0102030405060708090a0b0c0d0e0f11";
const IDENTITY = "Client_identity";
const PSK = ["-psk", KEY, "-psk_identity", IDENTITY];
const SUITES = [
  { iana: "TLS_AES_128_GCM_SHA256", gnutls: "AES-128-GCM" },
  { iana: "TLS_CHACHA20_POLY1305_SHA256", gnutls: "CHACHA20-POLY1305" },
  { iana: "TLS_AES_128_CCM_SHA256", gnutls: "AES-128-CCM" },
  { iana: "TLS_AES_128_CCM_8_SHA256", gnutls: "AES-128-CCM-8" },
] as const;

interface Peer {
  readonly running: Running;
  /** `HOST:PORT` of a server. */
  readonly at: string;
}

async function opensslServer(...words: string[]): Promise<Peer> {
  const running = start("openssl", ["s_server", "-accept", "127.0.0.1:0", "-nocert", ...PSK, ...words]);
  const [, at] = await running.until(/ACCEPT (127\.0\.0\.1:[0-9]+)\n/);
  return { running, at: at ?? assert.fail() };
}

function opensslClient(at: string, ...words: string[]): Running {
  return start("openssl", ["s_client", "-connect", at, ...words]);
}

async function seccfServer(...words: string[]): Promise<Peer> {
  const running = startSeccf(["serve", "tls-psk://127.0.0.1:0", "--psk", `${IDENTITY}=${KEY}`, "--echo", ...words]);
  const [, at] = await running.until(/^listening tls-psk:\/\/(.*)\n/);
  return { running, at: at ?? assert.fail() };
}

function seccfClient(at: string, ...words: string[]): Running {
  return startSeccf([
    "connect",
    `tls-psk://${at}`,
    "--psk-identity",
    IDENTITY,
    "--psk",
    KEY,
    "--linger",
    "0.2",
    ...words,
  ]);
}

/** A whole session with a server of theirs, whose last words are read. */
async function ask(peer: Running, client: Running): Promise<void> {
  client.write("what is the reading?\n");
  await peer.until(/what is the reading\?\n/);
  peer.write("it is 21.5\n");
  await client.until(/it is 21\.5\n/);
  client.endInput();
  assert.deepEqual(await client.exit, { code: 0, signal: null }, client.errText);
}

/** A whole session of a client of theirs with our echo. */
async function mirror(client: Running): Promise<void> {
  client.write("mirror, mirror\n");
  await client.until(/^mirror, mirror\n/m);
  client.endInput();
  await client.exit;
}

for (const { iana } of SUITES) {
  test(`openssl s_server and s_client with ${iana} [SEC_CF-AUTH-001]`, async () => {
    const suites = ["-tls1_3", "-ciphersuites", iana];
    const theirs = await opensslServer(...suites);
    await using peer = theirs.running;
    await using client = seccfClient(theirs.at, "--suite", iana);
    await ask(peer, client);
    await peer.until(/^(?:DONE|ERROR)\n/m);
    assert.match(peer.outText, /^DONE\n/m);
    assert.match(peer.outText, new RegExp(`CIPHER is ${iana}\\n`));
    assert.match(peer.outText, /^Reused session-id\n/m);

    const ours = await seccfServer("--suite", iana);
    await using server = ours.running;
    await using theirClient = opensslClient(ours.at, "-nocommands", ...suites, ...PSK);
    await mirror(theirClient);
    assert.match(theirClient.outText, new RegExp(`^Reused, TLSv1.3, Cipher is ${iana}\\n`, "m"));
    assert.match(theirClient.outText, /^Server Temp Key: X25519/m);
    assert.equal(server.errText.split("\n").length, 2, server.errText);
  });
}

test("without a suite named both ends of ours speak 1.3 with openssl, and 1.2 where it knows no other", async () => {
  for (const [version, name] of [["-tls1_3", "TLSv1.3"], ["-tls1_2", "TLSv1.2"]] as const) {
    const theirs = await opensslServer(version, "-cipher", "ALL:@SECLEVEL=0");
    await using peer = theirs.running;
    await using client = seccfClient(theirs.at);
    await ask(peer, client);
    const ours = await seccfServer();
    await using _server = ours.running;
    await using theirClient = opensslClient(ours.at, "-nocommands", version, "-cipher", "ALL:@SECLEVEL=0", ...PSK);
    await mirror(theirClient);
    assert.match(theirClient.outText, new RegExp(`^(?:New|Reused), ${name}, Cipher is`, "m"));
  }
  // A server of both versions and a client of both: the higher.
  const theirs = await opensslServer("-cipher", "ALL:@SECLEVEL=0");
  await using peer = theirs.running;
  await using client = seccfClient(theirs.at);
  await ask(peer, client);
  assert.match(peer.outText, /CIPHER is TLS_AES_128_GCM_SHA256\n/);
});

test("openssl sees our mark where it was made to offer 1.2 alone to a server of both", async () => {
  const ours = await seccfServer();
  await using _server = ours.running;
  // It offered 1.2 by itself, so the mark means nothing to it.
  await using client = opensslClient(ours.at, "-nocommands", "-tls1_2", "-cipher", "ALL:@SECLEVEL=0", "-msg", ...PSK);
  await mirror(client);
  assert.match(client.outText.replace(/\s+/g, " "), /44 4f 57 4e 47 52 44 01/);
});

test("HelloRetryRequest, theirs and ours, by a share of a group that the other does not take", async () => {
  const theirs = await opensslServer("-tls1_3", "-groups", "P-256");
  await using peer = theirs.running;
  await using client = seccfClient(theirs.at, "--suite", "TLS_AES_128_GCM_SHA256");
  await ask(peer, client);
  const ours = await seccfServer();
  await using _server = ours.running;
  await using theirClient = opensslClient(ours.at, "-nocommands", "-tls1_3", "-groups", "P-384:P-256", ...PSK);
  await mirror(theirClient);
  assert.match(theirClient.outText, /^Server Temp Key: ECDH, prime256v1/m);
});

test("the key alone, where openssl allows it and has no group in common with us", async () => {
  const ours = await seccfServer();
  await using _server = ours.running;
  await using client = opensslClient(
    ours.at,
    "-nocommands",
    "-tls1_3",
    "-allow_no_dhe_kex",
    "-groups",
    "P-384",
    ...PSK,
  );
  await mirror(client);
  assert.match(client.outText, /^Reused, TLSv1.3/m);
  assert.doesNotMatch(client.outText, /Server Temp Key/);
  const theirs = await opensslServer("-tls1_3", "-allow_no_dhe_kex", "-groups", "P-384");
  await using peer = theirs.running;
  await using ourClient = seccfClient(theirs.at);
  await ask(peer, ourClient);
});

test("the key alone by our wish: openssl takes it where it may, and else nobody has a session", async () => {
  const plain = "--no-forward-secrecy";
  const theirs = await opensslServer("-tls1_3", "-allow_no_dhe_kex");
  await using peer = theirs.running;
  await using client = seccfClient(theirs.at, "--tls-version", "1.3", plain);
  await ask(peer, client);
  const strict = await opensslServer("-tls1_3");
  await using _strict = strict.running;
  await using refused = seccfClient(strict.at, "--tls-version", "1.3", plain);
  assert.equal((await refused.exit).code, 1);

  const ours = await seccfServer(plain);
  await using _ours = ours.running;
  await using theirClient = opensslClient(ours.at, "-nocommands", "-tls1_3", "-allow_no_dhe_kex", ...PSK);
  await mirror(theirClient);
  assert.match(theirClient.outText, /^Reused, TLSv1.3/m);
  assert.doesNotMatch(theirClient.outText, /Server Temp Key/);
  await using other = opensslClient(ours.at, "-nocommands", "-tls1_3", ...PSK);
  assert.equal((await other.exit).code, 1);
  assert.match(other.errText + other.outText, /SSL alert number 40/);
});

test("KeyUpdate from openssl's client, with and without asking for ours", async () => {
  const ours = await seccfServer();
  await using _server = ours.running;
  await using client = opensslClient(ours.at, "-tls1_3", ...PSK);
  await client.until(/Reused, TLSv1.3/);
  for (const [i, command] of ["K", "k", "K"].entries()) {
    client.write(`${command}\n`);
    await client.until(new RegExp(`(?:KEYUPDATE[^]*){${i + 1}}`));
    client.write(`after ${i}\n`);
    await client.until(new RegExp(`^after ${i}\\n`, "m"));
  }
  client.write("Q\n");
  assert.equal((await client.exit).code, 0);
});

test("a wrong key and an unknown name are one alert to openssl's client; its server refuses our wrong key", async () => {
  const ours = await seccfServer();
  await using server = ours.running;
  const alerts = new Set<string>();
  for (const [key, identity] of [[WRONG_KEY, IDENTITY], [KEY, "nobody"]] as const) {
    await using client = opensslClient(ours.at, "-tls1_3", "-nocommands", "-psk", key, "-psk_identity", identity);
    assert.equal((await client.exit).code, 1);
    alerts.add((await client.until(/SSL alert number [0-9]+/))[0]);
  }
  // RFC 8446 6.2: decrypt_error.
  assert.deepEqual([...alerts], ["SSL alert number 51"]);
  await server.until(/\nseccf: auth-failed: .*\nseccf: auth-failed: .*\n/);
  const theirs = await opensslServer("-tls1_3");
  await using _theirs = theirs.running;
  const words = ["connect", `tls-psk://${theirs.at}`, "--psk-identity", IDENTITY, "--psk", WRONG_KEY];
  await using wrong = startSeccf(words);
  assert.equal((await wrong.exit).code, 1);
});

test("our key log is openssl's, line by line", async () => {
  const folder = mkdtempSync(join(tmpdir(), "seccf-"));
  try {
    const ours = join(folder, "ours");
    const theirs = join(folder, "theirs");
    const server = await opensslServer("-tls1_3", "-keylogfile", theirs);
    await using peer = server.running;
    await using client = seccfClient(server.at, "--keylog", ours);
    await ask(peer, client);
    await peer.until(/^DONE\n/m);
    const lines = (file: string) => readFileSync(file, "utf8").split("\n").filter((line) => /^[A-Z]/.test(line)).sort();
    assert.equal(lines(ours).length, 5);
    assert.deepEqual(lines(ours), lines(theirs));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("openssl's client goes on with our ticket, and needs no key for it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "seccf-"));
  try {
    const ticket = join(folder, "ticket");
    const ours = await seccfServer();
    await using server = ours.running;
    await using first = opensslClient(ours.at, "-tls1_3", "-nocommands", "-sess_out", ticket, ...PSK);
    // The ticket is on the way before the first byte of the echo.
    await mirror(first);
    assert.match(first.outText, /Post-Handshake New Session Ticket arrived/);
    await using second = opensslClient(ours.at, "-tls1_3", "-nocommands", "-sess_in", ticket);
    await mirror(second);
    assert.match(second.outText, /^Reused, TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256/m);
    assert.match(second.outText, /^Server Temp Key: X25519/m);
    assert.equal(server.errText.split("\n").length, 2, server.errText);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** gnutls-serv takes no 0: a port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return address !== null && typeof address === "object" ? address.port : assert.fail();
}

const GNUTLS = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL";
const PRIORITIES = [
  ...SUITES.map(({ iana, gnutls }) => ({ what: iana, priority: `${GNUTLS}:+ECDHE-PSK:-CIPHER-ALL:+${gnutls}` })),
  { what: "the key alone", priority: `${GNUTLS}:+PSK` },
  { what: "the key alone by both ends' wish", priority: `${GNUTLS}:+PSK`, secrecy: ["--no-forward-secrecy"] },
  { what: "the key alone by our wish", priority: `${GNUTLS}:+ECDHE-PSK:+PSK`, secrecy: ["--no-forward-secrecy"] },
  { what: "P-256 alone", priority: `${GNUTLS}:+ECDHE-PSK:-GROUP-ALL:+GROUP-SECP256R1` },
];

for (const { what, priority, secrecy = [] } of PRIORITIES) {
  test(`gnutls-serv and gnutls-cli with ${what}`, async () => {
    const all = [...SUITES.flatMap(({ iana }) => ["--suite", iana]), ...secrecy];
    const folder = mkdtempSync(join(tmpdir(), "seccf-"));
    try {
      const keys = join(folder, "psk.txt");
      writeFileSync(keys, `${IDENTITY}:${KEY}\n`);
      const port = await freePort();
      const words = ["--echo", "-p", `${port}`, "--pskpasswd", keys, "--priority", priority];
      await using theirs = start("gnutls-serv", words);
      await theirs.until(/listening on IPv4 .*done\n/);
      await using client = seccfClient(`127.0.0.1:${port}`, ...all);
      client.write("what is the reading?\n");
      await client.until(/^what is the reading\?\n/);
      client.endInput();
      assert.deepEqual(await client.exit, { code: 0, signal: null }, client.errText);
    } finally {
      rmSync(folder, { recursive: true });
    }

    const ours = await seccfServer(...all);
    await using server = ours.running;
    const connect = (key: string) =>
      start("gnutls-cli", [
        ...["127.0.0.1", "-p", ours.at.replace(/.*:/, ""), "--priority", priority],
        ...["--pskusername", IDENTITY, "--pskkey", key],
      ]);
    await using wrong = connect(WRONG_KEY);
    assert.equal((await wrong.exit).code, 1);
    await server.until(/^seccf: auth-failed: /m);
    await using client = connect(KEY);
    await client.until(/Handshake was completed/);
    await mirror(client);
    assert.match(client.outText, /\(TLS1\.3-/);
  });
}

test("half a mebibyte goes through openssl's client to seccf serve and back, unchanged", async () => {
  const ours = await seccfServer();
  await using _server = ours.running;
  await using client = opensslClient(ours.at, "-tls1_3", "-quiet", "-nocommands", ...PSK);
  const sent = new Uint8Array(524_288).map((_, index) => index % 251);
  client.write(sent);
  client.write("\nlast line\n");
  await client.until(/\nlast line\n/);
  assert.ok(Buffer.from(client.out).includes(Buffer.from(sent)));
});
