import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretRandom } from "../../lib/crypto/mod.ts";
import { createBootstrapServer, type NafId } from "../../lib/gba/mod.ts";
import { type AkaModule, memoryIdentity } from "../../lib/identity/mod.ts";
import type { Fetch } from "../../lib/platform.ts";
import type { RecordStore } from "../../lib/store.ts";
import { seededRandom, VirtualClock } from "../support/virtual.ts";
import { secretHex, v, withCode } from "./vectors.ts";
import { ask, BSF, IMPI, IMSI, milenageCentre, nonceOf, run, URL_, usim, type World, world } from "./world.ts";

const http: NafId = { fqdn: v.run.fqdn, ua: fromHex("0100000002") };

/** Runs, and keeps the requests that were sent. */
async function recorded(w: World, module: AkaModule): Promise<Request[]> {
  const sent: Request[] = [];
  const fetch: Fetch = (request) => {
    sent.push(request.clone());
    return w.server.handle(request);
  };
  await run(w, module, { platform: { clock: w.clock, random: seededRandom(52), fetch } });
  return sent;
}

const again = (w: World, request: Request | undefined): Promise<Response> =>
  w.server.handle(new Request(URL_, { headers: request?.headers ?? {} }));

const refusals = (w: World): string[] => w.events.flatMap((event) => event.kind === "refused" ? [event.code] : []);

test("[SEC_CF-AUTH-001] a right answer is accepted once; replayed it gets a fresh challenge and no key", async () => {
  const w = world();
  const [, answer] = await recorded(w, await usim());
  const old = /nonce="([^"]*)"/.exec(answer?.headers.get("authorization") ?? "")?.[1];
  const keys = () => [...w.store.keys].filter((key) => key.startsWith("ks/")).length;
  assert.equal(keys(), 1);
  const replayed = await again(w, answer);
  assert.equal(replayed.status, 401);
  assert.notEqual(nonceOf(replayed), old);
  assert.deepEqual(refusals(w), ["replayed"]);
  assert.equal((await again(w, answer)).status, 401);
  assert.equal(keys(), 1);
});

test("of two equal answers at once, exactly one gets a 200", async () => {
  const w = world();
  const clones: Promise<Response>[] = [];
  const fetch: Fetch = async (request) => {
    const isAnswer = !(request.headers.get("authorization") ?? "").includes('nonce=""');
    if (!isAnswer) return await w.server.handle(request);
    for (let i = 0; i < 5; i++) clones.push(w.server.handle(request.clone() as Request));
    const responses = await Promise.all(clones);
    assert.deepEqual(responses.map(({ status }) => status).sort(), [200, 401, 401, 401, 401]);
    return responses.find(({ status }) => status === 200)!;
  };
  await run(w, await usim(), { platform: { clock: w.clock, random: seededRandom(53), fetch } });
  assert.equal(w.events.filter(({ kind }) => kind === "bootstrapped").length, 1);
});

test("of two processes that share a store, one accepts an answer, and both give out one challenge", async () => {
  const clock = new VirtualClock();
  const wrappingKey = secretRandom(32, seededRandom(1));
  const first = world({ clock, wrappingKey });
  const second = world({ clock, wrappingKey, store: first.store, centreFor: () => first.centre });
  const together = await Promise.all([ask(first, IMPI), ask(second, IMPI)]);
  assert.equal(nonceOf(await ask(first, IMPI)), nonceOf(await ask(second, IMPI)));
  assert.ok(together.map(nonceOf).includes(nonceOf(await ask(first, IMPI))));
  const module = await usim();
  const [, answer] = await recorded(first, module);
  assert.equal((await again(second, answer)).status, 401);
  await run(second, module);
});

test("AUTS is accepted once, and only for the RAND just issued", async () => {
  const ahead = await usim();
  const old = world();
  for (let i = 0; i < 40; i++) await run(old, ahead);
  const w = world();
  const before = await ask(w, IMPI);
  const sent = await recorded(w, ahead);
  const auts = sent.find((request) => request.headers.get("authorization")?.includes("auts="));
  assert.ok(auts);
  assert.ok(auts.headers.get("authorization")?.includes(nonceOf(before)));
  const asked = w.centre.asked.length;
  // The same again, and the same token for another outstanding RAND.
  const replayed = await again(w, auts);
  assert.equal(replayed.status, 401);
  const authorization = (auts.headers.get("authorization") ?? "").replace(nonceOf(before), nonceOf(replayed));
  const moved = await w.server.handle(new Request(URL_, { headers: { authorization } }));
  assert.equal(moved.status, 401);
  assert.deepEqual(refusals(w), ["replayed", "auth-failed"]);
  assert.equal(nonceOf(moved), nonceOf(replayed));
  // One vector for the name, for the first of the two; what was asked for nobody took its time alone.
  assert.deepEqual(w.centre.asked.slice(asked).filter((impi) => impi === IMPI), [IMPI]);
});

test("of two equal AUTS at once, one is followed", async () => {
  const ahead = await usim();
  const old = world();
  for (let i = 0; i < 40; i++) await run(old, ahead);
  const w = world();
  const fetch: Fetch = async (request) => {
    if (!request.headers.get("authorization")?.includes("auts=")) return await w.server.handle(request);
    const both = await Promise.all([w.server.handle(request.clone() as Request), w.server.handle(request)]);
    assert.equal(nonceOf(both[0]!), nonceOf(both[1]!));
    return both[0]!;
  };
  await run(w, ahead, { platform: { clock: w.clock, random: seededRandom(54), fetch } });
  assert.equal(w.events.filter(({ kind }) => kind === "resynchronised").length, 1);
});

test("a challenge can be answered into the next period, and is gone after that", async () => {
  for (const [seconds, status] of [[299, 200], [599, 200], [601, 401]] as const) {
    const w = world();
    let first = true;
    const responses: number[] = [];
    const fetch: Fetch = async (request) => {
      if (!first) await w.clock.advance(seconds * 1000);
      first = false;
      const response = await w.server.handle(request);
      responses.push(response.status);
      return response;
    };
    const platform = { clock: { ...frozen(w), wall: () => w.clock.wall() }, random: seededRandom(55), fetch };
    await run(w, await usim(), { platform }).catch(() => {});
    assert.equal(responses[1], status, `${seconds} s`);
  }
});

/** A device whose own time limit does not end the run. */
const frozen = (w: World) => ({ now: () => 0, alarm: () => ({ [Symbol.dispose]() {} }), wall: () => w.clock.wall() });

test("a challenge that another took the place of, before our answer came, costs a second round", async () => {
  const w = world();
  let rounds = 0;
  const fetch: Fetch = async (request) => {
    if (rounds++ === 1) {
      // The period ends, and a stranger asks before the answer arrives.
      await w.clock.advance(300_000);
      await ask(w, IMPI);
    }
    return await w.server.handle(request);
  };
  await run(w, await usim(), { platform: { clock: frozen(w), random: seededRandom(56), fetch } });
  assert.equal(rounds, 3);
});

test("Ks is found until its lifetime ends by the wall clock or by the store's, whichever is first", async () => {
  const w = world({ lifetimeSeconds: 3600 });
  const { btid } = await run(w, await usim());
  await w.clock.advance(3_599_000);
  const found = await w.server.lookup({ btid, nafId: http });
  assert.deepEqual([found?.bootstrappedAtWall, found?.expiresAtWall], [Date.UTC(2026, 0, 1), Date.UTC(2026, 0, 1, 1)]);
  // A wall clock set back does not make it last longer, nor does one set ahead.
  w.clock.setWall(Date.UTC(2020, 0, 1));
  await w.clock.advance(1000);
  assert.equal(await w.server.lookup({ btid, nafId: http }), undefined);

  const other = world({ lifetimeSeconds: 3600 });
  const second = await run(other, await usim());
  other.clock.setWall(Date.UTC(2026, 0, 1, 2));
  assert.equal(await other.server.lookup({ btid: second.btid, nafId: http }), undefined);
});

test("other BSFs' B-TIDs, unknown ones and no B-TIDs are not found", async () => {
  const w = world();
  const { btid } = await run(w, await usim());
  const [rand] = btid.split("@");
  for (const other of [v.run.btid, `${rand}@bsf.example.net`, rand!, "", `${btid} `, `x${btid}`, btid.toUpperCase()]) {
    assert.equal(await w.server.lookup({ btid: other, nafId: http }), undefined, other);
  }
  assert.ok(await w.server.lookup({ btid, nafId: http }));
});

test("a wall clock that jumps between any two steps of a run does not stop it", async () => {
  for (const jump of [0, Date.UTC(2020, 0, 1), Date.UTC(2040, 0, 1)]) {
    const w = world();
    const module = await usim();
    for (let at = 0; at < 3; at++) {
      let step = 0;
      const fetch: Fetch = (request) => {
        if (step++ === at) w.clock.setWall(jump);
        return w.server.handle(request);
      };
      const { btid, lifetimeSeconds } = await run(w, module, {
        platform: { clock: w.clock, random: seededRandom(57), fetch },
      });
      assert.equal(lifetimeSeconds, 86_400);
      assert.ok(await w.server.lookup({ btid, nafId: http }));
      w.clock.setWall(Date.UTC(2026, 0, 1));
    }
  }
});

test("a store that fails at its Nth call makes one clear error, and the next attempt works", async () => {
  let failures = 0;
  for (let call = 1;; call++) {
    const w = world();
    const module = await usim();
    w.store.failAt(call);
    const outcome = await run(w, module).then(() => "ok", (error: unknown) => error);
    w.store.failAt(undefined);
    if (outcome === "ok") break;
    failures++;
    assert.ok(withCode("key-unavailable")(outcome), String(outcome));
    assert.deepEqual(w.events.filter(({ kind }) => kind === "failed").length, 1);
    assert.equal(w.clock.pending, 0);
    const { btid } = await run(w, module);
    assert.ok(await w.server.lookup({ btid, nafId: http }));
  }
  assert.ok(failures >= 6, `${failures} calls`);
});

test("a store that never answers ends in a 503 in time, and the next attempt works", async () => {
  const w = world();
  let stuck = true;
  const store: RecordStore = {
    ...w.store,
    get: (key, options) => stuck ? new Promise(() => {}) : w.store.get(key, options),
  };
  const slow = world({ store, clock: w.clock, centreFor: () => w.centre });
  const pending = ask({ ...slow, clock: w.clock }, IMPI);
  await w.clock.advance(10_000);
  assert.equal((await pending).status, 503);
  assert.equal(w.clock.pending, 0);
  stuck = false;
  assert.equal((await ask(slow, IMPI)).status, 401);
});

test("[SEC_CF-SEC-001] what reaches the store holds no secret, no identity, and opens under no other key", async () => {
  const w = world();
  const values: Uint8Array[] = [];
  const names: string[] = [];
  const store: RecordStore = {
    ...w.store,
    put(key, record, options) {
      names.push(key);
      values.push(record.slice());
      return w.store.put(key, record, options);
    },
  };
  const tapped = world({ store, clock: w.clock, centreFor: () => milenageCentre(w.store) });
  const module = await usim();
  const { btid } = await run(tapped, module);
  const whole = values.map((value) => String.fromCharCode(...value)).join("");
  assert.ok(!whole.includes(IMPI) && !whole.includes(IMSI));
  assert.ok(names.every((name) => /^[\x21-\x7e]{1,200}$/.test(name) && !name.includes(IMSI)));
  assert.ok(await tapped.server.lookup({ btid, nafId: http }));
  const foreign = world({ store, clock: w.clock, wrappingKey: secretRandom(32, seededRandom(99)) });
  assert.equal(await foreign.server.lookup({ btid, nafId: http }), undefined);
});

test("events say who, what and why, and an audit that throws changes no answer", async () => {
  const w = world();
  const { btid } = await run(w, await usim());
  assert.deepEqual(w.events, [
    { kind: "challenged", identity: IMPI },
    { kind: "bootstrapped", identity: IMPI, btid, expiresAtWall: Date.UTC(2026, 0, 2) },
  ]);
  const loud = world({
    onEvent: () => {
      throw new TypeError("the audit is full");
    },
  });
  await run(loud, await usim());
});

test("a subscriber whose card runs GBA_U bootstraps, and the BSF has the key that the card keeps to itself", async () => {
  const w = world({ gbaU: (impi) => impi === IMPI });
  const credentials = {
    k: secretHex("465b5ce8b199b49faa5f0a2ee238a6bc"),
    opc: secretHex("cd63cb71954a9f4e48a5994e37a02baf"),
  };
  const { aka } = await memoryIdentity({ aka: { credentials, imsi: IMSI, mode: "gba-u", clock: w.clock } });
  assert.ok(aka);
  const { btid } = await run(w, aka);
  const found = await w.server.lookup({ btid, nafId: http });
  assert.equal(found?.uiccKey?.byteLength, 32);
  await assert.rejects(run(world(), aka), withCode("mac-failure"));
});

test("a name too long, no name, and a wrapping key of another length are refused at once", () => {
  const clock = new VirtualClock();
  const { store, centre } = world();
  const random = seededRandom(1);
  const make = (name: string, length: number) =>
    createBootstrapServer({ name, centre, store, wrappingKey: secretRandom(length, random), clock, random });
  assert.throws(() => make(BSF, 16), RangeError);
  assert.throws(() => make(`${"b".repeat(63)}.${"s".repeat(21)}`, 32), RangeError);
  assert.throws(() => make("127.0.0.1", 32), withCode("malformed"));
  make(BSF.toUpperCase(), 32)[Symbol.dispose]();
  assert.equal(toUtf8(BSF).length, BSF.length);
});

test("who bootstraps again and again has his newest keys, and does not fill the store", async () => {
  const w = world();
  const card = await usim();
  const btids: string[] = [];
  for (let i = 0; i < 20; i++) btids.push((await run(w, card)).btid);
  // Four Ks and the list of them.
  assert.equal(w.store.keys.size, 5);
  const good: boolean[] = [];
  for (const btid of btids) {
    const found = await w.server.lookup({ btid, nafId: { fqdn: "naf.example.com", ua: new Uint8Array(5) } });
    found?.key[Symbol.dispose]();
    good.push(found !== undefined);
  }
  assert.deepEqual(good, [...Array(16).fill(false), ...Array(4).fill(true)]);
});
