import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type CentreOptions,
  createAuthenticationCentre,
  gbaUFromMemory,
  joinSqn,
  makeAuts,
  milenage,
  SequenceIssuer,
  splitSqn,
  verifyChallenge,
} from "../../lib/aka/mod.ts";
import { toHex } from "../../lib/bytes/mod.ts";
import type { RecordStore } from "../../lib/store.ts";
import { memoryStore } from "../../transports/stores/memory.ts";
import { seededRandom, VirtualClock } from "../support/virtual.ts";
import { secretHex, withCode } from "./vectors.ts";

const IMPI = "001010123456789@ims.mnc001.mcc001.3gppnetwork.org";
const K = "465b5ce8b199b49faa5f0a2ee238a6bc";
const OPC = "cd63cb71954a9f4e48a5994e37a02baf";
const card = milenage({ k: secretHex(K), opc: secretHex(OPC) });

/** A store that writes down each reservation. */
function countingStore(): RecordStore & { readonly calls: { counter: string; count: number }[] } {
  const store = memoryStore({ clock: new VirtualClock() });
  const calls: { counter: string; count: number }[] = [];
  return {
    ...store,
    calls,
    reserve(counter, count, options) {
      calls.push({ counter, count });
      return store.reserve(counter, count, options);
    },
  };
}

function centreOver(
  store: RecordStore,
  more: Partial<CentreOptions> = {},
): ReturnType<typeof createAuthenticationCentre> {
  const credentials = { k: secretHex(K), opc: secretHex(OPC) };
  const subscribers = (impi: string) => impi === IMPI ? { credentials } : undefined;
  return createAuthenticationCentre({ subscribers, store, random: seededRandom(1), ...more });
}

/** SEQ of a vector, as the card reads it. */
async function seqOf(vector: ReturnType<ReturnType<typeof createAuthenticationCentre>["vector"]>): Promise<number> {
  using made = await vector;
  using verified = verifyChallenge(card, made!)!;
  return splitSqn(verified.sqn).seq;
}

test("a vector is the subscriber's own, its AMF has no separation bit, and its numbers go up from 1", async () => {
  const centre = centreOver(countingStore());
  for (const seq of [1, 2, 3]) {
    using vector = await centre.vector(IMPI);
    assert.equal(toHex(vector!.autn.subarray(6, 8)), "0000");
    using verified = verifyChallenge(card, vector!)!;
    assert.equal(verified.sqn, joinSqn(seq, seq));
  }
});

test("every vector has a RAND of its own", async () => {
  const centre = centreOver(countingStore());
  const rands = new Set<string>();
  for (let i = 0; i < 20; i++) rands.add(toHex((await centre.vector(IMPI))!.rand));
  assert.equal(rands.size, 20);
});

test("an unknown subscriber gets undefined after as many reservations as a known one, all on one counter", async () => {
  const store = countingStore();
  const centre = centreOver(store);
  await centre.vector(IMPI);
  const known = store.calls.length;
  for (const stranger of ["a@example.org", "b@example.org", IMPI.toUpperCase()]) {
    store.calls.length = 0;
    assert.equal(await centre.vector(stranger), undefined);
    assert.equal(store.calls.length, known);
    assert.deepEqual(store.calls, [{ counter: "aka/sqn/nobody", count: 1 }]);
  }
});

test("the store's counters do not tell the IMPI, whatever characters it has", async () => {
  const store = countingStore();
  const credentials = { k: secretHex(K), opc: secretHex(OPC) };
  const centre = centreOver(store, { subscribers: () => ({ credentials }) });
  for (const impi of [IMPI, "\u{1f600}".repeat(300)]) await centre.vector(impi);
  for (const { counter } of store.calls) assert.match(counter, /^aka\/sqn\/[0-9a-f]{64}$/);
  assert.notEqual(store.calls[0]!.counter, store.calls[1]!.counter);
});

test("two processes over one store, blocks or not, never issue a number twice, also after one crashed", async () => {
  for (const blockSize of [1, 4, 32]) {
    const store = countingStore();
    const seen = new Set<number>();
    let centres = [centreOver(store, { blockSize }), centreOver(store, { blockSize })];
    for (let i = 0; i < 60; i++) {
      const which = i % 3 === 0 ? 1 : 0;
      const seq = await seqOf(centres[which]!.vector(IMPI));
      assert.ok(!seen.has(seq));
      seen.add(seq);
      if (i === 30) centres = [centreOver(store, { blockSize }), centres[1]!];
    }
    assert.equal(seen.size, 60);
  }
});

test("a block costs one reservation for all its numbers", async () => {
  const store = countingStore();
  const centre = centreOver(store, { blockSize: 8 });
  for (let i = 0; i < 16; i++) await centre.vector(IMPI);
  assert.deepEqual(store.calls.map(({ count }) => count), [8, 8]);
  for (const blockSize of [0, 33, 1.5]) assert.throws(() => centreOver(store, { blockSize }), RangeError);
});

test("after AUTS the next number is the one behind SQN_MS when the centre's was too low (6.3.5)", async () => {
  const centre = centreOver(countingStore());
  using stale = (await centre.vector(IMPI))!;
  const auts = makeAuts(card, stale.rand, joinSqn(5000, 9));
  assert.equal(await seqOf(centre.vector(IMPI, { resync: { rand: stale.rand, auts } })), 5001);
  assert.equal(await seqOf(centre.vector(IMPI)), 5002);
});

test("after AUTS the centre goes on where it was when its next number is in range", async () => {
  const centre = centreOver(countingStore());
  for (let i = 0; i < 9; i++) await centre.vector(IMPI);
  using stale = (await centre.vector(IMPI))!;
  const auts = makeAuts(card, stale.rand, joinSqn(3, 3));
  assert.equal(await seqOf(centre.vector(IMPI, { resync: { rand: stale.rand, auts } })), 11);
});

test("a process whose block lies below what another has issued since leaves it after AUTS", async () => {
  const store = countingStore();
  const [left, right] = [centreOver(store, { blockSize: 4 }), centreOver(store, { blockSize: 4 })];
  using stale = (await left.vector(IMPI))!;
  for (let i = 0; i < 5; i++) await right.vector(IMPI);
  const auts = makeAuts(card, stale.rand, joinSqn(9, 9));
  assert.equal(await seqOf(left.vector(IMPI, { resync: { rand: stale.rand, auts } })), 13);
  assert.equal(await seqOf(left.vector(IMPI)), 14);
});

test("a centre that is further ahead than delta comes down to the USIM, in a new generation of its counter", async () => {
  const store = countingStore();
  const issuer = new SequenceIssuer({ store });
  await store.reserve("c", 1, { atLeast: 2 ** 30 });
  assert.equal(splitSqn(await issuer.next("c")).seq, 2 ** 30 + 1);
  assert.equal(splitSqn(await issuer.resync("c", joinSqn(7, 7))).seq, 8);
  assert.equal(splitSqn(await issuer.next("c")).seq, 9);
  const again = new SequenceIssuer({ store, blockSize: 4 });
  assert.equal(splitSqn(await again.next("c")).seq, 10);
  assert.equal(splitSqn(await again.resync("c", joinSqn(2 ** 29, 0))).seq, 2 ** 29 + 1);
});

test("the edge of delta: the next number may be ahead of SQN_MS by exactly delta", async () => {
  const store = countingStore();
  const issuer = new SequenceIssuer({ store, delta: 10 });
  await store.reserve("c", 1, { atLeast: 20 });
  assert.equal(splitSqn(await issuer.resync("c", joinSqn(11, 0))).seq, 21);
  assert.equal(splitSqn(await issuer.resync("c", joinSqn(11, 0))).seq, 12);
});

test("a USIM whose numbers have run out cannot be brought back", async () => {
  const centre = centreOver(countingStore());
  using stale = (await centre.vector(IMPI))!;
  const auts = makeAuts(card, stale.rand, 2 ** 48 - 1);
  await assert.rejects(centre.vector(IMPI, { resync: { rand: stale.rand, auts } }), withCode("exhausted"));
  assert.equal(await seqOf(centre.vector(IMPI)), 2);
});

test("an AUTS that is forged or for another RAND is auth-failed, costs no number, and a stranger's is undefined", async () => {
  const store = countingStore();
  const centre = centreOver(store);
  using stale = (await centre.vector(IMPI))!;
  const auts = makeAuts(card, stale.rand, joinSqn(5000, 0));
  const forged = new Uint8Array(auts);
  forged[13]! ^= 1;
  const { rand } = stale;
  const calls = store.calls.length;
  await assert.rejects(centre.vector(IMPI, { resync: { rand, auts: forged } }), withCode("auth-failed"));
  const elsewhere = new Uint8Array(16);
  await assert.rejects(centre.vector(IMPI, { resync: { rand: elsewhere, auts } }), withCode("auth-failed"));
  await assert.rejects(centre.vector(IMPI, { resync: { rand, auts: auts.subarray(1) } }), withCode("malformed"));
  await assert.rejects(centre.vector(IMPI, { resync: { rand: new Uint8Array(15), auts } }), RangeError);
  assert.equal(await centre.vector("nobody@example.org", { resync: { rand, auts } }), undefined);
  assert.equal(store.calls.length, calls);
  assert.equal(await seqOf(centre.vector(IMPI)), 2);
});

test("for GBA_U the vector is AUTN* and the turned XRES, by the profile given", async () => {
  for (const gbaUProfile of [gbaUFromMemory, { autn: "plain", res: "plain" } as const]) {
    const centre = centreOver(countingStore(), { gbaUProfile });
    using vector = (await centre.vector(IMPI, { gbaU: true }))!;
    using verified = verifyChallenge(card, vector, gbaUProfile);
    assert.ok(verified);
    assert.equal(verifyChallenge(card, vector) === undefined, gbaUProfile.autn === "sha1-ik");
  }
});

test("an AMF with the separation bit, or of a wrong length, is refused", async () => {
  for (const amf of [Uint8Array.of(0x80, 0), new Uint8Array(3)]) {
    const credentials = { k: secretHex(K), opc: secretHex(OPC) };
    const centre = centreOver(countingStore(), { subscribers: () => ({ credentials, amf }) });
    await assert.rejects(centre.vector(IMPI), RangeError);
  }
  const amf = Uint8Array.of(0x7f, 0xff);
  const credentials = { algorithm: "tuak", k: secretHex("00".repeat(32)), topc: secretHex("11".repeat(32)) } as const;
  const centre = centreOver(countingStore(), { subscribers: () => ({ credentials, amf }) });
  assert.equal(toHex((await centre.vector(IMPI))!.autn.subarray(6, 8)), "7fff");
});

test("what the store throws comes through, and the next vector works", async () => {
  const store = memoryStore({ clock: new VirtualClock() });
  let broken = true;
  const centre = centreOver({
    ...store,
    reserve: (...call) => broken ? Promise.reject(new TypeError("disk")) : store.reserve(...call),
  });
  await assert.rejects(centre.vector(IMPI), TypeError);
  broken = false;
  assert.equal(await seqOf(centre.vector(IMPI)), 1);
});
