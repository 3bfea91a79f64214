import assert from "node:assert/strict";
import { test } from "node:test";
import { openSealed, sealMessage, type SecurityAssociation } from "../../lib/association/mod.ts";
import { fromUtf8, toUtf8 } from "../../lib/bytes/mod.ts";
import { http } from "../../transports/http/mod.ts";
import { memoryStore } from "../../transports/stores/memory.ts";
import { VirtualClock } from "../support/virtual.ts";
import { createWorld, METER, passing, type World } from "./world.ts";

const NAMES = [METER, "b.example.net", "c.example.net"] as const;

/** One device's associations with an enabler of three names, which to it are three. */
async function crowd(enabler: Parameters<typeof createWorld>[0] & object = {}) {
  const world = await createWorld({ ...enabler, allowed: NAMES });
  const associations: SecurityAssociation[] = [];
  for (const name of NAMES) associations.push(await passing(world.clock, world.agent.associate(name)));
  return { world, associations: associations as [SecurityAssociation, SecurityAssociation, SecurityAssociation] };
}

/** Proves the association's key to the enabler, by one request. */
async function prove(world: World, association: SecurityAssociation): Promise<void> {
  const web = await association.bind(http({ scheme: "http:", fetch: world.requests }));
  await web.fetch(new Request(`http://${association.serverName}/`));
}

async function message(association: SecurityAssociation, text: string): Promise<Uint8Array> {
  using sealer = await association.sealer("message");
  return await sealMessage(sealer, toUtf8(text));
}

const two = { enabler: { maxAssociations: 2, names: NAMES.slice(1) } };

test("a sealed message is not good again after others have crowded its association out and its device has come back", async () => {
  const { world, associations: [first, second, third] } = await crowd(two);
  await using _world = world;
  const { enabler } = world;
  await prove(world, first);
  const sealed = await message(first, "pay");
  assert.equal(fromUtf8((await enabler.open("message", sealed)).payload), "pay");
  for (const other of [second, third, second, first]) await prove(world, other);
  await assert.rejects(enabler.open("message", sealed), { code: "replayed" });
});

test("who does not seal makes room; whom those who seal leave none goes without sealed messages, until one of them ends", async () => {
  const { world, associations: [first, second, third] } = await crowd({ ...two, lifetimeSeconds: 60 });
  await using _world = world;
  const { enabler, clock } = world;
  for (const one of [first, second]) await prove(world, one);
  await prove(world, third);
  await assert.rejects(enabler.open("message", await message(first, "forgotten")), { code: "auth-failed" });
  for (const one of [second, third]) await enabler.open("message", await message(one, "known"));
  await prove(world, first);
  await assert.rejects(enabler.open("message", await message(first, "no room")), { code: "auth-failed" });
  await clock.advance(61_000);
  const next = await passing(clock, world.agent.associate(METER));
  await prove(world, next);
  assert.equal(fromUtf8((await enabler.open("message", await message(next, "room again"))).payload), "room again");
});

test("with a store those that have sealed go too, the last, and still nothing is good twice", async () => {
  const store = memoryStore({ clock: new VirtualClock() });
  const { world, associations: [first, second, third] } = await crowd({ enabler: { ...two.enabler, store } });
  await using _world = world;
  const { enabler } = world;
  await prove(world, first);
  const sealed = await message(first, "pay");
  await enabler.open("message", sealed);
  for (const other of [second, third]) await prove(world, other);
  await assert.rejects(enabler.open("message", await message(second, "forgotten")), { code: "auth-failed" });
  for (const other of [second, third]) {
    await prove(world, other);
    await enabler.open("message", await message(other, "new"));
  }
  await assert.rejects(enabler.open("message", sealed), { code: "auth-failed" });
  await prove(world, first);
  await assert.rejects(enabler.open("message", sealed), { code: "replayed" });
});

test("an open channel seals on though others have crowded its association out", async () => {
  const { world, associations: [first, second, third] } = await crowd(two);
  await using _world = world;
  await prove(world, first);
  const { association } = world.heard[0]!.peer;
  for (const other of [second, third]) await prove(world, other);
  using sealer = await association.sealer("message");
  using theirs = await first.sealer("message");
  assert.equal(fromUtf8(await openSealed(theirs, await sealMessage(sealer, toUtf8("still here")))), "still here");
  // And so it is known again, with one state for all its messages.
  const sealed = await message(first, "once");
  await openSealed(sealer, sealed);
  await assert.rejects(world.enabler.open("message", sealed), { code: "replayed" });
});
