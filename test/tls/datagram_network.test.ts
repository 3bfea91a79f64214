import assert from "node:assert/strict";
import { test } from "node:test";
import { CCM_8 } from "./pair.ts";
import { type Fate, type Outcome, type Setting, simulate, type Weather } from "./network.ts";

function worlds(count: number, weather: Weather, more: Partial<Setting> = {}): { fates: Fate[]; outcomes: Outcome[] } {
  const outcomes = Array.from({ length: count }, (_, i) => simulate({ seed: i + 1, weather, ...more }));
  for (const [i, { left }] of outcomes.entries()) assert.equal(left, 0, `seed ${i + 1} leaves ${left} behind`);
  return { fates: outcomes.flatMap(({ fates }) => fates), outcomes };
}

/** All but a few complete; the rest ended in timeout. */
function check(fates: readonly Fate[], share: number): void {
  for (const { complete, code } of fates) assert.ok(complete ? code === "none" : code === "timeout", code);
  const complete = fates.filter((fate) => fate.complete).length;
  assert.ok(complete >= share * fates.length, `${complete} of ${fates.length}`);
}

test("without loss every handshake and transfer completes, whatever is reordered, repeated or delayed", () => {
  check(worlds(50, {}).fates, 1);
  check(worlds(60, { duplicates: 0.3, delay: [1, 900] }).fates, 1);
});

test("without loss every transfer completes through a NAT that forgets, and the server follows", () => {
  const { fates, outcomes } = worlds(40, { duplicates: 0.1, delay: [5, 300], rebindings: 2500 }, { messages: 20 });
  check(fates, 1);
  assert.ok(outcomes.reduce((moves, outcome) => moves + outcome.moves, 0) > 40);
});

test("at 20 % loss 98 % of all handshakes complete within the default time, at 30 % loss 90 %; the rest end in timeout", () => {
  check(worlds(200, { loss: 0.2, duplicates: 0.05, delay: [10, 200] }).fates, 0.98);
  check(worlds(150, { loss: 0.3, duplicates: 0.05, delay: [10, 200] }).fates, 0.9);
});

test("loss, a slow key lookup, short datagrams and a NAT that forgets, all at once, on one server", () => {
  const setting = { clients: 8, lookup: 700, client: { mtu: 200, suites: [CCM_8] }, server: { suites: [CCM_8] } };
  check(worlds(12, { loss: 0.1, duplicates: 0.1, delay: [5, 500], rebindings: 4000 }, setting).fates, 0.97);
});

test("a line that is dead ends in timeout and leaves nothing behind", () => {
  const { fates } = worlds(3, { loss: 1 });
  for (const { code, datagrams } of fates) assert.deepEqual([code, datagrams], ["timeout", 5]);
});

test("a seed replays the same run to the byte and the millisecond, and another one does not", () => {
  const weather = { loss: 0.2, duplicates: 0.1, delay: [5, 400], rebindings: 3000 } as const;
  const traces = [7, 7, 8].map((seed) => simulate({ seed, weather, clients: 3 }).trace);
  assert.equal(traces[0], traces[1]);
  assert.notEqual(traces[0], traces[2]);
});
