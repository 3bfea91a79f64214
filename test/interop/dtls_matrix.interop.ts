// Every DTLS peer that Debian or npm has, both directions, every suite that both sides know; the last test prints it all.
import assert from "node:assert/strict";
import { getCiphers } from "node:crypto";
import { createAssociation, rawPsk, startLifetime } from "../../lib/association/mod.ts";
import { fromHex, fromUtf8, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { nodeDtlsClient } from "../../transports/dtls/mod.ts";
import { webPlatform } from "../../web_platform.ts";
import { start, startScript } from "../support/spawn.ts";
import { type Direction, Matrix } from "./matrix.ts";
import { commonPeers, freePort, IDENTITY, KEY, serve } from "./peers.ts";
import { PEER_SUITES, type PeerSuite } from "./suites.ts";

/** The example's, as libcoap takes it: text. */
const COAP_KEY = "a key for a test";

type Libcoap = "openssl" | "gnutls";

async function toCoap(library: Libcoap, { iana }: PeerSuite): Promise<void> {
  const port = await freePort("dtls");
  // Never without -A: it would listen to everybody. The secure port is the next one.
  await using server = start("stdbuf", [
    // Line by line, else a pipe gets nothing before it ends.
    ...["-oL", `coap-server-${library}`, "-v", "7"],
    ...["-A", "127.0.0.1", "-p", `${port}`, "-k", COAP_KEY, "-h", "CoAP"],
  ]);
  await server.until(/created DTLS endpoint/i);
  await using client = startScript("examples/coap.ts", ["get", "127.0.0.1", `${port + 1}`, "/", iana]);
  await client.until(/2\.05 This is a test server made with libcoap/);
}

async function fromCoap(library: Libcoap, { iana }: PeerSuite): Promise<void> {
  await using server = startScript("examples/coap.ts", ["serve", "127.0.0.1", "0", "/", iana]);
  const [, url] = await server.until(/^listening (coaps:.*)\n/);
  await using client = start(`coap-client-${library}`, [
    ...["-B", "10", "-k", COAP_KEY, "-u", IDENTITY, "-m", "get", `${url}/reading`],
  ]);
  await client.until(/21\.5/);
}

function coapGap({ iana, version, openssl, gnutls }: PeerSuite, library: Libcoap, _: Direction): string | undefined {
  if (version === "1.3") return "libcoap 4.3 has no DTLS 1.3";
  if (iana.includes("CBC")) return "CoAP's profile (RFC 7252 9.1.3) has no CBC suites";
  return (library === "openssl" ? openssl : gnutls) === undefined ? "its TLS library knows no such suite" : undefined;
}

async function fromNodeDtlsClient(suite: PeerSuite): Promise<string> {
  if (suite.iana.includes("CCM") && !getCiphers().includes("aes-128-ccm")) {
    return "none: it takes AES-CCM from node:crypto, which this runtime lacks";
  }
  // It has no extensions at all.
  const { server, port } = await serve(
    "dtls",
    suite,
    ...["--allow", "no-extended-master-secret", "--allow", "mac-then-encrypt", "--hint", ""],
  );
  await using _server = server;
  await using association = createAssociation({
    reference: IDENTITY,
    serverName: "127.0.0.1",
    role: "initiator",
    peer: { identity: toUtf8("127.0.0.1"), assurance: "psk" },
    origin: rawPsk({ identity: toUtf8(IDENTITY), key: secretFrom(fromHex(KEY)), use: "tls" }),
    lifetime: startLifetime({ clock: webPlatform.clock, seconds: 3600 }),
    platform: webPlatform,
  });
  await using channel = await association.bind(nodeDtlsClient({ port, suite: suite.iana, handshakeSeconds: 5 }));
  await channel.send(toUtf8("mirror, mirror"));
  for await (const { payload } of channel) {
    assert.equal(fromUtf8(payload), "mirror, mirror");
    break;
  }
  return "ok";
}

function nodeDtlsClientGap({ iana, version }: PeerSuite): string | undefined {
  if (version === "1.3") return "it has no DTLS 1.3";
  return /ECDHE|CHACHA/.test(iana) ? "it knows no such suite" : undefined;
}

const matrix = new Matrix("DTLS", PEER_SUITES);
commonPeers(matrix, "dtls");
for (const library of ["openssl", "gnutls"] as const) {
  matrix.peer(`libcoap (${library})`, (suite, direction) => coapGap(suite, library, direction), {
    "from us": (suite) => toCoap(library, suite),
    "to us": (suite) => fromCoap(library, suite),
  });
}
matrix.peer("node-dtls-client", nodeDtlsClientGap, { "to us": fromNodeDtlsClient });
matrix.print();
