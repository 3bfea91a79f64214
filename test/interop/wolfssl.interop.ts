// What wolfSSL alone among the peers lets us try: each key exchange mode, each group, both versions on offer, its own wrong keys.
import assert from "node:assert/strict";
import test from "node:test";
import type { Running } from "../support/spawn.ts";
import { connect, KEY, serve, type Transport } from "./peers.ts";
import { PEER_SUITES, type PeerSuite } from "./suites.ts";
import { wolfsslAgreed, wolfsslBuild, wolfsslClient, type WolfsslOptions, wolfsslServer } from "./wolfssl_peer.ts";

const WRONG_KEY = "0102030405060708090a0b0c0d0e0f11";

function suite(iana: string): PeerSuite {
  return PEER_SUITES.find((row) => row.iana === iana) ?? assert.fail(iana);
}

const ECDHE_GCM = suite("TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256");
const GCM_1_3 = suite("TLS_AES_128_GCM_SHA256");

/** Ours asks, wolfSSL answers; what it says that was agreed. */
async function fromUs(transport: Transport, row: PeerSuite, options: WolfsslOptions, ...words: readonly string[]) {
  const { running, port } = await wolfsslServer(options);
  await using server = running;
  await using client = connect(transport, port, row, { words });
  client.write("mirror, mirror\n");
  await client.until(/^mirror, mirror\n/);
  client.endInput();
  assert.equal((await client.exit).code, 0, client.errText);
  return await wolfsslAgreed(server);
}

/** The other way round. */
async function toUs(transport: Transport, row: PeerSuite, options: WolfsslOptions, ...words: readonly string[]) {
  const { server, port } = await serve(transport, row, ...words);
  await using _server = server;
  await using client = wolfsslClient(port, options);
  return await echoed(client);
}

async function echoed(client: Running) {
  const agreed = await wolfsslAgreed(client);
  client.write("mirror, mirror\n");
  await client.until(/^mirror, mirror\n/);
  return agreed;
}

for (const group of ["x25519", "p256"] as const) {
  test(`TLS 1.3, psk_dhe_ke over nothing but ${group}, either way round`, async () => {
    const options = { version: "tls1.3", suite: GCM_1_3.wolfssl!, psk: KEY, group } as const;
    assert.equal((await fromUs("tls", GCM_1_3, options)).version, "TLSv1.3");
    assert.equal((await toUs("tls", GCM_1_3, options)).version, "TLSv1.3");
  });
}

test("TLS 1.3, psk_ke, either way round", async () => {
  const options = { version: "tls1.3", suite: GCM_1_3.wolfssl!, psk: KEY, noDhe: true } as const;
  assert.equal((await fromUs("tls", GCM_1_3, options)).suite, "1301");
  assert.equal((await toUs("tls", GCM_1_3, options)).suite, "1301");
});

test("TLS 1.3, a server that asks our client to come back with a cookie", async () => {
  const options = { version: "tls1.3", suite: GCM_1_3.wolfssl!, psk: KEY, cookie: true } as const;
  assert.equal((await fromUs("tls", GCM_1_3, options)).version, "TLSv1.3");
});

test("both versions on offer on both sides: TLS 1.3, either way round", async () => {
  const options = { version: "tls", psk: KEY } as const;
  const more = ["--suite", ECDHE_GCM.iana];
  assert.equal((await fromUs("tls", GCM_1_3, options, ...more)).version, "TLSv1.3");
  assert.equal((await toUs("tls", GCM_1_3, options, ...more)).version, "TLSv1.3");
});

for (const transport of ["tls", "dtls"] as const) {
  test(`${transport} 1.2, ECDHE_PSK over P-256 on wolfSSL's side alone, either way round`, async () => {
    const options = { version: `${transport}1.2`, suite: ECDHE_GCM.wolfssl!, psk: KEY, group: "p256" } as const;
    assert.equal((await fromUs(transport, ECDHE_GCM, options)).suite, "d001");
    assert.equal((await toUs(transport, ECDHE_GCM, options)).suite, "d001");
  });
}

for (const [row, version] of [[ECDHE_GCM, "tls1.2"], [GCM_1_3, "tls1.3"]] as const) {
  test(`wolfSSL's client with a wrong key over ${version} fails, and one with the right key gets in after it`, async () => {
    const { server, port } = await serve("tls", row);
    await using _server = server;
    const options = { version, suite: row.wolfssl!, group: "p256" } as const;
    await using wrong = wolfsslClient(port, { ...options, psk: WRONG_KEY });
    assert.equal((await wrong.exit).code, 1);
    await server.until(/^seccf: auth-failed: /m);
    await using right = wolfsslClient(port, { ...options, psk: KEY });
    await echoed(right);
  });

  test(`our client with a wrong key over ${version} fails at wolfSSL's server, and one with the right key gets in`, async () => {
    const { running, port } = await wolfsslServer({ version, suite: row.wolfssl!, psk: KEY });
    await using server = running;
    await using wrong = connect("tls", port, row, { key: WRONG_KEY });
    assert.equal((await wrong.exit).code, 1);
    // In 1.3 wolfSSL says nothing and goes.
    assert.match(wrong.errText, version === "tls1.2" ? /^seccf: auth-failed: / : /^seccf: (?:auth-failed|closed): /);
    await server.until(/"event":"failed"/);
    await using right = connect("tls", port, row);
    right.write("mirror, mirror\n");
    await right.until(/^mirror, mirror\n/);
  });
}

// Debian builds its libwolfssl without these: they are here for a tree of one's own (wolfssl_peer.ts).
if (wolfsslBuild.dtls13) {
  for (const group of ["x25519", "p256"] as const) {
    test(`DTLS 1.3, psk_dhe_ke over nothing but ${group}, either way round`, async () => {
      const options = { version: "dtls1.3", suite: GCM_1_3.wolfssl!, psk: KEY, group } as const;
      assert.equal((await fromUs("dtls", GCM_1_3, options)).version, "DTLSv1.3");
      assert.equal((await toUs("dtls", GCM_1_3, options)).version, "DTLSv1.3");
    });
  }

  test("DTLS 1.3, psk_ke, either way round", async () => {
    const options = { version: "dtls1.3", suite: GCM_1_3.wolfssl!, psk: KEY, noDhe: true } as const;
    assert.equal((await fromUs("dtls", GCM_1_3, options)).suite, "1301");
    assert.equal((await toUs("dtls", GCM_1_3, options)).suite, "1301");
  });
}

if (wolfsslBuild.dtls13 && wolfsslBuild.cid) {
  for (const cid of ["", "w", "wolfid"]) {
    test(`DTLS 1.3 with Connection IDs, ${cid.length} bytes on wolfSSL's side, either way round`, async () => {
      const options = { version: "dtls1.3", suite: GCM_1_3.wolfssl!, psk: KEY, cid } as const;
      const asServer = await fromUs("dtls", GCM_1_3, options, "--cid");
      assert.deepEqual([asServer.cidIn?.length, asServer.cidOut?.length], [2 * cid.length, 16]);
      const asClient = await toUs("dtls", GCM_1_3, options);
      assert.deepEqual([asClient.cidIn?.length, asClient.cidOut?.length], [2 * cid.length, 16]);
    });
  }
}
