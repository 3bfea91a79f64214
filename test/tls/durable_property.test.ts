import assert from "node:assert/strict";
import fc from "fast-check";
import test from "node:test";
import { fromUtf8, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { expose } from "../../lib/crypto/secret.ts";
import { SeccfError } from "../../lib/error.ts";
import { decodeSavedSession, encodeSavedSession, type SavedSession } from "../../lib/tls/saved_session.ts";
import type { Claim } from "../../lib/tls/mod.ts";
import type { Peer } from "./datagrams.ts";
import {
  copy,
  established,
  keep,
  restoredClient,
  revivedServer,
  type Side,
  VERSIONS,
  type World,
} from "./durable_world.ts";
import { CBC_SHA256, CCM_8, ECDHE_CHACHA, ECDHE_GCM, GCM } from "./pair.ts";

/** What is more likely stands more often. */
const KINDS = [
  ...["send", "send", "send", "deliver", "deliver", "deliver", "keep", "keep", "begin", "begin"],
  ...["replay", "crash", "sleep", "half", "twin", "wait", "calm"],
];

/** What can happen next, to whom, and with which of the datagrams there are. */
const event = fc.record({
  kind: fc.constantFrom(...KINDS),
  side: fc.constantFrom<Side>("client", "server"),
  pick: fc.nat(1000),
});

type Event = { readonly kind: string; readonly side: Side; readonly pick: number };

/** After so many records a sender of version 1.3 takes its next key, which happens often then. */
const recordsPerKey = 6;

/** One run: two ends that die and come back, and a network that keeps every datagram. */
class Run {
  readonly #world: World;
  readonly #alive: { [side in Side]: Peer | undefined };
  /** Restored from what was not the last: their numbers count, what they are given does not. */
  readonly #twins: { readonly side: Side; readonly peer: Peer }[] = [];
  readonly #sent = { client: new Set<string>(), server: new Set<string>() };
  readonly #texts = { client: new Set<string>(), server: new Set<string>() };
  readonly #got = { client: [] as string[], server: [] as string[] };
  readonly #ways = { client: [] as Uint8Array[], server: [] as Uint8Array[] };
  /** What is written and not granted yet. */
  readonly #pending: { [side in Side]?: { readonly claim: Claim; readonly first: number } } = {};
  #now = 0;
  #count = 0;

  constructor(version: number) {
    this.#world = established({ versions: [version], recordsPerKey });
    this.#alive = { client: this.#world.client, server: this.#world.server };
  }

  /** The epochs that either side has sent in. */
  get epochs(): Set<string | undefined> {
    return new Set([...this.#sent.client, ...this.#sent.server].map((number) => number.split(":").at(-2)));
  }

  do({ kind, side, pick }: Event): void {
    const peer = this.#alive[side];
    const { states } = this.#world.shelves[side];
    if (kind === "wait") this.#wait(pick * 3);
    else if (kind === "calm") this.#calm();
    else if (kind === "deliver") this.#deliver(side, this.#ways[side].length - 1 - pick % 4);
    else if (kind === "replay") this.#deliver(side, pick % Math.max(1, this.#ways[side].length));
    else if (kind === "twin") this.#twin(side, copy(states[pick % states.length]!));
    else if (!peer) this.#wake(side);
    else if (kind === "send") this.#send(side, peer);
    else if (kind === "keep") this.#keep(side, peer);
    else if (kind === "begin") this.#begin(side, peer);
    else if (kind === "half" && !this.#pending[side]) {
      keep(peer, this.#world.shelves[side], 1 + pick % 2);
      this.#die(side);
    } else if (kind === "crash") this.#die(side);
    else if (kind === "sleep" && !this.#pending[side]) {
      states.push(peer.engine.durable!.save());
      this.#die(side);
    }
    this.#drain();
  }

  /** Whoever is down comes back, and what is said from here on now and then arrives, after at most one step of the ceiling. */
  heal(): void {
    for (const side of ["client", "server"] as const) {
      const peer = this.#alive[side];
      if (peer) this.#keep(side, peer);
    }
    for (const to of ["client", "server"] as const) {
      const from = to === "client" ? "server" : "client";
      let tries = 0;
      // Beside a twin that was heard, its elder is old, and wakes nobody: until it has used up the numbers it was granted before.
      const isDoubled = this.#twins.length > 0;
      for (const before = this.#got[to].length; this.#got[to].length === before; tries++) {
        assert.ok(tries <= (isDoubled ? 2100 : 66), `${to} hears nothing any more`);
        this.#now += 5000;
        this.#wake("client");
        const speaker = this.#alive[from];
        if (speaker) {
          speaker.now = this.#now;
          while (keep(speaker, this.#world.shelves[from]));
          const before = this.#ways[to].length;
          this.#send(from, speaker);
          for (let at = before; at < this.#ways[to].length; at++) this.#deliver(to, at);
        } else this.#reviveServer();
        const listener = this.#alive[to];
        if (listener) { while (keep(listener, this.#world.shelves[to])); }
        this.#drain();
      }
    }
  }

  /** A server comes back by its client's word alone. */
  #reviveServer(): void {
    const client = this.#alive.client!;
    client.now = this.#now;
    while (keep(client, this.#world.shelves.client));
    this.#send("client", client);
    this.#deliver("server", this.#ways.server.length - 1);
  }

  /** For a while all arrives, and all is granted. */
  #calm(): void {
    const at = { client: this.#ways.client.length, server: this.#ways.server.length };
    for (let round = 0; round < 6; round++) {
      for (const side of ["client", "server"] as const) {
        const peer = this.#alive[side];
        if (peer) {
          this.#keep(side, peer);
          this.#note(side, peer.sent());
        }
        const ways = this.#ways[side];
        while (at[side] < ways.length) this.#deliver(side, at[side]++);
      }
    }
  }

  #wait(ms: number): void {
    this.#now += ms;
    for (const peer of [this.#alive.client, this.#alive.server]) {
      if (peer && (peer.engine.deadline ?? Infinity) <= this.#now) peer.expire(this.#now);
    }
  }

  /** Writes, and grants later: what comes in between meets a record that says more than the engine knows. */
  #begin(side: Side, { engine: { durable } }: Peer): void {
    const shelf = this.#world.shelves[side];
    const claim = durable!.claim;
    if (!claim || this.#pending[side]) return;
    const first = shelf.reserve(claim);
    shelf.states.push(durable!.save({ claim, first }));
    this.#pending[side] = { claim, first };
  }

  #keep(side: Side, peer: Peer): void {
    const pending = this.#pending[side];
    delete this.#pending[side];
    peer.now = this.#now;
    if (!pending) keep(peer, this.#world.shelves[side]);
    else {
      peer.engine.durable!.grant(pending.claim, pending.first, this.#now);
      peer.drain();
    }
  }

  #send(side: Side, peer: Peer): void {
    if (peer.engine.durable!.left === 0) return;
    const text = `${side} ${this.#count++}`;
    peer.now = this.#now;
    this.#texts[side].add(text);
    peer.engine.send(toUtf8(text), this.#now);
    this.#note(side, peer.sent());
  }

  #note(side: Side, datagrams: readonly Uint8Array[]): void {
    for (const datagram of datagrams) {
      for (const number of this.#world.numbersOf(side, datagram)) {
        assert.ok(!this.#sent[side].has(number), `${side} used ${number} twice`);
        this.#sent[side].add(number);
      }
      this.#ways[side === "client" ? "server" : "client"].push(datagram);
    }
  }

  #deliver(to: Side, at: number): void {
    const datagram = this.#ways[to][at];
    if (!datagram) return;
    const peer = this.#alive[to];
    if (peer) {
      peer.now = this.#now;
      this.#note(to, peer.receive(datagram));
    } else if (to === "server") {
      const state = copy(this.#world.shelves.server.states.at(-1)!);
      this.#alive.server = revivedServer(state, datagram, this.#now, "c:1", { recordsPerKey })?.peer;
    }
  }

  #wake(side: Side): void {
    if (side === "server" || this.#alive.client) return;
    const state = copy(this.#world.shelves.client.states.at(-1)!);
    this.#alive.client = restoredClient(state, this.#now, { recordsPerKey });
  }

  #twin(side: Side, state: ReturnType<typeof secretFrom>): void {
    const datagram = this.#ways.server.at(-1);
    const peer = side === "client"
      ? restoredClient(state, this.#now)
      : datagram && revivedServer(state, datagram, this.#now)?.peer;
    if (!peer) return;
    keep(peer, this.#world.shelves[side], 1);
    const { durable } = peer.engine;
    // The twin gets its numbers and writes nothing: it is somebody's copy of the disk.
    durable!.grant(durable!.claim!, this.#world.shelves[side].reserve(durable!.claim!), this.#now);
    peer.drain();
    this.#twins.push({ side, peer });
    for (let i = 0; i < 3; i++) this.#note(side, [peer.send(toUtf8("twin"))]);
    this.#texts[side].add("twin");
  }

  #die(side: Side): void {
    this.#drain();
    delete this.#pending[side];
    this.#alive[side]?.engine[Symbol.dispose]();
    this.#alive[side] = undefined;
  }

  #drain(): void {
    for (const side of ["client", "server"] as const) {
      const other = side === "client" ? "server" : "client";
      for (const text of this.#alive[side]?.data.splice(0).map(fromUtf8) ?? []) {
        assert.ok(this.#texts[other].has(text));
        assert.ok(text === "twin" || !this.#got[side].includes(text), `${text} was delivered twice`);
        this.#got[side].push(text);
      }
    }
  }
}

for (const [name, version] of VERSIONS) {
  test(`DTLS ${name}: whatever crashes, sleeps, comes back, or has a twin: no number is used twice, nothing is delivered twice, and the session goes on`, () => {
    const epochs = new Map<string | undefined, number>();
    fc.assert(
      fc.property(fc.array(event, { minLength: 20, maxLength: 150 }), (events) => {
        const run = new Run(version);
        for (const event of events) run.do(event);
        run.heal();
        for (const epoch of run.epochs) epochs.set(epoch, 1 + (epochs.get(epoch) ?? 0));
      }),
      { numRuns: 300, seed: 6 },
    );
    // New keys were taken in between.
    if (version === 0xfefc) assert.ok((epochs.get("5") ?? 0) > 20, JSON.stringify([...epochs]));
  });
}

test("a saved session is read as it was written, whatever its suite, identity and numbers", () => {
  const suites = [GCM, CCM_8, CBC_SHA256, ECDHE_GCM, ECDHE_CHACHA];
  for (const suite of suites) {
    const world = established({ suites: [suite] });
    const state = world.client.engine.durable!.save();
    const saved = decodeSavedSession(state) as SavedSession;
    const number = fc.integer({ min: 0, max: 2 ** 48 - 1 });
    fc.assert(
      fc.property(
        ...[number, number, fc.uint8Array({ maxLength: 128 }), fc.boolean(), fc.nat(), fc.nat()] as const,
        (above, next, identity, isGba, low, high) => {
          const shown = isGba ? toUtf8(`3GPP-bootstrapping;${"x".repeat(identity.length % 100)}`) : identity;
          const session = { ...saved.session, identity: shown };
          const window = { highest: next - 1, low: next > 0 ? low | 1 : 0, high: next > 0 ? high : 0 };
          const again = decodeSavedSession(encodeSavedSession({ ...saved, session, above, window })) as SavedSession;
          assert.deepEqual({ ...again, keys: 0 }, { ...saved, session, above, window, keys: 0 });
          for (const side of ["client", "server"] as const) {
            assert.deepEqual(expose(again.keys[side]), expose(saved.keys[side]));
          }
        },
      ),
      { numRuns: 50, seed: 6 },
    );
  }
});

test("bytes that are no saved session are refused, each shortened and each altered one that means nothing", () => {
  const state = expose(established().client.engine.durable!.save());
  for (let length = 0; length < state.length; length++) {
    assert.throws(() => decodeSavedSession(secretFrom(state.subarray(0, length))), SeccfError, `${length}`);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      try {
        decodeSavedSession(secretFrom(bytes));
      } catch (error) {
        assert.ok(error instanceof SeccfError);
      }
    }),
    { numRuns: 500, seed: 6 },
  );
  const later = new Uint8Array(state);
  later[0] = 3;
  assert.throws(() => decodeSavedSession(secretFrom(later)), (error) => (error as SeccfError).code === "unsupported");
});
