// seccf against openssl's own DTLS server and client, on loopback, and through a network that loses datagrams.
import assert from "node:assert/strict";
import { createSocket, type RemoteInfo } from "node:dgram";
import test from "node:test";
import { type Running, start, startSeccf } from "../support/spawn.ts";
import { seededNumbers } from "../support/virtual.ts";

const KEY = "0102030405060708090a0b0c0d0e0f10";
const WRONG_KEY = "0102030405060708090a0b0c0d0e0f11";
const IDENTITY = "Client_identity";
const SUITES = [
  { iana: "TLS_PSK_WITH_AES_128_GCM_SHA256", openssl: "PSK-AES128-GCM-SHA256" },
  { iana: "TLS_PSK_WITH_AES_128_CCM_8", openssl: "PSK-AES128-CCM8" },
  { iana: "TLS_PSK_WITH_AES_128_CCM", openssl: "PSK-AES128-CCM" },
  { iana: "TLS_PSK_WITH_AES_256_GCM_SHA384", openssl: "PSK-AES256-GCM-SHA384" },
  { iana: "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256", openssl: "PSK-CHACHA20-POLY1305" },
  { iana: "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256", openssl: "ECDHE-PSK-CHACHA20-POLY1305" },
  { iana: "TLS_PSK_WITH_AES_128_CBC_SHA256", openssl: "PSK-AES128-CBC-SHA256" },
  { iana: "TLS_PSK_WITH_AES_128_CBC_SHA", openssl: "PSK-AES128-CBC-SHA" },
] as const;

interface Peer {
  readonly running: Running;
  /** `HOST:PORT` of a server. */
  readonly at: string;
}

/** s_server reports no port of its own choice on datagrams: one that was free a moment ago. */
async function freePort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}

/** Without `-listen`, which serves one peer and then no other. */
async function opensslServer(suite: string, ...words: string[]): Promise<Peer> {
  const at = `127.0.0.1:${await freePort()}`;
  const cipher = ["-cipher", `${suite}:@SECLEVEL=0`];
  const psk = ["-nocert", "-psk", KEY, "-psk_identity", IDENTITY, "-psk_hint", "3GPP-bootstrapping"];
  const running = start("openssl", [
    ...["s_server", "-dtls1_2", "-accept", at, "-mtu", "1400", "-timeout"],
    ...[...psk, ...cipher, ...words],
  ]);
  await running.until(/ACCEPT/);
  return { running, at };
}

function opensslClient(at: string, suite: string, ...words: string[]): Running {
  const cipher = ["-cipher", `${suite}:@SECLEVEL=0`];
  const psk = ["-psk", KEY, "-psk_identity", IDENTITY];
  return start("openssl", [
    ...["s_client", "-dtls1_2", "-connect", at, "-mtu", "1400", "-timeout", "-nocommands"],
    ...[...psk, ...cipher, ...words],
  ]);
}

async function seccfServer(...words: string[]): Promise<Peer> {
  const running = startSeccf(["serve", "dtls://127.0.0.1:0", "--psk", `${IDENTITY}=${KEY}`, ...words]);
  const [, at] = await running.until(/^listening dtls:\/\/(.*)\n/);
  return { running, at: at ?? assert.fail() };
}

function seccfClient(at: string, ...words: string[]): Running {
  return startSeccf(["connect", `dtls://${at}`, "--psk-identity", IDENTITY, "--linger", "0.3", ...words]);
}

for (const { iana, openssl } of SUITES) {
  test(`seccf connect to openssl s_server over DTLS with ${iana}`, async () => {
    const server = await opensslServer(openssl);
    await using peer = server.running;
    await using client = seccfClient(server.at, "--psk", KEY, "--suite", iana);
    client.write("what is the reading?\n");
    await peer.until(/what is the reading\?\n/);
    peer.write("it is 21.5\n");
    await client.until(/it is 21\.5\n/);
    client.endInput();
    assert.deepEqual(await client.exit, { code: 0, signal: null }, client.errText);
    await peer.until(/^(?:DONE|ERROR)\n/m);
    assert.match(peer.outText, /^DONE\n/m);
    assert.match(peer.outText, new RegExp(`CIPHER is ${openssl}\\n`));
  });

  test(`openssl s_client to seccf serve over DTLS with ${iana}`, async () => {
    const server = await seccfServer("--suite", iana, "--echo");
    await using peer = server.running;
    await using client = opensslClient(server.at, openssl);
    await client.until(/Cipher is [A-Z]/);
    client.write("mirror, mirror\n");
    await client.until(/^mirror, mirror\n/m);
    client.endInput();
    assert.equal((await client.exit).code, 0);
    assert.match(client.outText, new RegExp(`Cipher is ${openssl}\\n`));
    assert.match(client.outText, /PSK identity hint: 3GPP-bootstrapping\n/);
    assert.match(client.outText, /Extended master secret: yes\n/);
    assert.equal(peer.errText.split("\n").length, 2, peer.errText);
  });
}

test("CBC without encrypt-then-MAC is refused over DTLS on both sides unless it is allowed by name", async () => {
  const suite = ["--suite", "TLS_PSK_WITH_AES_128_CBC_SHA"];
  const theirs = await opensslServer("PSK-AES128-CBC-SHA", "-no_etm");
  await using _theirs = theirs.running;
  await using refused = seccfClient(theirs.at, "--psk", KEY, ...suite);
  assert.equal((await refused.exit).code, 1);
  assert.match(refused.errText, /^seccf: (?:unsupported|downgrade): [^\n]*\n$/);
  await using allowed = seccfClient(theirs.at, "--psk", KEY, ...suite, "--allow", "mac-then-encrypt");
  allowed.endInput();
  assert.equal((await allowed.exit).code, 0, allowed.errText);
});

test("openssl drops our wrong key in silence, and takes the right one after it from the same server", async () => {
  const ours = await seccfServer("--echo");
  await using server = ours.running;
  await using wrong = opensslClient(ours.at, "PSK-AES128-GCM-SHA256", "-psk", WRONG_KEY);
  await new Promise((resolve) => setTimeout(resolve, 500));
  await using right = opensslClient(ours.at, "PSK-AES128-GCM-SHA256");
  await right.until(/Cipher is [A-Z]/);
  right.write("and now the right one\n");
  await right.until(/^and now the right one\n/m);
  assert.doesNotMatch(wrong.outText, /Cipher is PSK/);
  assert.doesNotMatch(server.errText, /connected/);
});

test("our small mtu cuts our flights, and openssl puts them together", async () => {
  const server = await opensslServer("PSK-AES128-GCM-SHA256");
  await using peer = server.running;
  await using client = seccfClient(
    server.at,
    "--psk",
    KEY,
    "--mtu",
    "128",
    "--suite",
    "TLS_PSK_WITH_AES_128_GCM_SHA256",
  );
  client.write("in small pieces\n");
  client.endInput();
  assert.deepEqual(await client.exit, { code: 0, signal: null }, client.errText);
  await peer.until(/in small pieces\n/);
});

/** Between a client and the server behind it; loses datagrams of the handshake by a seed, then none. */
async function lossyProxy(to: string, seed: number, loss: number) {
  const number = seededNumbers(seed);
  const [host = "", port = ""] = to.split(":");
  const front = createSocket("udp4");
  const back = createSocket("udp4");
  let client: RemoteInfo | undefined;
  let left = 24;
  let lost = 0;
  const passes = (): boolean => {
    if (left-- <= 0 || number() >= loss) return true;
    lost++;
    return false;
  };
  front.on("message", (bytes, from) => {
    client = from;
    if (passes()) back.send(bytes, Number(port), host);
  });
  back.on("message", (bytes) => {
    if (client && passes()) front.send(bytes, client.port, client.address);
  });
  await new Promise<void>((resolve) => front.bind(0, "127.0.0.1", resolve));
  return {
    at: `127.0.0.1:${front.address().port}`,
    lost: () => lost,
    async [Symbol.asyncDispose]() {
      await Promise.all([front, back].map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))));
    },
  };
}

for (const seed of [11, 12, 13]) {
  test(`through a network that loses a quarter of the handshake, seed ${seed}: our client and openssl's server`, async () => {
    const server = await opensslServer("PSK-AES128-CCM8");
    await using peer = server.running;
    await using proxy = await lossyProxy(server.at, seed, 0.25);
    await using client = seccfClient(proxy.at, "--psk", KEY, "--suite", "TLS_PSK_WITH_AES_128_CCM_8", "--json");
    await client.until(/"event":"(?:connected|error)"/);
    assert.match(client.errText, /"connected"/);
    for (let line = 0; line < 12; line++) {
      client.write(`line ${line}\n`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await peer.until(/line 11\n/);
  });

  test(`through a network that loses a quarter of the handshake, seed ${seed}: openssl's client and our server`, async () => {
    const server = await seccfServer();
    await using peer = server.running;
    await using proxy = await lossyProxy(server.at, seed, 0.25);
    await using client = opensslClient(proxy.at, "PSK-AES128-CCM8");
    await client.until(/Cipher is PSK/);
    for (let line = 0; line < 12; line++) {
      client.write(`line ${line}\n`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await peer.until(/line 11\n/);
  });
}
