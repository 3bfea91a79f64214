import assert from "node:assert/strict";
import { test } from "node:test";
import type { Fetch } from "../../lib/platform.ts";
import { createAgent } from "../../lib/roles/mod.ts";
import { BSF, createWorld, METER, passing, type World } from "./world.ts";

const POST = (body: string) => new Request(`http://${METER}/readings`, { method: "POST", body });
const runs = ({ told }: World): number => told.filter((line) => line === "bootstrapped").length;

test("an association lasts no longer than the Ks it is of, whenever it was made", async () => {
  await using world = await createWorld({ lifetimeSeconds: 3600 });
  const { clock, agent } = world;
  const early = await passing(clock, agent.associate(METER));
  await clock.advance(3_000_000);
  const late = await passing(clock, agent.associate(METER));
  assert.equal(runs(world), 1);
  assert.equal(late.expiresAt, early.expiresAt);
  assert.ok(late.expiresAt <= 3_600_000);
});

test("a device that slept over its Ks bootstraps again, though its monotonic clock stood still", async () => {
  await using world = await createWorld({ lifetimeSeconds: 3600 });
  const { clock, agent } = world;
  await passing(clock, agent.fetch(POST("before")));
  clock.setWall(clock.wall() + 3_600_000);
  const association = await passing(clock, agent.associate(METER));
  assert.equal(association.expired, false);
  assert.equal(runs(world), 2);
  await passing(clock, agent.fetch(POST("after")));
  assert.equal(runs(world), 2);
});

test("a request whose response comes without proof is not sent again: the enabler may have acted on it", async () => {
  let stripped = false;
  await using world = await createWorld({
    way: (go) => async (request) => {
      const response = await go(request);
      const { hostname } = new URL(request.url);
      if (stripped && hostname === METER) response.headers.delete("authentication-info");
      return response;
    },
  });
  const { clock, agent, heard } = world;
  await passing(clock, agent.associate(METER));
  stripped = true;
  await assert.rejects(passing(clock, agent.fetch(POST("pay"))), { code: "auth-failed" });
  assert.deepEqual(heard.map(({ text }) => text), ["pay"]);
  stripped = false;
  assert.equal(await (await passing(clock, agent.fetch(POST("again")))).text(), "got again");
});

test("a request that the enabler refuses is sent once more, with a new Ks, and no oftener", async () => {
  let refusals = 1;
  await using world = await createWorld({
    way: (go) => async (request) => {
      const refused = request.headers.get("authorization") !== null && new URL(request.url).hostname === METER &&
        refusals-- > 0;
      if (!refused) return await go(request);
      return await go(new Request(request.url, { method: "POST" }));
    },
  });
  const { clock, agent, heard } = world;
  assert.equal(await (await passing(clock, agent.fetch(POST("one")))).text(), "got one");
  assert.equal(runs(world), 2);
  refusals = Infinity;
  await assert.rejects(passing(clock, agent.fetch(POST("two"))), { code: "auth-failed" });
  assert.equal(runs(world), 3);
  assert.deepEqual(heard.map(({ text }) => text), ["one"]);
});

/** A way on which the answer to the first request with this body waits for `release`. */
function holding(body: string): { readonly way: (go: Fetch) => Fetch; readonly release: () => void } {
  let release = (): void => {};
  const held = new Promise<void>((resolve) => release = resolve);
  const way = (go: Fetch): Fetch => async (request) => {
    const slow = await request.clone().text() === body;
    const response = await go(request);
    if (slow && response.status === 200) await held;
    return response;
  };
  return { way, release };
}

test("an answer on its way is proved and delivered though its association ended meanwhile", async () => {
  const { way, release } = holding("slow");
  await using world = await createWorld({ lifetimeSeconds: 60, way });
  const { clock, agent } = world;
  await passing(clock, agent.fetch(POST("first")));
  const slow = agent.fetch(POST("slow"));
  await clock.advance(61_000);
  assert.equal(await (await passing(clock, agent.fetch(POST("next")))).text(), "got next");
  release();
  assert.equal(await (await passing(clock, slow)).text(), "got slow");
});

test("an agent that is disposed ends its bootstrapping and refuses what comes after", async () => {
  await using world = await createWorld({
    way: (go) => (request) => new URL(request.url).hostname === BSF ? new Promise(() => undefined) : go(request),
  });
  const { clock, agent } = world;
  const associating = agent.associate(METER);
  const fetching = agent.fetch(POST("hello"));
  await clock.settle();
  await agent[Symbol.asyncDispose]();
  await assert.rejects(associating, { code: "state" });
  await assert.rejects(fetching, { code: "state" });
  await assert.rejects(agent.associate(METER), { code: "state" });
  await assert.rejects(agent.fetch(POST("hello")), { code: "state" });
});

test("an agent asks the Key Manager that follows from its SIM, when nothing else is said", async () => {
  await using world = await createWorld();
  const { platform, identity, clock } = world;
  await using agent = createAgent({ ...platform, identity });
  const association = await passing(clock, agent.associate(METER));
  assert.equal(association.expired, false);
  assert.equal(runs(world), 1);
});

test("an agent without AKA, or with nobody to ask, is misuse", async () => {
  await using world = await createWorld();
  const { platform, identity } = world;
  const { aka } = identity;
  const dispose = () => Promise.resolve();
  assert.throws(() => createAgent({ ...platform, identity: { [Symbol.asyncDispose]: dispose } }), TypeError);
  assert.throws(() => createAgent({ ...platform, identity: { aka: aka!, [Symbol.asyncDispose]: dispose } }), TypeError);
});
