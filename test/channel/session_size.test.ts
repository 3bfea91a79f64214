import assert from "node:assert/strict";
import test from "node:test";
import type { FoundKey } from "../../lib/association/ports.ts";
import { fromUtf8, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { next } from "./datagram_fixtures.ts";
import { KEY, type TestAssociation, testAssociation } from "./fixtures.ts";
import { Scene } from "./kept_fixtures.ts";

/** 3GPP-bootstrapping;B-TID with a RAND of 16 bytes in base64 and a realm (TS 33.220 4.5.2): 60 bytes. */
const GBA = toUtf8("3GPP-bootstrapping;QUJDREVGR0hJSktMTU5PUA==@bsf.operator.com");

/** A device with that identity that asks for `meter.example.net`, at `host`; the bytes on record of it at either end, asleep and awake. */
async function sizes(suite: string, host: string, recordSizeLimit?: number): Promise<readonly number[]> {
  const scene = new Scene(suite.includes("PSK") ? "1.2" : "1.3");
  const find: TestAssociation["find"] = () =>
    Promise.resolve({ identity: GBA, key: secretFrom(KEY), association: mine } satisfies FoundKey);
  const mine: TestAssociation = { ...testAssociation(), find };
  const options = { suites: [suite], ...(recordSizeLimit && { recordSizeLimit }) };
  const listener = await scene.listen(mine, { suites: [suite] }, { find });
  const [client, server] = await Promise.all([scene.device(options, host)(mine), next(listener)]);
  await client.send(toUtf8("23.5"));
  for await (const { payload } of server) {
    assert.equal(fromUtf8(payload), "23.5");
    break;
  }
  const measure = async (side: "client" | "server"): Promise<number> => {
    const name = scene.written[side].at(-1)!;
    return (await scene.stores[side].get(name))!.value.length;
  };
  await scene.clock.advance(2000);
  const awake = [await measure("client"), await measure("server")];
  await client.sleep();
  await server.sleep();
  return [...awake, await measure("client"), await measure("server")];
}

/** Salt and tag of the sealing; version, time left, end, place; version, flags, suite, check of the key; Connection IDs of 0 and 8 bytes. */
const FRAME = 12 + 16 + (1 + 4 + 5 + 1) + (1 + 1 + 2 + 4) + (1 + 1 + 8);
/** Of the identity the RAND and the realm, the server's name, and the next numbers of both sides. */
const WHO = (1 + 16 + 16) + (1 + 17) + 6 + 6;
/** Awake at the device and at the server, which knows the device's place; then both asleep. Where a record was lost, the replay window is 8 more. */
function expected(keys: number, place: number): readonly number[] {
  const device = FRAME + WHO + keys;
  return [device, device + place, device, device + place];
}

/** Address and port: behind the mark that says which kind of address it is. */
const HOSTS = [["192.0.2.17", 4 + 2], ["[2001:db8:1234:5678:9abc:def0:1234:5678]", 16 + 2]] as const;

test("a session with an identity of GBA, a server name, Connection ID and address is under 200 bytes, sealed", async () => {
  const keys = 2 * (16 + 4);
  for (const suite of ["TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256", "TLS_PSK_WITH_AES_128_CCM_8"]) {
    for (const [host, place] of HOSTS) {
      const found = await sizes(suite, host);
      assert.deepEqual(found, expected(keys, place), `${suite} ${host}`);
      assert.ok(found.every((size) => size < 200), `${found}`);
    }
  }
});

test("agreed record sizes are four bytes more, and it is still under 200", async () => {
  const keys = 2 * (16 + 4);
  for (const suite of ["TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256", "TLS_PSK_WITH_AES_128_CCM_8"]) {
    for (const [host, place] of HOSTS) {
      const found = await sizes(suite, host, 512);
      assert.deepEqual(found, expected(keys + 4, place), `${suite} ${host}`);
      assert.ok(found.every((size) => size < 200), `${found}`);
    }
  }
});

test("keys of 256 bits make a session longer by themselves, and by nothing else", async () => {
  const found = await sizes("TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256", "192.0.2.17");
  assert.deepEqual(found, expected(2 * (32 + 12), 6));
  assert.deepEqual(await sizes("TLS_PSK_WITH_AES_256_GCM_SHA384", "192.0.2.17"), expected(2 * (32 + 4), 6));
});

/**
 * What version 1.3 has instead: the base of its counters and one byte of the suite; of each side epoch, next number and
 * message_seq, the numbers below 128; and no replay window where nothing was lost.
 */
const FRAME_13 = FRAME + 4 - 1;
const WHO_13 = (1 + 16 + 16) + (1 + 17) + 2 * 3;

test("a session of DTLS 1.3 has its two secrets instead of keys, and is 181 bytes at its device, sealed, and under 200 at its server, asleep and awake", async () => {
  for (const [host, place] of HOSTS) {
    const found = await sizes("TLS_AES_128_GCM_SHA256", host);
    const device = FRAME_13 + WHO_13 + 2 * 32;
    assert.equal(device, 181);
    assert.ok(found.every((size) => size < 200), `${found}`);
    assert.deepEqual(found, [device, device + place, device, device + place], host);
  }
  // Secrets are as long as the hash, whatever the cipher's key.
  assert.deepEqual(
    await sizes("TLS_CHACHA20_POLY1305_SHA256", "192.0.2.17"),
    await sizes("TLS_AES_128_GCM_SHA256", "192.0.2.17"),
  );
});
