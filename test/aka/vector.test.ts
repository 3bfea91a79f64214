import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import {
  decoyVector,
  gbaUFromMemory,
  type GbaUProfile,
  makeAuts,
  makeVector,
  milenage,
  openAuts,
  parseAutn,
  sqnFromBytes,
  tuak,
  verifyChallenge,
} from "../../lib/aka/mod.ts";
import { fromHex, toHex } from "../../lib/bytes/mod.ts";
import { secretEqual } from "../../lib/crypto/mod.ts";
import { seededRandom } from "../support/virtual.ts";
import { type AkaVectors, assertBytes, assertSecret, flips, secretHex, vectors, withCode } from "./vectors.ts";

const v = vectors<AkaVectors>("aka");
const algorithm = milenage({ k: secretHex(v.K!), opc: secretHex(v.OPc!) });
const input = { rand: fromHex(v.RAND!), sqn: sqnFromBytes(fromHex(v.SQN!)), amf: fromHex(v.AMF!) };
const PROFILES: readonly GbaUProfile[] = [
  { autn: "sha1-ik", res: "last-bit" },
  { autn: "sha1-ik", res: "plain" },
  { autn: "plain", res: "last-bit" },
  { autn: "plain", res: "plain" },
];
const challenge = { rand: fromHex(v.RAND!), autn: fromHex(v.AUTN!) };

test("a vector holds RAND, AUTN, XRES, CK and IK as computed from Milenage set 1", () => {
  using vector = makeVector(algorithm, input);
  assertBytes(vector.rand, v.RAND!, "RAND");
  assertBytes(vector.autn, v.AUTN!, "AUTN");
  assertSecret(vector.xres, v.RES!, "XRES");
  assertSecret(vector.ck, v.CK!, "CK");
  assertSecret(vector.ik, v.IK!, "IK");
});

test("an AUTN falls into SQN xor AK, AMF and MAC-A, and another length is malformed", () => {
  const { concealedSqn, amf, mac } = parseAutn(challenge.autn);
  assertBytes(concealedSqn, v.AUTN!.slice(0, 12), "SQN xor AK");
  assertBytes(amf, v.AMF!, "AMF");
  assertBytes(mac, "4a9ffac354dfafb3", "f1 of set 1");
  for (const length of [0, 15, 17]) assert.throws(() => parseAutn(new Uint8Array(length)), withCode("malformed"));
});

test("the USIM's check of a true challenge gives SQN, RES, CK and IK", () => {
  using verified = verifyChallenge(algorithm, challenge)!;
  assert.equal(verified.sqn, input.sqn);
  assertSecret(verified.res, v.RES!, "RES");
  assertSecret(verified.ck, v.CK!, "CK");
  assertSecret(verified.ik, v.IK!, "IK");
});

test("with any one bit of AUTN (SQN, AMF, MAC) or of RAND turned over the MAC is wrong", () => {
  for (const autn of flips(challenge.autn)) assert.equal(verifyChallenge(algorithm, { ...challenge, autn }), undefined);
  for (const rand of flips(challenge.rand)) assert.equal(verifyChallenge(algorithm, { ...challenge, rand }), undefined);
  for (const gbaU of PROFILES) {
    const { autn } = makeVector(algorithm, { ...input, gbaU });
    for (const flipped of flips(autn)) {
      assert.equal(verifyChallenge(algorithm, { ...challenge, autn: flipped }, gbaU), undefined);
    }
  }
});

test("GBA_U as remembered: AUTN* and the last bit of RES, and a plain AUTN is not good in its place nor the other way", () => {
  using vector = makeVector(algorithm, { ...input, gbaU: gbaUFromMemory });
  assertBytes(vector.autn, v.AUTN_star_GBA_U!, "AUTN*");
  assertSecret(vector.xres, v.RES_GBA_U!, "XRES");
  assertSecret(vector.ck, v.CK!, "CK");
  const star = { ...challenge, autn: fromHex(v.AUTN_star_GBA_U!) };
  using verified = verifyChallenge(algorithm, star, gbaUFromMemory)!;
  assertSecret(verified.res, v.RES_GBA_U!, "RES");
  assert.equal(verified.sqn, input.sqn);
  assert.equal(verifyChallenge(algorithm, star), undefined);
  assert.equal(verifyChallenge(algorithm, challenge, gbaUFromMemory), undefined);
});

test("each rule of GBA_U switches alone, and the USIM that follows the same rules agrees", () => {
  for (const gbaU of PROFILES) {
    using vector = makeVector(algorithm, { ...input, gbaU });
    assertBytes(vector.autn, gbaU.autn === "plain" ? v.AUTN! : v.AUTN_star_GBA_U!, "AUTN");
    assertSecret(vector.xres, gbaU.res === "plain" ? v.RES! : v.RES_GBA_U!, "XRES");
    using verified = verifyChallenge(algorithm, vector, gbaU)!;
    assert.ok(secretEqual(verified.res, fromHex(gbaU.res === "plain" ? v.RES! : v.RES_GBA_U!)));
  }
});

test("AUTS carries SQN_MS under AK* and MAC-S over an AMF of zeros", () => {
  const auts = makeAuts(algorithm, input.rand, input.sqn);
  assertBytes(auts, v.AUTS_for_SQNms_equal_SQN!, "AUTS");
  assertBytes(auts.subarray(6), v.f1star_with_AMF_0000!, "MAC-S");
  assert.equal(openAuts(algorithm, input.rand, auts), input.sqn);
});

test("a forged AUTS opens for nobody: any bit, another RAND, another subscriber, another length", () => {
  const auts = fromHex(v.AUTS_for_SQNms_equal_SQN!);
  for (const forged of flips(auts)) assert.equal(openAuts(algorithm, input.rand, forged), undefined);
  for (const rand of flips(input.rand)) assert.equal(openAuts(algorithm, rand, auts), undefined);
  using other = milenage({ k: secretHex("11".repeat(16)), opc: secretHex(v.OPc!) });
  assert.equal(openAuts(other, input.rand, auts), undefined);
  for (const length of [0, 13, 15]) {
    assert.throws(() => openAuts(algorithm, input.rand, new Uint8Array(length)), withCode("malformed"));
  }
});

test("TUAK makes vectors and AUTS that it accepts itself, unless its MAC is too long for an AUTN", () => {
  const secrets = { k: secretHex("ab".repeat(32)), top: secretHex("55".repeat(32)) };
  using own = tuak({ algorithm: "tuak", ...secrets, resLength: 16 });
  using vector = makeVector(own, input);
  using verified = verifyChallenge(own, vector)!;
  assert.equal(verified.sqn, input.sqn);
  assert.equal(verified.res.byteLength, 16);
  assert.equal(openAuts(own, input.rand, makeAuts(own, input.rand, 77)), 77);
  using long = tuak({ algorithm: "tuak", ...secrets, macLength: 16 });
  assert.throws(() => makeVector(long, input), RangeError);
  assert.throws(() => makeAuts(long, input.rand, 1), RangeError);
});

test("a disposed vector has forgotten its secrets, and none of them prints", () => {
  const vector = makeVector(algorithm, input);
  const shown = inspect(vector, { depth: 9, showHidden: true }) + JSON.stringify(vector);
  for (const secret of [v.RES!, v.CK!, v.IK!]) {
    assert.ok(!shown.includes(secret) && !shown.includes([...fromHex(secret)].slice(0, 5).join(", ")));
  }
  vector[Symbol.dispose]();
  for (const secret of [vector.xres, vector.ck, vector.ik]) assert.throws(() => secret.byteLength, withCode("state"));
});

test("a decoy has the shape of a vector and the AMF of true ones, repeats from the same seed, and no USIM accepts it", () => {
  const amf = fromHex("1234");
  using decoy = decoyVector({ random: seededRandom(7), amf, resLength: 8 });
  assert.deepEqual([decoy.rand.length, decoy.autn.length, decoy.xres.byteLength], [16, 16, 8]);
  assertBytes(parseAutn(decoy.autn).amf, "1234", "AMF");
  using again = decoyVector({ random: seededRandom(7), amf });
  assert.equal(toHex(again.rand) + toHex(again.autn), toHex(decoy.rand) + toHex(decoy.autn));
  using other = decoyVector({ random: seededRandom(8), amf });
  assert.notEqual(toHex(other.rand), toHex(decoy.rand));
  assert.equal(verifyChallenge(algorithm, decoy), undefined);
  assert.throws(() => decoyVector({ random: seededRandom(1), amf: new Uint8Array(3) }), RangeError);
});
