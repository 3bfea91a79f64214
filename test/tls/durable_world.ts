/** Two ends of one DTLS session that crash, sleep, come back and have twins, on a network in the test's hand. */
import assert from "node:assert/strict";
import type { SecretBytes } from "../../lib/crypto/mod.ts";
import { secretSlice } from "../../lib/crypto/mod.ts";
import { type Claim, type DtlsOptions, restoreDtlsEngine } from "../../lib/tls/mod.ts";
import { recordAt } from "../../lib/tls/record/datagram_reader.ts";
import { seededRandom } from "../support/virtual.ts";
import { client, Front, Peer, run } from "./datagrams.ts";

/** What is on record for one end: a counter that never goes back, and every state in the order it was written. */
export class Shelf {
  counter = 0;
  readonly states: SecretBytes[] = [];
  claims = 0;

  reserve({ count, above }: Claim): number {
    if (count === 0) return 0;
    const first = Math.max(this.counter, above);
    this.counter = first + count;
    return first;
  }
}

/** Grants the claim of `peer`, if there is one, as far as `steps` goes: 1 reserves, 2 writes, 3 grants. */
export function keep(peer: Peer, shelf: Shelf, steps = 3): boolean {
  const { durable } = peer.engine;
  const claim = durable?.claim;
  if (!durable || !claim) return false;
  const first = shelf.reserve(claim);
  shelf.claims++;
  if (steps > 1) shelf.states.push(durable.save({ claim, first }));
  if (steps > 2) {
    durable.grant(claim, first, peer.now);
    peer.drain();
  }
  return true;
}

/** A copy that may be disposed of alone. */
export function copy(state: SecretBytes): SecretBytes {
  return secretSlice(state, 0);
}

export type Side = "client" | "server";

/** An established session with both ends durable, and what is on record of them. */
export interface World {
  readonly client: Peer;
  readonly server: Peer;
  readonly front: Front;
  readonly shelves: { readonly [side in Side]: Shelf };
}

export function established(options: Partial<DtlsOptions> = {}): World {
  const { suites } = options;
  const front = new Front({ durable: true, ...(suites ? { suites } : {}) });
  const left = client({ durable: true, ...options });
  run(left, front);
  const shelves = { client: new Shelf(), server: new Shelf() };
  const server = front.last;
  keep(left, shelves.client);
  keep(server, shelves.server);
  assert.ok(left.session && server.session);
  left.sent();
  server.sent();
  return { client: left, server, front, shelves };
}

/** The client once more, from `state`. */
export function restoredClient(state: SecretBytes, now = 0): Peer {
  return new Peer(restoreDtlsEngine(state, { now, random: seededRandom(3) }), undefined, now);
}

/** The server once more, woken by `datagram`; undefined where that proves nothing. */
export function revivedServer(
  state: SecretBytes,
  datagram: Uint8Array,
  now = 0,
  from = "c:1",
): { readonly front: Front; readonly peer: Peer } | undefined {
  const front = new Front({ durable: true });
  front.now = now;
  assert.equal(typeof front.acceptor.missing!(datagram, from), "string");
  if (!front.acceptor.revive!({ state, from: "c:1" }, datagram, from, now)) return undefined;
  front.drain();
  return { front, peer: front.last };
}

/** `epoch:number` of each record under the keys: what makes the nonce (RFC 5288 3, RFC 7905 2). */
export function numbersOf(datagram: Uint8Array): string[] {
  const found: string[] = [];
  for (let at = 0; at < datagram.length;) {
    const record = recordAt(datagram, at, 8)!;
    if (record.epoch === 1) found.push(`${record.number}`);
    at += record.whole.length;
  }
  return found;
}
