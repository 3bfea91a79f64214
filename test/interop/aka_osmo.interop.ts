// seccf's Milenage, AUTN and AUTS against osmo-auc-gen (Debian libosmocore-utils): random subscribers from a seed.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import test from "node:test";
import {
  c2,
  c3,
  createAuthenticationCentre,
  joinSqn,
  makeAuts,
  makeVector,
  milenage,
  type MilenageCredentials,
  openAuts,
  splitSqn,
  SQN_LIMIT,
  sqnFromBytes,
  verifyChallenge,
} from "../../lib/aka/mod.ts";
import { fromHex, toHex } from "../../lib/bytes/mod.ts";
import { type SecretBytes, secretEqual, secretFrom } from "../../lib/crypto/mod.ts";
import { softUsim, usimIdentity } from "../../lib/identity/mod.ts";
import { memoryStore } from "../../transports/stores/memory.ts";
import { seededRandom, VirtualClock } from "../support/virtual.ts";

const random = seededRandom(2026);

function drawn(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  random(bytes);
  return bytes;
}

/** One subscriber and one challenge, in digits. */
function subscriber() {
  return { k: toHex(drawn(16)), op: toHex(drawn(16)), amf: toHex(drawn(2)), rand: toHex(drawn(16)) };
}

function keyed({ k, op }: { readonly k: string; readonly op: string }): MilenageCredentials {
  return { k: secretFrom(fromHex(k)), op: secretFrom(fromHex(op)) };
}

/** What osmo-auc-gen prints, by name. */
function osmo(who: ReturnType<typeof subscriber>, ...more: string[]): Map<string, string> {
  const { k, op, amf, rand } = who;
  const words = ["-3", "-a", "milenage", "-k", k, "-O", op, "-f", amf, "-r", rand, ...more];
  const text = execFileSync("osmo-auc-gen", words, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  return new Map([...text.matchAll(/^([^\t\n]+):\t(.*)$/gm)].map(([, name, value]) => [name!, value!]));
}

function assertSame(secret: SecretBytes, printed: Map<string, string>, name: string): void {
  assert.ok(secretEqual(secret, fromHex(printed.get(name)!)), name);
}

test("300 random vectors: AUTN, RES, CK, IK, SRES and Kc are osmo-auc-gen's", () => {
  for (let i = 0; i < 300; i++) {
    const who = subscriber();
    const sqn = sqnFromBytes(drawn(6));
    const printed = osmo(who, "-s", String(sqn));
    using algorithm = milenage(keyed(who));
    using vector = makeVector(algorithm, { rand: fromHex(who.rand), sqn, amf: fromHex(who.amf) });
    assert.equal(toHex(vector.autn), printed.get("AUTN"));
    assertSame(vector.xres, printed, "RES");
    assertSame(vector.ck, printed, "CK");
    assertSame(vector.ik, printed, "IK");
    assertSame(c2(vector.xres), printed, "SRES");
    assertSame(c3(vector.ck, vector.ik), printed, "Kc");
    assert.equal(splitSqn(sqn).ind, Number(printed.get("IND")));
    using verified = verifyChallenge(algorithm, { rand: fromHex(who.rand), autn: fromHex(printed.get("AUTN")!) });
    assert.equal(verified?.sqn, sqn);
  }
});

test("100 random AUTS: osmo-auc-gen reads SQN_MS out of ours, and refuses one with a bit turned over", () => {
  for (let i = 0; i < 100; i++) {
    const who = subscriber();
    const sqnMs = sqnFromBytes(drawn(6)) % (SQN_LIMIT - 64);
    using algorithm = milenage(keyed(who));
    const auts = makeAuts(algorithm, fromHex(who.rand), sqnMs);
    const printed = osmo(who, "-A", toHex(auts), "-i", "0");
    assert.equal(Number(printed.get("SQN.MS")), sqnMs);
    assert.ok(Number(printed.get("SQN")) > sqnMs);
    assert.equal(openAuts(algorithm, fromHex(who.rand), auts), sqnMs);
    if (i % 10 !== 0) continue;
    auts[i % 14]! ^= 1;
    assert.throws(() => osmo(who, "-A", toHex(auts), "-i", "0"));
  }
});

test("our soft USIM comes into step with osmo-auc-gen as its home environment, through one AUTS", async () => {
  for (let i = 0; i < 20; i++) {
    const who = { ...subscriber(), amf: "0000" };
    await using card = softUsim({
      credentials: keyed(who),
      imsi: "001010123456789",
      state: {
        ...softUsim({ credentials: keyed(who), imsi: "001010123456789" }).state,
        sequence: new Array<number>(32).fill(1000 + i),
      },
    });
    await using identity = await usimIdentity(card.connect());
    const stale = osmo(who, "-s", String(joinSqn(1000 + i, 4)));
    const first = await identity.aka!.answer(challengeOf(stale));
    assert.ok(first.kind === "resync");
    const fresh = osmo({ ...who, rand: stale.get("RAND")! }, "-A", toHex(first.auts), "-i", "4");
    const second = await identity.aka!.answer(challengeOf(fresh));
    assert.ok(second.kind === "answered");
    assertSame(second.password, fresh, "RES");
  }
});

test("our centre's vectors are those that osmo-auc-gen makes of the same RAND and SQN, also after AUTS", async () => {
  const who = { ...subscriber(), amf: "0000" };
  const store = memoryStore({ clock: new VirtualClock() });
  const centre = createAuthenticationCentre({ subscribers: () => ({ credentials: keyed(who) }), store, random });
  using algorithm = milenage(keyed(who));
  using stale = (await centre.vector("a@b"))!;
  const auts = makeAuts(algorithm, stale.rand, joinSqn(777, 3));
  for (const request of [{}, { resync: { rand: stale.rand, auts } }]) {
    using vector = (await centre.vector("a@b", request))!;
    using verified = verifyChallenge(algorithm, vector)!;
    const printed = osmo({ ...who, rand: toHex(vector.rand) }, "-s", String(verified.sqn));
    assert.equal(toHex(vector.autn), printed.get("AUTN"));
    assertSame(vector.xres, printed, "RES");
  }
});

function challengeOf(printed: Map<string, string>) {
  return { rand: fromHex(printed.get("RAND")!), autn: fromHex(printed.get("AUTN")!), scheme: "akav1" } as const;
}
