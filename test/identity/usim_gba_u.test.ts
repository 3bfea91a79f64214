import assert from "node:assert/strict";
import { test } from "node:test";
import { gbaUFromMemory, type GbaUProfile, joinSqn, sqnFromBytes } from "../../lib/aka/mod.ts";
import { fromHex, fromUtf8, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { type ApduChannel, decodeBootstrap, type SoftUsimOptions, usimIdentity } from "../../lib/identity/mod.ts";
import { VirtualClock } from "../support/virtual.ts";
import { assertSecret, type NafVectors, vectors, withCode } from "../aka/vectors.ts";
import { card, taped, v, vectorFor } from "./cards.ts";

const nafs = vectors<NafVectors>("aka");
const star = { rand: fromHex(v.RAND!), autn: fromHex(v.AUTN_star_GBA_U!), scheme: "akav1" } as const;
const first = nafs.naf[0]!;
const nafId = fromHex(first.NAF_Id);
const bootstrap = { btid: v.B_TID!, lifetimeSeconds: 3600 };
const PROFILES: readonly GbaUProfile[] = [
  gbaUFromMemory,
  { autn: "sha1-ik", res: "plain" },
  { autn: "plain", res: "last-bit" },
  { autn: "plain", res: "plain" },
];

function near(options: Partial<SoftUsimOptions> = {}): ReturnType<typeof card> {
  return card({ ...options, state: { ...card().state, sequence: new Array<number>(32).fill(0x7fcdda685af) } });
}

async function openedOn(channel: ApduChannel) {
  const identity = await usimIdentity(channel, { mode: "gba-u", clock: new VirtualClock() });
  return { identity, aka: identity.aka!, [Symbol.asyncDispose]: () => identity[Symbol.asyncDispose]() };
}

test("in GBA_U the card gives the turned RES and Ks_ext_NAF, and keeps Ks_int_NAF [SEC_CF-KEM-001]", async () => {
  for (const protocol of ["T=0", "T=1"] as const) {
    const usim = near({ protocol });
    await using opened = await openedOn(usim.connect());
    const { aka } = opened;
    const answer = await aka.answer(star);
    assert.ok(answer.kind === "answered");
    assertSecret(answer.password, v.RES_GBA_U!, "RES");
    await aka.keep(bootstrap);
    for (const { NAF_Id, Ks_NAF, Ks_int_NAF } of nafs.naf.slice(0, 4)) {
      using key = await aka.derive({ btid: v.B_TID!, nafId: fromHex(NAF_Id) });
      assertSecret(key, Ks_NAF, "Ks_ext_NAF");
      using internal = usim.internalKey(fromHex(NAF_Id))!;
      assertSecret(internal, Ks_int_NAF, "Ks_int_NAF");
    }
  }
});

test("each switch of GBA_U works when the card and the home environment agree on it", async () => {
  for (const gbaUProfile of PROFILES) {
    await using opened = await openedOn(near({ gbaUProfile }).connect());
    const input = { rand: star.rand, amf: fromHex(v.AMF!), gbaU: gbaUProfile };
    using vector = vectorFor(sqnFromBytes(fromHex(v.SQN!)), input);
    const answer = await opened.aka.answer({ ...vector, scheme: "akav1" });
    assert.ok(answer.kind === "answered");
    assertSecret(answer.password, gbaUProfile.res === "plain" ? v.RES! : v.RES_GBA_U!, "RES");
    await opened.aka.keep(bootstrap);
    using key = await opened.aka.derive({ btid: v.B_TID!, nafId });
    assertSecret(key, first.Ks_NAF, "Ks_ext_NAF");
  }
});

test("in GBA_U nothing that crosses the channel contains CK, IK, Ks or Ks_int_NAF, in any part [SEC_CF-SEC-002]", async () => {
  const tape = taped(near().connect());
  await using opened = await openedOn(tape);
  await opened.aka.answer(star);
  await opened.aka.keep(bootstrap);
  (await opened.aka.derive({ btid: v.B_TID!, nafId }))[Symbol.dispose]();
  using stale = vectorFor(joinSqn(5, 5), { gbaU: gbaUFromMemory });
  await opened.aka.answer({ ...stale, scheme: "akav1" });
  const wire = tape.tape.join("|");
  assert.ok(wire.includes(v.RES_GBA_U!) && wire.includes(first.Ks_NAF), "the tape holds what it should");
  for (const secret of [v.CK!, v.IK!, v.K!, v.OPc!, first.Ks_int_NAF]) {
    for (let at = 0; at + 8 <= secret.length; at += 2) assert.ok(!wire.includes(secret.slice(at, at + 8)));
  }
});

test("keep writes RAND, B-TID and the end of the lifetime into EF_GBABP, once, and another B-TID has no keys", async () => {
  const usim = near();
  await using opened = await openedOn(usim.connect());
  await opened.aka.answer(star);
  await opened.aka.keep(bootstrap);
  await assert.rejects(opened.aka.derive({ btid: "another@bsf", nafId }), withCode("expired"));
  await assert.rejects(opened.aka.keep(bootstrap), withCode("state"));
  const { rand, btid, lifetime } = decodeBootstrap(usim.state.gbabp)!;
  assert.equal(toHex(rand), v.RAND);
  assert.equal(fromUtf8(btid), v.B_TID);
  assert.equal(fromUtf8(lifetime), "2026-01-01T01:00:00Z");
});

test("a new module on a card that still holds its Ks goes on with the B-TID in EF_GBABP", async () => {
  const usim = near();
  const before = await openedOn(usim.connect());
  await before.aka.answer(star);
  await before.aka.keep(bootstrap);
  await using after = await openedOn(usim.connect());
  using key = await after.aka.derive({ btid: v.B_TID!, nafId });
  assertSecret(key, first.Ks_NAF, "Ks_ext_NAF");
});

test("a soft card restarted has lost Ks, not EF_GBABP: derive says expired", async () => {
  const usim = near();
  const before = await openedOn(usim.connect());
  await before.aka.answer(star);
  await before.aka.keep(bootstrap);
  await using after = await openedOn(card({ state: usim.state }).connect());
  await assert.rejects(after.aka.derive({ btid: v.B_TID!, nafId }), withCode("expired"));
});

test("the card has room for one Ks: the next bootstrapping ends the kept one (TS 33.220 G.1), a refused one does not", async () => {
  await using opened = await openedOn(near().connect());
  const { aka } = opened;
  await aka.answer(star);
  await aka.keep(bootstrap);
  assert.equal((await aka.answer(star)).kind, "resync");
  const forged = new Uint8Array(star.autn);
  forged[9]! ^= 4;
  assert.equal((await aka.answer({ ...star, autn: forged })).kind, "refused");
  using key = await aka.derive({ btid: v.B_TID!, nafId });
  assertSecret(key, first.Ks_NAF, "Ks_ext_NAF");
  using next = vectorFor(joinSqn(0x7fcdda685b1, 0), { gbaU: gbaUFromMemory });
  assert.equal((await aka.answer({ ...next, scheme: "akav1" })).kind, "answered");
  await assert.rejects(aka.derive({ btid: v.B_TID!, nafId }), withCode("expired"));
});

test("an answer lost on its way leaves nothing kept, since the card may have replaced Ks", async () => {
  const real = near().connect();
  let lose = false;
  let commands = 0;
  await using opened = await openedOn({
    async transmit(command, options) {
      commands++;
      const answer = await real.transmit(command, options);
      if (lose) throw new TypeError("unplugged");
      return answer;
    },
    [Symbol.asyncDispose]: () => real[Symbol.asyncDispose](),
  });
  await opened.aka.answer(star);
  await opened.aka.keep(bootstrap);
  lose = true;
  using next = vectorFor(joinSqn(0x7fcdda685b1, 0), { gbaU: gbaUFromMemory });
  await assert.rejects(opened.aka.answer({ ...next, scheme: "akav1" }), TypeError);
  lose = false;
  const before = commands;
  await assert.rejects(opened.aka.derive({ btid: v.B_TID!, nafId }), withCode("expired"));
  assert.equal(commands, before, "the card was not even asked");
});

test("AKAv2 is unsupported in GBA_U, and so is GBA_U on a card without service 68", async () => {
  await using opened = await openedOn(near().connect());
  await assert.rejects(opened.aka.answer({ ...star, scheme: "akav2" }), withCode("unsupported"));
  await assert.rejects(openedOn(near({ services: [27] }).connect()), withCode("unsupported"));
});

test("a NAF_Id too long for one command, and a B-TID too long for the file, are refused and nothing breaks", async () => {
  const usim = near();
  await using opened = await openedOn(usim.connect());
  await opened.aka.answer(star);
  await assert.rejects(opened.aka.keep({ btid: "x".repeat(256), lifetimeSeconds: 1 }), withCode("too-large"));
  await opened.aka.keep(bootstrap);
  const long = { btid: v.B_TID!, nafId: toUtf8("n".repeat(220)) };
  await assert.rejects(opened.aka.derive(long), withCode("too-large"));
  using key = await opened.aka.derive({ btid: v.B_TID!, nafId });
  assertSecret(key, first.Ks_NAF, "Ks_ext_NAF");
});

test("an EF_GBABP left half written by another terminal counts as empty", async () => {
  const state = card().state;
  state.gbabp.set(fromHex("10aabb05"));
  state.gbabp.fill(0x20, 17);
  await using opened = await openedOn(card({ state }).connect());
  await assert.rejects(opened.aka.derive({ btid: v.B_TID!, nafId }), withCode("expired"));
});
