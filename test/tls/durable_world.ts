/** Two ends of one DTLS session that crash, sleep, come back and have twins, on a network in the test's hand; of either version. */
import assert from "node:assert/strict";
import { fromHex } from "../../lib/bytes/mod.ts";
import { type SecretBytes, secretFrom, secretSlice, suiteById } from "../../lib/crypto/mod.ts";
import {
  type Claim,
  type DtlsAcceptorOptions,
  type DtlsOptions,
  restoreDtlsEngine,
  type RestoreOptions,
} from "../../lib/tls/mod.ts";
import { recordAt } from "../../lib/tls/record/datagram_reader.ts";
import { EpochKeys } from "../../lib/tls/record/epoch_keys.ts";
import { isUnified } from "../../lib/tls/record/unified_header.ts";
import { encodeSavedSession13, type SavedSession13 } from "../../lib/tls/saved_session13.ts";
import { nextTrafficSecret, trafficKeys } from "../../lib/tls/tls13/key_schedule.ts";
import { seededRandom } from "../support/virtual.ts";
import { client, Front, Peer, run } from "./datagrams.ts";
import { opensEpoch, unifiedAt, type UnifiedRecord } from "./pads.ts";

/** What is on record for one end: counters that never go back, one for each epoch, and every state in the order it was written. */
export class Shelf {
  readonly counters = new Map<number, number>();
  readonly states: SecretBytes[] = [];
  claims = 0;

  reserve({ count, above, epoch = 1 }: Claim): number {
    if (count === 0) return 0;
    const first = Math.max(this.counters.get(epoch) ?? 0, above);
    this.counters.set(epoch, first + count);
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

/** The two versions. */
export const VERSIONS = [["1.2", 0xfefd], ["1.3", 0xfefc]] as const;

/** An established session with both ends durable, and what is on record of them. */
export interface World {
  readonly client: Peer;
  readonly server: Peer;
  readonly front: Front;
  readonly shelves: { readonly [side in Side]: Shelf };
  /** Epoch and number of each record under the keys that `side` has sent: what makes the nonce (RFC 5288 3, RFC 7905 2, RFC 8446 5.3). */
  numbersOf(side: Side, datagram: Uint8Array): string[];
}

/** Of version 1.2, unless `options` says otherwise. */
export function established(options: Partial<DtlsOptions> = {}): World {
  const { suites, recordsPerKey, versions = [0xfefd] } = options;
  const lines: string[] = [];
  const front = new Front({
    ...{ durable: true, versions },
    ...(suites && { suites }),
    ...(recordsPerKey !== undefined && { recordsPerKey }),
  });
  const left = client({ durable: true, keyLog: (line) => lines.push(line), ...options, versions });
  run(left, front);
  const shelves = { client: new Shelf(), server: new Shelf() };
  const server = front.last;
  keep(server, shelves.server);
  // In version 1.3 the client waits for the server's ACK.
  left.receive(...server.sent());
  keep(left, shelves.client);
  assert.ok(left.session && server.session);
  left.sent();
  server.sent();
  const openers = new Openers(lines, server.session.suite);
  const numbersOf = (side: Side, datagram: Uint8Array): string[] =>
    versions[0] === 0xfefc ? openers.numbersOf(side, datagram) : numbersOf12(datagram);
  return { client: left, server, front, shelves, numbersOf };
}

/** `saved` as bytes again. */
export function encodeAgain13(saved: SavedSession13): SecretBytes {
  const { sent, received, isNextOpen, next, ...keys } = saved.keys;
  const head = isNextOpen ? { secret: next ?? received.secret, epoch: received.epoch + 1 } : received;
  const progress = { ...keys, sent, received: head, earlier: received.secret.secret };
  return encodeSavedSession13(saved, progress, { sent: sent.epoch, received: received.epoch });
}

/** The client once more, from `state`. */
export function restoredClient(state: SecretBytes, now = 0, options: Partial<RestoreOptions> = {}): Peer {
  return new Peer(restoreDtlsEngine(state, { now, random: seededRandom(3), ...options }), undefined, now);
}

/** The server once more, woken by `datagram`; undefined where that proves nothing. */
export function revivedServer(
  state: SecretBytes,
  datagram: Uint8Array,
  now = 0,
  from = "c:1",
  options: Partial<DtlsAcceptorOptions> = {},
): { readonly front: Front; readonly peer: Peer } | undefined {
  const front = new Front({ durable: true, ...options });
  front.now = now;
  assert.equal(typeof front.acceptor.missing!(datagram, from), "string");
  if (!front.acceptor.revive!({ state, from: "c:1" }, datagram, from, now)) return undefined;
  front.drain();
  return { front, peer: front.last };
}

/** The numbers of records of version 1.2, which say them. */
function numbersOf12(datagram: Uint8Array): string[] {
  const found: string[] = [];
  for (let at = 0; at < datagram.length;) {
    const record = recordAt(datagram, at, 8)!;
    if (record.epoch === 1) found.push(`${record.number}`);
    at += record.whole.length;
  }
  return found;
}

/** Whoever has the key log opens each record of version 1.3, and so knows its epoch and number. */
export class Openers {
  readonly #suite;
  readonly #secrets: { readonly [side in Side]: SecretBytes[] };
  readonly #keys = { client: [] as EpochKeys[], server: [] as EpochKeys[] };

  constructor(lines: readonly string[], suite: number) {
    this.#suite = suiteById(suite)!;
    const secretOf = (side: Side): SecretBytes[] => {
      const line = lines.find((each) => each.startsWith(`${side.toUpperCase()}_TRAFFIC_SECRET_0 `));
      return line ? [secretFrom(fromHex(line.split(" ")[2]!))] : [];
    };
    this.#secrets = { client: secretOf("client"), server: secretOf("server") };
  }

  numbersOf(side: Side, datagram: Uint8Array): string[] {
    const found: string[] = [];
    for (let at = 0; at < datagram.length;) {
      const record = unifiedAt(datagram, at, side === "client" ? 8 : 0)!;
      found.push(this.#find(side, record));
      at += record.whole.length;
    }
    return found;
  }

  /** The same of those that are of epoch 3 and its like, and under the keys of this session. */
  tryNumbers(side: Side, datagram: Uint8Array): string[] {
    const found: string[] = [];
    for (let at = 0; at < datagram.length;) {
      const first = datagram[at]!;
      const record = isUnified(first) ? unifiedAt(datagram, at, side === "client" ? 8 : 0) : recordAt(datagram, at, 8);
      if (!record) break;
      at += record.whole.length;
      if ("epochBits" in record && record.epochBits === 3) found.push(...this.#tryFind(side, record));
    }
    return found;
  }

  #tryFind(side: Side, record: UnifiedRecord): string[] {
    try {
      return [this.#find(side, record)];
    } catch {
      return [];
    }
  }

  #find(side: Side, { whole, bodyAt, numberAt, epochBits }: UnifiedRecord): string {
    const body = whole.subarray(bodyAt);
    for (let epoch = 4 + epochBits - (epochBits === 3 ? 4 : 0); epoch < 64; epoch += 4) {
      const keys = this.#keysOf(side, epoch);
      const header = whole.slice(0, bodyAt);
      keys.turnNumber(header, numberAt, 2, body);
      const low = (header[numberAt]! << 8) | header[numberAt + 1]!;
      for (let number = low; number < 0x40000; number += 0x10000) {
        if (opensEpoch(keys, header, number, body)) return `${epoch}:${number}`;
      }
    }
    throw new TypeError("a record under no key of the session");
  }

  #keysOf(side: Side, epoch: number): EpochKeys {
    const secrets = this.#secrets[side];
    const all = this.#keys[side];
    while (all.length <= epoch - 3) {
      if (all.length > 0) secrets.push(nextTrafficSecret({ prefix: "dtls13", hash: this.#suite.prf }, secrets.at(-1)!));
      using keys = trafficKeys("dtls13", this.#suite, secrets.at(-1)!);
      all.push(new EpochKeys(this.#suite, keys));
    }
    return all[epoch - 3]!;
  }
}
