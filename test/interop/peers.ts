/** The foreign programs that speak TLS and DTLS alike, and ours at the other end. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Running, start, startSeccf } from "../support/spawn.ts";
import type { Matrix } from "./matrix.ts";
import { gnutlsPriority, opensslWords, type PeerSuite } from "./suites.ts";
import { wolfsslAgreed, wolfsslClient, wolfsslGap, type WolfsslOptions, wolfsslServer } from "./wolfssl_peer.ts";

export const KEY = "0102030405060708090a0b0c0d0e0f10";
export const IDENTITY = "Client_identity";

/** What carries the records. */
export type Transport = "tls" | "dtls";

/** The cells of openssl, gnutls and wolfSSL. */
export function commonPeers(matrix: Matrix, transport: Transport): void {
  matrix.peer("openssl", (suite) => opensslGap(suite, transport), {
    "from us": (suite) => toOpenssl(transport, suite),
    "to us": (suite) => fromOpenssl(transport, suite),
  });
  matrix.peer("gnutls", (suite) => gnutlsGap(suite, transport), {
    "from us": (suite) => toGnutls(transport, suite),
    "to us": (suite) => fromGnutls(transport, suite),
  });
  matrix.peer("wolfssl", (suite) => wolfsslGap(suite, transport), {
    "from us": (suite) => toWolfssl(transport, suite),
    "to us": (suite) => fromWolfssl(transport, suite),
  });
}

/** A port of 127.0.0.1 that was free a moment ago, for programs that take no 0. */
export async function freePort(transport: Transport): Promise<number> {
  if (transport === "tls") {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    await new Promise((resolve) => server.close(resolve));
    return address !== null && typeof address === "object" ? address.port : assert.fail();
  }
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

/** Our echoing server for nothing but `suite`. */
export async function serve(
  transport: Transport,
  suite: PeerSuite,
  ...words: readonly string[]
): Promise<{ readonly server: Running; readonly port: number }> {
  const server = startSeccf([
    ...["serve", `${SCHEMES[transport]}://127.0.0.1:0`, "--psk", `${IDENTITY}=${KEY}`, "--echo", "--suite", suite.iana],
    ...words,
  ]);
  const [, port] = await server.until(/^listening [a-z-]+:\/\/127\.0\.0\.1:([0-9]+)\n/);
  return { server, port: Number(port) };
}

/** Our client that offers nothing but `suite`, and what `words` add. */
export function connect(
  transport: Transport,
  port: number,
  suite: PeerSuite,
  { key = KEY, words = [] }: { readonly key?: string; readonly words?: readonly string[] } = {},
): Running {
  return startSeccf([
    ...["connect", `${SCHEMES[transport]}://127.0.0.1:${port}`, "--psk-identity", IDENTITY, "--psk", key],
    ...["--suite", suite.iana, "--linger", "0.3", ...words],
  ]);
}

/** Ours asks, an echoing peer answers. */
async function connectAndEcho(transport: Transport, port: number, suite: PeerSuite): Promise<void> {
  await using client = connect(transport, port, suite);
  client.write("mirror, mirror\n");
  await client.until(/^mirror, mirror\n/);
  client.endInput();
  assert.deepEqual(await client.exit, { code: 0, signal: null }, client.errText);
}

async function echoTo(client: Running): Promise<void> {
  client.write("mirror, mirror\n");
  await client.until(/^mirror, mirror\n/m);
}

async function toOpenssl(transport: Transport, suite: PeerSuite): Promise<void> {
  const port = await freePort(transport);
  await using server = start("openssl", [
    ...["s_server", ...opensslWords(suite, transport), "-accept", `127.0.0.1:${port}`, ...OPENSSL[transport]],
    ...["-nocert", "-psk", KEY, "-psk_identity", IDENTITY, "-psk_hint", "hint1"],
  ]);
  await server.until(/ACCEPT/);
  await using client = connect(transport, port, suite);
  client.write("what is the reading?\n");
  await server.until(/what is the reading\?\n/);
  server.write("it is 21.5\n");
  await client.until(/it is 21\.5\n/);
  client.endInput();
  assert.deepEqual(await client.exit, { code: 0, signal: null }, client.errText);
}

async function fromOpenssl(transport: Transport, suite: PeerSuite): Promise<void> {
  const { server, port } = await serve(transport, suite);
  await using _server = server;
  await using client = start("openssl", [
    ...["s_client", ...opensslWords(suite, transport), "-connect", `127.0.0.1:${port}`, ...OPENSSL[transport]],
    ...["-nocommands", "-psk", KEY, "-psk_identity", IDENTITY],
  ]);
  await client.until(new RegExp(`Cipher is ${suite.openssl}`));
  await echoTo(client);
}

async function toGnutls(transport: Transport, suite: PeerSuite): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "seccf-"));
  try {
    const keys = join(folder, "psk.txt");
    writeFileSync(keys, `${IDENTITY}:${KEY}\n`);
    const port = await freePort(transport);
    await using server = start("gnutls-serv", [
      ...[...GNUTLS[transport], "--echo", "-p", `${port}`, "--pskpasswd", keys, "--pskhint", "hint1"],
      ...["--priority", gnutlsPriority(suite, transport === "tls" ? "TLS" : "DTLS")],
    ]);
    await server.until(/listening on IPv4 .*done\n/);
    await connectAndEcho(transport, port, suite);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function fromGnutls(transport: Transport, suite: PeerSuite): Promise<string> {
  const { server, port } = await serve(transport, suite);
  await using _server = server;
  await using client = start("gnutls-cli", [
    ...[...GNUTLS[transport], "-d", "4", "127.0.0.1", "-p", `${port}`, "--pskusername", IDENTITY, "--pskkey", KEY],
    ...["--priority", gnutlsPriority(suite, transport === "tls" ? "TLS" : "DTLS")],
  ]);
  if (suite.iana.includes("ECDHE")) {
    await client.until(/FINISHED \(20\) was received/);
    await client.exit;
    return "handshake well; gnutls-cli 3.7 then crashes where it prints what was agreed";
  }
  await client.until(/Handshake was completed/);
  await echoTo(client);
  return "ok";
}

function wolfsslOptions(transport: Transport, { version, wolfssl }: PeerSuite): WolfsslOptions {
  return { version: `${transport}${version}`, suite: wolfssl!, psk: KEY };
}

async function toWolfssl(transport: Transport, suite: PeerSuite): Promise<void> {
  const { running, port } = await wolfsslServer({ ...wolfsslOptions(transport, suite), hint: "hint1" });
  await using server = running;
  await connectAndEcho(transport, port, suite);
  await checkAgreed(server, transport, suite);
}

async function fromWolfssl(transport: Transport, suite: PeerSuite): Promise<void> {
  const { server, port } = await serve(transport, suite);
  await using _server = server;
  // wolfSSL's clients take no X25519 with ECDHE_PSK before TLS 1.3, from its own servers neither ("Bad ECC Peer Key").
  const group = suite.iana.includes("ECDHE") ? { group: "p256" } as const : {};
  await using client = wolfsslClient(port, { ...wolfsslOptions(transport, suite), ...group });
  await checkAgreed(client, transport, suite);
  await echoTo(client);
}

async function checkAgreed(theirs: Running, transport: Transport, { version }: PeerSuite): Promise<void> {
  assert.equal((await wolfsslAgreed(theirs)).version, `${transport.toUpperCase()}v${version}`);
}

function opensslGap({ openssl, version, iana }: PeerSuite, transport: Transport): string | undefined {
  if (openssl === undefined) return "OpenSSL 3.0 knows no such suite";
  if (version === "1.3" && transport === "dtls") return "OpenSSL has no DTLS 1.3";
  return iana.endsWith("SHA384") && version === "1.3" ? "the key of its -psk is for SHA-256" : undefined;
}

function gnutlsGap({ gnutls, version, iana }: PeerSuite, transport: Transport): string | undefined {
  if (gnutls === undefined) return "GnuTLS 3.7 knows no such suite";
  if (version === "1.3" && transport === "dtls") return "GnuTLS 3.7 has no DTLS 1.3";
  return iana.endsWith("SHA384") && version === "1.3" ? "the key of its --pskkey is for SHA-256" : undefined;
}

const SCHEMES = { tls: "tls-psk", dtls: "dtls" } as const;
const OPENSSL = { tls: [], dtls: ["-mtu", "1400", "-timeout"] } as const;
const GNUTLS = { tls: [], dtls: ["-u"] } as const;
