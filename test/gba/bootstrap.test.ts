import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBase64, fromHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { fingerprint } from "../../lib/crypto/mod.ts";
import { deviceOrigin, encodeNafId, type NafId } from "../../lib/gba/mod.ts";
import type { AkaOutcome } from "../../lib/identity/mod.ts";
import type { Fetch } from "../../lib/platform.ts";
import { uaIdentifier } from "../../lib/association/mod.ts";
import { isHex, v, withCode } from "./vectors.ts";
import { answered, BSF, IMPI, milenageCentre, run, scriptedCentre, scriptedModule, usim, world } from "./world.ts";

const http: NafId = { fqdn: v.run.fqdn, ua: fromHex("0100000002") };

test("[SEC_CF-KEM-001] [SEC_CF-HLF-003] over the vectors' RAND, a run ends in their B-TID and their Ks_NAF", async () => {
  const w = world({ centreFor: () => scriptedCentre(v.run) });
  const module = scriptedModule(answered());
  const agreed = await run(w, module);
  assert.deepEqual(agreed, { btid: v.run.btid, bsf: BSF, lifetimeSeconds: 86_400, expiresAt: 86_400_000 });
  assert.deepEqual(module.kept, [{ btid: v.run.btid, lifetimeSeconds: 86_400 }]);
  for (const { ua, ksNaf } of [...v.naf, ...v.oma]) {
    const found = await w.server.lookup({ btid: agreed.btid, nafId: { fqdn: v.run.fqdn, ua: fromHex(ua) } });
    assert.ok(found && isHex(found.key, ksNaf), ua);
    assert.equal(found.impi, IMPI);
    assert.equal(found.uiccKey, undefined);
  }
});

test("[SEC_CF-USAB-001] a soft USIM and the built-in centre agree on one key for each use, unseen by anyone", async () => {
  for (const algorithm of ["AKAv1-MD5", "AKAv2-MD5"] as const) {
    for (const qop of ["auth-int", "auth"] as const) {
      const w = world({ algorithm, qop });
      const module = await usim();
      const { btid } = await run(w, module, { qop });
      const origin = deviceOrigin({ module, btid, serverName: v.run.fqdn });
      using mine = await origin.key({ kind: "tls", suite: 0xc0a8 });
      const nafId = { fqdn: v.run.fqdn, ua: uaIdentifier({ kind: "tls", suite: 0xc0a8 }) };
      const theirs = await w.server.lookup({ btid, nafId });
      assert.ok(theirs);
      assert.equal(fingerprint(mine), fingerprint(theirs.key));
      using other = await module.derive({ btid, nafId: encodeNafId(http) });
      assert.notEqual(fingerprint(other), fingerprint(mine));
    }
  }
});

test("each run ends in another key, and the one before goes on until it expires", async () => {
  const w = world();
  const module = await usim();
  const prints = new Set<string>();
  const btids: string[] = [];
  for (let i = 0; i < 3; i++) {
    const { btid } = await run(w, module);
    btids.push(btid);
    using key = await module.derive({ btid, nafId: encodeNafId(http) });
    prints.add(fingerprint(key));
  }
  assert.equal(prints.size, 3);
  for (const btid of btids) assert.ok(await w.server.lookup({ btid, nafId: http }));
});

test("a USIM that is ahead of its home resynchronises it, once, and the run goes on", async () => {
  const w = world();
  const module = await usim();
  for (let i = 0; i < 40; i++) await run(w, module);
  // The home environment forgets its sequence numbers: a new store behind the same subscriber.
  const restored = world({ centreFor: milenageCentre });
  await run(restored, module);
  assert.deepEqual(restored.events.map(({ kind }) => kind), ["challenged", "resynchronised", "bootstrapped"]);
});

test("a home that does not follow a resynchronisation is given up after one", async () => {
  const w = world({ centreFor: () => scriptedCentre(v.run, { ...v.run, rand: "00".repeat(16) }) });
  const resync: AkaOutcome = { kind: "resync", auts: fromHex(v.run.auts) };
  await assert.rejects(run(w, scriptedModule(resync, resync, answered())), withCode("key-unavailable"));
});

test("a challenge whose MAC is wrong is a mac-failure, a blocked card is pin-blocked", async () => {
  const w = world({ centreFor: () => scriptedCentre({ ...v.run, autn: "00".repeat(16) }) });
  await assert.rejects(run(w, await usim()), withCode("mac-failure"));
  const blocked = scriptedModule({ kind: "refused", reason: "blocked" });
  await assert.rejects(run(world(), blocked), withCode("pin-blocked"));
});

/** The world's own answers, changed on the way back. */
const changed = (fetch: Fetch, change: (response: Response, round: number) => Response | Promise<Response>): Fetch => {
  let round = 0;
  return async (request) => await change(await fetch(request), round++);
};

async function withHeader(response: Response, name: string, change: (value: string) => string): Promise<Response> {
  const headers = new Headers(response.headers);
  headers.set(name, change(headers.get(name) ?? ""));
  return new Response(await response.text() || null, { status: response.status, headers });
}

async function rejectsWith(code: string, change: Parameters<typeof changed>[1], more = {}): Promise<void> {
  const w = world();
  const module = await usim();
  const platform = {
    clock: w.clock,
    random: (out: Uint8Array) => void out.fill(1),
    fetch: changed(w.server.handle, change),
  };
  await assert.rejects(run(w, module, { platform, ...more }), withCode(code));
  assert.equal(w.clock.pending, 0);
  // Whatever happened, the next attempt works.
  await run(w, module, more);
}

const challenge = (change: (field: string) => string) => (response: Response) =>
  response.status === 401 ? withHeader(response, "www-authenticate", change) : response;

test("a challenge from another realm is refused before the card is asked", async () => {
  for (const realm of [`evil.example`, `x${BSF}`, `${BSF}.evil.example`]) {
    await rejectsWith("wrong-realm", challenge((field) => field.replace(BSF, realm)));
  }
});

test("weaker, unknown and unreadable challenges are refused, each with its code", async () => {
  await rejectsWith("downgrade", challenge((field) => field.replace('"auth-int"', '"auth"')));
  await rejectsWith("unsupported", challenge((field) => field.replace("AKAv1-MD5", "MD5")));
  await rejectsWith("unsupported", challenge(() => 'Basic realm="x"'));
  await assert.rejects(run(world(), await usim(), { algorithms: ["AKAv2-MD5"] }), withCode("unsupported"));
  await rejectsWith("malformed", challenge((field) => field.replace(/nonce="[^"]*"/, 'nonce="AAAA"')));
  await rejectsWith("malformed", challenge((field) => field.replace(/nonce="[^"]*"/, 'nonce="?"')));
  await rejectsWith("malformed", challenge((field) => `${field}, realm="twice"`));
  await rejectsWith("too-large", challenge((field) => `${field}, x="${"y".repeat(9000)}"`));
});

test("[SEC_CF-AUTH-002] a server that proves nothing, or proves other bytes, is refused, and the module keeps nothing", async () => {
  const last = (change: (response: Response) => Response | Promise<Response>) => (response: Response) =>
    response.status === 200 ? change(response) : response;
  await rejectsWith("auth-failed", last((response) => new Response(response.body, { status: 200 })));
  await rejectsWith(
    "auth-failed",
    last((response) => withHeader(response, "authentication-info", (info) => info.replace(/rspauth="./, 'rspauth="x'))),
  );
  await rejectsWith(
    "auth-failed",
    last(async (response) => {
      const body = (await response.text()).replace("<lifetime>2026", "<lifetime>2036");
      return new Response(body, { status: 200, headers: response.headers });
    }),
  );
  await rejectsWith("auth-failed", (response, round) => round === 0 ? new Response("<x/>") : response);
  await rejectsWith("too-large", last((response) => new Response("x".repeat(9000), { headers: response.headers })));
});

test("a body that is proved and still wrong is malformed or expired", async () => {
  const w = world({ centreFor: () => scriptedCentre(v.run), lifetimeSeconds: 0.5 });
  await assert.rejects(run(w, scriptedModule(answered())), withCode("expired"));
});

test("statuses have their codes: unknown subscriber, failing BSF, redirect, network", async () => {
  for (
    const [status, code] of [
      [403, "auth-failed"],
      [404, "auth-failed"],
      [429, "key-unavailable"],
      [503, "key-unavailable"],
      [302, "unsupported"],
      [204, "unsupported"],
    ] as const
  ) {
    await rejectsWith(code, () => new Response(null, { status }));
  }
  await rejectsWith("unreachable", () => Promise.reject(new TypeError("no route")));
});

test("a BSF that never answers, at any step, ends in a timeout after the configured time, with nothing left waiting", async () => {
  for (const silent of [0, 1]) {
    const w = world();
    let round = 0;
    let told: AbortSignal | undefined;
    const fetch: Fetch = (request) => {
      told = request.signal;
      return round++ === silent ? new Promise(() => {}) : w.server.handle(request);
    };
    const platform = { clock: w.clock, random: (out: Uint8Array) => void out.fill(1), fetch };
    const module = await usim();
    const ended = assert.rejects(run(w, module, { platform }), withCode("timeout"));
    await w.clock.advance(15_000);
    await ended;
    assert.ok(told?.aborted);
    assert.equal(w.clock.pending, 0);
    await run(w, module);
  }
});

test("an answer that comes after the run was given up touches neither the card nor the next run", async () => {
  for (const late of [0, 1]) {
    const w = world();
    let round = 0;
    let arrive = () => {};
    const fetch: Fetch = async (request) => {
      const response = await w.server.handle(new Request(request.url, { headers: request.headers }));
      if (round++ === late) await new Promise<void>((resolve) => arrive = resolve);
      return response;
    };
    const module = scriptedModule(answered, answered);
    const platform = { clock: w.clock, random: (out: Uint8Array) => void out.fill(1), fetch };
    const ended = assert.rejects(run(w, module, { platform }), withCode("timeout"));
    await w.clock.advance(15_000);
    await ended;
    arrive();
    await w.clock.settle();
    assert.deepEqual([module.asked.length, module.kept.length], [late, 0]);
  }
});

test("a card that never answers ends in a timeout, and the caller can end the run as well", async () => {
  const w = world();
  const stuck = { ...scriptedModule(), answer: () => new Promise<AkaOutcome>(() => {}) };
  const ended = assert.rejects(run(w, stuck, { timeoutSeconds: 3 }), withCode("timeout"));
  await w.clock.advance(3000);
  await ended;
  const controller = new AbortController();
  const aborted = assert.rejects(run(w, stuck, { signal: controller.signal }), /enough/);
  await w.clock.settle();
  controller.abort(new Error("enough"));
  await aborted;
  assert.equal(w.clock.pending, 0);
});

test("the lifetime is counted by the BSF's clock, whatever the device's says, from when the BSF was asked", async () => {
  for (const wall of [0, Date.UTC(2026, 0, 1), Date.UTC(2099, 0, 1)]) {
    const w = world({ lifetimeSeconds: 3600 });
    await w.clock.advance(5000);
    const device = { now: () => w.clock.now(), wall: () => wall, alarm: w.clock.alarm.bind(w.clock) };
    const platform = { clock: device, random: (out: Uint8Array) => void out.fill(1), fetch: w.server.handle };
    const { lifetimeSeconds, expiresAt } = await run(w, await usim(), { platform });
    assert.deepEqual([lifetimeSeconds, expiresAt], [3600, 3_605_000]);
  }
  const long = await run(world({ lifetimeSeconds: 10 * 365 * 86_400 }), await usim());
  assert.equal(long.lifetimeSeconds, 31 * 86_400);
});

test("an enabler's name for the device, an address in the URL, and a path are told apart", async () => {
  const w = world();
  const seen: string[] = [];
  const fetch: Fetch = (request) => {
    seen.push(request.url);
    return w.server.handle(request);
  };
  const platform = { clock: w.clock, random: (out: Uint8Array) => void out.fill(1), fetch };
  await run(w, await usim(), { platform, url: "http://127.0.0.1:8080/ub?x=1", bsf: BSF.toUpperCase() });
  assert.deepEqual(new Set(seen), new Set(["http://127.0.0.1:8080/ub?x=1"]));
  await assert.rejects(run(w, await usim(), { url: "http://127.0.0.1/" }), withCode("malformed"));
});

test("nothing of the run shows a secret on the wire", async () => {
  const w = world({ centreFor: () => scriptedCentre(v.run) });
  let wire = "";
  const fetch: Fetch = async (request) => {
    wire += [...request.headers].join("\n");
    const response = await w.server.handle(request);
    wire += [...response.headers].join("\n") + await response.clone().text();
    return response;
  };
  const platform = { clock: w.clock, random: (out: Uint8Array) => void out.fill(1), fetch };
  await run(w, scriptedModule(answered()), { platform });
  for (const hex of [v.run.res, v.run.ck, v.run.ik, v.run.ks]) {
    const bytes = String.fromCharCode(...fromHex(hex));
    assert.ok(!wire.includes(hex) && !wire.includes(btoa(bytes).replace(/=+$/, "")) && !wire.includes(bytes));
  }
  assert.ok(wire.includes(v.run.btid));
  assert.equal(fromBase64(v.run.btid.split("@")[0]!).length, toUtf8("0123456789abcdef").length);
});
