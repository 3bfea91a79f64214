// The virtual clock and the seeded randomness that every protocol test trusts.
import test from "node:test";
import assert from "node:assert/strict";
import { seededNumbers, seededRandom, VirtualClock, virtualPlatform } from "./support/virtual.ts";

test("alarms wake in order of time, then of setting, each at its own time", async () => {
  const clock = new VirtualClock();
  const woken: string[] = [];
  const set = (name: string, at: number) => clock.alarm(at, () => woken.push(`${name}@${clock.now()}`));
  set("c", 30);
  set("a", 10);
  set("b1", 20);
  set("b2", 20);
  set("late", 31);
  await clock.advance(30);
  assert.deepEqual(woken, ["a@10", "b1@20", "b2@20", "c@30"]);
  assert.equal(clock.now(), 30);
  assert.equal(clock.pending, 1);
});

test("an alarm set by an alarm wakes on the same way, one in the past without going back", async () => {
  const clock = new VirtualClock();
  const woken: number[] = [];
  const note = () => void woken.push(clock.now());
  clock.alarm(10, () => {
    clock.alarm(15, note);
    clock.alarm(5, note);
  });
  await clock.advance(20);
  assert.deepEqual(woken, [10, 15]);
  assert.equal(clock.now(), 20);
});

test("a disposed alarm does not wake, also when another one disposes it at the same time", async () => {
  const clock = new VirtualClock();
  const never = clock.alarm(5, () => assert.fail("woken"));
  never[Symbol.dispose]();
  never[Symbol.dispose]();
  const others: Disposable[] = [];
  clock.alarm(10, () => others[0]![Symbol.dispose]());
  others.push(clock.alarm(10, () => assert.fail("woken")));
  await clock.advance(10);
  assert.equal(clock.pending, 0);
});

test("what an alarm starts is done before the next alarm", async () => {
  const clock = new VirtualClock();
  const seen: string[] = [];
  clock.alarm(1, async () => {
    for (let i = 0; i < 5; i++) await Promise.resolve();
    seen.push("first done");
  });
  clock.alarm(2, () => seen.push("second"));
  await clock.advance(2);
  assert.deepEqual(seen, ["first done", "second"]);
});

test("the wall clock passes with the other and jumps alone", async () => {
  const clock = new VirtualClock(1000);
  await clock.advance(5);
  assert.equal(clock.wall(), 1005);
  clock.setWall(0);
  assert.equal(clock.now(), 5);
  await clock.advance(5);
  assert.deepEqual([clock.wall(), clock.now()], [5, 10]);
});

test("a seed replays the same bytes, another one gives others", () => {
  const bytes = (seed: number) => {
    const out = new Uint8Array(64);
    seededRandom(seed)(out);
    return out;
  };
  assert.deepEqual(bytes(7), bytes(7));
  assert.notDeepEqual(bytes(7), bytes(8));
  assert.ok(new Set(bytes(7)).size > 16);
});

test("seeded numbers stay in [0, 1) and reach all of it", () => {
  const next = seededNumbers(3);
  const buckets = new Array<number>(10).fill(0);
  for (let i = 0; i < 10_000; i++) {
    const n = next();
    assert.ok(n >= 0 && n < 1);
    buckets[Math.floor(n * 10)]!++;
  }
  for (const count of buckets) assert.ok(count > 800 && count < 1200, String(buckets));
});

test("a virtual platform has no network unless it is given one", async () => {
  await assert.rejects(virtualPlatform().fetch(new Request("http://localhost/")), TypeError);
  const platform = virtualPlatform(1, () => Promise.resolve(new Response("here")));
  assert.equal(await (await platform.fetch(new Request("http://localhost/"))).text(), "here");
});
