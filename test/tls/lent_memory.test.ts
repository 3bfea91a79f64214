// All engines of a process are lent the same memory. Associations of all kinds at once, each of whose bytes are marked as
// its own: whatever is asked of whom in which order, nobody is given another's, and what all have given back is zeros.
import assert from "node:assert/strict";
import { test } from "node:test";
import { equal, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import {
  type Answer,
  createDtlsAcceptor,
  createDtlsEngine,
  createTlsEngine,
  type Demand,
  type Engine,
  type Output,
} from "../../lib/tls/mod.ts";
import { seededNumbers, seededRandom } from "../support/virtual.ts";
import { ALL_SUITES, CBC_SHA, CBC_SHA256, CCM_8, ECDHE_CHACHA, GCM } from "./pair.ts";

interface Kind {
  readonly carries: "stream" | "datagram";
  readonly version: number;
  readonly suite: number;
}

const KINDS: readonly Kind[] = [
  { carries: "datagram", version: 0xfefd, suite: GCM },
  { carries: "datagram", version: 0xfefc, suite: 0x1301 },
  { carries: "stream", version: 0x0303, suite: GCM },
  { carries: "datagram", version: 0xfefd, suite: CBC_SHA256 },
  { carries: "stream", version: 0x0304, suite: 0x1303 },
  { carries: "datagram", version: 0xfefd, suite: CCM_8 },
  { carries: "stream", version: 0x0303, suite: CBC_SHA },
  { carries: "datagram", version: 0xfefc, suite: 0x1303 },
  { carries: "datagram", version: 0xfefd, suite: ECDHE_CHACHA },
];

/** One end of one association, and what is on its way to it. */
interface End {
  readonly place: number;
  readonly role: "client" | "server";
  readonly mark: number;
  readonly engine: Engine;
  isOpen: boolean;
  isOver: boolean;
  /** Whether its driver has not polled to the end. */
  isBusy: boolean;
  demand: Demand | undefined;
}

/** Everybody, and the lossy network between them. */
class World {
  readonly counts = { established: 0, data: 0, nested: 0, moved: 0, broken: 0, zeros: 0 };
  readonly #pick: () => number;
  readonly #random: (bytes: Uint8Array) => void;
  readonly #clients: End[] = [];
  /** By place; of datagrams the newest engine, and those before it. */
  readonly #servers: End[][] = KINDS.map(() => []);
  readonly #acceptor;
  readonly #durable: boolean;
  /** By place and role: what is on its way there. */
  readonly #ways = KINDS.map(() => ({ client: [] as Uint8Array[], server: [] as Uint8Array[] }));
  /** Where clients of datagrams are now. */
  readonly #ports: number[] = KINDS.map(() => 5684);
  /** All memory that anything was handed out of, since it was looked at last. */
  readonly #seen = new Set<ArrayBufferLike>();
  readonly #lengths = new Map<number, Set<number>>();
  #now = 0;

  /**
   * `durable`: sessions of DTLS are kept, so that records wait as they came until they are on record. `fails`: there is
   * not always randomness to be had.
   */
  constructor(seed: number, { durable, fails }: { readonly durable: boolean; readonly fails: boolean }) {
    this.#pick = seededNumbers(seed);
    const random = seededRandom(seed);
    this.#random = (bytes) => {
      if (fails && this.#below(100) === 0) throw new SeccfError("state", "no randomness");
      random(bytes);
    };
    this.#durable = durable;
    const versions = [0xfefc, 0xfefd];
    const suites = [...ALL_SUITES, 0x1301, 0x1303];
    this.#acceptor = createDtlsAcceptor({ random: this.#random, versions, suites, durable, recordsPerKey: 8 });
    for (let place = 0; place < KINDS.length; place++) this.#begin(place);
  }

  /** Anything that may happen, to anybody. */
  step(): void {
    const place = this.#below(KINDS.length);
    const ends = [this.#clients[place]!, ...this.#servers[place]!];
    const end = ends[this.#below(ends.length)]!;
    const what = this.#below(100);
    if (what < 40) this.#poll(end);
    else if (what < 65) this.#deliver(place, this.#below(2) === 0 ? "client" : "server");
    else if (what < 85) this.#send(end);
    else if (what < 91) this.#answer(end);
    else if (what < 94) this.#grant(end);
    else if (what < 96) this.#pass();
    else if (what < 98) this.#stray();
    else if (what < 99) this.settle();
    else if (this.#clients[place]!.isOver || this.#below(8) === 0) this.#break(place);
  }

  /** All is taken that is there to be taken: nobody has memory now, so nothing is left in any. */
  settle(): void {
    for (const end of [...this.#clients, ...this.#servers.flat()]) while (end.isBusy) this.#poll(end, false);
    for (const buffer of this.#seen) {
      assert.ok(new Uint8Array(buffer).every((byte) => byte === 0), "something was left in memory that is nobody's");
      this.counts.zeros++;
    }
    this.#seen.clear();
  }

  #below(most: number): number {
    return Math.floor(this.#pick() * most);
  }

  #begin(place: number): void {
    while (!orNot(() => this.#tryToBegin(place)));
  }

  #tryToBegin(place: number): void {
    const { carries, version, suite } = KINDS[place]!;
    const options = { now: this.#now, random: this.#random, versions: [version], suites: [suite], recordsPerKey: 8 };
    const ways = this.#ways[place]!;
    if (carries === "datagram") {
      this.#clients[place] = this.#end(
        place,
        "client",
        createDtlsEngine({ role: "client", durable: this.#durable, ...options }),
      );
      return;
    }
    ways.client = [];
    ways.server = [];
    this.#clients[place] = this.#end(place, "client", createTlsEngine({ role: "client", ...options }));
    this.#servers[place] = [this.#end(place, "server", createTlsEngine({ role: "server", ...options }))];
  }

  #end(place: number, role: "client" | "server", engine: Engine): End {
    const mark = 0x80 + 2 * place + (role === "client" ? 0 : 1);
    return { place, role, mark, engine, isOpen: false, isOver: false, isBusy: true, demand: undefined };
  }

  /** One output, and no more: the engine keeps what it was lent until it is polled again. */
  #poll(end: End, mayNest = true): void {
    const output = end.engine.poll();
    if (output === undefined) end.isBusy = false;
    else if (output.kind === "transmit") this.#transmit(end, output.bytes, mayNest);
    else if (output.kind === "data") this.#data(end, output);
    else if (output.kind === "demand") end.demand = output.demand;
    else if (output.kind === "closed") {
      end.isOpen = false;
      end.isOver = true;
    } else if (output.kind === "established") {
      end.isOpen = true;
      this.counts.established++;
    }
  }

  #transmit({ place, role }: End, bytes: Uint8Array, mayNest: boolean): void {
    this.#seen.add(bytes.buffer);
    assertUnmarked(bytes);
    const to = role === "client" ? "server" : "client";
    const isStream = KINDS[place]!.carries === "stream";
    const way = this.#ways[place]![to];
    if (mayNest && this.#below(4) === 0 && (!isStream || way.length === 0)) {
      // As the simplest pipe does it: the view itself, before the engine is polled again.
      const isTaken = this.#receive(place, to, bytes, place);
      if (isTaken) this.counts.nested++;
      if (isTaken || !isStream) return;
    }
    way.push(new Uint8Array(bytes));
  }

  #data({ place, role }: End, { bytes }: Output & { kind: "data" }): void {
    this.#seen.add(bytes.buffer);
    const mark = 0x80 + 2 * place + (role === "client" ? 1 : 0);
    assert.ok(bytes.every((byte) => byte === mark), "somebody else's bytes");
    if (KINDS[place]!.carries === "datagram") assert.ok(this.#lengths.get(mark)?.has(bytes.length), "never sent");
    this.counts.data++;
  }

  #send(end: End): void {
    if (!end.isOpen || end.isBusy || end.engine.durable?.left === 0) return;
    const isStream = KINDS[end.place]!.carries === "stream";
    const length = this.#below(isStream ? (this.#below(20) === 0 ? 40_000 : 3000) : 1100);
    const lengths = this.#lengths.get(end.mark) ?? new Set<number>();
    this.#lengths.set(end.mark, lengths.add(length));
    end.isBusy = true;
    end.engine.send(new Uint8Array(length).fill(end.mark), this.#now);
  }

  /** Whether somebody took it. Who is busy does not, and loses a datagram. */
  #receive(place: number, to: "client" | "server", bytes: Uint8Array, from: number): boolean {
    const end = to === "client" ? this.#clients[place]! : this.#servers[place]!.at(-1);
    if (KINDS[place]!.carries === "datagram" && to === "server") return this.#greet(bytes, from);
    if (!end || end.isBusy) return false;
    end.isBusy = true;
    end.engine.receive(bytes, this.#now);
    return true;
  }

  #greet(bytes: Uint8Array, place: number): boolean {
    const from = `10.0.0.${place}:${this.#ports[place]}`;
    const isTaken = orNot(() => this.#acceptor.receive(bytes, from, this.#now));
    this.#drainAcceptor();
    return isTaken;
  }

  #drainAcceptor(): void {
    for (let output = this.#acceptor.poll(); output; output = this.#acceptor.poll()) {
      if (output.kind === "transmit") {
        this.#ways[Number(/\.(\d+):/.exec(output.to)![1])]!.client.push(output.bytes);
      } else if (output.kind === "accepted") {
        const place = Number(/\.(\d+):/.exec(output.from)![1]);
        this.#servers[place]!.push(this.#end(place, "server", output.engine));
      } else {
        if (output.kind === "moved") this.counts.moved++;
        this.#mark(output.engine);
      }
    }
  }

  #deliver(place: number, to: "client" | "server"): void {
    const way = this.#ways[place]![to];
    if (way.length === 0) return;
    if (KINDS[place]!.carries === "stream") {
      const bytes = way[0]!;
      const length = 1 + this.#below(bytes.length);
      if (!this.#receive(place, to, bytes.subarray(0, length), place)) return;
      if (length === bytes.length) way.shift();
      else way[0] = bytes.subarray(length);
      return;
    }
    const at = this.#below(Math.min(way.length, 3));
    const isRepeated = this.#below(8) === 0;
    const bytes = isRepeated ? way[at]! : way.splice(at, 1)[0]!;
    if (this.#below(12) > 0) this.#receive(place, to, bytes, place);
  }

  /** A datagram that goes astray, perhaps broken, from an address where somebody else is. */
  #stray(): void {
    const datagrams = KINDS.flatMap(({ carries }, place) => carries === "datagram" ? [place] : []);
    const [from, to] = [datagrams[this.#below(datagrams.length)]!, datagrams[this.#below(datagrams.length)]!];
    const role = this.#below(2) === 0 ? "client" : "server";
    const [found] = this.#ways[from]![role];
    if (!found) return;
    const bytes = new Uint8Array(found);
    if (this.#below(2) === 0) bytes[this.#below(bytes.length)]! ^= 1 << this.#below(8);
    this.#receive(to, role, bytes, to);
  }

  #answer(end: End): void {
    const { demand } = end;
    if (!demand || end.isBusy) return;
    end.demand = undefined;
    end.isBusy = true;
    const { place } = end;
    const identity = toUtf8(`subscriber ${place}`);
    const key = secretFrom(new Uint8Array(32).fill(place + 1));
    // What goes astray in the clear may be another's.
    const isHere = demand.identity === undefined || equal(demand.identity, identity);
    const answer: Answer = isHere ? { kind: "psk", identity, key } : { kind: "unknown" };
    // It may have ended meanwhile.
    orNot(() => end.engine.answer(demand, answer, this.#now));
    this.#drainAcceptor();
  }

  #grant({ engine, isBusy }: End): void {
    const claim = isBusy ? undefined : engine.durable?.claim;
    if (!claim) return;
    orNot(() => engine.durable!.grant(claim, claim.above, this.#now));
    this.#mark(engine);
    this.#drainAcceptor();
  }

  #mark(engine: Engine): void {
    for (const end of [...this.#clients, ...this.#servers.flat()]) if (end.engine === engine) end.isBusy = true;
  }

  #pass(): void {
    this.#now += this.#below(700);
    this.#ports[this.#below(KINDS.length)] = 5684 + this.#below(2);
    orNot(() => this.#acceptor.expire(this.#now));
    this.#drainAcceptor();
    for (const end of [...this.#clients, ...this.#servers.flat()]) {
      if (end.isBusy || (end.engine.deadline ?? Infinity) > this.#now) continue;
      end.isBusy = true;
      end.engine.expire(this.#now);
      this.#drainAcceptor();
    }
  }

  /** Somebody goes, whatever he has not taken yet, and his successor begins anew in the same place. */
  #break(place: number): void {
    const servers = this.#servers[place]!;
    if (this.#clients[place]!.isBusy || servers.some(({ isBusy }) => isBusy)) this.counts.broken++;
    this.#clients[place]!.engine[Symbol.dispose]();
    if (KINDS[place]!.carries === "stream" || this.#below(2) === 0) {
      for (const { engine } of servers.splice(0)) engine[Symbol.dispose]();
    }
    this.#begin(place);
  }
}

/** Whether `act` was done; not while outputs wait, behind the end, or where there is no randomness. */
function orNot(act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if (error instanceof SeccfError && error.code === "state") return false;
    throw error;
  }
}

/** None of the payloads' bytes stands in a row: what is sealed has eight alike once in 2^60 bytes. */
function assertUnmarked(bytes: Uint8Array): void {
  let alike = 0;
  for (let i = 1; i < bytes.length; i++) {
    alike = bytes[i] === bytes[i - 1] && bytes[i]! >= 0x80 ? alike + 1 : 0;
    assert.ok(alike < 8, "a payload in the clear");
  }
}

test("nobody is given a byte of another's, and nothing is left in memory that went round [SEC_CF-CONF-001]", () => {
  const sum = { established: 0, data: 0, nested: 0, moved: 0, broken: 0, zeros: 0 };
  for (let seed = 1; seed <= 12; seed++) {
    const world = new World(seed, { durable: seed % 3 === 0, fails: seed % 2 === 0 });
    for (let i = 0; i < 12_000; i++) world.step();
    world.settle();
    for (const name of ["established", "data", "nested", "moved", "broken", "zeros"] as const) {
      sum[name] += world.counts[name];
    }
  }
  // All of it did happen.
  assert.ok(
    sum.established > 200 && sum.data > 2000 && sum.nested > 500 && sum.moved > 10 && sum.broken > 50 &&
      sum.zeros > 5000,
    JSON.stringify(sum),
  );
});
