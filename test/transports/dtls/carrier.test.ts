import assert from "node:assert/strict";
import test from "node:test";
import { createAssociation, createKeyTable, rawPsk, startLifetime } from "../../../lib/association/mod.ts";
import type { KeyRequest, KeySource, Listener, SecurityAssociation } from "../../../lib/association/mod.ts";
import { fromUtf8, toUtf8 } from "../../../lib/bytes/mod.ts";
import type { DatagramChannel, Refusal } from "../../../lib/channel/mod.ts";
import { secretFrom } from "../../../lib/crypto/mod.ts";
import type { Platform } from "../../../lib/platform.ts";
import { type DatagramDialer, dtls, type DtlsCarrierOptions } from "../../../transports/dtls/mod.ts";
import { memoryNetwork } from "../../../transports/memory/mod.ts";
import { webPlatform } from "../../../web_platform.ts";
import { virtualPlatform } from "../../support/virtual.ts";

/** One provisioned key, at either end. */
function provisioned(
  platform: Platform,
  role: "initiator" | "responder",
  { serverName = "meter.example.net", identity = "device-1", fill = 1 } = {},
): SecurityAssociation {
  return createAssociation({
    reference: identity,
    serverName,
    role,
    peer: { identity: toUtf8(role === "initiator" ? serverName : identity), assurance: "psk" },
    origin: rawPsk({ identity: toUtf8(identity), key: secretFrom(new Uint8Array(16).fill(fill)), use: "tls" }),
    lifetime: startLifetime({ clock: platform.clock, seconds: 3600 }),
    platform,
  });
}

/** A listener in memory, all that it was asked and refused, and everything that was sent. */
async function place(options: Partial<DtlsCarrierOptions> = {}) {
  const platform = virtualPlatform();
  const network = memoryNetwork({ clock: platform.clock, seed: 1 });
  const sent: { readonly bytes: Uint8Array; readonly from: string }[] = [];
  let clients = 0;
  const bind = (address: string) => {
    const socket = network.bind(address);
    const send = socket.send.bind(socket);
    return Object.assign(socket, {
      send(bytes: Uint8Array, to: string) {
        sent.push({ bytes: bytes.slice(), from: address });
        send(bytes, to);
      },
    });
  };
  const over: DatagramDialer = {
    connect: (host, port) => Promise.resolve({ socket: bind(`10.0.0.${++clients}:1`), remote: `${host}:${port}` }),
    bind: (host, port) => Promise.resolve(bind(`${host}:${port}`)),
  };
  const table = createKeyTable();
  table.set(toUtf8("device-1"), provisioned(platform, "responder"));
  const asked: KeyRequest[] = [];
  const keys: KeySource = {
    find(request, wait) {
      asked.push(request);
      return table.find(request, wait);
    },
  };
  const refused: Refusal[] = [];
  const carrier = dtls({ port: 443, host: "meter", over, onRefused: (refusal) => refused.push(refusal), ...options });
  return { platform, network, over, asked, refused, sent, listener: await carrier.listen(keys, { platform }) };
}

async function next(listener: Listener<DatagramChannel>): Promise<DatagramChannel> {
  for await (const channel of listener) return channel;
  return assert.fail("no channel");
}

async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(() => "none", (error) => error.code ?? error.name);
}

test("[SEC_CF-ADM-001] [SEC_CF-HLF-001] a provisioned association binds to DTLS, and both ends know the other", async () => {
  const { platform, over, listener, asked } = await place();
  const association = provisioned(platform, "initiator");
  const channel = await association.bind(dtls({ port: 443, host: "meter", over }));
  const far = await next(listener);
  assert.equal(listener.url.href, "dtls://meter:443");
  assert.equal(fromUtf8(channel.peer.identity), "meter.example.net");
  assert.equal(fromUtf8(far.peer.identity), "device-1");
  assert.deepEqual(association.weakest, { carrier: "dtls", suite: 0x1301, strength: 3 });
  assert.equal(asked.length, 1);
  assert.equal(asked[0]?.serverName, "meter.example.net");
  await far.send(toUtf8("hello"));
  for await (const { payload } of channel) {
    assert.equal(fromUtf8(payload), "hello");
    break;
  }
  await channel[Symbol.asyncDispose]();
  await far[Symbol.asyncDispose]();
  await listener[Symbol.asyncDispose]();
  assert.equal(platform.clock.pending, 0);
});

test("a server's hint is 3GPP-bootstrapping unless another is given, or none", async () => {
  for (const [hint, expected] of [[undefined, "3GPP-bootstrapping"], ["other", "other"], ["", undefined]] as const) {
    const { platform, over, listener } = await place(hint === undefined ? {} : { hint });
    const association = provisioned(platform, "initiator");
    const hints: (string | undefined)[] = [];
    const watched: SecurityAssociation = {
      ...association,
      find(request, wait) {
        hints.push(request.hint && fromUtf8(request.hint));
        return association.find(request, wait);
      },
    };
    // Version 1.3 has no hints.
    const carrier = dtls({ port: 443, host: "meter", over, versions: ["1.2"] });
    await using _channel = await carrier.connect(watched, { platform });
    assert.deepEqual(hints, [expected]);
    await listener[Symbol.asyncDispose]();
  }
});

/** Bytes of the Connection ID of a record with 3 bytes of data: what is left when all else is taken off, if it has one. */
const LENGTH_OF_ID = {
  // RFC 9146 4: tls12_cid; header, explicit nonce, data, type, tag.
  "1.2": (bytes: Uint8Array) => bytes[0] === 25 ? bytes.length - 13 - 8 - 3 - 1 - 16 : 0,
  // RFC 9147 4: the bit C; first byte, number and length, data, type, tag.
  "1.3": (bytes: Uint8Array) => (bytes[0]! & 0x10) !== 0 ? bytes.length - 5 - 3 - 1 - 16 : 0,
} as const;

test("Connection IDs: the server's 8 bytes unless said otherwise, the client's when it wants one, none when either does not", async () => {
  const cases = [
    { client: {}, server: {}, expected: [8, 0] },
    { client: { connectionId: 4 }, server: { connectionId: 6 }, expected: [6, 4] },
    { client: { connectionId: 4 }, server: { connectionId: 0 }, expected: [0, 4] },
    { client: { connectionId: false }, server: {}, expected: [0, 0] },
    { client: { connectionId: 4 }, server: { connectionId: false }, expected: [0, 0] },
  ] as const;
  const versions = ["1.2", "1.3"] as const;
  for (
    const { client, server, expected, version } of versions.flatMap((version) =>
      cases.map((each) => ({ ...each, version }))
    )
  ) {
    const { platform, over, listener, sent } = await place(server);
    await using channel = await provisioned(platform, "initiator").bind(
      dtls({ port: 443, host: "meter", over, versions: [version], ...client }),
    );
    await using far = await next(listener);
    sent.length = 0;
    await channel.send(new Uint8Array(3));
    await far.send(new Uint8Array(3));
    assert.deepEqual(sent.map(({ bytes }) => LENGTH_OF_ID[version](bytes)), expected);
    await listener[Symbol.asyncDispose]();
  }
});

test("a client that asks for spare Connection IDs goes by another one when it says so, and else by the first", async () => {
  for (const spareConnectionIds of [undefined, 2]) {
    const { platform, over, listener, sent } = await place();
    const carrier = dtls({ port: 443, host: "meter", over, ...(spareConnectionIds && { spareConnectionIds }) });
    await using channel = await provisioned(platform, "initiator").bind(carrier);
    await using far = await next(listener);
    await platform.clock.advance(1000);
    const nameNow = async (): Promise<string> => {
      sent.length = 0;
      await channel.send(new Uint8Array(1));
      return sent.at(-1)!.bytes.subarray(1, 9).join();
    };
    const first = await nameNow();
    assert.equal(channel.rename?.(), spareConnectionIds !== undefined);
    assert.equal(await nameNow() !== first, spareConnectionIds !== undefined);
    await channel.send(toUtf8("here"));
    for await (const { payload } of far) if (fromUtf8(payload) === "here") break;
    await listener[Symbol.asyncDispose]();
  }
});

test("a server's Connection IDs begin with its node's name", async () => {
  const nodeId = Uint8Array.of(0xca, 0xfe);
  const { platform, over, listener, sent } = await place({ nodeId });
  await using channel = await provisioned(platform, "initiator").bind(dtls({ port: 443, host: "meter", over }));
  sent.length = 0;
  await channel.send(new Uint8Array(1));
  assert.deepEqual(sent[0]?.bytes.slice(1, 3), nodeId);
  await listener[Symbol.asyncDispose]();
});

test("no datagram is longer than the mtu, in the handshake or after it", async () => {
  const mtu = 180;
  const { platform, over, listener, sent } = await place({ mtu });
  const carrier = dtls({ port: 443, host: "meter", over, mtu });
  await using channel = await provisioned(platform, "initiator").bind(carrier);
  await using far = await next(listener);
  assert.equal(await codeOf(channel.send(new Uint8Array(mtu))), "too-large");
  assert.equal(await codeOf(far.send(new Uint8Array(mtu))), "too-large");
  await channel.send(new Uint8Array(100));
  assert.ok(sent.length >= 7);
  assert.ok(sent.every(({ bytes }) => bytes.length <= mtu), String(Math.max(...sent.map(({ bytes }) => bytes.length))));
  await listener[Symbol.asyncDispose]();
});

test("legacy suites take part only when both sides name them", async () => {
  const legacy = ["TLS_PSK_WITH_AES_128_CBC_SHA256"];
  const { platform, over, listener } = await place();
  const refused = codeOf(
    provisioned(platform, "initiator").bind(dtls({ port: 443, host: "meter", over, suites: legacy })),
  );
  await platform.clock.advance(31_000);
  assert.match(String(await refused), /^(?:unsupported|timeout)$/);
  await listener[Symbol.asyncDispose]();
  const both = await place({ suites: legacy });
  const association = provisioned(both.platform, "initiator");
  await using _channel = await association.bind(dtls({ port: 443, host: "meter", over: both.over, suites: legacy }));
  assert.deepEqual(association.weakest, { carrier: "dtls", suite: 0x00ae, strength: 1 });
  await both.listener[Symbol.asyncDispose]();
});

test("options that make no sense are found before anything is sent", async () => {
  const platform = virtualPlatform();
  const keys = createKeyTable();
  const association = provisioned(platform, "initiator");
  for (const port of [-1, 65_536, 1.5]) assert.throws(() => dtls({ port }), RangeError);
  assert.throws(() => dtls({ port: 1, suites: ["TLS_RSA_WITH_AES_128_CBC_SHA"] }), RangeError);
  await assert.rejects(association.bind(dtls({ port: 0 })), RangeError);
  for (const wrong of [{ suites: [] }, { mtu: 100 }, { handshakeSeconds: 0 }, { retransmitSeconds: 0 }]) {
    await assert.rejects(association.bind(dtls({ port: 1, ...wrong })), RangeError);
  }
  for (const wrong of [{ hint: "x".repeat(129) }, { mtu: 70_000 }, { connectionId: 3 }, { maxHandshakes: 0 }]) {
    await assert.rejects(dtls({ port: 0, ...wrong }).listen(keys, { platform }), RangeError);
  }
  assert.equal(platform.clock.pending, 0);
});

test("nobody there is a timeout after 30 s, or as many as are given, with nothing left behind", async () => {
  const { platform, over, listener, network } = await place();
  for (const [more, expected] of [[{}, 30_000], [{ handshakeSeconds: 4 }, 4000]] as const) {
    const began = platform.clock.now();
    let endedAt = 0;
    const connecting = codeOf(provisioned(platform, "initiator").bind(dtls({ port: 9, host: "meter", over, ...more })));
    void connecting.then(() => endedAt = platform.clock.now());
    await platform.clock.advance(40_000);
    assert.equal(await connecting, "timeout");
    assert.equal(endedAt - began, expected);
    assert.equal(platform.clock.pending, 0);
  }
  await network.bind("10.0.0.1:1")[Symbol.asyncDispose]();
  await listener[Symbol.asyncDispose]();
});

test("a wrong key and an unknown name look the same from outside: silence", async () => {
  const { platform, over, listener, refused, sent } = await place({ ownIdentities: [toUtf8("the server itself")] });
  const carrier = dtls({ port: 443, host: "meter", over, handshakeSeconds: 5 });
  const heard = [];
  for (const wrong of [{ fill: 2 }, { identity: "nobody" }, { identity: "the server itself" }]) {
    sent.length = 0;
    const connecting = codeOf(provisioned(platform, "initiator", wrong).bind(carrier));
    await platform.clock.advance(40_000);
    heard.push({ code: await connecting, answers: sent.filter(({ from }) => from === "meter:443").map(lengthOf) });
  }
  assert.deepEqual(heard[1], heard[0]);
  assert.deepEqual(heard[2], heard[0]);
  assert.equal(refused.length, 3);
  await using _channel = await provisioned(platform, "initiator").bind(carrier);
  await listener[Symbol.asyncDispose]();
});

function lengthOf({ bytes }: { readonly bytes: Uint8Array }): number {
  return bytes.length;
}

test("over real UDP: the listener says where it is, datagrams go round, and nobody there is unreachable", async () => {
  const table = createKeyTable();
  table.set(toUtf8("device-1"), provisioned(webPlatform, "responder"));
  const listener = await dtls({ port: 0, host: "127.0.0.1" }).listen(table, { platform: webPlatform });
  assert.match(listener.url.href, /^dtls:\/\/127\.0\.0\.1:[1-9][0-9]*$/);
  const echoing = (async () => {
    await using channel = await next(listener);
    for await (const { payload } of channel) await channel.send(payload);
  })();
  const association = provisioned(webPlatform, "initiator", { serverName: "127.0.0.1" });
  const port = Number(listener.url.port);
  const channel = await association.bind(dtls({ port }));
  for (const length of [0, 1, 64, 1100]) {
    const payload = new Uint8Array(length).fill(length);
    await channel.send(payload);
    for await (const received of channel) {
      assert.deepEqual(received.payload, payload);
      break;
    }
  }
  await channel[Symbol.asyncDispose]();
  await echoing;
  await listener[Symbol.asyncDispose]();
  const expected = "Deno" in globalThis ? "timeout" : "unreachable";
  assert.equal(await codeOf(association.bind(dtls({ port, handshakeSeconds: 0.5 }))), expected);
});
