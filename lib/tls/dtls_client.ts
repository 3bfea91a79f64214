/** A client of DTLS. @module */

import { ClientHandshake } from "./client.ts";
import { DatagramEngine } from "./datagram_engine.ts";
import { type DtlsOptions, toClientPolicy, toDatagramPolicy } from "./dtls_options.ts";
import type { Engine } from "./engine.ts";

/**
 * A PSK client of DTLS 1.3 and 1.2 for one association. Its first output is there at once: poll first. Version 1.3 wants
 * its key before anything is said. Each `receive` takes one datagram, each `transmit` is one, each `data` is one record.
 *
 * A wrong key looks like a line that is dead: it ends in `timeout`. Nothing is compressed, and there is no
 * second handshake. Throws RangeError for options that make no sense.
 */
export function createDtlsEngine(options: DtlsOptions): Engine {
  return new DatagramEngine({
    role: "client",
    policy: toClientPolicy(options),
    datagrams: toDatagramPolicy(options),
    now: options.now,
    start: (link, policy) => new ClientHandshake(link, policy, options),
  });
}
