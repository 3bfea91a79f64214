import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { joinSqn, milenage, openAuts } from "../../lib/aka/mod.ts";
import { fromHex, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { fingerprint, secretEqual } from "../../lib/crypto/mod.ts";
import { type AkaModule, type IdentityModule, usimIdentity } from "../../lib/identity/mod.ts";
import { assertSecret, type NafVectors, secretHex, vectors, withCode } from "../aka/vectors.ts";
import { card, credentials, pin, replaceable, scripted, taped, v, vectorFor } from "./cards.ts";

const nafs = vectors<NafVectors>("aka");
const set1 = { rand: fromHex(v.RAND!), autn: fromHex(v.AUTN!) };
const first = nafs.naf[0]!;
const nafId = fromHex(first.NAF_Id);
const bootstrap = { btid: v.B_TID!, lifetimeSeconds: 3600 };

/** A card that takes Milenage set 1's SQN next. */
function near(options: Parameters<typeof card>[0] = {}): ReturnType<typeof card> {
  return card({ ...options, state: { ...card().state, sequence: new Array<number>(32).fill(0x7fcdda685af) } });
}

async function opened(options: Parameters<typeof card>[0] = {}): Promise<IdentityModule & { readonly aka: AkaModule }> {
  return await usimIdentity(near(options).connect()) as IdentityModule & { readonly aka: AkaModule };
}

test("a USIM's IMPI comes from IMSI and EF_AD, over T=0 as over T=1", async () => {
  for (const protocol of ["T=0", "T=1"] as const) {
    await using identity = await opened({ protocol });
    assert.equal(identity.aka.impi, v.IMPI);
    assert.equal(identity.provisioned, undefined);
  }
  await using american = await opened({ imsi: "310410123456789", mncLength: 3 });
  assert.equal(american.aka.impi, "310410123456789@ims.mnc410.mcc310.3gppnetwork.org");
  await using named = await usimIdentity(card().connect(), { impi: "me@example.org" });
  assert.equal(named.aka!.impi, "me@example.org");
});

test("a challenge is answered with RES for AKAv1, and with the password of RFC 4169 for AKAv2", async () => {
  for (const protocol of ["T=0", "T=1"] as const) {
    await using one = await opened({ protocol });
    const v1 = await one.aka.answer({ ...set1, scheme: "akav1" });
    assert.equal(v1.kind, "answered");
    if (v1.kind === "answered") assertSecret(v1.password, v.RES!, "RES");
    await using two = await opened({ protocol });
    const v2 = await two.aka.answer({ ...set1, scheme: "akav2" });
    assert.equal(v2.kind, "answered");
    if (v2.kind === "answered") assertSecret(v2.password, toHex(toUtf8(v.akav2_password_base64!)), "AKAv2 password");
  }
});

test("after keep, derive gives the Ks_NAF of five uses, each its own [SEC_CF-KEM-001]", async () => {
  await using identity = await opened();
  await identity.aka.answer({ ...set1, scheme: "akav1" });
  await identity.aka.keep(bootstrap);
  for (const { NAF_Id, Ks_NAF } of nafs.naf) {
    using key = await identity.aka.derive({ btid: v.B_TID!, nafId: fromHex(NAF_Id) });
    assertSecret(key, Ks_NAF, "Ks_NAF");
  }
});

test("what was not kept cannot be derived from, and nothing is kept twice", async () => {
  await using identity = await opened();
  const { aka } = identity;
  await assert.rejects(aka.derive({ btid: v.B_TID!, nafId }), withCode("expired"));
  await assert.rejects(aka.keep(bootstrap), withCode("state"));
  await aka.answer({ ...set1, scheme: "akav1" });
  await assert.rejects(aka.derive({ btid: v.B_TID!, nafId }), withCode("expired"));
  await aka.keep(bootstrap);
  await assert.rejects(aka.keep(bootstrap), withCode("state"));
  await assert.rejects(aka.derive({ btid: "another@bsf", nafId }), withCode("expired"));
});

test("a new bootstrapping leaves the kept one usable until it is kept itself", async () => {
  await using identity = await opened();
  const { aka } = identity;
  await aka.answer({ ...set1, scheme: "akav1" });
  await aka.keep(bootstrap);
  using next = vectorFor(joinSqn(0x7fcdda685b1, 0));
  await aka.answer({ ...next, scheme: "akav1" });
  using old = await aka.derive({ btid: v.B_TID!, nafId });
  assertSecret(old, first.Ks_NAF, "Ks_NAF");
  await aka.keep({ btid: "next@bsf", lifetimeSeconds: 1 });
  await assert.rejects(aka.derive({ btid: v.B_TID!, nafId }), withCode("expired"));
  using fresh = await aka.derive({ btid: "next@bsf", nafId });
  assert.ok(!secretEqual(fresh, fromHex(first.Ks_NAF)));
});

test("what an earlier answer bootstrapped is not kept after one that was refused", async () => {
  await using identity = await opened();
  await identity.aka.answer({ ...set1, scheme: "akav1" });
  assert.equal((await identity.aka.answer({ ...set1, scheme: "akav1" })).kind, "resync");
  await assert.rejects(identity.aka.keep(bootstrap), withCode("state"));
});

test("a wrong MAC is refused, a stale AUTN is answered with AUTS, and neither is kept nor disturbs what is", async () => {
  await using identity = await opened();
  const { aka } = identity;
  await aka.answer({ ...set1, scheme: "akav1" });
  await aka.keep(bootstrap);
  const forged = new Uint8Array(set1.autn);
  forged[15]! ^= 1;
  assert.deepEqual(await aka.answer({ rand: set1.rand, autn: forged, scheme: "akav1" }), {
    kind: "refused",
    reason: "mac",
  });
  const stale = await aka.answer({ ...set1, scheme: "akav1" });
  assert.equal(stale.kind, "resync");
  using algorithm = milenage(credentials());
  if (stale.kind === "resync") assert.equal(openAuts(algorithm, set1.rand, stale.auts), joinSqn(0x7fcdda685b0, 7));
  await assert.rejects(aka.keep(bootstrap), withCode("state"));
  using key = await aka.derive({ btid: v.B_TID!, nafId });
  assertSecret(key, first.Ks_NAF, "Ks_NAF");
});

test("RAND and AUTN are 16 bytes, and neither they nor NAF_Id are kept or changed", async () => {
  await using identity = await opened();
  const { aka } = identity;
  const rand = new Uint8Array(15);
  await assert.rejects(aka.answer({ rand, autn: set1.autn, scheme: "akav1" }), RangeError);
  await assert.rejects(aka.answer({ rand: set1.rand, autn: rand, scheme: "akav1" }), RangeError);
  const mine = { rand: new Uint8Array(set1.rand), autn: new Uint8Array(set1.autn), scheme: "akav1" } as const;
  const answering = aka.answer(mine);
  mine.rand.fill(0);
  mine.autn.fill(0);
  assert.equal((await answering).kind, "answered");
  await aka.keep(bootstrap);
  using key = await aka.derive({ btid: v.B_TID!, nafId });
  assertSecret(key, first.Ks_NAF, "Ks_NAF");
});

test("a card with a PIN opens with the right one, and only tries when a try is left over", async () => {
  const locked = card({ pin: pin("1234") });
  await assert.rejects(usimIdentity(locked.connect()), withCode("pin-required"));
  await using identity = await usimIdentity(locked.connect(), { pin: pin("1234") });
  assert.equal(identity.aka!.impi, v.IMPI);
  await assert.rejects(usimIdentity(locked.connect(), { pin: pin("0000") }), withCode("pin-required"));
  await assert.rejects(usimIdentity(locked.connect(), { pin: pin("0000") }), withCode("pin-required"));
  assert.equal(locked.state.pinTries, 1);
  await assert.rejects(usimIdentity(locked.connect(), { pin: pin("0000") }), withCode("pin-required"));
  assert.equal(locked.state.pinTries, 1);
  await assert.rejects(usimIdentity(locked.connect(), { pin: pin("0000"), lastTry: true }), withCode("pin-blocked"));
  await assert.rejects(usimIdentity(locked.connect(), { pin: pin("1234"), lastTry: true }), withCode("pin-blocked"));
  assert.equal(locked.state.pinTries, 0);
});

test("the last try taken with the right PIN opens the card and restores all tries", async () => {
  const locked = card({ pin: pin("1234"), state: { ...card().state, pinTries: 1 } });
  await using identity = await usimIdentity(locked.connect(), { pin: pin("1234"), lastTry: true });
  assert.ok(identity.aka);
  assert.equal(locked.state.pinTries, 3);
});

test("a PIN that no card has is refused before it is tried", async () => {
  const locked = card({ pin: pin("1234") });
  await assert.rejects(usimIdentity(locked.connect(), { pin: pin("123") }), RangeError);
  await assert.rejects(usimIdentity(locked.connect(), { pin: pin("123456789") }), RangeError);
  assert.equal(locked.state.pinTries, 3);
});

test("a PIN blocked while the module is open is an outcome, a PIN wanted again an error", async () => {
  for (const [sw, expected] of [["6983", { kind: "refused", reason: "blocked" }], ["6982", undefined]] as const) {
    const channel = replaceable(card().connect());
    await using identity = await usimIdentity(channel);
    channel.answer = sw;
    const answer = identity.aka!.answer({ ...set1, scheme: "akav1" });
    if (expected) assert.deepEqual(await answer, expected);
    else await assert.rejects(answer, withCode("pin-required"));
  }
});

test("a card without a USIM, without an IMSI, or that answers nonsense is an error, and its channel is closed", async () => {
  const dir = ["9000", "9000"];
  const imsi = ["9000", "0809101010325476989000"];
  const usim = ["610d4f07a0000000871002500255539000", "6a83"];
  const scripts: [string[], string][] = [
    [[...dir, "6a83"], "identity-unavailable"],
    [[...dir, "610b4f09a00000008710032222" + "9000", "6a83"], "identity-unavailable"],
    [[...dir, ...usim, "6a82"], "identity-unavailable"],
    [["6a82"], "identity-unavailable"],
    [["90"], "malformed"],
    [["6d00"], "unsupported"],
    [[...dir, ...usim, "9000", "9000", "ffffffffffffffffff9000"], "malformed"],
    [[...dir, ...usim, "9000", ...imsi, "9000", "0000009000"], "identity-unavailable"],
    [[...dir, ...new Array<string>(40).fill("ff9000")], "identity-unavailable"],
  ];
  for (const [script, code] of scripts) {
    const channel = scripted(...script);
    await assert.rejects(usimIdentity(channel), withCode(code), script.join(" "));
    assert.ok(channel.closed());
  }
  const silent = scripted(...dir, ...usim, "9000", ...imsi);
  await using identity = await usimIdentity(silent, { mncLength: 3 });
  assert.equal(identity.aka!.impi, "001010123456789@ims.mnc010.mcc001.3gppnetwork.org");
});

test("records of EF_DIR that are empty, malformed or of other applications are passed over", async () => {
  const channel = scripted(
    "9000",
    "9000",
    "ffffffff9000",
    "61ff00009000",
    "610b4f09a000000087100311119000",
    "610d4f07a0000000871002500255539000",
    "6a83",
    "9000",
    "9000",
    "0809101010325476989000",
    "9000",
    "000000029000",
  );
  await using identity = await usimIdentity(channel);
  assert.equal(identity.aka!.impi, v.IMPI);
  assert.equal(channel.asked[7], "00a4040407a000000087100200");
});

test("answers to AUTHENTICATE of wrong tags, lengths or status are malformed or unavailable, never taken", async () => {
  const bad: [string, string][] = [
    ["9000", "malformed"],
    ["db9000", "malformed"],
    ["da08a54211d5e3ba50bf9000", "malformed"],
    [`db03aabbcc10${v.CK}10${v.IK}9000`, "malformed"],
    [`db08${v.RES}0f${v.CK!.slice(2)}10${v.IK}9000`, "malformed"],
    [`db08${v.RES}10${v.CK}9000`, "malformed"],
    [`db11${"aa".repeat(17)}10${v.CK}10${v.IK}9000`, "malformed"],
    ["dc0d" + "aa".repeat(13) + "9000", "malformed"],
    ["6f00", "identity-unavailable"],
    ["9864", "unsupported"],
  ];
  for (const [answer, code] of bad) {
    const channel = replaceable(card().connect());
    await using identity = await usimIdentity(channel);
    channel.answer = answer;
    await assert.rejects(identity.aka!.answer({ ...set1, scheme: "akav1" }), withCode(code), answer);
    await assert.rejects(identity.aka!.keep(bootstrap), withCode("state"));
  }
});

test("operations at the same time take turns, so that no answer goes to another", async () => {
  await using identity = await opened({ protocol: "T=0" });
  const { aka } = identity;
  using a = vectorFor(joinSqn(0x7fcdda685b1, 0));
  using b = vectorFor(joinSqn(0x7fcdda685b2, 1));
  const outcomes = await Promise.all([
    aka.answer({ ...set1, scheme: "akav1" }),
    aka.answer({ ...a, scheme: "akav1" }),
    aka.answer({ ...b, scheme: "akav1" }),
  ]);
  const passwords = outcomes.map((outcome) =>
    outcome.kind === "answered" ? fingerprint(outcome.password) : outcome.kind
  );
  assert.deepEqual(passwords, [secretHex(v.RES!), a.xres, b.xres].map(fingerprint));
});

test("an aborted call does nothing, and the next one works", async () => {
  await using identity = await opened();
  const signal = AbortSignal.abort(new TypeError("enough"));
  await assert.rejects(identity.aka.answer({ ...set1, scheme: "akav1" }, { signal }), TypeError);
  assert.equal((await identity.aka.answer({ ...set1, scheme: "akav1" })).kind, "answered");
  await assert.rejects(usimIdentity(card().connect(), { signal }), TypeError);
});

test("a disposed module is closed, its channel too, and it prints no secret [SEC_CF-SEC-001]", async () => {
  const tape = taped(near().connect());
  const identity = await usimIdentity(tape);
  const { aka } = identity;
  await aka!.answer({ ...set1, scheme: "akav1" });
  await aka!.keep(bootstrap);
  const shown = inspect(identity, { depth: 12, showHidden: true }) + JSON.stringify(identity);
  for (const secret of [v.CK!, v.IK!, v.Ks!, v.K!, v.OPc!]) {
    assert.ok(!shown.includes(secret.slice(0, 12)) && !shown.includes([...fromHex(secret)].slice(0, 5).join(", ")));
  }
  await identity[Symbol.asyncDispose]();
  await assert.rejects(aka!.derive({ btid: v.B_TID!, nafId }), withCode("closed"));
  await assert.rejects(aka!.answer({ ...set1, scheme: "akav1" }), withCode("closed"));
  await assert.rejects(tape.transmit(fromHex("00a4000c023f00")), withCode("closed"));
});
