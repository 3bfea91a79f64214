import assert from "node:assert/strict";
import { test } from "node:test";
import {
  keyFingerprint,
  openSealed,
  sealMessage,
  type SecurityAssociation,
  type Use,
} from "../../lib/association/mod.ts";
import { fromUtf8, toUtf8 } from "../../lib/bytes/mod.ts";
import { http } from "../../transports/http/mod.ts";
import { createWorld, IMPI, METER, passing, roundTrip } from "./world.ts";

const POST = (body: string) => new Request(`http://${METER}/readings`, { method: "POST", body });

test("one association binds to PSK-TLS, HTTP Digest and a sealed message, each with its own key [SEC_CF-HLF-001, SEC_CF-KEM-001, SEC_CF-HLF-003]", async () => {
  await using world = await createWorld();
  const { agent, clock, enabler } = world;
  const association = await passing(clock, agent.associate(METER));

  const channel = await passing(clock, association.bind(world.carrier()));
  assert.equal(await passing(clock, roundTrip(channel, "over tls")), "over tls");
  assert.equal(channel.association, association);
  await channel[Symbol.asyncDispose]();

  const web = await association.bind(http({ scheme: "http:" }));
  assert.equal(await (await web.fetch(POST("over http"))).text(), "got over http");

  using sealer = await association.sealer("message");
  const opened = await enabler.open("message", await sealMessage(sealer, toUtf8("sealed")));
  assert.equal(fromUtf8(opened.payload), "sealed");

  using answering = await opened.association.sealer("message");
  assert.equal(fromUtf8(await openSealed(sealer, await sealMessage(answering, toUtf8("answer")))), "answer");

  const uses: Use[] = [{ kind: "tls", suite: 0x00a8 }, { kind: "http" }, { kind: "object", purpose: "message" }];
  const keys = async (one: SecurityAssociation) => await Promise.all(uses.map((use) => keyFingerprint(one, use)));
  assert.deepEqual(await keys(association), await keys(opened.association));
  assert.equal(new Set(await keys(association)).size, uses.length);
});

test("each end knows whom it talks to [SEC_CF-AUTH-001, SEC_CF-AUTH-002]", async () => {
  await using world = await createWorld();
  const association = await passing(world.clock, world.agent.associate(METER));
  assert.equal(fromUtf8(association.peer.identity), METER);
  const web = await association.bind(http({ scheme: "http:" }));
  await web.fetch(POST("who am I"));
  assert.equal(fromUtf8(world.heard[0]!.peer.identity), IMPI);
  assert.equal(world.heard[0]!.peer.assurance, "digest");
});

test("the enabler asks the Key Manager in the middle of the handshake, once a handshake, and keeps no key [SEC_CF-AUTH-002 b]", async () => {
  await using world = await createWorld({
    nbsp: (ask) => async (request) => {
      await new Promise<void>((resolve) => world.clock.alarm(world.clock.now() + 4000, resolve));
      return await ask(request);
    },
  });
  const association = await passing(world.clock, world.agent.associate(METER));
  const began = world.clock.now();
  const channel = await passing(world.clock, association.bind(world.carrier()));
  assert.ok(world.clock.now() - began >= 4000);
  assert.equal(world.asked.count, 1);
  assert.equal(await passing(world.clock, roundTrip(channel, "late, but there")), "late, but there");
  await channel[Symbol.asyncDispose]();
});

test("plain fetch bootstraps unseen, once for all that follows [SEC_CF-USAB-001]", async () => {
  await using world = await createWorld();
  const { agent, clock, told } = world;
  const answers = Promise.all(["a", "b", "c"].map((body) => agent.fetch(POST(body)).then((answer) => answer.text())));
  assert.deepEqual(await passing(clock, answers), ["got a", "got b", "got c"]);
  assert.equal(told.filter((line) => line === "bootstrapped").length, 1);
});

test("an association knows the weakest binding it ever had", async () => {
  await using world = await createWorld();
  const { clock } = world;
  const association = await passing(clock, world.agent.associate(METER));
  assert.equal(association.weakest, undefined);
  const channel = await passing(clock, association.bind(world.carrier()));
  assert.deepEqual(association.weakest, { carrier: "tls", suite: 0x1301, strength: 3 });
  const web = await association.bind(http({ scheme: "http:" }));
  await web.fetch(POST("weaker"));
  assert.deepEqual(association.weakest, { carrier: "http", strength: 0 });
  const again = await passing(clock, association.bind(world.carrier()));
  assert.deepEqual(association.weakest, { carrier: "http", strength: 0 });
  for (const one of [channel, again]) await one[Symbol.asyncDispose]();
});

test("two channels of one device share one replay state for what is sealed [SEC_CF-AUTH-004]", async () => {
  await using world = await createWorld();
  const { clock, enabler } = world;
  const association = await passing(clock, world.agent.associate(METER));
  const first = await passing(clock, association.bind(world.carrier()));
  using sealer = await association.sealer("message");
  const sealed = await sealMessage(sealer, toUtf8("once"));
  assert.equal(fromUtf8((await enabler.open("message", sealed)).payload), "once");
  const second = await passing(clock, association.bind(world.carrier()));
  await assert.rejects(enabler.open("message", sealed), { code: "replayed" });
  for (const one of [first, second]) await one[Symbol.asyncDispose]();
});

test("a handler that fails is heard once, and its failure proved", async () => {
  await using world = await createWorld();
  const { clock, agent, enabler } = world;
  let heard = 0;
  const failing = enabler.handle(() => {
    heard++;
    throw new TypeError("no such reading");
  });
  const association = await passing(clock, agent.associate(METER));
  const web = await association.bind(http({ scheme: "http:", fetch: failing }));
  const response = await web.fetch(POST("fail"));
  assert.deepEqual([response.status, await response.text(), heard], [500, "", 1]);
});

test("an honest device whose nonce has grown old is not told of as refused", async () => {
  await using world = await createWorld();
  const { clock, agent, told } = world;
  await passing(clock, agent.fetch(POST("now")));
  await clock.advance(301_000);
  await passing(clock, agent.fetch(POST("later")));
  assert.deepEqual(told.filter((line) => line.startsWith("refused")), []);
});

test("the audits tell who was authenticated and which key went to whom", async () => {
  await using world = await createWorld();
  const association = await passing(world.clock, world.agent.associate(METER));
  const channel = await passing(world.clock, association.bind(world.carrier()));
  await channel[Symbol.asyncDispose]();
  assert.deepEqual(world.told, ["bootstrapped", "key-given", "authenticated"]);
});

test("nothing is left on the clock when all is disposed", async () => {
  const world = await createWorld();
  const association = await passing(world.clock, world.agent.associate(METER));
  const channel = await passing(world.clock, association.bind(world.carrier()));
  await channel[Symbol.asyncDispose]();
  await association[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
  await world.clock.settle();
  assert.equal(world.clock.pending, 0);
});
