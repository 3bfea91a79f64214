/**
 * Every pair of ends under every attack on their hellos, on streams and on datagrams: `node test/soak/downgrade.ts`. First
 * every choice of suites of both, strict and lax; then every value of every other field of theirs with every other. Fails
 * where anybody ever agrees on less than the best that both allow. A number behind it takes one pair of so many.
 *
 * @module
 */

import process from "node:process";
import { type Allowed, ATTACKS, bestOf, checkOutcome, choices, LAX, shake, STRICT } from "../tls/downgrades.ts";
import { allPairs } from "../tls/downgrade_pairs.ts";

const step = Number(process.argv[2] ?? 1);
let failed = 0;

function* choicesOfBoth(): Generator<{ readonly client: Allowed; readonly server: Allowed }> {
  for (const policy of [STRICT, LAX]) {
    for (const ofClient of choices()) {
      for (const ofServer of choices()) {
        yield { client: { ...policy, suites: ofClient }, server: { ...policy, suites: ofServer } };
      }
    }
  }
}

for (const transport of ["stream", "datagram"] as const) {
  for (const [name, pairs] of [["suites", choicesOfBoth()], ["all fields", allPairs(transport)]] as const) {
    let shaken = 0;
    let agreed = 0;
    let index = 0;
    for (const { client, server } of pairs) {
      if (index++ % step !== 0) continue;
      const best = bestOf(client, server, transport);
      for (const attack of [undefined, ...ATTACKS]) {
        const what = `${attack?.name ?? "no attack"}: ${JSON.stringify([client, server])}`;
        const outcome = shake(client, server, transport, attack);
        shaken++;
        if (outcome.client || outcome.server) agreed++;
        try {
          checkOutcome(outcome, best, what);
        } catch (error) {
          if (failed++ < 20) console.log(`BAD  ${transport}: ${String(error)}`);
        }
      }
    }
    const verdict = failed === 0 ? "good" : "BAD ";
    console.log(`${verdict} ${transport}, ${name}: ${shaken} handshakes, ${agreed} agreed on the best`);
  }
}
if (failed > 0) process.exitCode = 1;
