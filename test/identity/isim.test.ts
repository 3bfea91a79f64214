import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromHex, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import {
  bsfNameOf,
  bsfNameOfImpi,
  decodeBootstrap,
  decodeDirectoryRecord,
  decodeDomain,
  decodeImpi,
  decodeImpu,
  decodeNafRecord,
  encodeName,
  impiOf,
  readCard,
  type SoftUsim,
  softUsim,
  type SoftUsimOptions,
  usimIdentity,
} from "../../lib/identity/mod.ts";
import { assertSecret, type NafVectors, vectors, withCode } from "../aka/vectors.ts";
import { VirtualClock } from "../support/virtual.ts";
import { card, credentials, IMSI, pin, send, taped, v } from "./cards.ts";

const nafs = vectors<NafVectors>("aka");
const first = nafs.naf[0]!;
const isim = { impi: v.IMPI!, impus: ["sip:001@example.org", "tel:+15550001"], domain: "ims.example.org" };
const bootstrap = { btid: v.B_TID!, lifetimeSeconds: 3600 };
const star = { rand: fromHex(v.RAND!), autn: fromHex(v.AUTN_star_GBA_U!), scheme: "akav1" } as const;

/** A card with both applications that takes Milenage set 1's SQN next. */
function both(options: Partial<SoftUsimOptions> = {}): SoftUsim {
  const state = { ...card().state, sequence: new Array<number>(32).fill(0x7fcdda685af) };
  return card({ isim, state, ...options });
}

test("the Key Manager's name follows from the private identity (TS 23.003 16.2)", () => {
  const names = {
    "234150999999999@ims.mnc015.mcc234.3gppnetwork.org": "bsf.mnc015.mcc234.pub.3gppnetwork.org",
    "alice@operator.example": "bsf.operator.example",
    "alice@ims.operator.example": "bsf.ims.operator.example",
    "ALICE@Operator.Example": "bsf.operator.example",
  };
  for (const [impi, bsf] of Object.entries(names)) assert.equal(bsfNameOfImpi(impi), bsf);
  for (const mncLength of [2, 3] as const) {
    assert.equal(bsfNameOfImpi(impiOf(IMSI, mncLength)), bsfNameOf(IMSI, mncLength));
  }
  for (const wrong of ["alice", "@operator.example", "alice@", "a@b@c", "a@b c"]) {
    assert.throws(() => bsfNameOfImpi(wrong), RangeError);
  }
});

test("an ISIM comes before the USIM and names subscriber and Key Manager; the USIM can be asked for", async () => {
  const named = { impi: "alice@operator.example" };
  await using preferred = await usimIdentity(both({ isim: named }).connect());
  assert.equal(preferred.application, "isim");
  assert.equal(preferred.aka.impi, "alice@operator.example");
  assert.equal(preferred.keyManager, "bsf.operator.example");
  await using forced = await usimIdentity(both({ isim: named }).connect(), { application: "usim" });
  assert.equal(forced.application, "usim");
  assert.equal(forced.aka.impi, v.IMPI);
  assert.equal(forced.keyManager, "bsf.mnc001.mcc001.pub.3gppnetwork.org");
  await using only = await usimIdentity(both({ isim: named }).connect(), { application: "isim", impi: "a@b.example" });
  assert.equal(only.aka.impi, "a@b.example");
});

test("an ISIM that was never personalised counts as none, and a card without one is refused where one is wanted", async () => {
  await using identity = await usimIdentity(both({ isim: {} }).connect());
  assert.equal(identity.application, "usim");
  for (const options of [{ isim: {} }, {}]) {
    const missing = usimIdentity(card(options).connect(), { application: "isim" });
    await assert.rejects(missing, withCode("identity-unavailable"));
  }
});

test("the ISIM's PIN is asked for once and guards its files", async () => {
  const locked = both({ pin: pin("1234") });
  await assert.rejects(usimIdentity(locked.connect()), withCode("pin-required"));
  await using identity = await usimIdentity(locked.connect(), { pin: pin("1234") });
  assert.equal(identity.application, "isim");
  assert.equal(locked.state.pinTries, 3);
});

test("through the ISIM a challenge gives the NAF keys of its private identity [SEC_CF-KEM-001]", async () => {
  for (const protocol of ["T=0", "T=1"] as const) {
    await using identity = await usimIdentity(both({ protocol }).connect());
    const answer = await identity.aka.answer({ rand: star.rand, autn: fromHex(v.AUTN!), scheme: "akav1" });
    assert.ok(answer.kind === "answered");
    assertSecret(answer.password, v.RES!, "RES");
    await identity.aka.keep(bootstrap);
    for (const { NAF_Id, Ks_NAF } of nafs.naf) {
      using key = await identity.aka.derive({ btid: v.B_TID!, nafId: fromHex(NAF_Id) });
      assertSecret(key, Ks_NAF, "Ks_NAF");
    }
  }
});

test("GBA_U through the ISIM writes its own EF_GBABP and EF_GBANL, not the USIM's, and Ks stays in the card [SEC_CF-SEC-002]", async () => {
  const usim = both();
  const tape = taped(usim.connect());
  await using identity = await usimIdentity(tape, { mode: "gba-u", clock: new VirtualClock() });
  const answer = await identity.aka.answer(star);
  assert.ok(answer.kind === "answered");
  assertSecret(answer.password, v.RES_GBA_U!, "RES");
  await identity.aka.keep(bootstrap);
  using key = await identity.aka.derive({ btid: v.B_TID!, nafId: fromHex(first.NAF_Id) });
  assertSecret(key, first.Ks_NAF, "Ks_ext_NAF");

  const { isim: written, gbabp, gbanl } = usim.state;
  const kept = decodeBootstrap(written!.gbabp)!;
  assert.equal(toHex(kept.rand), v.RAND);
  assert.deepEqual(kept.btid, toUtf8(v.B_TID!));
  assert.equal(toHex(decodeNafRecord(written!.gbanl[0]!)!.nafId), first.NAF_Id);
  assert.ok([gbabp, ...gbanl].every((file) => file.every((byte) => byte === 0xff)));
  // TS 31.103: EF_GBABP is 6FD5 there.
  assert.ok(tape.tape.includes("00a40004026fd500") && !tape.tape.some((line) => line.includes("026fd6")));
  const wire = tape.tape.join("|");
  for (const secret of [v.CK!, v.IK!, v.K!, v.OPc!, first.Ks_int_NAF]) {
    for (let at = 0; at + 8 <= secret.length; at += 2) assert.ok(!wire.includes(secret.slice(at, at + 8)));
  }
});

test("what one application bootstrapped gives the other no key, and a restarted card keeps the files of both", async () => {
  const usim = both();
  const gbaU = { mode: "gba-u", clock: new VirtualClock() } as const;
  {
    await using identity = await usimIdentity(usim.connect(), gbaU);
    await identity.aka.answer(star);
    await identity.aka.keep(bootstrap);
  }
  await using other = await usimIdentity(usim.connect(), { ...gbaU, application: "usim" });
  const nafId = fromHex(first.NAF_Id);
  await assert.rejects(other.aka.derive({ btid: v.B_TID!, nafId }), withCode("expired"));
  const again = softUsim({ credentials: credentials(), imsi: IMSI, isim, state: usim.state });
  assert.deepEqual(again.state, usim.state);
});

test("an ISIM without GBA in its service table is not taken for GBA_U, and has no such context", async () => {
  const without = both({ isim: { ...isim, services: [1] } });
  const opening = usimIdentity(without.connect(), { mode: "gba-u", clock: new VirtualClock() });
  await assert.rejects(opening, withCode("unsupported"));
  const channel = without.connect();
  await send(channel, "00a4040c10 a0000000871004ffffffff8900000100");
  const data = `dd10${v.RAND}10${v.AUTN_star_GBA_U}`;
  assert.equal(await send(channel, `0088008423 ${data} 00`), "9864");
});

test("7FFF is the application selected last, also by way of the master file", async () => {
  const channel = both().connect();
  assert.match(await send(channel, "00a40004027fff00"), /8410a0000000871002/);
  assert.equal(await send(channel, "00a4040c07 a0000000871004"), "9000");
  assert.equal(await send(channel, "00a4000c023f00"), "9000");
  assert.match(await send(channel, "00a40804047fff6f0200"), /83026f02/);
});

test("what a card tells of itself holds applications, PIN state, names, and no secret", async () => {
  const channel = taped(both({ pin: pin("1234") }).connect());
  const locked = await readCard(channel);
  assert.deepEqual(locked.applications.map(({ kind }) => kind), ["usim", "isim"]);
  assert.equal(locked.pin, 3);
  assert.equal(locked.refused?.code, "pin-required");
  const open = await readCard(channel, { pin: pin("1234") });
  assert.equal(open.pin, "open");
  assert.deepEqual(open.subscriber, {
    application: "isim",
    impi: v.IMPI,
    keyManager: "bsf.mnc001.mcc001.pub.3gppnetwork.org",
    impus: isim.impus,
    domain: isim.domain,
  });
  assert.ok(!channel.tape.some((line) => line.startsWith("0088")), "no challenge was sent");
});

test("EF_IMPI, EF_DOMAIN and EF_IMPU hold names behind tag 80; nothing else is taken", () => {
  assert.equal(decodeImpi(fromHex("80056140622e63ffff")), "a@b.c");
  assert.equal(decodeDomain(fromHex("8003622e63")), "b.c");
  assert.equal(decodeImpu(fromHex("80077369703a614062")), "sip:a@b");
  for (const empty of ["", "ffffff", "8000", "000000"]) assert.equal(decodeImpi(fromHex(empty)), undefined);
  for (const wrong of ["8003612e63", "8005614062", "80056140620d0a", "800461 40ff62", "8004614062c3"]) {
    assert.throws(() => decodeImpi(fromHex(wrong.replace(" ", ""))), withCode("malformed"), wrong);
  }
  assert.throws(() => decodeDomain(fromHex("8003612f62")), withCode("malformed"));
  assert.throws(() => decodeImpu(fromHex("8003610a62")), withCode("malformed"));
  assert.throws(() => encodeName("a".repeat(126), 127), RangeError);
});

test("decoders of the ISIM's files and of EF_DIR throw nothing but SeccfError at any bytes", () => {
  const decoders = [decodeImpi, decodeDomain, decodeImpu, decodeDirectoryRecord];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.constantFrom(...decoders), (bytes, decode) => {
      try {
        decode(bytes);
      } catch (error) {
        assert.ok(error instanceof SeccfError, String(error));
      }
    }),
    { seed: 31103, numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z0-9._-]{1,40}@[a-z][a-z0-9]{0,20}\.[a-z]{2,6}$/), (impi) => {
      assert.equal(decodeImpi(encodeName(impi, 127)), impi);
    }),
    { seed: 31103, numRuns: 200 },
  );
});
