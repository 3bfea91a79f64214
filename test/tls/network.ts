/**
 * A datagram network that loses, repeats, delays and reorders by a seed, on a time that only the test passes, with NAT
 * boxes that forget: clients on one side, an acceptor and its engines on the other.
 */
import { concat, equal, toHex } from "../../lib/bytes/mod.ts";
import { digest, secretFrom } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import {
  type Acceptor,
  createDtlsAcceptor,
  createDtlsEngine,
  type DtlsAcceptorOptions,
  type DtlsOptions,
  type Engine,
} from "../../lib/tls/mod.ts";
import { seededNumbers, seededRandom } from "../support/virtual.ts";
import { IDENTITY, PSK } from "./pair.ts";

/** What the network does to each datagram: chances from 0 to 1, milliseconds. */
export interface Weather {
  readonly loss?: number;
  readonly duplicates?: number;
  /** Each copy takes between the two. A wide span is reordering. */
  readonly delay?: readonly [least: number, most: number];
  /** How often a client's address changes while it transfers; 0: never. */
  readonly rebindings?: number;
}

/** One world: what happens in it is a function of these alone. */
export interface Setting {
  readonly seed: number;
  readonly weather: Weather;
  /** Of both sides, unless `client` or `server` says otherwise. Default: 1.2 alone. */
  readonly versions?: readonly number[];
  readonly clients?: number;
  /** Messages that each client sends and wants back. */
  readonly messages?: number;
  readonly client?: Partial<DtlsOptions>;
  readonly server?: Partial<DtlsAcceptorOptions>;
  /** How long a key lookup takes, milliseconds. */
  readonly lookup?: number;
}

/** How one client fared. */
export interface Fate {
  /** Established, and every message came back. */
  readonly complete: boolean;
  /** The error it ended with, `none` or `open`. */
  readonly code: string;
  /** When the session was there, milliseconds. */
  readonly establishedAt: number | undefined;
  readonly datagrams: number;
}

/** How a world ended. */
export interface Outcome {
  readonly fates: readonly Fate[];
  /** How often a peer moved. */
  readonly moves: number;
  /** Engines, entries and handshakes that the acceptor has at the end: 0 is nothing left behind. */
  readonly left: number;
  /** SHA-256 of all that was sent, from where to where and when. */
  readonly trace: string;
}

const ECHO_AFTER = 1000;

class Client {
  readonly engine: Engine;
  readonly name: string;
  port = 1;
  next = 0;
  sentAt = 0;
  rebindAt = Infinity;
  establishedAt: number | undefined;
  code = "open";
  datagrams = 0;
  over = false;

  constructor(name: string, engine: Engine) {
    this.name = name;
    this.engine = engine;
  }

  get address(): string {
    return `${this.name}:${this.port}`;
  }
}

interface Flying {
  readonly at: number;
  readonly order: number;
  readonly from: string;
  readonly to: string;
  readonly bytes: Uint8Array;
}

/** Runs a world to its end. */
export function simulate(setting: Setting): Outcome {
  return new World(setting).run();
}

class World {
  readonly #setting: Setting;
  readonly #chance: () => number;
  readonly #acceptor: Acceptor & { readonly counts: { engines: number; entries: number; handshakes: number } };
  readonly #clients: Client[] = [];
  readonly #byAddress = new Map<string, Client>();
  readonly #peers = new Map<Engine, string>();
  readonly #flying: Flying[] = [];
  readonly #lookups: { at: number; answer: () => void }[] = [];
  readonly #trace: Uint8Array[] = [];
  #hash = new Uint8Array(32);
  #order = 0;
  #now = 0;
  #moves = 0;

  constructor(setting: Setting) {
    this.#setting = setting;
    this.#chance = seededNumbers(setting.seed * 7919 + 13);
    const { versions = [0xfefd] } = setting;
    const random = seededRandom(setting.seed * 2 + 1);
    this.#acceptor = createDtlsAcceptor({ random, versions, ...setting.server }) as never;
    for (let i = 0; i < (setting.clients ?? 1); i++) {
      const random = seededRandom(setting.seed * 31 + i * 101 + 5);
      const engine = createDtlsEngine({ role: "client", now: 0, random, versions, ...setting.client });
      const client = new Client(`client${i}`, engine);
      this.#clients.push(client);
      this.#byAddress.set(client.address, client);
      this.#drainClient(client);
    }
  }

  run(): Outcome {
    const end = 600_000;
    while (this.#clients.some((client) => !client.over)) {
      const at = this.#nextAt();
      if (at === Infinity || at > end) break;
      this.#now = Math.max(this.#now, at);
      this.#turn();
    }
    const fates = this.#clients.map(({ over, next, code, establishedAt, datagrams }) => ({
      complete: over && next === this.#messages,
      code,
      establishedAt,
      datagrams,
    }));
    // The client may have gone with its farewell lost: a driver's idle limit ends what is left, and so does this.
    this.#passHandshakes();
    for (const engine of [...this.#peers.keys()]) {
      engine.close(this.#now);
      this.#drainServer(engine);
    }
    const { engines, entries, handshakes } = this.#acceptor.counts;
    this.#fold();
    return { fates, moves: this.#moves, left: engines + entries + handshakes, trace: toHex(this.#hash) };
  }

  get #messages(): number {
    return this.#setting.messages ?? 5;
  }

  #nextAt(): number {
    let at = this.#flying[0]?.at ?? Infinity;
    for (const { at: when } of this.#lookups) at = Math.min(at, when);
    for (const client of this.#clients) {
      if (client.over) continue;
      at = Math.min(at, client.engine.deadline ?? Infinity);
      if (client.establishedAt !== undefined) at = Math.min(at, client.sentAt + ECHO_AFTER, client.rebindAt);
    }
    for (const engine of this.#peers.keys()) at = Math.min(at, engine.deadline ?? Infinity);
    return Math.min(at, this.#acceptor.deadline ?? Infinity);
  }

  #turn(): void {
    const now = this.#now;
    while (this.#flying.length > 0 && this.#flying[0]!.at <= now) this.#deliver(this.#flying.shift()!);
    for (const lookup of this.#lookups.splice(0)) {
      if (lookup.at <= now) lookup.answer();
      else this.#lookups.push(lookup);
    }
    for (const client of this.#clients) this.#tick(client);
    for (const engine of [...this.#peers.keys()]) {
      if ((engine.deadline ?? Infinity) > now) continue;
      engine.expire(now);
      this.#drainServer(engine);
    }
    if ((this.#acceptor.deadline ?? Infinity) <= now) {
      this.#acceptor.expire(now);
      this.#drainAcceptor();
    }
  }

  #tick(client: Client): void {
    const now = this.#now;
    if (client.over) return;
    if ((client.engine.deadline ?? Infinity) <= now) {
      client.engine.expire(now);
      this.#drainClient(client);
    }
    if (client.over || client.establishedAt === undefined) return;
    if (now >= client.rebindAt) {
      this.#byAddress.delete(client.address);
      client.port++;
      this.#byAddress.set(client.address, client);
      client.rebindAt = now + this.#setting.weather.rebindings!;
    }
    if (now >= client.sentAt + ECHO_AFTER) this.#say(client);
  }

  #say(client: Client): void {
    client.sentAt = this.#now;
    client.engine.send(this.#message(client), this.#now);
    this.#drainClient(client);
  }

  #message(client: Client): Uint8Array {
    const bytes = new Uint8Array(20 + 13 * (client.next % 7));
    bytes.fill(client.next + 1);
    bytes[0] = client.next >> 8;
    bytes[1] = client.next;
    return bytes;
  }

  #drainClient(client: Client): void {
    const { engine } = client;
    const heard: Uint8Array[] = [];
    for (let output = engine.poll(); output; output = engine.poll()) {
      if (output.kind === "transmit") {
        client.datagrams++;
        this.#send(client.address, "server", output.bytes);
      } else if (output.kind === "demand") {
        const { demand } = output;
        this.#lookUp(() => {
          if (client.over) return;
          engine.answer(
            demand,
            { kind: "psk", identity: IDENTITY, key: secretFrom(PSK), expiresAt: 3_600_000 },
            this.#now,
          );
          this.#drainClient(client);
        });
      } else if (output.kind === "established") {
        client.establishedAt = this.#now;
        client.sentAt = -Infinity;
        const { rebindings = 0 } = this.#setting.weather;
        if (rebindings > 0) client.rebindAt = this.#now + rebindings;
      } else if (output.kind === "data") {
        heard.push(new Uint8Array(output.bytes));
      } else if (output.kind === "closed") {
        client.over = true;
        if (output.error && !(output.error instanceof SeccfError)) throw output.error;
        client.code = output.error instanceof SeccfError ? output.error.code : "none";
      }
    }
    if (client.over) return;
    for (const bytes of heard) {
      if (client.next < this.#messages && equal(bytes, this.#message(client))) {
        client.next++;
        client.sentAt = -Infinity;
      }
    }
    if (client.next === this.#messages && client.establishedAt !== undefined) {
      engine.close(this.#now);
      this.#drainClient(client);
    } else if (heard.length > 0 && client.sentAt === -Infinity) {
      this.#say(client);
    }
  }

  #drainServer(engine: Engine): void {
    const heard: Uint8Array[] = [];
    for (let output = engine.poll(); output; output = engine.poll()) {
      if (output.kind === "transmit") {
        const to = this.#peers.get(engine);
        if (to !== undefined) this.#send("server", to, output.bytes);
      } else if (output.kind === "demand") {
        const { demand } = output;
        this.#lookUp(() => {
          if (!this.#peers.has(engine)) return;
          engine.answer(
            demand,
            { kind: "psk", identity: IDENTITY, key: secretFrom(PSK), expiresAt: 3_600_000 },
            this.#now,
          );
          this.#drainServer(engine);
          this.#drainAcceptor();
        });
      } else if (output.kind === "data") {
        heard.push(new Uint8Array(output.bytes));
      } else if (output.kind === "closed") {
        if (output.error && !(output.error instanceof SeccfError)) throw output.error;
        if (output.error instanceof SeccfError && output.error.code === "state") throw output.error;
        this.#peers.delete(engine);
      }
    }
    for (const bytes of heard) {
      if (!this.#peers.has(engine)) return;
      engine.send(bytes, this.#now);
      this.#drainServer(engine);
    }
  }

  #drainAcceptor(): void {
    for (let output = this.#acceptor.poll(); output; output = this.#acceptor.poll()) {
      if (output.kind === "transmit") {
        this.#send("server", output.to, output.bytes);
      } else if (output.kind === "moved") {
        this.#moves++;
        this.#peers.set(output.engine, output.to);
      } else {
        if (output.kind === "accepted") this.#peers.set(output.engine, output.from);
        this.#drainServer(output.engine);
      }
    }
  }

  #deliver({ from, to, bytes }: Flying): void {
    if (to === "server") {
      this.#acceptor.receive(bytes, from, this.#now);
      this.#drainAcceptor();
      return;
    }
    const client = this.#byAddress.get(to);
    if (!client || client.over) return;
    client.engine.receive(bytes, this.#now);
    this.#drainClient(client);
  }

  #lookUp(answer: () => void): void {
    const { lookup = 0 } = this.#setting;
    if (lookup === 0) answer();
    else this.#lookups.push({ at: this.#now + lookup, answer });
  }

  /** Time enough for every handshake on the server's side that nobody goes on with. */
  #passHandshakes(): void {
    this.#flying.length = 0;
    for (let i = 0; i < 100; i++) {
      const due = [...this.#peers.keys()].map((engine) => engine.deadline ?? Infinity);
      const at = Math.min(Infinity, ...due, this.#acceptor.deadline ?? Infinity, ...this.#lookups.map(({ at }) => at));
      if (at === Infinity) return;
      this.#now = Math.max(this.#now, at);
      this.#turn();
      this.#flying.length = 0;
    }
  }

  #send(from: string, to: string, bytes: Uint8Array): void {
    const { loss = 0, duplicates = 0, delay = [10, 60] } = this.#setting.weather;
    this.#note(from, to, bytes);
    const copies = this.#chance() < duplicates ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      if (this.#chance() < loss) continue;
      const at = this.#now + delay[0] + this.#chance() * (delay[1] - delay[0]);
      this.#fly({ at, order: this.#order++, from, to, bytes: new Uint8Array(bytes) });
    }
  }

  #fly(datagram: Flying): void {
    let i = this.#flying.length;
    while (i > 0 && this.#flying[i - 1]!.at > datagram.at) i--;
    this.#flying.splice(i, 0, datagram);
  }

  #note(from: string, to: string, bytes: Uint8Array): void {
    this.#trace.push(new TextEncoder().encode(`${this.#now} ${from} ${to} `), new Uint8Array(bytes));
    if (this.#trace.length > 200) this.#fold();
  }

  #fold(): void {
    this.#hash = new Uint8Array(digest("sha-256", concat(this.#hash, ...this.#trace.splice(0))));
  }
}
