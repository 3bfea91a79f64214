/** Engines joined in memory, on a time that the test tells: who sent what, and how it ended. */
import { fromHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import {
  type Answer,
  type ClientOptions,
  createTlsEngine,
  type Demand,
  type Engine,
  type Resumable,
  type ServerOptions,
  type Session,
} from "../../lib/tls/mod.ts";
import { seededRandom } from "../support/virtual.ts";

export const PSK = fromHex("0102030405060708090a0b0c0d0e0f10");
export const IDENTITY = toUtf8("Client_identity");
export const GCM = 0x00a8;
export const CCM_8 = 0xc0a8;
export const CBC_SHA256 = 0x00ae;
export const CBC_SHA = 0x008c;
export const ECDHE_GCM = 0xd001;
export const ECDHE_CHACHA = 0xccac;
export const ECDHE_CCM_8 = 0xd003;
/** One of each kind, for tests of every combination. */
export const SOME_SUITES: readonly number[] = [GCM, CCM_8, CBC_SHA256, CBC_SHA];
/** All of version 1.2. */
export const ALL_SUITES: readonly number[] = [
  ...SOME_SUITES,
  ...[ECDHE_GCM, ECDHE_CHACHA, ECDHE_CCM_8],
  ...[0xc0a4, 0x00a9, 0xccab],
];

/** What the driver does with a demand: an answer now, or none. */
export type Answerer = (demand: Demand) => Answer | undefined;

/** The right key to whoever asks. */
export const knowing: Answerer = () => ({ kind: "psk", identity: IDENTITY, key: secretFrom(PSK) });

/** No key to anybody. */
export const unknowing: Answerer = () => ({ kind: "unknown" });

/** One engine and all that came out of it. Bytes are copied. */
export class End {
  readonly engine: Engine;
  now = 0;
  session: Session | undefined;
  closed: { readonly error?: Error } | undefined;
  readonly demands: Demand[] = [];
  readonly data: Uint8Array[] = [];
  resumable: Resumable | undefined;
  /** Kinds in the order they came. */
  readonly order: string[] = [];
  readonly #answerer: Answerer;
  #out: Uint8Array[] = [];

  constructor(engine: Engine, answerer: Answerer = knowing) {
    this.engine = engine;
    this.#answerer = answerer;
    this.drain();
  }

  /** Gives `bytes` to the engine; returns what it sent in return. */
  receive(bytes: Uint8Array): Uint8Array {
    this.engine.receive(bytes, this.now);
    return this.sent();
  }

  send(bytes: Uint8Array): Uint8Array {
    this.engine.send(bytes, this.now);
    return this.sent();
  }

  close(): Uint8Array {
    this.engine.close(this.now);
    return this.sent();
  }

  answer(demand: Demand, answer: Answer): Uint8Array {
    this.engine.answer(demand, answer, this.now);
    return this.sent();
  }

  expire(now: number): Uint8Array {
    this.now = now;
    this.engine.expire(now);
    return this.sent();
  }

  /** All that was sent since the last call. */
  sent(): Uint8Array {
    this.drain();
    return join(this.#out.splice(0));
  }

  /** All application data so far. */
  get text(): string {
    return new TextDecoder().decode(join(this.data));
  }

  /** The code it ended with; `none` for a good end, `open` for none. */
  get code(): string {
    if (!this.closed) return "open";
    if (!this.closed.error) return "none";
    if (!(this.closed.error instanceof SeccfError)) throw this.closed.error;
    return this.closed.error.code;
  }

  /** Polls until there is nothing, answering demands. */
  drain(): void {
    for (let output = this.engine.poll(); output; output = this.engine.poll()) {
      this.order.push(output.kind);
      if (output.kind === "transmit") this.#out.push(new Uint8Array(output.bytes));
      else if (output.kind === "data") this.data.push(new Uint8Array(output.bytes));
      else if (output.kind === "established") this.session = output.session;
      else if (output.kind === "closed") this.closed = output;
      else if (output.kind === "resumable") this.resumable = output.state;
      else this.demands.push(output.demand);
    }
    const demand = this.demands.at(-1);
    if (demand === undefined || this.#answered.has(demand)) return;
    this.#answered.add(demand);
    const answer = this.#answerer(demand);
    if (answer === undefined) return;
    this.engine.answer(demand, answer, this.now);
    if (answer.kind === "psk") answer.key[Symbol.dispose]();
    this.drain();
  }

  readonly #answered = new Set<Demand>();
}

/** A client of version 1.2, unless it is told otherwise, that a seed makes the same each time. */
export function client(options: Partial<ClientOptions> = {}, answerer?: Answerer): End {
  return new End(createTlsEngine({ role: "client", ...COMMON, random: seededRandom(1), ...options }), answerer);
}

/** A server likewise. */
export function server(options: Partial<ServerOptions> = {}, answerer?: Answerer): End {
  return new End(createTlsEngine({ role: "server", ...COMMON, random: seededRandom(2), ...options }), answerer);
}

const COMMON = { now: 0, versions: [0x0303] };

/** Both versions, as without being told. */
export const BOTH: { readonly versions: readonly number[] } = { versions: [0x0304, 0x0303] };

/** Version 1.3 alone. */
export const ONLY_13: { readonly versions: readonly number[] } = { versions: [0x0304] };

/** What went over the line, in order. */
export interface Flight {
  readonly from: "client" | "server";
  readonly bytes: Uint8Array;
}

/** Changes a flight on its way; `index` counts flights of both directions. */
export type Tamper = (bytes: Uint8Array, index: number) => Uint8Array;

/** Carries bytes both ways until nobody says anything. */
export function run(left: End, right: End, tamper: Tamper = (bytes) => bytes): Flight[] {
  const flights: Flight[] = [];
  let toRight = left.sent();
  let toLeft = right.sent();
  while (toRight.length + toLeft.length > 0) {
    if (toRight.length > 0) {
      const bytes = tamper(toRight, flights.length);
      flights.push({ from: "client", bytes });
      toLeft = join([toLeft, right.receive(bytes)]);
      toRight = NOTHING;
    }
    if (toLeft.length > 0) {
      const bytes = tamper(toLeft, flights.length);
      flights.push({ from: "server", bytes });
      toLeft = NOTHING;
      toRight = left.receive(bytes);
    }
  }
  return flights;
}

/** Parts in order. */
export function join(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** The records in `bytes`, without opening them: type and length of each. */
export function shapeOf(bytes: Uint8Array): string[] {
  const shape: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = (bytes[at + 3]! << 8) | bytes[at + 4]!;
    shape.push(`${bytes[at]!}:${length}`);
    at += 5 + length;
  }
  return shape;
}

/** A fatal alert in the clear. */
export function alertRecord(description: number, level = 2): Uint8Array {
  return Uint8Array.of(21, 3, 3, 0, 2, level, description);
}

const NOTHING = new Uint8Array(0);
