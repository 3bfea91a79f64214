import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { joinSqn } from "../../lib/aka/mod.ts";
import { fromHex, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { createHmac, fingerprint, secretEqual } from "../../lib/crypto/mod.ts";
import { deriveProvisioned, memoryIdentity, type SoftUsimState } from "../../lib/identity/mod.ts";
import { VirtualClock } from "../support/virtual.ts";
import { assertSecret, type NafVectors, secretHex, vectors, withCode } from "../aka/vectors.ts";
import { credentials, IMSI, v, vectorFor } from "./cards.ts";

const nafs = vectors<NafVectors>("aka");

test("a module in memory bootstraps as a card does, in GBA_ME and in GBA_U [SEC_CF-ADM-001]", async () => {
  const state = {
    sequence: new Array<number>(32).fill(0x7fcdda685af),
    pinTries: 3,
    gbabp: new Uint8Array(255).fill(255),
    gbanl: Array.from({ length: 4 }, () => new Uint8Array(255).fill(255)),
  };
  const subscriber = { credentials: credentials(), imsi: IMSI, card: { state } };
  const inCard = { ...subscriber, mode: "gba-u", clock: new VirtualClock() } as const;
  for (const [aka, autn] of [[subscriber, v.AUTN!], [inCard, v.AUTN_star_GBA_U!]] as const) {
    await using identity = await memoryIdentity({ aka });
    assert.equal(identity.aka!.impi, v.IMPI);
    assert.equal(identity.provisioned, undefined);
    const answer = await identity.aka!.answer({ rand: fromHex(v.RAND!), autn: fromHex(autn), scheme: "akav1" });
    assert.equal(answer.kind, "answered");
    await identity.aka!.keep({ btid: v.B_TID!, lifetimeSeconds: 60 });
    const { NAF_Id, Ks_NAF } = nafs.naf[1]!;
    using key = await identity.aka!.derive({ btid: v.B_TID!, nafId: fromHex(NAF_Id) });
    assertSecret(key, Ks_NAF, "Ks_NAF");
  }
});

test("its IMPI may be given, its sequence numbers are stored where the card says", async () => {
  let stored: SoftUsimState | undefined;
  const save = (state: SoftUsimState): Promise<void> => Promise.resolve(void (stored = state));
  const aka = { credentials: credentials(), imsi: IMSI, impi: "me@example.org", card: { save } };
  using vector = vectorFor(joinSqn(1, 1));
  {
    await using identity = await memoryIdentity({ aka });
    assert.equal(identity.aka!.impi, "me@example.org");
    assert.equal((await identity.aka!.answer({ ...vector, scheme: "akav1" })).kind, "answered");
  }
  await using again = await memoryIdentity({ aka: { ...aka, card: { state: stored! } } });
  assert.equal((await again.aka!.answer({ ...vector, scheme: "akav1" })).kind, "resync");
});

test("a provisioned key derives 32 bytes for a label: HMAC-SHA-256 over FE, our name, the label and their lengths", async () => {
  const key = secretHex("0b".repeat(20));
  const identity = toUtf8("device-7");
  await using module = await memoryIdentity({ provisioned: [{ identity, key }] });
  using derived = await module.provisioned!.derive(identity, toUtf8("tls"));
  const s = fromHex("fe" + toHex(toUtf8("seccf-provisioned")) + "0011" + toHex(toUtf8("tls")) + "0003");
  using hmac = createHmac("sha-256", key);
  const expected = new Uint8Array(32);
  hmac.signInto(s, expected);
  assert.ok(secretEqual(derived, expected));
  using other = await module.provisioned!.derive(identity, toUtf8("sip"));
  assert.notEqual(fingerprint(other), fingerprint(derived));
  using same = deriveProvisioned(key, toUtf8("tls"));
  assert.equal(fingerprint(same), fingerprint(derived));
});

test("several provisioned identities are told apart, an unknown one is unavailable, a name given twice refused", async () => {
  const [one, two] = [toUtf8("one"), toUtf8("two")];
  const provisioned = [{ identity: one, key: secretHex("01") }, { identity: two, key: secretHex("02") }];
  await using identity = await memoryIdentity({ provisioned });
  const module = identity.provisioned!;
  assert.equal(identity.aka, undefined);
  assert.deepEqual(module.identities.map(toHex), [toHex(one), toHex(two)]);
  module.identities[0]!.fill(0);
  using first = await module.derive(one, one);
  using second = await module.derive(two, one);
  assert.notEqual(fingerprint(first), fingerprint(second));
  await assert.rejects(module.derive(toUtf8("three"), one), withCode("identity-unavailable"));
  await assert.rejects(memoryIdentity({ provisioned: [...provisioned, provisioned[0]!] }), RangeError);
});

test("a disposed module has forgotten its keys, the owner's are left, and none prints [SEC_CF-SEC-001]", async () => {
  const key = secretHex("c0ffee00".repeat(4));
  const name = toUtf8("device");
  const identity = await memoryIdentity({
    aka: { credentials: credentials(), imsi: IMSI },
    provisioned: [{ identity: name, key }],
  });
  const shown = inspect(identity, { depth: 12, showHidden: true }) + JSON.stringify(identity);
  assert.ok(!shown.includes("c0ffee") && !shown.includes("192, 255, 238"));
  await identity[Symbol.asyncDispose]();
  await assert.rejects(identity.provisioned!.derive(name, name), withCode("state"));
  await assert.rejects(identity.aka!.derive({ btid: "b", nafId: name }), withCode("closed"));
  assertSecret(key, "c0ffee00".repeat(4), "key");
});

test("a subscriber that no card can be made for is refused", async () => {
  await assert.rejects(memoryIdentity({ aka: { credentials: credentials(), imsi: "12" } }), RangeError);
});
