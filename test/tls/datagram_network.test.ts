import assert from "node:assert/strict";
import { test } from "node:test";
import { VERSION_12, VERSION_13 } from "./datagrams.ts";
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

/** The version, the suites for short datagrams, and how short they may be: a hello of version 1.3 goes in one. */
const VERSIONS = [
  ["DTLS 1.2", VERSION_12, [CCM_8], 200],
  ["DTLS 1.3", VERSION_13, [0x1301], 300],
] as const;

for (const [name, more, suites, mtu] of VERSIONS) {
  test(`${name}: without loss every handshake and transfer completes, whatever is reordered, repeated or delayed`, () => {
    check(worlds(50, {}, more).fates, 1);
    check(worlds(60, { duplicates: 0.3, delay: [1, 900] }, more).fates, 1);
  });

  test(`${name}: without loss every transfer completes through a NAT that forgets, and the server follows`, () => {
    const { fates, outcomes } = worlds(40, { duplicates: 0.1, delay: [5, 300], rebindings: 2500 }, {
      ...more,
      messages: 20,
    });
    check(fates, 1);
    assert.ok(outcomes.reduce((moves, outcome) => moves + outcome.moves, 0) > 40);
  });

  test(`${name}: at 20 % loss 98 % of all handshakes complete within the default time, at 30 % loss 90 %; the rest end in timeout`, () => {
    check(worlds(200, { loss: 0.2, duplicates: 0.05, delay: [10, 200] }, more).fates, 0.98);
    check(worlds(150, { loss: 0.3, duplicates: 0.05, delay: [10, 200] }, more).fates, 0.9);
  });

  test(`${name}: loss, a slow key lookup, short datagrams and a NAT that forgets, all at once, on one server`, () => {
    const setting = { ...more, clients: 8, lookup: 700, client: { mtu, suites }, server: { mtu: 200, suites } };
    check(worlds(12, { loss: 0.1, duplicates: 0.1, delay: [5, 500], rebindings: 4000 }, setting).fates, 0.97);
  });
}

test("DTLS 1.3: keys that change after every third record, on a line that loses, repeats and reorders", () => {
  const often = { recordsPerKey: 3 };
  const setting = { ...VERSION_13, messages: 30, client: often, server: often };
  check(worlds(20, { duplicates: 0.2, delay: [5, 300], rebindings: 5000 }, setting).fates, 1);
  check(worlds(30, { loss: 0.15, duplicates: 0.1, delay: [5, 300] }, setting).fates, 0.96);
});

test("a line that is dead ends in timeout and leaves nothing behind", () => {
  for (const more of [VERSION_12, VERSION_13]) {
    const { fates } = worlds(3, { loss: 1 }, more);
    for (const { code, datagrams } of fates) assert.deepEqual([code, datagrams], ["timeout", 5]);
  }
});

test("a seed replays the same run to the byte and the millisecond, and another one does not", () => {
  const weather = { loss: 0.2, duplicates: 0.1, delay: [5, 400], rebindings: 3000 } as const;
  for (const more of [VERSION_12, VERSION_13]) {
    const traces = [7, 7, 8].map((seed) => simulate({ ...more, seed, weather, clients: 3 }).trace);
    assert.equal(traces[0], traces[1]);
    assert.notEqual(traces[0], traces[2]);
  }
});
