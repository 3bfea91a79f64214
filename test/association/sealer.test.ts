// Sealed messages: the profile's vectors, what is refused and as what. DESIGN 6.
import test from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { readFileSync } from "node:fs";
import { fromHex, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import {
  decodeEncrypt0,
  LABEL,
  openEncrypt0,
  oscoreBaseNonce,
  oscoreCommonIv,
  oscoreExtract,
  oscoreKey,
  verifyMac0,
} from "../../lib/cose/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { externalAad, open, openSealing, seal, sealedTo, type SealingOptions } from "../../lib/association/sealer.ts";
import { LONGEST_MESSAGE } from "../../lib/association/sealer_form.ts";
import { startLifetime } from "../../lib/association/lifetime.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { ASSOCIATION, end, key, USE, world } from "./sealer_setup.ts";

interface Vector {
  readonly algorithm: number;
  readonly author: "initiator" | "responder";
  readonly partialIv: number;
  readonly contentType?: string;
  readonly binding?: string;
  readonly message: string;
  readonly externalAad: string;
  readonly sealed: string;
}

const file: { readonly epoch: number; readonly random: string; readonly vectors: readonly Vector[] } = JSON.parse(
  readFileSync(new URL("../vectors/cose/sealed.json", import.meta.url), "utf8"),
);

const other = (role: "initiator" | "responder") => role === "initiator" ? "responder" : "initiator";
const boundTo = ({ contentType, binding }: Vector) => ({
  ...contentType === undefined ? {} : { contentType },
  ...binding === undefined ? {} : { binding: fromHex(binding) },
});

/** The end that made a vector: its random bytes, its epoch, its next number. */
async function authorOf(vector: Vector) {
  const { clock, store } = world();
  clock.setWall(file.epoch);
  const random = (out: Uint8Array) => out.set(fromHex(file.random).subarray(0, out.length));
  if (vector.partialIv > 0) {
    await store.reserve(`sealed/${toHex(ASSOCIATION)}/${toHex(USE)}/${vector.author}`, vector.partialIv);
  }
  return await end({ clock, random }, vector.author, { store, algorithm: vector.algorithm });
}

test("the profile's vectors: what is sealed, byte by byte, and its external_aad [SEC_CF-1.4]", async () => {
  for (const vector of file.vectors) {
    using sealing = await authorOf(vector);
    const { contentType, binding } = boundTo(vector);
    assert.equal(
      toHex(externalAad(USE, vector.author === "initiator" ? 0 : 1, contentType, binding)),
      vector.externalAad,
    );
    const sealed = await seal(sealing.sealer(boundTo(vector)), toUtf8(vector.message));
    assert.equal(toHex(sealed), vector.sealed, `${vector.algorithm} ${vector.partialIv}`);
  }
});

test("the profile's vectors open at the other end, once", async () => {
  for (const vector of file.vectors) {
    using sealing = await end(world(), other(vector.author), { algorithm: vector.algorithm });
    const sealer = sealing.sealer(boundTo(vector));
    assert.deepEqual(await open(sealer, fromHex(vector.sealed)), toUtf8(vector.message));
    await assert.rejects(open(sealer, fromHex(vector.sealed)), { code: "replayed" });
  }
});

test("every bit of a sealed message matters, and every length", async () => {
  for (const vector of [file.vectors[0]!, file.vectors[6]!, file.vectors[7]!, file.vectors[9]!]) {
    using sealing = await end(world(), other(vector.author), { algorithm: vector.algorithm });
    const sealer = sealing.sealer(boundTo(vector));
    const bytes = fromHex(vector.sealed);
    const out = new Uint8Array(bytes.length);
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      assert.throws(() => sealer.openInto(bytes, out), SeccfError, `bit ${bit}`);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      assert.ok(out.every((byte) => byte === 0), "nothing unauthenticated is left behind");
    }
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(() => sealer.openInto(bytes.subarray(0, length), out), { code: "malformed" }, `length ${length}`);
    }
    assert.throws(() => sealer.openInto(fromHex(`${vector.sealed}00`), out), { code: "malformed" });
    assert.equal(sealer.openInto(bytes, out), vector.message.length, "after all that the real one still opens");
  }
});

test("a message has one encoding: longer numbers and lengths, other orders and short contents are refused", async () => {
  using to = await end(world(), "responder");
  using reader = await end(world(), "responder", { algorithm: 5 });
  const [encrypted, signed] = [file.vectors[0]!.sealed, file.vectors[7]!.sealed];
  const refuse = async (sealed: string, from: string, changed: string) => {
    const sealer = sealed === encrypted ? to.sealer() : reader.sealer();
    assert.ok(sealed.includes(from), from);
    await assert.rejects(open(sealer, fromHex(sealed.replace(from, changed))), { code: "malformed" }, changed);
  };
  for (const longer of ["06420000", "0640", "0646000000000000", "06580100"]) await refuse(encrypted, "064100", longer);
  // The random bytes end in b8; the content is 12 bytes.
  for (const head of ["580c", "59000c", "5a0000000c", "6c", "4b", "4d"]) {
    await refuse(encrypted, "b84c80", `b8${head}80`);
  }
  await refuse(encrypted, encrypted.slice(encrypted.indexOf("b84c80")), "b84780cd217caa8dab");
  await refuse(encrypted, "0448a1a2a3a4a5a6a7a8064100", "0641000448a1a2a3a4a5a6a7a8");
  await refuse(signed, "46a201050641", "5806a201050641");
  await refuse(signed, "46a20105064100", "47a2010506420000");
  await refuse(signed, "4432312e35", "580432312e35");
  await refuse(signed, "5820", "590020");
});

test("nothing is good when sent back to its author, today or after a restart", async () => {
  for (const role of ["initiator", "responder"] as const) {
    for (const algorithm of [10, 5]) {
      const here = world();
      using sealing = await end(here, role, { algorithm });
      const sealer = sealing.sealer();
      const sealed = await seal(sealer, toUtf8("mine"));
      const out = new Uint8Array(100);
      assert.throws(() => sealer.openInto(sealed, out), { code: "reflected" });
      assert.ok(out.every((byte) => byte === 0));
      using again = await end(here, role, { algorithm });
      await assert.rejects(open(again.sealer(), sealed), { code: "reflected" });
      sealed[sealed.length - 1]! ^= 1;
      await assert.rejects(open(sealer, sealed), { code: "auth-failed" });
    }
  }
});

test("a reflected message with its author changed is a forgery", async () => {
  using sealing = await end(world(), "initiator");
  const sealed = await seal(sealing.sealer(), toUtf8("mine"));
  const authorAt = toHex(sealed).indexOf("0a4f") / 2 + 2 + 6;
  sealed[authorAt] = 1;
  await assert.rejects(open(sealing.sealer(), sealed), { code: "auth-failed" });
  sealed[authorAt] = 2;
  await assert.rejects(open(sealing.sealer(), sealed), { code: "malformed" });
});

test("a message for another use, association, content type, binding or key does not open", async () => {
  const from = await end(world(1), "initiator");
  const sealed = await seal(from.sealer({ contentType: "text/plain", binding: toUtf8("call-1") }), toUtf8("m"));
  const refused = async (more: Partial<SealingOptions>, contentType = "text/plain", binding = "call-1") => {
    using to = await end(world(2), "responder", more);
    await assert.rejects(open(to.sealer({ contentType, binding: toUtf8(binding) }), sealed), { code: "auth-failed" });
  };
  await refused({ use: fromHex("ff00000002") });
  await refused({ associationId: fromHex("a1a2a3a4a5a6a7a9") });
  await refused({}, "text/html");
  await refused({}, "text/plain", "call-2");
  await refused({}, "", "");
  await refused({ key: secretFrom(new Uint8Array(32)) });
  using to = await end(world(2), "responder");
  await assert.rejects(open(to.sealer(), sealed), { code: "auth-failed" }, "bound to nothing");
  assert.deepEqual(
    await open(to.sealer({ contentType: "text/plain", binding: toUtf8("call-1") }), sealed),
    toUtf8("m"),
  );
});

test("a message of another algorithm than the policy's is refused as that", async () => {
  const algorithms = [1, 3, 10, 11, 12, 24, 30, 31];
  for (const algorithm of algorithms) {
    using from = await end(world(), "initiator", { algorithm });
    const sealed = await seal(from.sealer(), toUtf8("m"));
    for (const policy of algorithms) {
      using to = await end(world(), "responder", { algorithm: policy });
      if (policy === algorithm) assert.deepEqual(await open(to.sealer(), sealed), toUtf8("m"));
      else await assert.rejects(open(to.sealer(), sealed), { code: "downgrade" });
    }
    using reader = await end(world(), "responder", { algorithm: 5 });
    await assert.rejects(open(reader.sealer(), sealed), { code: "malformed" });
  }
});

test("relabelling a message to the policy's algorithm does not help, for the keys differ", async () => {
  using from = await end(world(), "initiator", { algorithm: 1 });
  using to = await end(world(), "responder", { algorithm: 3 });
  const sealed = await seal(from.sealer(), toUtf8("m"));
  assert.equal(sealed[5], 1);
  sealed[5] = 3;
  await assert.rejects(open(to.sealer(), sealed), { code: "auth-failed" });
});

test("what authenticates alone leaves the message readable, and says so in its tag", async () => {
  using from = await end(world(), "initiator", { algorithm: 5 });
  const sealed = await seal(from.sealer(), toUtf8("plain to see"));
  assert.ok(toHex(sealed).includes(toHex(toUtf8("plain to see"))));
  assert.equal(sealed[0], 0xd1);
});

test("property: what is sealed is COSE that the general decoder opens, within the stated overhead", async () => {
  using from = await end(world(), "responder");
  using signing = await end(world(), "responder", { algorithm: 5 });
  const prk = oscoreExtract(key(), new Uint8Array(0));
  const id = fromHex("01");
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 400 }),
      fc.string({ unit: "grapheme", maxLength: 20 }),
      async (message, contentType) => {
        const aad = externalAad(USE, 1, contentType);
        const sealer = from.sealer({ contentType });
        const sealed = await seal(sealer, message);
        assert.ok(sealed.length - message.length <= sealer.overhead);
        const { unprotectedHeaders } = decodeEncrypt0(sealed);
        assert.deepEqual(unprotectedHeaders.get(LABEL.kid), ASSOCIATION);
        assert.deepEqual(sealedTo(sealed), ASSOCIATION);
        const idContext = unprotectedHeaders.get(LABEL.kidContext) as Uint8Array;
        const shared = { idContext, algorithm: 10 };
        const contextIv = oscoreBaseNonce(oscoreCommonIv(prk, { ...shared, nonceLength: 13 }), id);
        const aeadKey = oscoreKey(prk, { ...shared, id, type: "Key", length: 16 });
        assert.deepEqual(openEncrypt0(sealed, { algorithm: 10, key: aeadKey, contextIv, externalAad: aad }), message);

        const signed = await seal(signing.sealer({ contentType }), message);
        assert.deepEqual(sealedTo(signed), ASSOCIATION);
        const signedContext = signed.slice(signed.indexOf(0x4f, 20) + 1).slice(0, 15);
        const macKey = oscoreKey(prk, { id, idContext: signedContext, algorithm: 5, type: "MAC Key", length: 32 });
        assert.deepEqual(verifyMac0(signed, { algorithm: 5, key: macKey, externalAad: aad }), message);
      },
    ),
    { numRuns: 100, seed: 9052 },
  );
});

test("the overhead is exact: the last number and the longest message reach it", async () => {
  for (const algorithm of [10, 30, 1, 24, 5]) {
    const here = world();
    const limit = 2 ** 40 - 1;
    await here.store.reserve(`sealed/${toHex(ASSOCIATION)}/${toHex(USE)}/initiator`, limit);
    using from = await end(here, "initiator", { algorithm, store: here.store });
    using to = await end(world(), "responder", { algorithm });
    const sealer = from.sealer();
    const message = new Uint8Array(LONGEST_MESSAGE).fill(7);
    const sealed = await seal(sealer, message);
    assert.equal(sealed.length, LONGEST_MESSAGE + sealer.overhead);
    assert.deepEqual(await open(to.sealer(), sealed), message);
    await assert.rejects(seal(sealer, message), { code: "exhausted", clause: "RFC 8613 7.2.1" });
    const longer = new Uint8Array(sealed.length + 1);
    await assert.rejects(open(to.sealer(), longer), { code: "too-large" });
    longer.set(sealed);
    await assert.rejects(open(to.sealer(), longer), { code: "too-large" });
  }
});

test("beyond 2048 bytes and below, the same bytes come out", async () => {
  using from = await end(world(), "initiator");
  using to = await end(world(), "responder");
  for (const length of [0, 1, 15, 16, 17, 23, 24, 247, 248, 255, 256, 2039, 2040, 2041, 2048, 2049, 5000]) {
    const message = new Uint8Array(length).map((_, i) => i);
    assert.deepEqual(await open(to.sealer(), await seal(from.sealer(), message)), message);
  }
});

test("an ended lifetime, a disposed handle and a disposed association refuse both directions", async () => {
  const here = world();
  const lifetime = startLifetime({ clock: here.clock, seconds: 60 });
  const from = await end(here, "initiator", { lifetime });
  const to = await end(here, "responder", { lifetime });
  const sealer = from.sealer();
  const opener = to.sealer();
  const sealed = await seal(sealer, toUtf8("m"));
  const handle = to.sealer();
  handle[Symbol.dispose]();
  await assert.rejects(open(handle, sealed), { code: "state" });
  await here.clock.advance(60_000);
  await assert.rejects(open(opener, sealed), { code: "expired" });
  await assert.rejects(seal(sealer, toUtf8("m")), { code: "expired" });
  await assert.rejects(end(here, "initiator", { lifetime }), { code: "expired" });
  from[Symbol.dispose]();
  await assert.rejects(seal(sealer, toUtf8("m")), { code: "state" });
  assert.throws(() => from.sealer(), { code: "state" });
  await assert.rejects(from.state(), { code: "state" });
  await assert.rejects(opener.ready().then(() => sealer.ready()), { code: "expired" });
});

test("a wall clock set forward past the end, or a suspended monotonic one, ends sealing too", async () => {
  const here = world();
  using from = await end(here, "initiator");
  here.clock.setWall(here.clock.wall() + 3_600_000);
  await assert.rejects(seal(from.sealer(), toUtf8("m")), { code: "expired" });
});

test("arguments of the wrong length are misuse, and use no number", async () => {
  const here = world();
  const wrong: Partial<SealingOptions>[] = [
    { key: secretFrom(new Uint8Array(16)) },
    { associationId: new Uint8Array(7) },
    { use: new Uint8Array(4) },
    { algorithm: 15 },
    { algorithm: 6 },
  ];
  for (const more of wrong) await assert.rejects(end(here, "initiator", more), RangeError);
  using from = await end(here, "initiator");
  using to = await end(here, "responder");
  const sealer = from.sealer();
  assert.throws(() => sealer.sealInto(new Uint8Array(10), new Uint8Array(9 + sealer.overhead)), RangeError);
  assert.throws(() => sealer.sealInto(new Uint8Array(LONGEST_MESSAGE + 1), new Uint8Array(70_000)), RangeError);
  const sealed = await seal(sealer, toUtf8("first"));
  assert.ok(toHex(sealed).includes("0641000a4f"), "Partial IV 0");
  assert.throws(() => to.sealer().openInto(sealed, new Uint8Array(4)), RangeError);
  assert.deepEqual(await open(to.sealer(), sealed), toUtf8("first"));
  using signing = await end(here, "initiator", { algorithm: 5 });
  using reading = await end(here, "responder", { algorithm: 5 });
  const signed = await seal(signing.sealer(), toUtf8("first"));
  assert.throws(() => reading.sealer().openInto(signed, new Uint8Array(4)), RangeError);
});

test("a failed opening disposes the key it was given", async () => {
  const given = key();
  await assert.rejects(
    openSealing({
      key: given,
      associationId: new Uint8Array(1),
      role: "initiator",
      use: USE,
      lifetime: { left: 1 },
      platform: world(),
    }),
    RangeError,
  );
  assert.throws(() => given.byteLength, { code: "state" });
});

test("the association that a message names is found in both forms, and in nothing else", () => {
  for (const { sealed } of file.vectors) assert.deepEqual(sealedTo(fromHex(sealed)), ASSOCIATION);
  const good = file.vectors[0]!.sealed;
  const beyond = "d08368" + "00".repeat(40) + "a30448" + toHex(ASSOCIATION);
  for (const bad of ["", good.slice(0, 32), good.replace("d083", "d283"), good.replace("a30448", "a30447"), beyond]) {
    assert.throws(() => sealedTo(fromHex(bad)), { code: "malformed" }, bad);
  }
});

test("property: whatever bytes come, opening throws nothing but SeccfError and leaves the sealer usable", async () => {
  using from = await end(world(), "initiator");
  using to = await end(world(), "responder");
  using verifier = await end(world(), "responder", { algorithm: 5 });
  const good = await seal(from.sealer(), toUtf8("message"));
  const out = new Uint8Array(70_000);
  const mutated = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }).map(
    (edits) => {
      const bytes = good.slice();
      for (const [at, byte] of edits) bytes[at] = byte;
      return bytes;
    },
  ).filter((bytes) => toHex(bytes) !== toHex(good));
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 120 })), (bytes) => {
      for (const sealer of [to.sealer(), verifier.sealer()]) {
        assert.throws(() => sealer.openInto(bytes, out), SeccfError);
      }
      try {
        sealedTo(bytes);
      } catch (error) {
        assert.ok(error instanceof SeccfError);
      }
    }),
    { numRuns: 1000, seed: 6 },
  );
  assert.equal(to.sealer().openInto(good, out), 7);
});

test("out must not lie over the input: neither is touched, and no number is used", async () => {
  for (const algorithm of [10, 5]) {
    const { clock, random, store } = world();
    using initiator = await end({ clock, random }, "initiator", { algorithm });
    using responder = await end({ clock, random }, "responder", { algorithm, store });
    const sender = initiator.sealer();
    const receiver = responder.sealer();
    const memory = new Uint8Array(400).fill(7);
    for (const start of [0, 1, sender.overhead, 199]) {
      const before = memory.slice();
      assert.throws(() => sender.sealInto(memory.subarray(start, start + 20), memory.subarray(0, 200)), RangeError);
      assert.deepEqual(memory, before);
    }
    // Side by side in one buffer, as in a pool, is well.
    const length = sender.sealInto(memory.subarray(0, 20), memory.subarray(20, 220));
    const sealed = memory.subarray(20, 20 + length);
    const before = memory.slice();
    assert.throws(() => receiver.openInto(sealed, sealed), RangeError);
    assert.deepEqual(memory, before, "what must be opened again later is whole");
    assert.throws(() => receiver.openInto(sealed, memory.subarray(220)), { code: "exhausted" });
    await receiver.ready();
    assert.equal(receiver.openInto(sealed, memory.subarray(220)), 20);
  }
});

test("a clock gone far astray spoils nothing for later: no epoch is taken from the store", async () => {
  const { clock, random, store } = world();
  const now = clock.wall();
  clock.setWall(2 ** 48);
  await assert.rejects(end({ clock, random }, "initiator", { store }), { code: "exhausted" });
  clock.setWall(now);
  (await end({ clock, random }, "initiator", { store }))[Symbol.dispose]();
});
