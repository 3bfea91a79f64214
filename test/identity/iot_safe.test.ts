import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import test from "node:test";
import fc from "fast-check";
import { concat, fromHex, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { type SecretBytes, secretEqual, secretFrom } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { type ApduChannel, decodeCommand } from "../../lib/identity/mod.ts";
import { deriveIotSafe, IotSafeApplet, iotSafeIdentity } from "../../lib/identity/iot_safe.ts";
import { decodeApplication, decodeObjects } from "../../lib/identity/iot_safe_objects.ts";

const field = (tag: number, ...value: number[]) => Uint8Array.of(tag, value.length, ...value);
const text = (tag: number, value: string) => field(tag, ...toUtf8(value));

// Tags in the order in which Orange's library reads them (iot_safe.c, iot_safe_get_application), values of its constants.
const APPLICATION = concat(
  field(0x10, 0x01),
  text(0x11, "an applet 1.0"),
  field(0xb1, 4),
  field(0xb2, 2),
  field(0xb3, 3),
  field(0xb4, 1),
  field(0x90, 0x0f),
  field(0x91, 0x00, 0x01),
  field(0x92, 0x04),
  field(0x93, 0x01),
  field(0x94, 0x03),
  field(0xb7, 1),
);

const secret = (id: number, label: string) =>
  concat(
    text(0x76, label),
    field(0x86, id),
    field(0x60, 0x00),
    field(0x4a, 0x01),
    field(0x4b, 0xa0),
    field(0x61, 0x08),
    field(0x94, 0x01),
  );
const privateKey = concat(
  field(0x84, 1),
  field(0x60, 0x00),
  field(0x4a, 0x01),
  field(0x4b, 0x13),
  field(0x4e, 0x01),
  field(0x61, 0x01),
  field(0x92, 0x04),
  field(0x91, 0x00, 0x01),
);
const KEY = new Uint8Array(32).map((_, i) => 3 * i);

/** P_SHA256 of RFC 5246 5, over the premaster secret of RFC 4279 2, by node's HMAC. */
function pskPrf(key: Uint8Array, labelAndSeed: Uint8Array, length: number): Uint8Array {
  const size = Uint8Array.of(0, key.length);
  const premaster = concat(size, new Uint8Array(key.length), size, key);
  const hmac = (...parts: Uint8Array[]) =>
    new Uint8Array(createHmac("sha256", premaster).update(concat(...parts)).digest());
  let out: Uint8Array = new Uint8Array(0);
  for (let a = hmac(labelAndSeed); out.length < length; a = hmac(a)) out = concat(out, hmac(a, labelAndSeed));
  return out.slice(0, length);
}

const file = concat(field(0x83, 3), field(0x60, 0x01), field(0x4a, 0x00), field(0x20, 0x01, 0x02), field(0x21, 0x02));

/** An applet that answers as the sources say; by T=0 the length of an answer comes first. */
function virtualApplet(
  { t0 = false, cla: own = 0x00, objects = concat(field(0xc4, ...secret(1, "root"))), status = 0x9000, derived = 32 } =
    {},
) {
  const commands: string[] = [];
  let selected = false;
  let pending: Uint8Array = new Uint8Array(0);
  const answers = (data: Uint8Array, sw = status): Uint8Array => {
    if (!t0 || data.length === 0) return concat(data, Uint8Array.of(sw >> 8, sw));
    pending = data.slice();
    return Uint8Array.of(0x61, data.length);
  };
  const channel: ApduChannel = {
    transmit(bytes) {
      commands.push(toHex(bytes));
      const { cla, ins, p1, p2, data, le } = decodeCommand(bytes);
      const answer = () => {
        if (ins === 0xc0) return cla === 0 ? concat(pending, Uint8Array.of(0x90, 0x00)) : Uint8Array.of(0x6e, 0x00);
        if (ins === 0xa4) {
          selected = cla === 0 && p1 === 4 && toHex(data) === "a0000005590010";
          return selected ? answers(new Uint8Array(0), 0x9000) : Uint8Array.of(0x6a, 0x82);
        }
        if (!selected || cla !== own) return Uint8Array.of(0x6e, 0x00);
        if (ins === 0xcb && p2 === 0 && p1 < 2) return answers(p1 === 0 ? APPLICATION : objects);
        if (ins === 0x48 && p1 === 1 && p2 === 0) {
          // 86 01 01 D2 31 label and seed D3 01 20
          if (toHex(data.subarray(0, 3)) !== "860101") return Uint8Array.of(0x6a, 0x80);
          const labelAndSeed = data.subarray(5, 5 + data[4]!);
          const length = data.at(-1)!;
          assert.equal(data.length, 5 + data[4]! + 3);
          return answers(pskPrf(KEY, labelAndSeed, length).subarray(0, derived));
        }
        if (ins === 0x84) return answers(new Uint8Array(le!).fill(0x5a));
        return Uint8Array.of(0x6d, 0x00);
      };
      return Promise.resolve(answer());
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return { channel, commands };
}

test("an IoT SAFE applet says what it is, over both protocols of a card and in both classes", async () => {
  for (const [t0, cla] of [[false, 0x00], [true, 0x00], [false, 0x80], [true, 0x80]] as const) {
    const { channel, commands } = virtualApplet({ t0, cla });
    const applet = await IotSafeApplet.select(channel);
    assert.deepEqual(await applet.application(), {
      version: 1,
      appletId: toUtf8("an applet 1.0"),
      mostFiles: 4,
      mostPrivateKeys: 2,
      mostPublicKeys: 3,
      mostSecretKeys: 1,
      canDeriveKeys: true,
      derivations: { prfSha256: true, hkdf: true },
    });
    assert.deepEqual(await applet.random(32), new Uint8Array(32).fill(0x5a));
    // wolfSSL: 01A4040007A0000005590010 and 81CB.. on channel 1; Orange and Thales: 01CB...
    assert.deepEqual(commands.filter((command) => !command.startsWith("00c0")), [
      "00a4040007a000000559001000",
      ...(cla === 0 ? ["00cb000000", "0084000020"] : ["00cb000000", "80cb000000", "8084000020"]),
    ]);
  }
});

test("objects are listed one to a list or all of a kind in one, and a key for HMAC shows what it can derive", async () => {
  const two = concat(secret(1, "root"), secret(2, "spare"));
  const apart = concat(
    field(0xc1, ...privateKey),
    field(0xc4, ...secret(1, "root")),
    field(0xc4, ...secret(2, "spare")),
  );
  const together = concat(field(0xc1, ...privateKey), field(0xc4, ...two), field(0xc3, ...file), field(0xef, 1));
  const rest = { activated: true, readable: false, keyType: 0xa0, derivations: { prfSha256: true, hkdf: false } };
  const none = { prfSha256: false, hkdf: false };
  const keys = [
    { ...rest, kind: "private-key", id: Uint8Array.of(1), label: toUtf8(""), keyType: 0x13, derivations: none },
    { ...rest, kind: "secret-key", id: Uint8Array.of(1), label: toUtf8("root") },
    { ...rest, kind: "secret-key", id: Uint8Array.of(2), label: toUtf8("spare") },
  ];
  const readable = { kind: "file", id: Uint8Array.of(3), label: toUtf8(""), activated: false, readable: true };
  assert.deepEqual(decodeObjects(apart), keys);
  const { channel } = virtualApplet({ objects: together });
  const applet = await IotSafeApplet.select(channel);
  assert.deepEqual(await applet.objects(), [...keys, { ...readable, derivations: none }]);
  // A list of more than 127 bytes still has its length in one.
  const long = field(0xc4, ...Array.from({ length: 5 }, (_, i) => [...secret(i, "a longer label")]).flat());
  assert.ok(long[1]! > 127);
  assert.equal(decodeObjects(long).length, 5);
});

test("a card without the applet, a refusal, an answer in parts and one too short have their codes", async () => {
  const absent: ApduChannel = {
    transmit: () => Promise.resolve(fromHex("6a82")),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  await assert.rejects(IotSafeApplet.select(absent), { code: "identity-unavailable" });
  const cases = {
    0x6300: "unsupported",
    0x6985: "identity-unavailable",
    0x6982: "pin-required",
    0x6e00: "unsupported",
  };
  for (const [status, code] of Object.entries(cases)) {
    const applet = await IotSafeApplet.select(virtualApplet({ status: Number(status) }).channel);
    await assert.rejects(applet.objects(), { code }, status);
  }
  const applet = await IotSafeApplet.select(virtualApplet().channel);
  await assert.rejects(applet.random(0), RangeError);
  await assert.rejects(applet.random(257), RangeError);
});

test("[SEC_CF-SEC-001] a key derived in the applet is the one that the other side derives from the key itself", async () => {
  using key = secretFrom(KEY);
  for (const t0 of [false, true]) {
    const { channel, commands } = virtualApplet({ t0 });
    await using module = iotSafeIdentity({ channel, keys: [{ identity: toUtf8("meter-7"), id: Uint8Array.of(1) }] });
    const derived: SecretBytes[] = [];
    for (const label of [toUtf8("km.example.net tls"), new Uint8Array(0), new Uint8Array(300)]) {
      const mine = await module.provisioned!.derive(toUtf8("meter-7"), label);
      const seed = createHash("sha256").update(label).digest();
      assert.ok(secretEqual(mine, pskPrf(KEY, concat(toUtf8("seccf-provisioned"), seed), 32)));
      assert.ok(secretEqual(mine, deriveIotSafe(key, label)));
      assert.ok(derived.every((other) => !secretEqual(mine, other)));
      derived.push(mine);
    }
    assert.equal(commands.filter((command) => command.startsWith("00a4")).length, 1);
    assert.deepEqual(module.provisioned!.identities, [toUtf8("meter-7")]);
    assert.ok(commands.every((command) => !command.includes(toHex(KEY))));
  }
});

test("an identity or a key that is not there, an applet that gives less, and a card that comes back", async () => {
  const identity = toUtf8("meter-7");
  const good = virtualApplet();
  let out = false;
  const channel: ApduChannel = {
    transmit: (command, options) =>
      out ? Promise.reject(new SeccfError("identity-unavailable", "no card")) : good.channel.transmit(command, options),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const keys = [{ identity, id: Uint8Array.of(1) }, { identity: toUtf8("other"), id: Uint8Array.of(2) }];
  const module = iotSafeIdentity({ channel, keys });
  const derive = (name: string, options = {}) => module.provisioned!.derive(toUtf8(name), identity, options);
  await assert.rejects(derive("nobody"), { code: "identity-unavailable" });
  await assert.rejects(derive("other"), { code: "identity-unavailable" });
  (await derive("meter-7"))[Symbol.dispose]();
  out = true;
  await assert.rejects(derive("meter-7"), { code: "identity-unavailable" });
  out = false;
  (await derive("meter-7"))[Symbol.dispose]();
  assert.equal(good.commands.filter((command) => command.startsWith("00a4")).length, 3);
  await assert.rejects(derive("meter-7", { signal: AbortSignal.abort("enough") }), (reason) => reason === "enough");
  const short = iotSafeIdentity({ channel: virtualApplet({ derived: 31 }).channel, keys });
  await assert.rejects(short.provisioned!.derive(identity, identity), { code: "malformed" });
  const foreign = iotSafeIdentity({ channel, keys, aid: fromHex("a000000030") });
  await assert.rejects(foreign.provisioned!.derive(identity, identity), { code: "identity-unavailable" });
  assert.throws(() => iotSafeIdentity({ channel, keys: [keys[0]!, keys[0]!] }), RangeError);
});

test("what is not as the sources say is malformed", () => {
  for (const bytes of [new Uint8Array(0), APPLICATION.subarray(0, -1), APPLICATION.subarray(3), field(0x10)]) {
    assert.throws(() => decodeApplication(bytes), { code: "malformed" });
  }
  const lists = [
    field(0xc4, ...field(0x4a, 1), ...field(0x86, 1)),
    field(0xc4, ...text(0x76, "no id")),
    field(0xc4, ...field(0x86)),
    field(0xc4, ...field(0x86, ...new Uint8Array(21))),
    field(0xc4, ...text(0x76, "x".repeat(61)), ...field(0x86, 1)),
    field(0xc4, ...field(0x86, 1), ...field(0x4a, 1), ...field(0x4a, 1)),
    fromHex("c4058601"),
  ];
  for (const bytes of lists) assert.throws(() => decodeObjects(bytes), { code: "malformed" }, toHex(bytes));
  const whole = concat(APPLICATION, field(0xc4, ...secret(1, "root")));
  const altered = fc.tuple(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length)).map(([at, value, end]) => {
    const copy = whole.slice(0, end);
    if (at < end) copy[at] = value;
    return copy;
  });
  const decode = (bytes: Uint8Array) => {
    for (const decoder of [decodeApplication, decodeObjects]) {
      try {
        decoder(bytes);
      } catch (error) {
        assert.ok(error instanceof SeccfError, String(error));
      }
    }
  };
  fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), altered), decode), { seed: 5, numRuns: 300 });
});
