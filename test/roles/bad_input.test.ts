import assert from "node:assert/strict";
import { test } from "node:test";
import { createAssociation, type KeyOrigin, startLifetime } from "../../lib/association/mod.ts";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { formatPskIdentity } from "../../lib/gba/mod.ts";
import type { Fetch } from "../../lib/platform.ts";
import { http } from "../../transports/http/mod.ts";
import { BSF, createWorld, METER, passing, roundTrip, type World, type WorldOptions } from "./world.ts";

const POST = (body: string) => new Request(`http://${METER}/readings`, { method: "POST", body });

/** An association like a device's, but with a B-TID and keys that a test makes up. */
function forged(world: World, btid: string, key: Uint8Array) {
  const origin: KeyOrigin = {
    kind: "gba",
    identity: (use) => use.kind === "tls" ? formatPskIdentity(btid) : toUtf8(btid),
    key: () => Promise.resolve(secretFrom(key)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const { platform, clock } = world;
  return createAssociation({
    ...{ reference: btid, serverName: METER, role: "initiator", origin, platform },
    peer: { identity: toUtf8(METER), assurance: "psk" },
    lifetime: startLifetime({ clock, seconds: 3600 }),
  });
}

/** Whatever was wrong before, the next attempt of an honest device works. */
async function nextWorks(world: World): Promise<void> {
  const { clock, agent } = world;
  await using association = await passing(clock, agent.associate(METER));
  const channel = await passing(clock, association.bind(world.carrier()));
  assert.equal(await passing(clock, roundTrip(channel, "works")), "works");
  await channel[Symbol.asyncDispose]();
}

/** The B-TID of an honest run. */
async function honestBtid(world: World): Promise<string> {
  const association = await passing(world.clock, world.agent.associate(METER));
  const found = await association.find({ use: { kind: "http" } }, {});
  found!.key[Symbol.dispose]();
  await association[Symbol.asyncDispose]();
  return new TextDecoder().decode(found!.identity);
}

const STRANGE = `${btoa("sixteen bytes...")}@${BSF}`;

test("an unknown B-TID is refused over TLS as a wrong key is", async () => {
  await using world = await createWorld();
  await assert.rejects(passing(world.clock, forged(world, STRANGE, new Uint8Array(32)).bind(world.carrier())), {
    code: "auth-failed",
  });
  assert.ok(world.told.includes("refused expired"));
  const known = forged(world, await honestBtid(world), new Uint8Array(32));
  await assert.rejects(passing(world.clock, known.bind(world.carrier())), { code: "auth-failed" });
  await nextWorks(world);
});

test("an unknown B-TID and a wrong key get one answer over HTTP", async () => {
  await using world = await createWorld();
  const shapes: string[] = [];
  const watch: Fetch = async (request) => {
    const response = await world.requests(request);
    const challenge = response.headers.get("www-authenticate")?.replaceAll(/nonce="[^"]*"/g, "nonce");
    shapes.push(`${response.status} ${challenge} ${(await response.arrayBuffer()).byteLength}`);
    return response;
  };
  for (const btid of [STRANGE, await honestBtid(world)]) {
    const web = await forged(world, btid, new Uint8Array(32)).bind(http({ scheme: "http:", fetch: watch }));
    await assert.rejects(web.fetch(POST("let me in")), { code: "auth-failed" });
  }
  assert.equal(shapes.length, 4);
  assert.equal(new Set(shapes).size, 1);
  assert.equal(world.heard.length, 0);
  await nextWorks(world);
});

test("a Ks that has expired opens nothing, at neither end", async () => {
  await using world = await createWorld({ lifetimeSeconds: 60 });
  const { clock, agent } = world;
  const association = await passing(clock, agent.associate(METER));
  const channel = await passing(clock, association.bind(world.carrier()));
  const stolen = forged(world, await honestBtid(world), new Uint8Array(32));
  await clock.advance(61_000);
  await assert.rejects(association.bind(world.carrier()), { code: "expired" });
  await assert.rejects(association.sealer("message"), { code: "expired" });
  await assert.rejects(passing(clock, channel.send(toUtf8("too late"))), { code: "expired" });
  await assert.rejects(passing(clock, stolen.bind(world.carrier())), { code: "auth-failed" });
  await nextWorks(world);
});

test("a clock set back does not bring an expired Ks to life again", async () => {
  await using world = await createWorld({ lifetimeSeconds: 60 });
  const { clock } = world;
  const association = await passing(clock, world.agent.associate(METER));
  await clock.advance(61_000);
  clock.setWall(Date.UTC(2020, 0, 1));
  await assert.rejects(association.bind(world.carrier()), { code: "expired" });
});

test("an answer on Ub that is replayed bootstraps nothing", async () => {
  const answers: Request[] = [];
  await using world = await createWorld({
    way: (go) => (request) => {
      if (new URL(request.url).hostname === BSF) answers.push(request.clone());
      return go(request);
    },
  });
  await honestBtid(world);
  assert.equal(answers.length, 2);
  const again = await world.platform.fetch(answers[1]!);
  assert.equal(again.status, 401);
  assert.equal(world.told.filter((line) => line === "bootstrapped").length, 1);
  assert.ok(world.told.includes("refused replayed"));
  await nextWorks(world);
});

test("a Key Manager of another name is not answered", async () => {
  let wrong = true;
  await using world = await createWorld({
    way: (go) => async (request) => {
      const response = await go(request);
      const challenge = response.headers.get("www-authenticate");
      if (!wrong || challenge === null) return response;
      return new Response(null, {
        status: 401,
        headers: { "www-authenticate": challenge.replace(BSF, "bsf.example.org") },
      });
    },
  });
  await assert.rejects(passing(world.clock, world.agent.associate(METER)), { code: "wrong-realm" });
  wrong = false;
  await nextWorks(world);
});

test("an enabler's challenge for another enabler is not answered", async () => {
  await using world = await createWorld();
  const association = await passing(world.clock, world.agent.associate(METER));
  const credentials: (string | null)[] = [];
  const elsewhere: Fetch = (request) => {
    credentials.push(request.headers.get("authorization"));
    const challenge =
      `Digest realm="3GPP-bootstrapping@evil.example.org", nonce="n", algorithm=SHA-256, qop="auth-int"`;
    return Promise.resolve(new Response(null, { status: 401, headers: { "www-authenticate": challenge } }));
  };
  const web = await association.bind(http({ scheme: "http:", fetch: elsewhere }));
  await assert.rejects(web.fetch(POST("hello")), { code: "wrong-realm" });
  assert.deepEqual(credentials, [null]);
});

test("a card with another K finds the challenge false", async () => {
  await using world = await createWorld({ cardKey: "ff".repeat(16) });
  await assert.rejects(passing(world.clock, world.agent.associate(METER)), { code: "mac-failure" });
});

test("a sequence number that the card has seen is resynchronised within one run", async () => {
  await using world = await createWorld({ seen: 1000 });
  await passing(world.clock, world.agent.associate(METER));
  assert.ok(world.told.includes("resynchronised"));
  assert.ok(world.told.includes("bootstrapped"));
  await nextWorks(world);
});

test("a peer that stops in mid-handshake is timed out, and keeps nobody else from coming in", async () => {
  await using world = await createWorld();
  const stalled = await world.over.connect(METER, 4433);
  await stalled.write(Uint8Array.of(22, 3, 1));
  await nextWorks(world);
  await world.clock.advance(11_000);
  const left: Uint8Array[] = [];
  for await (const piece of stalled) left.push(piece);
  await nextWorks(world);
});

/** Ways in which a Key Manager fails its enablers. */
const FAILURES: readonly { readonly name: string; readonly nbsp: NonNullable<WorldOptions["nbsp"]> }[] = [
  { name: "never answers", nbsp: () => () => new Promise(() => undefined) },
  { name: "fails", nbsp: () => () => Promise.resolve(new Response(null, { status: 500 })) },
  { name: "breaks off", nbsp: () => () => Promise.reject(new TypeError("reset")) },
  { name: "talks nonsense", nbsp: () => () => Promise.resolve(new Response("{]")) },
  { name: "sends a key that is none", nbsp: () => () => Promise.resolve(Response.json({ meKeyMaterial: "00" })) },
  { name: "sends without end", nbsp: () => () => Promise.resolve(new Response("[".repeat(1 << 20))) },
  {
    name: "sends another's key",
    nbsp: () => () => Promise.resolve(Response.json({ meKeyMaterial: "ab".repeat(32) })),
  },
];

for (const { name, nbsp } of FAILURES) {
  test(`a Key Manager that ${name}: the device sees what one with a wrong key sees, in time`, async () => {
    let broken = true;
    await using world = await createWorld({ nbsp: (ask) => (request) => (broken ? nbsp(ask) : ask)(request) });
    const { clock, agent } = world;
    const association = await passing(clock, agent.associate(METER));
    const began = clock.now();
    await assert.rejects(passing(clock, association.bind(world.carrier())), { code: "auth-failed" });
    assert.ok(clock.now() - began <= 6000, "within the time of a key look-up");
    const web = await association.bind(http({ scheme: "http:" }));
    await assert.rejects(passing(clock, web.fetch(POST("hello"))), { code: "auth-failed" });
    assert.equal(world.heard.length, 0);
    broken = false;
    await nextWorks(world);
  });
}

test("an enabler gets no key for a name that is not its own", async () => {
  await using world = await createWorld({ allowed: ["other.example.net"] });
  const association = await passing(world.clock, world.agent.associate(METER));
  await assert.rejects(passing(world.clock, association.bind(world.carrier())), { code: "auth-failed" });
  assert.ok(world.told.includes("refused auth-failed"));
});

test("a device that asks for a name the enabler does not have is refused before the Key Manager is asked", async () => {
  await using world = await createWorld();
  const association = await passing(world.clock, world.agent.associate("other.example.net"));
  await assert.rejects(passing(world.clock, association.bind(world.carrier())), { code: "auth-failed" });
  assert.equal(world.asked.count, 0);
  assert.ok(world.told.includes("refused wrong-realm"));
});

test("the service face does not exist for who is not an authenticated enabler", async () => {
  await using world = await createWorld();
  const url = `http://${BSF}/nbsp-gba/v1/bootstrapping-info-retrieval`;
  const response = await world.platform.fetch(new Request(url, { method: "POST", body: "{}" }));
  assert.equal(response.status, 404);
});

test("an aborted caller stops waiting, and the run goes on for who still wants it", async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => release = resolve);
  await using world = await createWorld({ way: (go) => async (request) => (await held, await go(request)) });
  const controller = new AbortController();
  const given = world.agent.associate(METER, { signal: controller.signal });
  const kept = world.agent.associate(METER);
  controller.abort(new Error("changed my mind"));
  await assert.rejects(given, /changed my mind/);
  release();
  await (await passing(world.clock, kept))[Symbol.asyncDispose]();
  assert.equal(world.told.filter((line) => line === "bootstrapped").length, 1);
});
