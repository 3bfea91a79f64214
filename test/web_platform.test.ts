import test from "node:test";
import assert from "node:assert/strict";
import { webPlatform } from "../web_platform.ts";

const DAY_MS = 86_400_000;

/** Runs `body` over timers that fire when told to, and a clock that shows what `time` says. */
function withTimers(
  body: (timers: { ms: number; fire: () => void; set: boolean }[], time: { now: number }) => void,
): void {
  const { setTimeout, clearTimeout } = globalThis;
  const now = performance.now;
  const timers: { ms: number; fire: () => void; set: boolean }[] = [];
  const time = { now: 1000 };
  const fake = {
    setTimeout: (fire: () => void, ms: number) => timers.push({ ms, fire, set: true }) - 1,
    clearTimeout: (timer: number) => timers[timer]!.set = false,
  };
  Object.assign(globalThis, fake);
  performance.now = () => time.now;
  try {
    body(timers, time);
  } finally {
    Object.assign(globalThis, { setTimeout, clearTimeout });
    performance.now = now;
  }
}

test("an alarm further away than timers reach wakes at its time, once, and not before", () => {
  withTimers((timers, time) => {
    let woken = 0;
    webPlatform.clock.alarm(1000 + 60 * DAY_MS, () => woken++);
    for (let i = 0; i < 3; i++) {
      assert.equal(timers.length, i + 1);
      assert.ok(timers[i]!.ms <= 2 ** 31 - 1, "a timer longer than this fires at once");
      assert.equal(woken, 0);
      time.now += timers[i]!.ms;
      timers[i]!.fire();
    }
    assert.equal(time.now, 1000 + 60 * DAY_MS);
    assert.equal(woken, 1);
    assert.equal(timers.length, 3);
  });
});

test("an alarm that was disposed does not wake, even after its first timer", () => {
  withTimers((timers, time) => {
    const alarm = webPlatform.clock.alarm(1000 + 60 * DAY_MS, () => assert.fail("woken"));
    time.now += timers[0]!.ms;
    timers[0]!.fire();
    alarm[Symbol.dispose]();
    assert.deepEqual(timers.map(({ set }) => set), [true, false]);
  });
});

test("a timer that fires early is set again, and an alarm in the past is due at once", () => {
  withTimers((timers, time) => {
    let woken = 0;
    webPlatform.clock.alarm(1010, () => woken++);
    time.now = 1009;
    timers[0]!.fire();
    assert.deepEqual([woken, timers[1]!.ms], [0, 1]);
    time.now = 1010;
    timers[1]!.fire();
    assert.equal(woken, 1);
    webPlatform.clock.alarm(5, () => woken++);
    assert.equal(timers[2]!.ms, 0);
  });
});

test("the web's randomness fills more than one call of it may ask for", () => {
  const bytes = new Uint8Array(65536 + 32);
  webPlatform.random(bytes);
  assert.ok(bytes.subarray(0, 32).some((byte) => byte !== 0));
  assert.ok(bytes.subarray(65536).some((byte) => byte !== 0));
  webPlatform.random(new Uint8Array(0));
});

test("the monotonic clock does not run back and the wall clock is after 2024", () => {
  const first = webPlatform.clock.now();
  assert.ok(webPlatform.clock.now() >= first);
  assert.ok(webPlatform.clock.wall() > Date.UTC(2024, 0));
});
