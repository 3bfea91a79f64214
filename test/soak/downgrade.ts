/**
 * Every choice of suites of both ends, strict and lax, under every attack on their hellos, on streams and on datagrams:
 * `node test/soak/downgrade.ts`. Fails where anybody ever agrees on less than the best that both allow.
 *
 * @module
 */

import process from "node:process";
import { ATTACKS, bestOf, checkOutcome, choices, LAX, shake, STRICT } from "../tls/downgrades.ts";

let failed = 0;
for (const transport of ["stream", "datagram"] as const) {
  let shaken = 0;
  let agreed = 0;
  for (const policy of [STRICT, LAX]) {
    for (const ofClient of choices()) {
      for (const ofServer of choices()) {
        const [client, server] = [{ ...policy, suites: ofClient }, { ...policy, suites: ofServer }];
        const best = bestOf(client, server, transport);
        for (const attack of ATTACKS) {
          const outcome = shake(client, server, transport, attack);
          shaken++;
          if (outcome.client || outcome.server) agreed++;
          try {
            checkOutcome(outcome, best, `${ofClient} with ${ofServer}: ${attack.name}`);
          } catch (error) {
            if (failed++ < 20) console.log(`BAD  ${transport}: ${String(error)}`);
          }
        }
      }
    }
  }
  console.log(
    `${failed === 0 ? "good" : "BAD "} ${transport}: ${shaken} handshakes under attack, ${agreed} agreed on the best`,
  );
}
if (failed > 0) process.exitCode = 1;
