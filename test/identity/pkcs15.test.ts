import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, fromHex, toHex } from "../../lib/bytes/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { decodeDataDirectory, decodeObjectDirectory } from "../../lib/identity/pkcs15.ts";
import { type Condition, conditionOf, decodeFileParameters, issuerAlone } from "../../lib/identity/pkcs15_access.ts";
import { readDataObjects } from "../../lib/identity/pkcs15_card.ts";
import { decodeOid, readDer, readDerFile } from "../../lib/identity/pkcs15_der.ts";
import { tlv } from "../../lib/identity/tlv.ts";
import { scripted, taped } from "./cards.ts";
import { AID15, bootstrapFiles, cardWith, dodfOf, p15, RULES, transparent } from "./pkcs15_card.ts";

const DM = { oids: ["2.23.43.7.1"] };
const code = (expected: string) => (error: unknown) => error instanceof SeccfError && error.code === expected;

function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (7 * i) & 255);
}

test("EF(ODF) of a card leads to its directory of data objects, and keys and certificates are passed over", () => {
  assert.deepEqual(decodeObjectDirectory(fromHex(p15.odf)).files.map(toHex), [p15.dodfPath]);
  assert.deepEqual(decodeObjectDirectory(fromHex(p15.odfTwo)).files.map(toHex), [p15.odfTwoPath]);
});

test("EF(DODF) of a card names the bootstrap object by its OID, also where it stands encoded twice", () => {
  const [object, ...others] = decodeDataDirectory(fromHex(p15.dodf));
  assert.equal(others.length, 0);
  assert.equal(object?.oid, p15.oid);
  assert.equal(object.applicationName, p15.applicationName);
  assert.deepEqual(object.place, { kind: "file", path: fromHex(p15.objectPath) });
  assert.equal(object.private || object.modifiable, false);
  assert.deepEqual(decodeDataDirectory(fromHex(p15.dodfEmpty)), []);
});

test("2.23.43.7.1 is the DM bootstrap data's identifier in both forms of an object", () => {
  assert.equal(decodeDataDirectory(dodfOf("672b0701", "6432"))[0]?.oid, "2.23.43.7.1");
  const place = tlv(0x30, tlv(0x04, fromHex("6432")));
  const opaque = tlv(0x30, tlv(0x30), tlv(0x30, tlv(0x06, fromHex("672b0701"))), tlv(0xa1, place));
  assert.equal(decodeDataDirectory(opaque)[0]?.oid, "2.23.43.7.1");
});

test("the flags of an object say whether it is private and whether it may be modified", () => {
  const flags = (hex: string) => decodeDataDirectory(dodfOf("672b0701", "6432", hex))[0]!;
  assert.deepEqual([flags("03020780").private, flags("03020780").modifiable], [true, false]);
  assert.deepEqual([flags("03020640").private, flags("03020640").modifiable], [false, true]);
  assert.deepEqual([flags("0c0141030206c0").label, flags("0c0141030206c0").modifiable], ["A", true]);
});

test("a directory that is cut, lengthened, or not in the shortest form is refused", () => {
  const whole = fromHex(p15.dodf);
  for (let length = 1; length < whole.length; length++) {
    assert.throws(() => decodeDataDirectory(whole.subarray(0, length)), code("malformed"));
  }
  assert.throws(() => decodeDataDirectory(concat(whole, fromHex("ffff00"))), code("malformed"));
  assert.throws(() => readDer(fromHex("30810100")), code("malformed"));
  assert.throws(() => readDer(fromHex("3082000100")), code("malformed"));
  assert.throws(() => readDer(fromHex("3080")), code("malformed"));
  assert.throws(() => readDer(fromHex("1f8100")), code("malformed"));
  assert.throws(() => readDerFile(fromHex("3000ff3000ff")), code("malformed"));
  assert.throws(() => readDer(new Uint8Array(600).map((_, i) => i % 2 === 0 ? 0x30 : 0)), code("malformed"));
});

test("an object identifier is read as ISO/IEC 8825-1 8.19 has it, and no other way", () => {
  assert.equal(decodeOid(fromHex("672b0701")), "2.23.43.7.1");
  assert.equal(decodeOid(fromHex("2a864886f70d")), "1.2.840.113549");
  assert.equal(decodeOid(fromHex("883703")), "2.999.3");
  for (const bad of ["", "80", "2a80", "2a8001", "2a8f ffff ffff 7f".replaceAll(" ", "")]) {
    assert.throws(() => decodeOid(fromHex(bad)), code("malformed"));
  }
});

test("the records of EF_ARR of a sample profile say who reads and who updates", () => {
  const named = (condition: Condition) => condition.kind === "verified" ? condition.reference : condition.kind;
  for (const { record, read, update, issuer } of p15.arr) {
    const condition = conditionOf(fromHex(record), "update");
    assert.equal(named(conditionOf(fromHex(record), "read")), read);
    assert.equal(named(condition), update);
    assert.equal(issuerAlone(condition), issuer);
  }
});

test("a rule that opens a file by the back door is not taken for the issuer's alone", () => {
  const back = [
    "80015aa40683010a950108 800102a406830101950108",
    "80015aa40683010a950108 8401d69000",
    "80015aa40683010a950108 8402d6009000",
    "800102a010a40683010a950108a406830101950108",
    "800102af00",
    "80015aa40683010a950108 800200029000",
    "800102b40683010a950108",
    "8001029e0101",
    "800102a406830111950108",
    "800104a406830101950108 800102a40683010a950108",
  ];
  for (const record of back) {
    assert.equal(issuerAlone(conditionOf(fromHex(record.replaceAll(" ", "")), "update")), false);
  }
  assert.ok(issuerAlone(conditionOf(fromHex("800102af10a40683010a950108a406830101950108"), "update")));
  assert.ok(issuerAlone(conditionOf(fromHex("800101900080015aa40683018a950108"), "update")));
  assert.throws(() => conditionOf(fromHex("800102"), "update"), code("malformed"));
});

test("a file's control parameters tell its size, its form and its rule", () => {
  assert.deepEqual(decodeFileParameters(fromHex(p15.odfFcp)), {
    size: 0x20,
    transparent: true,
    rule: { fid: 0x6f06, record: 2 },
  });
  assert.equal(decodeFileParameters(fromHex(p15.applicationFcp)).transparent, false);
  assert.throws(() => decodeFileParameters(fromHex("6f00")), code("malformed"));
});

test("the commands that a card answered to another reader lead to the object here too", async () => {
  const aid = toHex(AID15);
  const fcp = (fid: string, size: number) =>
    `620e820241218302${fid}8a01058001${size.toString(16).padStart(2, "0")}9000`;
  const content = p15.content;
  const channel = scripted(
    "62009000",
    "62009000",
    `610e4f0c${aid}9000`,
    "6a83",
    `${p15.applicationFcp}9000`,
    fcp("5031", 8),
    `${p15.odf}9000`,
    fcp("6430", p15.dodf.length / 2),
    `${p15.dodf}9000`,
    fcp("6432", content.length / 2),
    `${content}9000`,
  );
  const [found] = await readDataObjects(channel, { oids: [p15.oid] });
  assert.equal(toHex(found!.content), content);
  assert.equal(found!.issuerOnly, false);
  assert.deepEqual(channel.asked.filter((command) => command.startsWith("00a4")).slice(2), [
    "00a404040ca000000063504b43532d313500",
    "00a40804047fff503100",
    "00a40804047fff643000",
    "00a40804047fff643200",
  ]);
});

test("an object of some hundred bytes is read whole, with who could have written it", async () => {
  for (const [rule, issuerOnly] of [[RULES.issuer, true], [RULES.pin, false], [undefined, false]] as const) {
    const content = bytes(700);
    const files = bootstrapFiles(content).map((file) =>
      file.fid === 0x6432 ? transparent(0x6432, content, rule) : file
    );
    await using usim = cardWith(files);
    const [found] = await readDataObjects(usim.connect(), DM);
    assert.deepEqual(found?.content, content);
    assert.equal(found.issuerOnly, issuerOnly);
  }
});

test("a directory that others than the issuer may write makes nothing that it names the issuer's", async () => {
  for (const fid of [0x5031, 0x6430]) {
    const files = bootstrapFiles(bytes(20)).map((file) =>
      file.fid === fid ? transparent(fid, file.content, RULES.pin) : file
    );
    await using usim = cardWith(files);
    assert.equal((await readDataObjects(usim.connect(), DM))[0]?.issuerOnly, false);
  }
});

test("a card without the application or the object has nothing to read, and of another kind nothing is read", async () => {
  await using bare = cardWith([]);
  await assert.rejects(readDataObjects(bare.connect(), DM), code("identity-unavailable"));
  await using usim = cardWith(bootstrapFiles(bytes(20)));
  const channel = taped(usim.connect());
  assert.deepEqual(await readDataObjects(channel, { oids: ["2.23.43.9.1"] }), []);
  assert.ok(!channel.tape.some((sent) => sent.startsWith("00a40804047fff6432")));
});

test("a part of a file is read where the path says so, and a part beyond its end is refused", async () => {
  const path = (offset: string, length: string) =>
    tlv(0x30, tlv(0x04, fromHex("6432")), tlv(0x02, fromHex(offset)), tlv(0x80, fromHex(length)));
  const dodf = (place: Uint8Array) =>
    tlv(0xa1, tlv(0x30), tlv(0x30), tlv(0xa1, tlv(0x30, tlv(0x06, fromHex("672b0701")), place)));
  const read = async (place: Uint8Array) => {
    const files = bootstrapFiles(bytes(40)).map((file) =>
      file.fid === 0x6430 ? transparent(0x6430, dodf(place)) : file
    );
    await using usim = cardWith(files);
    return (await readDataObjects(usim.connect(), DM))[0]!.content;
  };
  assert.deepEqual(await read(path("05", "0a")), bytes(40).subarray(5, 15));
  await assert.rejects(read(path("05", "24")), code("malformed"));
  await assert.rejects(read(path("0005", "0a")), code("malformed"));
});
