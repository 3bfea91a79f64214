import assert from "node:assert/strict";
import { test } from "node:test";
import {
  associationId,
  type AssociationOptions,
  createAssociation,
  createKeyTable,
  keyFingerprint,
  openSealed,
  rawPsk,
  restoreAssociation,
  sealMessage,
  type SecurityAssociation,
  startLifetime,
} from "../../lib/association/mod.ts";
import { fromUtf8, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { kdf3gpp, type SecretBytes, secretEqual, secretFrom } from "../../lib/crypto/mod.ts";
import { derivedRoot } from "../../lib/association/provisioned.ts";
import { memoryStore } from "../../transports/stores/memory.ts";
import { virtualPlatform } from "../support/virtual.ts";

const ROOT = secretFrom(new Uint8Array(32).fill(3));
const WRAPPING = secretFrom(new Uint8Array(32).fill(4));
const NAME = "meter.example.net";

function derive(label: Uint8Array): Promise<SecretBytes> {
  return Promise.resolve(kdf3gpp(ROOT, 0xfe, label));
}

function associate(more: Partial<AssociationOptions> = {}): SecurityAssociation {
  const platform = more.platform ?? virtualPlatform();
  return createAssociation({
    reference: "device-1",
    serverName: NAME,
    role: "initiator",
    peer: { identity: toUtf8(NAME), assurance: "psk" },
    origin: derivedRoot({ identity: toUtf8("device-1"), serverName: NAME, derive }),
    lifetime: startLifetime({ clock: platform.clock, seconds: 60 }),
    platform,
    ...more,
  });
}

test("both ends make the same id of what both know, and another of anything else", () => {
  assert.equal(associationId("a", "b").length, 8);
  assert.equal(toHex(associationId("a", "b")), toHex(associationId("a", "b")));
  const others = [associationId("b", "a"), associationId("ab", ""), associationId("", "ab"), associationId("a", "c")];
  for (const other of others) assert.notEqual(toHex(other), toHex(associationId("a", "b")));
});

test("a root that is not GBA gives each use a key of its own [SEC_CF-KEM-001, SEC_CF-ADM-001]", async () => {
  const association = associate();
  const keys = await Promise.all([
    keyFingerprint(association, { kind: "tls", suite: 0x00a8 }),
    keyFingerprint(association, { kind: "tls", suite: 0xc0a8 }),
    keyFingerprint(association, { kind: "http" }),
    keyFingerprint(association, { kind: "sip" }),
    keyFingerprint(association, { kind: "object", purpose: "message" }),
    keyFingerprint(association, { kind: "object", purpose: "push" }),
  ]);
  assert.equal(new Set(keys).size, keys.length);
});

test("the keys of a derived root follow the enabler's name and the profile", async () => {
  const at = (serverName: string, uaProfile: "oma" | "3gpp") =>
    keyFingerprint(associate({ origin: derivedRoot({ identity: toUtf8("d"), serverName, derive, uaProfile }) }), {
      kind: "tls",
      suite: 0x00a8,
    });
  const keys = [await at("a.example", "oma"), await at("b.example", "oma"), await at("a.example", "3gpp")];
  assert.equal(new Set(keys).size, 3);
});

test("a raw key serves the one use it was given for, whole", async () => {
  using key = secretFrom(new Uint8Array(16).fill(1));
  const origin = rawPsk({ identity: toUtf8("id"), key, use: "tls" });
  const association = associate({ origin });
  const found = await association.find({ use: { kind: "tls", suite: 0x00a8 } }, {});
  assert.ok(secretEqual(found!.key, key));
  assert.deepEqual(found!.identity, toUtf8("id"));
  await assert.rejects(association.find({ use: { kind: "http" } }, {}), { code: "unsupported" });
  await assert.rejects(association.sealer("message"), { code: "unsupported" });
});

test("a raw key has 16 to 64 bytes and an identity of 1 to 128", () => {
  for (const length of [0, 15, 65]) {
    const key = secretFrom(new Uint8Array(length));
    assert.throws(() => rawPsk({ identity: toUtf8("id"), key, use: "tls" }), RangeError);
  }
  const key = secretFrom(new Uint8Array(16));
  for (const length of [0, 129]) {
    assert.throws(() => rawPsk({ identity: new Uint8Array(length), key, use: "tls" }), RangeError);
  }
});

test("disposing an association disposes its root's keys, and it says so", async () => {
  using key = secretFrom(new Uint8Array(16).fill(1));
  const association = associate({ origin: rawPsk({ identity: toUtf8("id"), key, use: "tls" }) });
  await association[Symbol.asyncDispose]();
  await association[Symbol.asyncDispose]();
  await assert.rejects(association.find({ use: { kind: "tls", suite: 1 } }, {}), { code: "state" });
  await assert.rejects(association.snapshot(WRAPPING), { code: "state" });
  assert.equal(key.byteLength, 16);
  assert.ok(secretEqual(key, new Uint8Array(16).fill(1)), "the caller's own stays");
});

test("a lifetime ends by whichever clock is there first, and not by neither", async () => {
  const { clock } = virtualPlatform();
  const lifetime = startLifetime({ clock, seconds: 60 });
  await clock.advance(59_999);
  assert.equal(lifetime.expired, false);
  clock.setWall(clock.wall() - 86_400_000);
  assert.equal(lifetime.left, 1);
  await clock.advance(1);
  assert.equal(lifetime.expired, true);

  const slept = startLifetime({ clock, seconds: 60 });
  clock.setWall(clock.wall() + 60_000); // suspended: the monotonic clock stood still
  assert.equal(slept.expired, true);
  for (const seconds of [-1, Number.NaN, Infinity]) assert.throws(() => startLifetime({ clock, seconds }), RangeError);
});

test("the weakest binding stays, whatever follows", () => {
  const heard: string[] = [];
  const association = associate({ onBound: ({ carrier }) => heard.push(carrier) });
  association.bound({ carrier: "dtls", strength: 3 });
  association.bound({ carrier: "http", strength: 0 });
  association.bound({ carrier: "tls", strength: 2 });
  assert.deepEqual(association.weakest, { carrier: "http", strength: 0 });
  assert.deepEqual(heard, ["dtls", "http", "tls"]);
});

test("a key table finds by the identity shown, and nothing for any other", async () => {
  const table = createKeyTable();
  const [one, two] = [associate({ reference: "1" }), associate({ reference: "2" })];
  table.set(toUtf8("one"), one);
  table.set(toUtf8("two"), two);
  const use = { kind: "tls", suite: 0x00a8 } as const;
  const found = await table.find({ use, identity: toUtf8("two") }, {});
  assert.equal(found?.association, two);
  assert.deepEqual(found?.identity, toUtf8("two"));
  for (const identity of [toUtf8("on"), toUtf8("one "), new Uint8Array(0)]) {
    assert.equal(await table.find({ use, identity }, {}), undefined);
  }
  assert.equal(await table.find({ use }, {}), undefined);
  assert.equal(table.delete(toUtf8("two")), true);
  assert.equal(table.delete(toUtf8("two")), false);
  assert.equal(await table.find({ use, identity: toUtf8("two") }, {}), undefined);
});

test("a restored association goes on sealing without its root, and delivers nothing twice [SEC_CF-AUTH-004]", async () => {
  const platform = virtualPlatform();
  const store = memoryStore({ clock: platform.clock });
  const device = associate({ platform });
  const server = associate({ platform, role: "responder", store });
  using toServer = await device.sealer("message");
  const first = await sealMessage(toServer, toUtf8("first"));
  using atServer = await server.sealer("message");
  assert.equal(fromUtf8(await openSealed(atServer, first)), "first");
  server.bound({ carrier: "tls", suite: 0x00a8, strength: 2 });

  const snapshot = await server.snapshot(WRAPPING);
  const restored = await restoreAssociation(snapshot, { wrappingKey: WRAPPING, platform, store });
  assert.deepEqual(restored.id, server.id);
  assert.deepEqual(restored.weakest, { carrier: "tls", suite: 0x00a8, strength: 2 });
  using again = await restored.sealer("message");
  await assert.rejects(openSealed(again, first), { code: "replayed" });
  assert.equal(fromUtf8(await openSealed(again, await sealMessage(toServer, toUtf8("second")))), "second");
  assert.equal(fromUtf8(await openSealed(toServer, await sealMessage(again, toUtf8("back")))), "back");
  await assert.rejects(restored.find({ use: { kind: "http" } }, {}), { code: "identity-unavailable" });
  await assert.rejects(restored.sealer("push"), { code: "identity-unavailable" });
});

test("a snapshot of a restored association still has what was never opened in between", async () => {
  const platform = virtualPlatform();
  const device = associate({ platform });
  (await device.sealer("message"))[Symbol.dispose]();
  const once = await restoreAssociation(await device.snapshot(WRAPPING), { wrappingKey: WRAPPING, platform });
  const twice = await restoreAssociation(await once.snapshot(WRAPPING), { wrappingKey: WRAPPING, platform });
  using sealer = await twice.sealer("message");
  const server = associate({ platform, role: "responder" });
  using opening = await server.sealer("message");
  assert.equal(fromUtf8(await openSealed(opening, await sealMessage(sealer, toUtf8("still here")))), "still here");
});

test("another key opens no snapshot, and an expired one restores nothing", async () => {
  const platform = virtualPlatform();
  const association = associate({ platform });
  const snapshot = await association.snapshot(WRAPPING);
  const other = secretFrom(new Uint8Array(32).fill(5));
  await assert.rejects(restoreAssociation(snapshot, { wrappingKey: other, platform }), { code: "auth-failed" });
  await platform.clock.advance(60_000);
  await assert.rejects(restoreAssociation(snapshot, { wrappingKey: WRAPPING, platform }), { code: "expired" });
});

test("a caller who stops waiting for a sealer does not stop the others", async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => release = resolve);
  const slow = derivedRoot({
    identity: toUtf8("d"),
    serverName: NAME,
    derive: async (label) => (await held, await derive(label)),
  });
  const association = associate({ origin: slow });
  const controller = new AbortController();
  const gone = association.sealer("message", { signal: controller.signal });
  const kept = association.sealer("message");
  controller.abort(new Error("changed my mind"));
  await assert.rejects(gone, /changed my mind/);
  release();
  using sealer = await kept;
  assert.ok(sealer.overhead > 0);
});
