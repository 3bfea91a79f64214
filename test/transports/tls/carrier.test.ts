import assert from "node:assert/strict";
import test from "node:test";
import { createAssociation, createKeyTable, rawPsk, startLifetime } from "../../../lib/association/mod.ts";
import type {
  KeyRequest,
  KeySource,
  Listener,
  SecureChannel,
  SecurityAssociation,
} from "../../../lib/association/mod.ts";
import { fromUtf8, toUtf8 } from "../../../lib/bytes/mod.ts";
import type { Refusal } from "../../../lib/channel/mod.ts";
import { secretFrom } from "../../../lib/crypto/mod.ts";
import type { Platform } from "../../../lib/platform.ts";
import { memoryNetwork } from "../../../transports/memory/mod.ts";
import { type StreamDialer, tls, type TlsCarrierOptions } from "../../../transports/tls/mod.ts";
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

/** A listener in memory, all that it was asked and all that it refused. */
async function place(options: Partial<TlsCarrierOptions> = {}) {
  const platform = virtualPlatform();
  const network = memoryNetwork({ clock: platform.clock, seed: 1 });
  const over: StreamDialer = {
    connect: (host, port, wait) => network.connect(`${host}:${port}`, wait),
    listen: (host, port) => Promise.resolve(network.listen(`${host}:${port}`)),
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
  const carrier = tls({ port: 443, host: "meter", over, onRefused: (refusal) => refused.push(refusal), ...options });
  return { platform, over, asked, refused, listener: await carrier.listen(keys, { platform }) };
}

async function next(listener: Listener): Promise<SecureChannel> {
  for await (const channel of listener) return channel;
  return assert.fail("no channel");
}

async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(() => "none", (error) => error.code ?? error.name);
}

test("[SEC_CF-ADM-001] [SEC_CF-HLF-001] a provisioned association binds to TLS, and both ends know the other", async () => {
  const { platform, over, listener, asked } = await place();
  const association = provisioned(platform, "initiator");
  const channel = await association.bind(tls({ port: 443, host: "meter", over }));
  const far = await next(listener);
  assert.equal(listener.url.href, "tls-psk://meter:443");
  assert.equal(fromUtf8(channel.peer.identity), "meter.example.net");
  assert.equal(fromUtf8(far.peer.identity), "device-1");
  assert.deepEqual(association.weakest, { carrier: "tls", suite: 0x1301, strength: 3 });
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
    // Version 1.3 has no hint.
    const carrier = tls({ port: 443, host: "meter", over, versions: ["1.2"] });
    await using _channel = await carrier.connect(watched, { platform });
    assert.deepEqual(hints, [expected]);
    await listener[Symbol.asyncDispose]();
  }
});

test("the name asked for is the association's, or the one given, and never an address", async () => {
  const cases = [
    { serverName: "meter.example.net", expected: "meter.example.net" },
    { serverName: "192.0.2.1", expected: undefined },
    { serverName: "2001:db8::1", expected: undefined },
    { serverName: "meter.example.net", given: "other.example.net", expected: "other.example.net" },
    { serverName: "meter.example.net", given: "", expected: undefined },
  ];
  for (const { serverName, given, expected } of cases) {
    const { platform, over, listener, asked } = await place();
    const association = provisioned(platform, "initiator", { serverName });
    const name = given === undefined ? {} : { serverName: given };
    await using _channel = await association.bind(tls({ port: 443, host: "meter", over, ...name }));
    assert.equal(asked[0]?.serverName, expected);
    await listener[Symbol.asyncDispose]();
  }
});

test("legacy suites take part only when both sides name them", async () => {
  const legacy = ["TLS_PSK_WITH_AES_128_CBC_SHA"];
  for (
    const [server, client, code] of [[legacy, undefined, "unsupported"], [undefined, legacy, "unsupported"], [
      legacy,
      legacy,
      "none",
    ]]
  ) {
    const { platform, over, listener } = await place(server ? { suites: server as string[] } : {});
    const association = provisioned(platform, "initiator");
    const carrier = tls({ port: 443, host: "meter", over, ...(client ? { suites: client as string[] } : {}) });
    assert.equal(await codeOf(association.bind(carrier)), code);
    await listener[Symbol.asyncDispose]();
  }
});

test("options that make no sense are found before anything is sent", async () => {
  const platform = virtualPlatform();
  assert.throws(
    () => tls({ port: 443, suites: ["TLS_PSK_WITH_NULL_SHA"] }),
    /TLS_PSK_WITH_NULL_SHA.*TLS_PSK_WITH_AES_128_GCM_SHA256/,
  );
  for (const port of [-1, 65_536, 1.5, Number.NaN]) assert.throws(() => tls({ port }), RangeError);
  const over: StreamDialer = {
    connect: () => assert.fail("connected"),
    listen: () => assert.fail("listened"),
  };
  const bad: TlsCarrierOptions[] = [
    { port: 443, over, suites: [] },
    { port: 443, over, handshakeSeconds: 0 },
  ];
  for (const options of [...bad, { port: 0, over }, { port: 443, over, serverName: "no name" }]) {
    const association = provisioned(platform, "initiator");
    assert.equal(await codeOf(association.bind(tls(options))), "RangeError");
  }
  for (const options of [...bad, { port: 443, over, hint: "x".repeat(129) }]) {
    assert.equal(await codeOf(tls(options).listen(createKeyTable(), { platform })), "RangeError");
  }
  assert.equal(platform.clock.pending, 0);
});

test("connecting and shaking hands share one limit of 10 s", async () => {
  const platform = virtualPlatform();
  const network = memoryNetwork({ clock: platform.clock, seed: 1 });
  const mute = network.listen("mute:443");
  for (const dialSeconds of [Infinity, 4]) {
    const over: StreamDialer = {
      listen: () => assert.fail(),
      connect: (_host, _port, { signal } = {}) =>
        new Promise((resolve, reject) => {
          signal?.addEventListener("abort", () => reject(signal.reason));
          if (dialSeconds === Infinity) return;
          platform.clock.alarm(platform.clock.now() + dialSeconds * 1000, () => resolve(network.connect("mute:443")));
        }),
    };
    const startedAt = platform.clock.now();
    let endedAt = 0;
    const code = codeOf(provisioned(platform, "initiator").bind(tls({ port: 443, over })));
    code.then(() => endedAt = platform.clock.now());
    await platform.clock.advance(20_000);
    assert.equal(await code, "timeout");
    assert.equal(endedAt - startedAt, 10_000);
    assert.equal(platform.clock.pending, 0);
  }
  await mute[Symbol.asyncDispose]();
});

test("what the dialer throws surfaces, an abort with its reason", async () => {
  const { platform, over } = await place();
  const association = provisioned(platform, "initiator");
  assert.equal(await codeOf(association.bind(tls({ port: 444, host: "meter", over }))), "unreachable");
  const signal = AbortSignal.abort(new RangeError("not today"));
  assert.equal(await codeOf(association.bind(tls({ port: 443, host: "meter", over }), { signal })), "RangeError");
  assert.equal(await codeOf(tls({ port: 445, over }).listen(association, { platform, signal })), "RangeError");
  assert.equal(platform.clock.pending, 0);
});

test("a client with a wrong key or an unknown name is refused, and the listener's owner hears why", async () => {
  const { platform, over, listener, refused } = await place({ ownIdentities: [toUtf8("the server itself")] });
  const carrier = tls({ port: 443, host: "meter", over });
  for (const wrong of [{ fill: 2 }, { identity: "nobody" }, { identity: "the server itself" }]) {
    assert.equal(await codeOf(provisioned(platform, "initiator", wrong).bind(carrier)), "auth-failed");
  }
  const heard = refused.map((
    { error, identity },
  ) => [(error as { code?: string }).code, fromUtf8(identity ?? assert.fail())]);
  assert.deepEqual(heard, [["auth-failed", "device-1"], ["auth-failed", "nobody"], ["reflected", "the server itself"]]);
  await using _channel = await provisioned(platform, "initiator").bind(carrier);
  await listener[Symbol.asyncDispose]();
});

test("the key log is called at both ends with the same lines: one in version 1.2, five in 1.3", async () => {
  for (const [version, count] of [["1.2", 1], ["1.3", 5]] as const) {
    const near: string[] = [];
    const far: string[] = [];
    const versions = [version];
    const { platform, over, listener } = await place({ versions, keyLog: (line) => far.push(line) });
    const carrier = tls({ port: 443, host: "meter", over, versions, keyLog: (line) => near.push(line) });
    await using _channel = await provisioned(platform, "initiator").bind(carrier);
    await platform.clock.settle();
    assert.equal(near.length, count);
    assert.deepEqual(near, far);
    await listener[Symbol.asyncDispose]();
  }
});

test("versions and forward secrecy are what both ends allow", async () => {
  const psk = ["TLS_PSK_WITH_AES_128_GCM_SHA256"];
  for (
    const [server, client, outcome] of [
      [{}, {}, 0x1301],
      [{ versions: ["1.2"] }, {}, 0xd001],
      [{}, { versions: ["1.2"] }, 0xd001],
      [{ versions: ["1.2"] }, { versions: ["1.3"] }, "unsupported"],
      [{ suites: psk }, {}, 0x00a8],
      [{ suites: psk }, { forwardSecrecy: "required" }, "unsupported"],
      [{ forwardSecrecy: "required" }, { suites: psk }, "unsupported"],
      [{ forwardSecrecy: "required" }, { versions: ["1.2"] }, 0xd001],
      [{ forwardSecrecy: "none" }, {}, 0x1301],
      [{}, { forwardSecrecy: "none" }, 0x1301],
      [{ forwardSecrecy: "none" }, { versions: ["1.2"] }, 0x00a8],
      [{ versions: ["1.2"] }, { forwardSecrecy: "none" }, 0x00a8],
      [{ forwardSecrecy: "required" }, { forwardSecrecy: "none" }, "unsupported"],
      [{ forwardSecrecy: "none" }, { forwardSecrecy: "required" }, "unsupported"],
    ] as const
  ) {
    const { platform, over, listener } = await place(server);
    const association = provisioned(platform, "initiator");
    const code = await codeOf(association.bind(tls({ port: 443, host: "meter", over, ...client })));
    assert.equal(code === "none" ? association.weakest?.suite : code, outcome, JSON.stringify([server, client]));
    const isPlain = [server, client].some((each) => "forwardSecrecy" in each && each.forwardSecrecy === "none");
    if (isPlain && code === "none") assert.equal(association.weakest?.strength, 2);
    await listener[Symbol.asyncDispose]();
  }
  const mismatch = { port: 443, suites: psk, versions: ["1.3"] } as const;
  const { platform, over, listener } = await place();
  assert.equal(await codeOf(provisioned(platform, "initiator").bind(tls({ ...mismatch, over }))), "RangeError");
  // A program without types may write anything.
  assert.throws(() => tls({ port: 443, versions: ["1.1" as "1.2"] }), RangeError);
  await listener[Symbol.asyncDispose]();
});

test("over real TCP: the listener says where it is, and bytes go round", async () => {
  const table = createKeyTable();
  table.set(toUtf8("device-1"), provisioned(webPlatform, "responder"));
  await using listener = await tls({ port: 0, host: "127.0.0.1" }).listen(table, { platform: webPlatform });
  assert.match(listener.url.href, /^tls-psk:\/\/127\.0\.0\.1:[1-9][0-9]*$/);
  const echoing = (async () => {
    await using channel = await next(listener);
    for await (const { payload } of channel) await channel.send(payload);
  })();
  const association = provisioned(webPlatform, "initiator", { serverName: "127.0.0.1" });
  const channel = await association.bind(tls({ port: Number(listener.url.port) }));
  const sent = new Uint8Array(100_000).map((_, index) => index % 241);
  const sending = channel.send(sent);
  const received: number[] = [];
  for await (const { payload } of channel) {
    received.push(...payload);
    if (received.length === sent.length) break;
  }
  await sending;
  assert.deepEqual(Uint8Array.from(received), sent);
  await channel[Symbol.asyncDispose]();
  await echoing;
});
