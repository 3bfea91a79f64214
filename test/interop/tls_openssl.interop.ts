// seccf against openssl's own server and client, on loopback: OpenSSL's names of the suites are those of `openssl ciphers -stdname`.
import assert from "node:assert/strict";
import test from "node:test";
import { type Running, start, startSeccf } from "../support/spawn.ts";

const KEY = "0102030405060708090a0b0c0d0e0f10";
const WRONG_KEY = "0102030405060708090a0b0c0d0e0f11";
const IDENTITY = "Client_identity";
const SUITES = [
  { iana: "TLS_PSK_WITH_AES_128_GCM_SHA256", openssl: "PSK-AES128-GCM-SHA256", legacy: false },
  { iana: "TLS_PSK_WITH_AES_128_CCM_8", openssl: "PSK-AES128-CCM8", legacy: false },
  { iana: "TLS_PSK_WITH_AES_128_CCM", openssl: "PSK-AES128-CCM", legacy: false },
  { iana: "TLS_PSK_WITH_AES_256_GCM_SHA384", openssl: "PSK-AES256-GCM-SHA384", legacy: false },
  { iana: "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256", openssl: "PSK-CHACHA20-POLY1305", legacy: false },
  { iana: "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256", openssl: "ECDHE-PSK-CHACHA20-POLY1305", legacy: false },
  { iana: "TLS_PSK_WITH_AES_128_CBC_SHA256", openssl: "PSK-AES128-CBC-SHA256", legacy: true },
  { iana: "TLS_PSK_WITH_AES_128_CBC_SHA", openssl: "PSK-AES128-CBC-SHA", legacy: true },
] as const;

interface Peer {
  readonly running: Running;
  /** `HOST:PORT` of a server. */
  readonly at: string;
}

async function opensslServer(suite: string, ...words: string[]): Promise<Peer> {
  const cipher = ["-cipher", `${suite}:@SECLEVEL=0`];
  const psk = ["-nocert", "-psk", KEY, "-psk_identity", IDENTITY];
  const running = start("openssl", ["s_server", "-tls1_2", "-accept", "127.0.0.1:0", ...psk, ...cipher, ...words]);
  const [, at] = await running.until(/ACCEPT (127\.0\.0\.1:[0-9]+)\n/);
  return { running, at: at ?? assert.fail() };
}

function opensslClient(at: string, suite: string, ...words: string[]): Running {
  const cipher = ["-cipher", `${suite}:@SECLEVEL=0`];
  return start("openssl", ["s_client", "-tls1_2", "-connect", at, "-nocommands", ...cipher, ...words]);
}

async function seccfServer(...words: string[]): Promise<Peer> {
  const running = startSeccf(["serve", "tls-psk://127.0.0.1:0", "--psk", `${IDENTITY}=${KEY}`, ...words]);
  const [, at] = await running.until(/^listening tls-psk:\/\/(.*)\n/);
  return { running, at: at ?? assert.fail() };
}

function seccfClient(at: string, ...words: string[]): Running {
  return startSeccf(["connect", `tls-psk://${at}`, "--psk-identity", IDENTITY, "--linger", "0.2", ...words]);
}

for (const { iana, openssl } of SUITES) {
  test(`seccf connect to openssl s_server with ${iana}`, async () => {
    const server = await opensslServer(openssl, "-psk_hint", "3GPP-bootstrapping");
    await using peer = server.running;
    await using client = seccfClient(server.at, "--psk", KEY, "--suite", iana);
    client.write("what is the reading?\n");
    await peer.until(/what is the reading\?\n/);
    peer.write("it is 21.5\n");
    await client.until(/it is 21\.5\n/);
    client.endInput();
    assert.deepEqual(await client.exit, { code: 0, signal: null }, client.errText);
    // A session that ends in any other way than with close_notify is ERROR.
    await peer.until(/^(?:DONE|ERROR)\n/m);
    assert.match(peer.outText, /^DONE\n/m);
    assert.match(peer.outText, new RegExp(`CIPHER is ${openssl}\\n`));
  });

  test(`openssl s_client to seccf serve with ${iana}`, async () => {
    const server = await seccfServer("--suite", iana, "--echo");
    await using peer = server.running;
    await using client = opensslClient(server.at, openssl, "-psk", KEY, "-psk_identity", IDENTITY);
    client.write("mirror, mirror\n");
    await client.until(/^mirror, mirror\n/m);
    client.endInput();
    assert.deepEqual(await client.exit, { code: 0, signal: null });
    assert.match(client.outText, new RegExp(`Cipher is ${openssl}\\n`));
    assert.match(client.outText, /PSK identity hint: 3GPP-bootstrapping\n/);
    assert.match(client.outText, /Extended master secret: yes\n/);
    assert.equal(peer.errText.split("\n").length, 2, peer.errText);
  });
}

test("openssl's server refuses our wrong key, and takes the right one after it", async () => {
  const server = await opensslServer("PSK-AES128-GCM-SHA256");
  await using _peer = server.running;
  await using wrongKey = seccfClient(server.at, "--psk", WRONG_KEY);
  assert.equal((await wrongKey.exit).code, 1);
  assert.match(wrongKey.errText, /^seccf: auth-failed: [^\n]*\n$/);
  await using right = seccfClient(server.at, "--psk", KEY);
  right.endInput();
  assert.equal((await right.exit).code, 0);
});

test("openssl's client sees the same of a wrong key and of an unknown name, and the next one is served", async () => {
  const server = await seccfServer();
  await using peer = server.running;
  const outcomes = new Set<string>();
  for (const [key, identity] of [[WRONG_KEY, IDENTITY], [KEY, "nobody"]] as const) {
    await using client = opensslClient(server.at, "ALL", "-psk", key, "-psk_identity", identity);
    assert.equal((await client.exit).code, 1);
    const [alert] = await client.until(/SSL alert number [0-9]+/);
    outcomes.add(alert);
  }
  // RFC 5246 7.2: bad_record_mac.
  assert.deepEqual([...outcomes], ["SSL alert number 20"]);
  await peer.until(/\nseccf: auth-failed: .*\nseccf: auth-failed: .*\n/);
  await using good = opensslClient(server.at, "ALL", "-psk", KEY, "-psk_identity", IDENTITY);
  good.write("and now the right one\n");
  await peer.until(/and now the right one\n/);
});

for (const group of ["X25519", "P-256"]) {
  test(`ECDHE_PSK over ${group} with openssl at the other end, either way round`, async () => {
    const suite = ["--suite", "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256"];
    const theirs = await opensslServer("ECDHE-PSK-CHACHA20-POLY1305", "-groups", group);
    await using peer = theirs.running;
    await using client = seccfClient(theirs.at, "--psk", KEY, ...suite);
    client.write("what is the reading?\n");
    await peer.until(/what is the reading\?\n/);
    client.endInput();
    assert.equal((await client.exit).code, 0, client.errText);

    const ours = await seccfServer(...suite, "--echo");
    await using _ours = ours.running;
    const psk = ["-psk", KEY, "-psk_identity", IDENTITY];
    await using theirClient = opensslClient(ours.at, "ECDHE-PSK-CHACHA20-POLY1305", "-groups", group, ...psk);
    theirClient.write("mirror, mirror\n");
    await theirClient.until(/^mirror, mirror\n/m);
    assert.match(theirClient.outText, new RegExp(`Server Temp Key: ${group === "P-256" ? "ECDH, prime256v1" : group}`));
  });
}

test("legacy suites are refused on both sides unless they are named", async () => {
  const ours = await seccfServer();
  await using peer = ours.running;
  await using client = opensslClient(ours.at, "PSK-AES128-CBC-SHA256", "-psk", KEY, "-psk_identity", IDENTITY);
  assert.equal((await client.exit).code, 1);
  await client.until(/handshake failure/);
  await peer.until(/^seccf: unsupported: /m);

  const theirs = await opensslServer("PSK-AES128-CBC-SHA256");
  await using _theirs = theirs.running;
  await using connect = seccfClient(theirs.at, "--psk", KEY);
  assert.equal((await connect.exit).code, 1);
  assert.match(connect.errText, /^seccf: unsupported: [^\n]*\n$/);
});

test("CBC without encrypt-then-MAC is refused on both sides unless it is allowed by name", async () => {
  const suite = ["--suite", "TLS_PSK_WITH_AES_128_CBC_SHA"];
  const theirs = await opensslServer("PSK-AES128-CBC-SHA", "-no_etm");
  await using _theirs = theirs.running;
  await using refused = seccfClient(theirs.at, "--psk", KEY, ...suite);
  assert.equal((await refused.exit).code, 1);
  assert.match(refused.errText, /^seccf: (?:unsupported|downgrade): [^\n]*\n$/);
  await using allowed = seccfClient(theirs.at, "--psk", KEY, ...suite, "--allow", "mac-then-encrypt");
  allowed.endInput();
  assert.equal((await allowed.exit).code, 0, allowed.errText);

  for (const allow of [[], ["--allow", "mac-then-encrypt"]]) {
    const ours = await seccfServer(...suite, ...allow, "--echo");
    await using _ours = ours.running;
    await using client = opensslClient(ours.at, "ALL", "-no_etm", "-psk", KEY, "-psk_identity", IDENTITY);
    client.write("in the old way\n");
    if (allow.length > 0) await client.until(/^in the old way\n/m);
    else assert.equal((await client.exit).code, 1);
  }
});

test("half a mebibyte goes through openssl's client to seccf serve unchanged", async () => {
  const server = await seccfServer();
  await using peer = server.running;
  await using client = opensslClient(server.at, "ALL", "-quiet", "-no_ign_eof", "-psk", KEY, "-psk_identity", IDENTITY);
  const sent = new Uint8Array(524_288).map((_, index) => index % 251);
  client.write(sent);
  client.write("\nlast line\n");
  client.endInput();
  await client.exit;
  await peer.until(/\nlast line\n/);
  assert.ok(Buffer.from(peer.out.subarray(0, sent.length)).equals(sent));
});
