// What RFC 8446 says a peer MUST abort for, one by one: alert and code.
import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, toUtf8 } from "../../lib/bytes/mod.ts";
import { digest } from "../../lib/crypto/mod.ts";
import type { ClientHello } from "../../lib/tls/handshake/client_hello.ts";
import { decodeClientHello } from "../../lib/tls/handshake/client_hello.ts";
import { frameMessage } from "../../lib/tls/handshake/message.ts";
import type { ServerHello } from "../../lib/tls/handshake/server_hello.ts";
import { client, type End, IDENTITY, ONLY_13, server } from "./pair.ts";
import { Puppet13 } from "./puppet13.ts";

const NOTHING = new Uint8Array(0);
const BINDER = new Uint8Array(32);
/** RFC 8446 4.1.3. */
const RETRY = digest("sha-256", toUtf8("HelloRetryRequest"));
const NAME = { identity: IDENTITY, obfuscatedAge: 0 };

/** The description of the alert in the clear that a record has. */
function alertIn(bytes: Uint8Array): number | undefined {
  return bytes[0] === 21 && bytes.length === 7 ? bytes[6] : undefined;
}

/** A hello without some of its parts. */
function hello(overrides: Partial<ClientHello>, without: readonly (keyof ClientHello)[] = []): Partial<ClientHello> {
  // An explicit undefined is what a missing extension is to the encoder.
  return { ...overrides, ...Object.fromEntries(without.map((key) => [key, undefined])) };
}

test("a server aborts for a first hello that it can not or may not answer", () => {
  const share = new Puppet13("client").share;
  const p256 = new Puppet13("client", { group: 0x17 }).share;
  const shares = (...all: readonly (typeof share)[]) => all.map(({ group, publicKey }) => ({ group, publicKey }));
  for (
    const [what, overrides, alert, code] of [
      ["no key is offered", hello({}, ["offeredPsks"]), 40, "unsupported"],
      ["psk_key_exchange_modes is missing (4.2.9)", hello({}, ["pskModes"]), 109, "unsupported"],
      ["modes that nobody knows", hello({ pskModes: [7] }), 40, "unsupported"],
      ["key_share without supported_groups (9.2)", hello({}, ["supportedGroups"]), 109, "unsupported"],
      ["supported_groups without key_share (9.2)", hello({}, ["keyShares"]), 109, "unsupported"],
      ["a share of a group that is not offered (4.2.8)", hello({ supportedGroups: [0x17] }), 47, "malformed"],
      [
        "shares out of order (4.2.8)",
        hello({ supportedGroups: [0x1d, 0x17], keyShares: shares(p256, share) }),
        47,
        "malformed",
      ],
      ["two shares of a group (4.2.8)", hello({ keyShares: shares(share, share) }), 47, "malformed"],
      ["no group in common", hello({ supportedGroups: [0x18], keyShares: [], pskModes: [1] }), 40, "unsupported"],
      ["no suite in common", hello({ suites: [0x1302, 0x00a8] }), 40, "unsupported"],
      ["a cookie from nowhere (4.2.2)", hello({ retryCookie: new Uint8Array(4) }), 47, "malformed"],
      [
        "a share of the wrong length",
        hello({ keyShares: [{ group: 0x1d, publicKey: new Uint8Array(31) }] }),
        47,
        "malformed",
      ],
      [
        "a share that gives zeros",
        hello({ keyShares: [{ group: 0x1d, publicKey: new Uint8Array(32) }] }),
        47,
        "malformed",
      ],
      ["1.2 alone", hello({ supportedVersions: [0x0303] }), 70, "unsupported"],
      ["no versions at all", hello({ supportedVersions: undefined }), 70, "unsupported"],
      [
        "more identities than binders",
        hello({ offeredPsks: { identities: [NAME, NAME], binders: [BINDER] } }),
        47,
        "malformed",
      ],
      [
        "an empty identity",
        hello({ offeredPsks: { identities: [{ ...NAME, identity: NOTHING }], binders: [BINDER] } }),
        50,
        "malformed",
      ],
      [
        "a binder of another hash",
        hello({ offeredPsks: { identities: [NAME], binders: [new Uint8Array(48)] } }),
        51,
        "auth-failed",
      ],
      [
        "a binder that is too short",
        hello({ offeredPsks: { identities: [NAME], binders: [new Uint8Array(31)] } }),
        50,
        "malformed",
      ],
    ] as const
  ) {
    const end = server(ONLY_13);
    const puppet = new Puppet13("client");
    const sent = end.receive(puppet.clientHello(overrides));
    assert.equal(alertIn(sent), alert, what);
    assert.equal(end.code, code, what);
  }
});

test("a point that is none is refused after the binder, so it tells a stranger nothing", () => {
  const end = server(ONLY_13);
  const puppet = new Puppet13("client", { psk: new Uint8Array(16) });
  const sent = end.receive(puppet.clientHello({ keyShares: [{ group: 0x1d, publicKey: new Uint8Array(32) }] }));
  assert.equal(alertIn(sent), 51);
});

test("pre_shared_key is the last extension, and version 1.3 has no compression (RFC 8446 4.2.11, 4.1.2)", () => {
  const puppet = new Puppet13("client");
  const body = puppet.clientHelloBody();
  const more = concat(body, Uint8Array.of(0x12, 0x34, 0, 0));
  // The length of all extensions stands behind version, random, session id, one suite and one compression.
  const at = 2 + 32 + 33 + 4 + 2;
  const length = ((more[at]! << 8) | more[at + 1]!) + 4;
  more[at] = length >> 8;
  more[at + 1] = length;
  const end = server(ONLY_13);
  assert.equal(alertIn(end.receive(puppet.record(22, frameMessage(1, more)))), 47);

  const compressed = concat(body.subarray(0, at - 2), Uint8Array.of(2, 0, 1), body.subarray(at));
  const other = server(ONLY_13);
  assert.equal(alertIn(other.receive(puppet.record(22, frameMessage(1, compressed)))), 47);
  assert.equal(other.code, "malformed");
});

test("a second hello is the first with the share that was asked for, and nothing else (RFC 8446 4.1.2)", () => {
  const retried = (overrides: Partial<ClientHello>, first: Partial<ClientHello> = { keyShares: [] }): End => {
    const end = server({ ...ONLY_13, groups: [0x17] });
    const puppet = new Puppet13("client", { group: 0x17 });
    puppet.hear(end.receive(puppet.clientHello(first)));
    assert.equal(end.demands.length, 0);
    puppet.hear(end.receive(puppet.clientHello(overrides)));
    if (end.code === "open") end.receive(puppet.finished());
    return end;
  };
  const x25519 = new Puppet13("client").share;
  assert.ok(retried({}).session);
  for (
    const overrides of [
      { random: new Uint8Array(32) },
      { sessionId: NOTHING },
      { suites: [0x1301, 0x1303] },
      { serverName: "a.example" },
      { keyShares: [] },
      { keyShares: [{ group: x25519.group, publicKey: x25519.publicKey }] },
      { earlyData: true },
      { retryCookie: new Uint8Array(8) },
      { pskModes: [0] },
      { supportedVersions: [0x0303] },
      { supportedGroups: [0x17] },
      { recordSizeLimit: 64 },
      { maxFragmentLength: 1 },
    ] as const
  ) {
    const end = retried(overrides);
    assert.equal(end.session, undefined, JSON.stringify(overrides));
    assert.equal(end.code, "malformed", JSON.stringify(overrides));
  }
});

test("a client aborts for a ServerHello that is not an answer to its hello", () => {
  const p256 = new Puppet13("server", { group: 0x17 }).share;
  const own = decodeClientHello(client(ONLY_13).sent().subarray(9));
  for (
    const [what, overrides, alert, code] of [
      ["another legacy_session_id (4.1.3)", { sessionId: NOTHING }, 47, "malformed"],
      ["another legacy_version (4.1.3)", { version: 0x0302 }, 47, "malformed"],
      ["a suite that was not offered (4.1.3)", { suite: 0x1302 }, 47, "downgrade"],
      ["a suite of 1.2", { suite: 0x00a8 }, 47, "downgrade"],
      ["a share of a group that was not sent (4.2.8)", { keyShare: p256 }, 47, "malformed"],
      ["a share that gives zeros", { keyShare: { group: 0x1d, publicKey: new Uint8Array(32) } }, 47, "malformed"],
      ["a share of the wrong length", { keyShare: { group: 0x1d, publicKey: new Uint8Array(33) } }, 47, "malformed"],
      ["a key that was not offered (4.2.11)", { selectedIdentity: 1 }, 47, "malformed"],
      ["no key at all", { selectedIdentity: undefined }, 40, "downgrade"],
      ["supported_versions below 1.3 (4.2.1)", { supportedVersion: 0x0303 }, 47, "malformed"],
      ["a version that was not offered", { supportedVersion: 0xfefc }, 70, "unsupported"],
      ["no supported_versions", { supportedVersion: undefined }, 70, "unsupported"],
      ["a cookie", { retryCookie: new Uint8Array(3) }, 47, "malformed"],
      ["an extension of EncryptedExtensions (4.2)", { serverName: true }, 47, "malformed"],
      ["an extension of 1.2 (4.2)", { extendedMasterSecret: true }, 47, "malformed"],
      ["another extension of 1.2 (4.2)", { renegotiationInfo: true }, 47, "malformed"],
      ["connection_id on a stream", { connectionId: new Uint8Array(2) }, 110, "malformed"],
      ["our own random", { random: own.random }, 47, "reflected"],
    ] as const
  ) {
    const end = client(ONLY_13);
    const puppet = new Puppet13("server");
    puppet.hear(end.sent());
    // An explicit undefined is what a missing extension is to the encoder.
    const body = puppet.serverHelloBody(overrides as Partial<ServerHello>);
    const sent = end.receive(puppet.record(22, frameMessage(2, body)));
    assert.equal(alertIn(sent), alert, what);
    assert.equal(end.code, code, what);
  }
});

test("a client aborts for a HelloRetryRequest that it can not follow, or that changes nothing (RFC 8446 4.1.4)", () => {
  for (
    const [what, overrides, alert] of [
      ["nothing is asked for", {}, 47],
      ["a group that was not offered", { retryGroup: 0x18 }, 47],
      ["a group of which it has a share", { retryGroup: 0x1d }, 47],
      ["an identity", { retryGroup: 0x17, selectedIdentity: 0 }, 47],
      ["another session id", { retryGroup: 0x17, sessionId: NOTHING }, 47],
      ["another suite", { retryGroup: 0x17, suite: 0x1302 }, 47],
      ["an empty cookie", { retryCookie: NOTHING }, undefined],
    ] as const
  ) {
    const end = client(ONLY_13);
    const puppet = new Puppet13("server");
    puppet.hear(end.sent());
    const body = retryBody(puppet, overrides);
    const sent = end.receive(puppet.record(22, frameMessage(2, body)));
    if (alert !== undefined) assert.equal(alertIn(sent), alert, what);
    if (alert !== undefined) assert.notEqual(end.code, "open", what);
  }
});

function retryBody(puppet: Puppet13, overrides: Partial<ServerHello>): Uint8Array {
  // By hand: the puppet's own would make a share of the group.
  const body = puppet.serverHelloBody({ keyShare: undefined, selectedIdentity: undefined, ...overrides } as Partial<
    ServerHello
  >);
  body.set(RETRY, 2);
  return body;
}

test("a client follows a retry for a group or a cookie, once, and holds the server to it", () => {
  const begin = (retry: Partial<ServerHello>) => {
    const end = client(ONLY_13);
    const puppet = new Puppet13("server");
    puppet.hear(end.sent());
    const second = end.receive(puppet.retryRequest(retry));
    puppet.hear(second);
    return { end, puppet, second };
  };
  const finish = ({ end, puppet }: ReturnType<typeof begin>, overrides: Partial<ServerHello> = {}) => {
    end.receive(puppet.serverHello(overrides));
    if (end.code === "open") end.receive(concat(puppet.encryptedExtensions(), puppet.finished()));
    return end;
  };
  const group = begin({ retryGroup: 0x17 });
  const hello = decodeClientHello(group.second.subarray(6 + 9));
  assert.deepEqual(hello.keyShares?.map((share) => share.group), [0x17]);
  assert.ok(finish(group).session?.forwardSecret);

  const cookie = begin({ retryCookie: toUtf8("bring this") });
  assert.deepEqual(decodeClientHello(cookie.second.subarray(6 + 9)).retryCookie, toUtf8("bring this"));
  assert.ok(finish(cookie).session);

  const twice = begin({ retryGroup: 0x17 });
  assert.equal(
    alertIn(twice.end.receive(twice.puppet.record(22, frameMessage(2, retryBody(twice.puppet, { retryGroup: 0x1d }))))),
    10,
  );
  assert.equal(twice.end.code, "malformed");

  const x25519 = new Puppet13("server").share;
  for (
    const [overrides, code] of [
      [{ suite: 0x1303 }, "malformed"],
      [{ keyShare: x25519 }, "malformed"],
      [{ keyShare: undefined }, "downgrade"],
    ] as const
  ) {
    const { end, puppet } = begin({ retryGroup: 0x17 });
    const body = puppet.serverHelloBody(overrides as Partial<ServerHello>);
    assert.equal(alertIn(end.receive(puppet.record(22, frameMessage(2, body)))), 47);
    assert.equal(end.code, code);
  }
});

test("a client takes in EncryptedExtensions what it asked for, and no more", () => {
  for (
    const [what, extensions, alert, serverName] of [
      ["nothing", [], undefined, undefined],
      ["the name it asked for", [[0, []]], undefined, "a.example"],
      ["a name it did not ask for", [[0, []]], 110, undefined],
      ["groups for another time", [[10, [0, 2, 0, 0x1d]]], undefined, undefined],
      ["a key share", [[51, [0, 0x1d]]], 47, undefined],
      ["the key's number", [[41, [0, 0]]], 47, undefined],
      ["a record size limit it did not name", [[28, [0x40, 1]]], 110, undefined],
      ["an application protocol", [[16, [0, 2, 1, 0x68]]], 110, undefined],
      ["early data", [[42, []]], 110, undefined],
      ["extended master secret", [[23, []]], 47, undefined],
      ["something unknown", [[0x1234, []]], 110, undefined],
      ["one thing twice", [[10, [0, 2, 0, 0x1d]], [10, [0, 2, 0, 0x1d]]], 47, undefined],
    ] as const
  ) {
    const end = client({ ...ONLY_13, ...(serverName && { serverName }) });
    const puppet = new Puppet13("server");
    puppet.hear(end.sent());
    end.receive(puppet.serverHello());
    const block = extensions.flatMap(([type, body]) => [type >> 8, type & 0xff, 0, body.length, ...body]);
    const heard = puppet.hear(end.receive(puppet.message(8, Uint8Array.of(0, block.length, ...block))));
    assert.deepEqual(heard.map(({ payload }) => [...payload]), alert === undefined ? [] : [[2, alert]], what);
    if (alert !== undefined) continue;
    puppet.hear(end.receive(puppet.finished()));
    assert.ok(end.session, what);
  }
});

test("hellos that are cut anywhere, or have a byte too many, are decode_error and nothing else", () => {
  const body = new Puppet13("client").clientHelloBody();
  for (let length = 34; length < body.length; length++) {
    const end = server(ONLY_13);
    const sent = end.receive(new Puppet13("client").record(22, frameMessage(1, body.subarray(0, length))));
    assert.ok([50, 40, 70].includes(alertIn(sent) ?? 0), `${length}: ${alertIn(sent)}`);
  }
});
