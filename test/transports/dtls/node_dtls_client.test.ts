// The second client against our own listener, over real UDP: what it can, and that what it can not do is said.
import assert from "node:assert/strict";
import test from "node:test";
import {
  createAssociation,
  createKeyTable,
  rawPsk,
  type SecurityAssociation,
  startLifetime,
} from "../../../lib/association/mod.ts";
import { fromUtf8, toUtf8 } from "../../../lib/bytes/mod.ts";
import { secretFrom } from "../../../lib/crypto/mod.ts";
import { dtls, type DtlsCarrierOptions, nodeDtlsClient } from "../../../transports/dtls/mod.ts";
import { webPlatform } from "../../../web_platform.ts";

const SUITE = "TLS_PSK_WITH_AES_128_GCM_SHA256";

function associate(role: "initiator" | "responder", { identity = "device-1", fill = 1 } = {}): SecurityAssociation {
  return createAssociation({
    reference: identity,
    serverName: "127.0.0.1",
    role,
    peer: { identity: toUtf8(identity), assurance: "psk" },
    origin: rawPsk({ identity: toUtf8(identity), key: secretFrom(new Uint8Array(16).fill(fill)), use: "tls" }),
    lifetime: startLifetime({ clock: webPlatform.clock, seconds: 3600 }),
    platform: webPlatform,
  });
}

async function echoing(options: Partial<DtlsCarrierOptions> = {}) {
  const table = createKeyTable();
  table.set(toUtf8("device-1"), associate("responder"));
  const listener = await dtls({ port: 0, host: "127.0.0.1", requireExtendedMasterSecret: false, ...options })
    .listen(table, { platform: webPlatform });
  void (async () => {
    for await (const channel of listener) {
      void (async () => {
        await using _closed = channel;
        for await (const { payload } of channel) await channel.send(payload);
      })().catch(() => {});
    }
  })();
  return { listener, port: Number(listener.url.port) };
}

test("node-dtls-client carries an association as a second connector, and the binding says what it was", async () => {
  const { listener, port } = await echoing();
  const association = associate("initiator");
  const channel = await association.bind(nodeDtlsClient({ port }));
  assert.equal(channel.boundaries, "kept");
  assert.deepEqual(channel.binding, { carrier: "dtls", suite: 0x00a8, strength: 2 });
  assert.deepEqual(association.weakest, channel.binding);
  for (const text of ["one", "two"]) {
    await channel.send(toUtf8(text));
    for await (const { payload } of channel) {
      assert.equal(fromUtf8(payload), text);
      break;
    }
  }
  await assert.rejects(channel.send(new Uint8Array(1201)), { code: "too-large" });
  await channel[Symbol.asyncDispose]();
  await assert.rejects(channel.send(toUtf8("late")), { code: "closed" });
  await listener[Symbol.asyncDispose]();
});

test("node-dtls-client has no extended master secret, so a listener that wants it refuses: silence or an alert, no channel", async () => {
  const { listener, port } = await echoing({ requireExtendedMasterSecret: true });
  const association = associate("initiator");
  await assert.rejects(association.bind(nodeDtlsClient({ port, handshakeSeconds: 0.5 })), { name: "SeccfError" });
  assert.equal(association.weakest, undefined);
  await listener[Symbol.asyncDispose]();
});

test("a wrong key, an abort and an identity that is not ASCII leave nothing behind", async () => {
  const { listener, port } = await echoing();
  const carrier = nodeDtlsClient({ port, handshakeSeconds: 0.5 });
  await assert.rejects(associate("initiator", { fill: 2 }).bind(carrier), { name: "SeccfError" });
  await assert.rejects(associate("initiator", { identity: "Gerät" }).bind(carrier), { code: "unsupported" });
  const signal = AbortSignal.abort(new RangeError("not today"));
  await assert.rejects(associate("initiator").bind(carrier, { signal }), RangeError);
  await listener[Symbol.asyncDispose]();
});

test("options that make no sense are found at once", () => {
  for (const port of [0, -1, 65_536]) assert.throws(() => nodeDtlsClient({ port }), RangeError);
  assert.throws(() => nodeDtlsClient({ port: 1, suite: "TLS_NULL_WITH_NULL_NULL" }), RangeError);
  assert.doesNotThrow(() => nodeDtlsClient({ port: 1, suite: SUITE }));
});
