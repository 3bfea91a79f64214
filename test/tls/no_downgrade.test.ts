// DESIGN 4.6: somebody in between changes every suite and every extension of the hellos. Nobody ever agrees on less for it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Allowed, ATTACKS, bestOf, checkOutcome, choices, LAX, shake, STRICT } from "./downgrades.ts";
import { pairsOfEnds } from "./downgrade_pairs.ts";
import { pairsOf, pairwise } from "./pairwise.ts";

const BOOLEANS = [true, false];
const ALL = [0x1301, 0xd001, 0x00a8, 0x00ae];

for (const transport of ["stream", "datagram"] as const) {
  test(`every choice of suites of both ends on a ${transport}: the best that both allow, and both say the same`, () => {
    for (const ofClient of choices()) {
      for (const ofServer of choices()) {
        const [client, server]: Allowed[] = [{ ...STRICT, suites: ofClient }, { ...STRICT, suites: ofServer }];
        const best = bestOf(client!, server!, transport);
        checkOutcome(shake(client!, server!, transport), best, `${ofClient} with ${ofServer}`);
      }
    }
  });

  test(`every other choice of both ends on a ${transport}: the best that both allow, and both say the same`, () => {
    const ends: Allowed[] = [[0x1301], [0xd001, 0x00a8], [0x00ae]].flatMap((suites) =>
      BOOLEANS.flatMap((isStrict) =>
        [[0x001d, 0x0017], [0x0017]].flatMap((groups) =>
          [undefined, 0, 4].filter((id) => transport === "datagram" || id === 4).map((connectionId) => ({
            ...(isStrict ? STRICT : LAX),
            suites,
            groups,
            connectionId,
          }))
        )
      )
    );
    for (const client of ends) {
      for (const server of ends.filter(({ connectionId }) => connectionId !== undefined)) {
        const best = bestOf(client, server, transport);
        checkOutcome(shake(client, server, transport), best, JSON.stringify([client, server]));
      }
    }
  });

  test(`any two choices of both ends on a ${transport}, with record sizes and earlier sessions: the best that both allow, and under attack that or nothing`, () => {
    const rows = pairsOfEnds(transport);
    for (const [i, { client, server }] of rows.entries()) {
      const best = bestOf(client, server, transport);
      const what = JSON.stringify([client, server]);
      checkOutcome(shake(client, server, transport), best, what);
      // Each attack meets every seventh pair of ends; all meet all in test/soak/downgrade.ts.
      for (const attack of ATTACKS.filter((_, index) => index % 7 === i % 7)) {
        checkOutcome(shake(client, server, transport, attack), best, `${attack.name}: ${what}`);
      }
    }
    const bests = rows.map(({ client, server }) => bestOf(client, server, transport));
    for (const version of transport === "stream" ? [0x0304, 0x0303] : [0xfefc, 0xfefd]) {
      assert.ok(bests.some((best) => best?.version === version && best.isResumed && best.isLimited.client));
      const isPlain = ({ client }: typeof rows[number]): boolean => client.forwardSecrecy === "none";
      assert.ok(rows.some((pair, i) => isPlain(pair) && bests[i]?.version === version));
    }
    assert.ok(bests.some((best) => best === undefined));
  });

  for (const [name, policy] of [["strict", STRICT], ["lax", LAX]] as const) {
    test(`every attack on the hellos of ${name} ends on a ${transport}: no agreement, or the best`, () => {
      const missed = new Set(ATTACKS.map((attack) => attack.name));
      for (const ofClient of [ALL, [0x1301], [0xd001, 0x00a8], [0x00a8, 0x00ae], [0x00ae]]) {
        const [client, server] = [{ ...policy, suites: ofClient }, { ...policy, suites: ALL }];
        const best = bestOf(client, server, transport);
        for (const attack of ATTACKS) {
          const outcome = shake(client, server, transport, attack);
          if (outcome.isChanged) missed.delete(attack.name);
          checkOutcome(outcome, best, `${ofClient}: ${attack.name}`);
        }
      }
      // An attack that never changes anything proves nothing. What nobody sends can not be taken out or altered, and this
      // one is there already, as empty as it is put in.
      const isIdle = /taken out|altered|emptied|version|older|^extended_master_secret put in/;
      const idle = [...missed].filter((each) => !isIdle.test(each));
      assert.deepEqual(idle, []);
    });
  }
}

test("rows of pairs have every pair of values of every two dimensions", () => {
  const dimensions = [[1, 2, 3], [1, 2], [1, 2, 3, 4], [1, 2]];
  const rows = pairwise(dimensions);
  const met = new Set(rows.flatMap((row) => pairsOf(row)));
  const all = dimensions.flatMap((one, a) =>
    dimensions.flatMap((other, b) => a < b ? one.flatMap((_, i) => other.map((_, j) => `${a}:${i} ${b}:${j}`)) : [])
  );
  assert.deepEqual(all.filter((pair) => !met.has(pair)), []);
  assert.ok(rows.length < 3 * 2 * 4 * 2 / 2, `${rows.length}`);
});
