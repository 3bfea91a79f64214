import assert from "node:assert/strict";
import test from "node:test";
import type { Clock } from "../../lib/clock.ts";
import { sharedAlarms } from "../../lib/channel/alarms.ts";
import { connectDatagrams } from "../../lib/channel/mod.ts";
import { createDtlsEngine } from "../../lib/tls/mod.ts";
import { seededRandom, VirtualClock } from "../support/virtual.ts";
import { next, place, SERVER } from "./datagram_fixtures.ts";
import { readOne, testAssociation } from "./fixtures.ts";

/** How many alarms it was asked for. */
class CountingClock extends VirtualClock {
  count = 0;

  override alarm(at: number, wake: () => void): Disposable {
    this.count++;
    return super.alarm(at, wake);
  }
}

test("shared alarms wake at their times, however they were set and cancelled, and are one of the clock's", async () => {
  const clock = new CountingClock();
  const shared = sharedAlarms(clock);
  const woken: string[] = [];
  const alarm = (at: number) => shared.alarm(at, () => woken.push(`${at} at ${clock.now()}`));
  const first = alarm(1000);
  const second = alarm(3000);
  alarm(2000);
  first[Symbol.dispose]();
  assert.equal(clock.count, 1);
  assert.equal(clock.pending, 1);
  await clock.advance(2500);
  assert.deepEqual(woken, ["2000 at 2000"]);
  alarm(2600);
  second[Symbol.dispose]();
  await clock.advance(2500);
  assert.deepEqual(woken, ["2000 at 2000", "2600 at 2600"]);
  assert.equal(clock.pending, 0);
});

test("nothing of the clock is left when the last of the shared alarms is cancelled, in whatever order", () => {
  const clock = new VirtualClock();
  const shared = sharedAlarms(clock);
  for (const order of [[0, 1], [1, 0]]) {
    const alarms = [1000, 2000].map((at) => shared.alarm(at, () => {}));
    for (const which of order) alarms[which]![Symbol.dispose]();
    assert.equal(clock.pending, 0);
  }
});

test("a client's handshake sets its alarm once, and once for sooner when it knows the path, and nothing is left of it", async () => {
  const at = place({ network: { delayMs: 10 } });
  let count = 0;
  const clock: Clock = {
    now: () => at.clock.now(),
    wall: () => at.clock.wall(),
    alarm: (time, wake) => (count++, at.clock.alarm(time, wake)),
  };
  const connecting = connectDatagrams({
    engine: createDtlsEngine({ role: "client", now: 0, random: seededRandom(2) }),
    ...{ socket: at.network.bind("10.0.0.1:1"), remote: SERVER, keys: testAssociation(), clock, carrier: "dtls" },
  });
  await at.clock.advance(200);
  const client = await connecting;
  const server = await next(at.listener);
  // The others are for the answers of the key source.
  assert.ok(count <= 4, `${count} alarms`);
  await at.clock.advance(60_000);
  const sent = client.send(Uint8Array.of(1));
  await at.clock.advance(100);
  await sent;
  assert.deepEqual(await readOne(server), Uint8Array.of(1));
  await client[Symbol.asyncDispose]();
  await at.clock.advance(100);
  await at.listener[Symbol.asyncDispose]();
  assert.equal(at.clock.pending, 0);
});
