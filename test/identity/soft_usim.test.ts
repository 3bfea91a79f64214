import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { inspect } from "node:util";
import { joinSqn, makeAuts, milenage } from "../../lib/aka/mod.ts";
import { fromHex, toHex } from "../../lib/bytes/mod.ts";
import { type ApduChannel, decodeNafRecord, type SoftUsim, type SoftUsimState } from "../../lib/identity/mod.ts";
import { assertSecret, flips, type NafVectors, secretHex, vectors, withCode } from "../aka/vectors.ts";
import { AID, card, credentials, pin, send, v, vectorFor } from "./cards.ts";

const SELECT = `00a4040c 10 ${AID}`;
const { RAND, AUTN, RES, CK, IK } = v as Record<"RAND" | "AUTN" | "RES" | "CK" | "IK", string>;
/** Milenage set 1 has SEQ 7fcdda685b0: one less in every slot lets a card accept it. */
const NEAR = { sequence: new Array<number>(32).fill(0x7fcdda685af), pinTries: 3 };

/** A card that will accept the vector of Milenage set 1, with its USIM selected. */
async function selected(options: Parameters<typeof card>[0] = {}): Promise<{ usim: SoftUsim; channel: ApduChannel }> {
  const usim = card({ state: { ...NEAR, gbabp: new Uint8Array(255).fill(0xff), gbanl: emptyRecords() }, ...options });
  const channel = usim.connect();
  assert.equal(await send(channel, SELECT), "9000");
  return { usim, channel };
}

function emptyRecords(): Uint8Array[] {
  return Array.from({ length: 4 }, () => new Uint8Array(255).fill(0xff));
}

function umts(rand: Uint8Array, autn: Uint8Array): string {
  return `00880081 22 10 ${toHex(rand)} 10 ${toHex(autn)} 00`;
}

test("EF_DIR names the USIM, and the application is selected by its whole AID or a part of it", async () => {
  const channel = card().connect();
  assert.equal(await send(channel, "00a4000c023f00"), "9000");
  assert.equal(await send(channel, "00a4000c022f00"), "9000");
  assert.equal(await send(channel, "00b2010400"), `61184f10${AID}50045553494d9000`);
  assert.equal(await send(channel, "00b2020400"), "6a83");
  for (const part of [AID, "a0000000871002", "a000000087"]) {
    assert.equal(await send(channel, `00a4040c${(part.length / 2).toString(16).padStart(2, "0")}${part}`), "9000");
  }
  for (const part of ["a0000000", "a0000000871004", `${AID}00`]) {
    assert.equal(await send(channel, `00a4040c${(part.length / 2).toString(16).padStart(2, "0")}${part}`), "6a82");
  }
});

test("SELECT finds files by identifier and by path, and describes them when asked", async () => {
  const { channel } = await selected();
  assert.equal(await send(channel, "00a4000c026f07"), "9000");
  assert.equal(await send(channel, "00a4000c022f00"), "6a82");
  assert.equal(await send(channel, "00a4080c022f00"), "9000");
  assert.equal(await send(channel, "00a4080c047fff6fad"), "9000");
  assert.equal(await send(channel, "00b0000000"), "000000029000");
  assert.equal(
    await send(channel, "00a4000402 6fad 00"),
    "620f82024121830 26fad8a010580020004 9000".replaceAll(" ", ""),
  );
  assert.equal(
    await send(channel, "00a4000402 6fda 00"),
    "6212820542210 0ff048302 6fda8a0105800203fc 9000".replaceAll(" ", ""),
  );
  assert.equal(await send(channel, "00a4000402 7fff 00"), `621d8202782183027fff8410${AID}8a01059000`);
  assert.equal(await send(channel, "80f2000000"), `621d8202782183027fff8410${AID}8a01059000`);
  for (
    const [bad, sw] of [["00a4000c016f", "6700"], ["00a4080c036fad00", "6a82"], ["00a4020c026f07", "6a86"], [
      "00a40000023f00",
      "6a86",
    ], ["00a4080c066fad6fad6fad", "6a82"]] as const
  ) {
    assert.equal(await send(channel, bad), sw, bad);
  }
});

test("EF_IMSI, EF_AD and EF_UST say who it is and that GBA (service 68) is there", async () => {
  const { channel } = await selected();
  await send(channel, "00a4000c026f07");
  assert.equal(await send(channel, "00b0000000"), "0809101010325476989000");
  assert.equal(await send(channel, "00b0000103"), "0910109000");
  await send(channel, "00a4000c026f38");
  const table = await send(channel, "00b0000000");
  assert.equal(table.slice(16, 18), "08");
});

test("reading and writing beyond a file, of the wrong kind, or against its rights is refused", async () => {
  const { channel } = await selected();
  assert.equal(await send(channel, "00b0000000"), "6986");
  await send(channel, "00a4000c026f07");
  assert.equal(await send(channel, "00b0000900"), "6b00");
  assert.equal(await send(channel, "00b000000a"), "6c09");
  assert.equal(await send(channel, "00b2010400"), "6981");
  assert.equal(await send(channel, "00d600000100"), "6982");
  await send(channel, "00a4000c026fda");
  assert.equal(await send(channel, "00b2050400"), "6a83");
  assert.equal(await send(channel, "00b2010200"), "6a86");
  assert.equal(await send(channel, "00dc0104" + "ff" + "00".repeat(255)), "6982");
  await send(channel, "00a4000c026fd6");
  assert.equal(await send(channel, "00d600fe02aabb"), "6700");
  assert.equal(await send(channel, "00d6010001aa"), "6b00");
  assert.equal(await send(channel, "00d60000"), "6700");
  assert.equal(await send(channel, "00d600fd02aabb"), "9000");
  assert.equal(await send(channel, "00b000fc03"), "ffaabb9000");
});

test("instructions, classes, channels and lengths that it does not have get their status", async () => {
  const { channel } = await selected();
  const cases = {
    "00ca0000": "6d00",
    "a0a40000023f00": "6e00",
    "80a40000023f00": "6e00",
    "01a4000c023f00": "6881",
    "00": "6700",
    "00a4000c05aa": "6700",
    "0088008100": "6a80",
    "0088018100": "6a86",
    "00c0000000": "6985",
  };
  for (const [command, sw] of Object.entries(cases)) assert.equal(await send(channel, command), sw, command);
});

test("AUTHENTICATE in the 3G context answers the vector of Milenage set 1 with RES, CK, IK and Kc", async () => {
  const { channel } = await selected();
  const answer = await send(channel, umts(fromHex(RAND), fromHex(AUTN)));
  assert.equal(answer, `db08${RES}10${CK}10${IK}08${v.c3_Kc}9000`);
});

test("without service 27 no Kc follows, and without 68 there is no GBA", async () => {
  const { channel } = await selected({ services: [] });
  assert.equal(await send(channel, umts(fromHex(RAND), fromHex(AUTN))), `db08${RES}10${CK}10${IK}9000`);
  assert.equal(await send(channel, `00880084 23 dd 10 ${RAND} 10 ${AUTN} 00`), "9864");
  assert.equal(await send(channel, "00a4000c026fd6"), "6a82");
});

test("over T=0 an answer waits for GET RESPONSE, whole or in pieces, and only until the next command", async () => {
  const { channel } = await selected({ protocol: "T=0" });
  const command = umts(fromHex(RAND), fromHex(AUTN)).slice(0, -2);
  assert.equal(await send(channel, command), "6135");
  assert.equal(await send(channel, "00c0000036"), "6c35");
  assert.equal(await send(channel, "00c000000a"), `db08${RES}612b`);
  assert.equal(await send(channel, "00c000002b"), `10${CK}10${IK}08${v.c3_Kc}9000`);
  assert.equal(await send(channel, "00c0000000"), "6985");
  await send(channel, "00a4000c026f07");
  assert.equal(await send(channel, "00b0000000"), "6c09");
  assert.equal(await send(channel, "00b0000009"), "0809101010325476989000");
  using next = vectorFor(joinSqn(0x7fcdda685b1, 7));
  assert.equal(await send(channel, umts(next.rand, next.autn)), "6135");
  await send(channel, "00a4000c026f07");
  assert.equal(await send(channel, "00c0000035"), "6985");
});

test("AUTHENTICATE in the GSM context gives SRES and Kc by c2 and c3", async () => {
  const { channel } = await selected();
  assert.equal(await send(channel, `00880080 11 10 ${RAND} 00`), `04${v.c2_SRES}08${v.c3_Kc}9000`);
});

test("a challenge with any bit of RAND or AUTN turned over gets 9862 and changes nothing", async () => {
  const { usim, channel } = await selected();
  const before = usim.state;
  for (const autn of flips(fromHex(AUTN))) assert.equal(await send(channel, umts(fromHex(RAND), autn)), "9862");
  for (const rand of flips(fromHex(RAND))) assert.equal(await send(channel, umts(rand, fromHex(AUTN))), "9862");
  assert.deepEqual(usim.state, before);
});

test("a replayed AUTN gets AUTS with the highest SQN accepted, and nothing that helps to answer it", async () => {
  const { channel } = await selected();
  await send(channel, umts(fromHex(RAND), fromHex(AUTN)));
  assert.equal(await send(channel, umts(fromHex(RAND), fromHex(AUTN))), `dc0e${v.AUTS_for_SQNms_equal_SQN}9000`);
  using older = vectorFor(joinSqn(5, 7));
  using algorithm = milenage(credentials());
  const auts = makeAuts(algorithm, older.rand, joinSqn(0x7fcdda685b0, 7));
  assert.equal(await send(channel, umts(older.rand, older.autn)), `dc0e${toHex(auts)}9000`);
  using far = vectorFor(joinSqn(0x7fcdda685b0 + 2 ** 28 + 1, 0));
  assert.match(await send(channel, umts(far.rand, far.autn)), /^dc0e/);
});

test("challenges that are not two fields of 16 bytes are refused", async () => {
  const { channel } = await selected();
  for (
    const data of [
      "10",
      `0f${RAND.slice(2)}10${AUTN}`,
      `10${RAND}0f${AUTN.slice(2)}`,
      `10${RAND}10${AUTN}00`,
      `10${RAND}`,
    ]
  ) {
    const length = (data.length / 2).toString(16).padStart(2, "0");
    assert.equal(await send(channel, `00880081${length}${data}00`), "6a80", data);
  }
  assert.equal(await send(channel, `00880080 12 10 ${RAND} 00 00`), "6a80");
  assert.equal(await send(channel, `00880082 11 10 ${RAND} 00`), "6a86");
  assert.equal(await send(channel, "0088008401aa00"), "6a80");
  assert.equal(await send(channel, "00a4000c023f00"), "9000");
  assert.equal(await send(channel, umts(fromHex(RAND), fromHex(AUTN))), "6985");
});

test("GBA bootstrapping shows RES alone, writes RAND into EF_GBABP, and then derives keys of uses", async () => {
  const { usim, channel } = await selected();
  const star = v.AUTN_star_GBA_U;
  const nafs = vectors<NafVectors>("aka");
  const { NAF_Id, Ks_NAF, Ks_int_NAF } = nafs.naf[0]!;
  const impi = Buffer.from(nafs.IMPI).toString("hex");
  const derive = `00880084 ${hexLength(NAF_Id + impi + "aabbcc")} de ${hexLength(NAF_Id)} ${NAF_Id} ${
    hexLength(impi)
  } ${impi} 00`;
  assert.equal(await send(channel, derive), "6985");
  assert.equal(await send(channel, `00880084 23 dd 10 ${RAND} 10 ${star} 00`), `db08${v.RES_GBA_U}9000`);
  await send(channel, "00a4000c026fd6");
  assert.equal(await send(channel, "00b0000014"), `10${RAND}0000ff9000`);
  assert.equal(await send(channel, derive), "6985");
  assert.equal(await send(channel, `00d60011 07 05 6240627366 00`), "9000");
  assert.equal(await send(channel, derive), `db20${Ks_NAF}9000`);
  using internal = usim.internalKey(fromHex(NAF_Id))!;
  assertSecret(internal, Ks_int_NAF, "Ks_int_NAF");
  assert.equal(usim.internalKey(fromHex("00")), undefined);
  await send(channel, "00a4000c026fda");
  const record = decodeNafRecord(fromHex(await send(channel, "00b2010400")).subarray(0, -2))!;
  assert.deepEqual([toHex(record.nafId), Buffer.from(record.btid).toString()], [NAF_Id, "b@bsf"]);
});

test("a plain AUTN in the GBA context, and AUTN* in the 3G context, have a wrong MAC", async () => {
  const { channel } = await selected();
  assert.equal(await send(channel, `00880084 23 dd 10 ${RAND} 10 ${AUTN} 00`), "9862");
  assert.equal(await send(channel, umts(fromHex(RAND), fromHex(v.AUTN_star_GBA_U!))), "9862");
});

test("EF_GBANL overwrites what was used least recently (TS 33.220 G.2)", async () => {
  const { usim, channel } = await selected();
  await send(channel, `00880084 23 dd 10 ${RAND} 10 ${v.AUTN_star_GBA_U} 00`);
  await send(channel, "00a4000c026fd6");
  await send(channel, "00d60011 07 05 6240627366 00");
  const derive = (naf: string) => send(channel, `00880084 07 de 01 ${naf} 03 612e62 00`);
  for (const naf of ["01", "02", "03", "04", "01", "05"]) assert.match(await derive(naf), /^db20/);
  const held = ["01", "02", "03", "04", "05"].map((naf) => usim.internalKey(fromHex(naf)) !== undefined);
  assert.deepEqual(held, [true, false, true, true, true]);
  const huge = "aa".repeat(246);
  assert.equal(await send(channel, `00880084 fb de f6 ${huge} 02 6162 00`), "6a84");
});

test("the PIN is wanted, counted down, blocked for good, and survives a restart", async () => {
  let state: SoftUsimState | undefined;
  const options = { pin: pin("1234"), save: (s: SoftUsimState): Promise<void> => Promise.resolve(void (state = s)) };
  const channel = card(options).connect();
  await send(channel, SELECT);
  const challenge = umts(fromHex(RAND), fromHex(AUTN));
  assert.equal(await send(channel, challenge), "6982");
  await send(channel, "00a4000c026f07");
  assert.equal(await send(channel, "00b0000000"), "6982");
  assert.equal(await send(channel, "00200001"), "63c3");
  assert.equal(await send(channel, "00200001 08 31323335ffffffff"), "63c2");
  assert.equal(await send(channel, "00200001 08 31323334ffffffff"), "9000");
  assert.equal(await send(channel, "00200001"), "9000");
  assert.match(await send(channel, "00b0000000"), /9000$/);
  assert.equal(await send(channel, "00200001 08 31323335ffffffff"), "63c2");
  assert.equal(await send(channel, "00b0000000"), "6982");
  assert.equal(await send(channel, "00200001 08 31323335ffffffff"), "63c1");
  const again = card({ ...options, state: state! }).connect();
  assert.equal(await send(again, "00200001"), "63c1");
  assert.equal(await send(again, "00200001 08 00000000ffffffff"), "63c0");
  for (const card_ of [again, card({ ...options, state: state! }).connect()]) {
    assert.equal(await send(card_, "00200001 08 31323334ffffffff"), "6983");
    assert.equal(await send(card_, "00200001"), "6983");
  }
  assert.equal(await send(again, "00200002"), "6a88");
  assert.equal(await send(again, "00200001 04 31323334"), "6700");
});

test("a wrong PIN is counted before it is compared: the state stored first has the try taken", async () => {
  const tries: number[] = [];
  const save = (state: SoftUsimState): Promise<void> => Promise.resolve(void tries.push(state.pinTries));
  const channel = card({ pin: pin("12345678"), save }).connect();
  await send(channel, "00200001 08 3132333435363738");
  assert.deepEqual(tries, [2, 3]);
});

test("when the state cannot be stored, nothing is given out, and the number is used up all the same", async () => {
  let broken = true;
  const save = (): Promise<void> => broken ? Promise.reject(new TypeError("disk")) : Promise.resolve();
  const { channel } = await selected({ save });
  assert.equal(await send(channel, umts(fromHex(RAND), fromHex(AUTN))), "6581");
  await send(channel, "00a4000c026fd6");
  assert.equal(await send(channel, "00d6000001aa"), "6581");
  assert.equal(await send(channel, "00b0000001"), "ff9000");
  broken = false;
  assert.match(await send(channel, umts(fromHex(RAND), fromHex(AUTN))), /^dc0e/);
});

test("a card restarted from its stored state takes no number again", async () => {
  let state: SoftUsimState | undefined;
  const save = (s: SoftUsimState): Promise<void> => Promise.resolve(void (state = structuredClone(s)));
  const { channel } = await selected({ save });
  assert.match(await send(channel, umts(fromHex(RAND), fromHex(AUTN))), /^db/);
  const again = card({ state: state! }).connect();
  await send(again, SELECT);
  assert.match(await send(again, umts(fromHex(RAND), fromHex(AUTN))), /^dc0e/);
});

test("a new connection resets the card: the old channel is closed, and what waited is gone", async () => {
  const { usim, channel } = await selected({ protocol: "T=0" });
  const answer = send(channel, umts(fromHex(RAND), fromHex(AUTN)));
  const next = usim.connect();
  assert.match(await answer.catch(() => "closed"), /closed|6135/);
  assert.equal(await send(next, "00c0000000"), "6985");
  await assert.rejects(send(channel, SELECT), withCode("closed"));
  await next[Symbol.asyncDispose]();
  await assert.rejects(send(next, SELECT), withCode("closed"));
  const third = usim.connect();
  await usim[Symbol.asyncDispose]();
  await assert.rejects(send(third, SELECT), withCode("closed"));
});

test("what a command still under way answers is not for the next connection to fetch, nor is the PIN open to it", async () => {
  let [storing, stored] = [() => {}, () => {}];
  const reached = new Promise<void>((resolve) => storing = resolve);
  const gate = new Promise<void>((resolve) => stored = resolve);
  const save = (): Promise<void> => (storing(), gate);
  const usim = card({ save, pin: pin("1234"), protocol: "T=0" });
  const verifying = send(usim.connect(), "00200001 08 31323334ffffffff");
  await reached;
  const next = usim.connect();
  const status = send(next, "00200001");
  stored();
  assert.equal(await verifying, "9000");
  assert.equal(await status, "63c3");
});

test("K and OPc are in no file and nothing that prints [SEC_CF-SEC-001]", async () => {
  const { usim, channel } = await selected();
  const shown = [
    inspect(usim, { depth: 12, showHidden: true }),
    JSON.stringify(usim),
    inspect(usim.state, { depth: 9 }),
  ];
  for (const fid of ["3f00", "2f00", "7fff", "6f07", "6fad", "6f38", "6fd6", "6fda"]) {
    shown.push(await send(channel, `00a40004 02 ${fid} 00`), await send(channel, "00b0000000"));
    for (let record = 1; record <= 4; record++) shown.push(await send(channel, `00b20${record}0400`));
    await send(channel, SELECT);
  }
  for (const secret of [v.K!, v.OPc!]) {
    const part = secret.slice(0, 12);
    const decimal = [...fromHex(part)].join(", ");
    for (const text of shown) assert.ok(!text?.includes(part) && !text?.includes(decimal));
  }
});

test("what no card can be made of is refused", () => {
  assert.throws(() => card({ imsi: "123" }), RangeError);
  assert.throws(() => card({ pin: pin("123") }), RangeError);
  assert.throws(() => card({ services: [0] }), RangeError);
  assert.throws(() => card({ services: [137] }), RangeError);
  assert.throws(() => card({ credentials: { k: secretHex("00"), opc: secretHex(v.OPc!) } }), RangeError);
  const good = card().state;
  for (
    const bad of [{ pinTries: 4 }, { pinTries: -1 }, { sequence: [1] }, { gbabp: new Uint8Array(1) }, {
      gbanl: [new Uint8Array(1)],
    }]
  ) {
    assert.throws(() => card({ pin: pin("1234"), state: { ...good, ...bad } }), RangeError);
  }
});

function hexLength(hex: string): string {
  return (hex.length / 2).toString(16).padStart(2, "0");
}
