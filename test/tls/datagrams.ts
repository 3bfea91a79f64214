/** A DTLS client and a DTLS server joined in memory, each datagram in the test's hand. */
import { secretFrom } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { ClientHandshake } from "../../lib/tls/client.ts";
import { DatagramEngine } from "../../lib/tls/datagram_engine.ts";
import { toClientPolicy, toDatagramPolicy } from "../../lib/tls/dtls_options.ts";
import type { HandshakeLink } from "../../lib/tls/handshake.ts";
import { decodeClientHello, encodeClientHello } from "../../lib/tls/handshake/client_hello.ts";
import { HANDSHAKE } from "../../lib/tls/handshake/message.ts";
import {
  type Acceptor,
  type AcceptorOutput,
  type Answer,
  createDtlsAcceptor,
  createDtlsEngine,
  type Demand,
  type DtlsAcceptorOptions,
  type DtlsOptions,
  type Engine,
  type Resumable,
  type Session,
} from "../../lib/tls/mod.ts";
import { recordAt } from "../../lib/tls/record/datagram_reader.ts";
import { seededRandom } from "../support/virtual.ts";
import { type Answerer, IDENTITY, knowing, PSK } from "./pair.ts";

/** One engine and all that came out of it; bytes are copied. */
export class Peer {
  readonly engine: Engine;
  now: number;
  session: Session | undefined;
  closed: { readonly error?: Error } | undefined;
  readonly demands: Demand[] = [];
  readonly data: Uint8Array[] = [];
  resumable: Resumable | undefined;
  readonly #answerer: Answerer;
  readonly #out: Uint8Array[] = [];

  constructor(engine: Engine, answerer: Answerer = knowing, now = 0) {
    this.engine = engine;
    this.#answerer = answerer;
    this.now = now;
    this.drain();
  }

  /** Gives datagrams to the engine; returns those it sent in return. */
  receive(...datagrams: readonly Uint8Array[]): Uint8Array[] {
    for (const datagram of datagrams) {
      this.engine.receive(datagram, this.now);
      this.drain();
    }
    return this.sent();
  }

  send(bytes: Uint8Array): Uint8Array {
    this.engine.send(bytes, this.now);
    return this.sent()[0]!;
  }

  close(): Uint8Array[] {
    this.engine.close(this.now);
    return this.sent();
  }

  answer(demand: Demand, answer: Answer): Uint8Array[] {
    this.engine.answer(demand, answer, this.now);
    return this.sent();
  }

  expire(now: number): Uint8Array[] {
    this.now = now;
    this.engine.expire(now);
    return this.sent();
  }

  /** All datagrams sent since the last call. */
  sent(): Uint8Array[] {
    this.drain();
    return this.#out.splice(0);
  }

  get texts(): string[] {
    return this.data.map((bytes) => new TextDecoder().decode(bytes));
  }

  /** The code it ended with; `none` for a good end, `open` for none. */
  get code(): string {
    if (!this.closed) return "open";
    if (!this.closed.error) return "none";
    if (!(this.closed.error instanceof SeccfError)) throw this.closed.error;
    return this.closed.error.code;
  }

  drain(): void {
    for (let output = this.engine.poll(); output; output = this.engine.poll()) {
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
    this.drain();
  }

  readonly #answered = new Set<Demand>();
}

/** An acceptor and its engines, as a driver has them; of version 1.2, unless it is told otherwise. */
export class Front {
  readonly acceptor: Acceptor & { readonly counts: { engines: number; entries: number; handshakes: number } };
  readonly peers = new Map<Engine, Peer>();
  readonly addresses = new Map<Engine, string>();
  readonly moves: string[] = [];
  now = 0;
  readonly #answerer: Answerer;

  constructor(options: Partial<DtlsAcceptorOptions> = {}, answerer: Answerer = knowing) {
    // The class has counts for tests beside its port.
    this.acceptor = createDtlsAcceptor({ random: seededRandom(2), ...VERSION_12, ...options }) as never;
    this.#answerer = answerer;
  }

  /** The engine accepted last. */
  get last(): Peer {
    return [...this.peers.values()].at(-1)!;
  }

  /** Gives a datagram; returns what was sent in return, and where to. */
  receive(bytes: Uint8Array, from: string): { readonly to: string; readonly bytes: Uint8Array }[] {
    this.acceptor.receive(bytes, from, this.now);
    return this.drain();
  }

  expire(now: number): { readonly to: string; readonly bytes: Uint8Array }[] {
    this.now = now;
    const sent: { readonly to: string; readonly bytes: Uint8Array }[] = [];
    if ((this.acceptor.deadline ?? Infinity) <= now) {
      this.acceptor.expire(now);
      sent.push(...this.drain());
    }
    for (const [engine, peer] of this.peers) {
      peer.now = now;
      if ((engine.deadline ?? Infinity) > now) continue;
      for (const bytes of peer.expire(now)) sent.push({ to: this.addresses.get(engine)!, bytes });
    }
    return sent;
  }

  drain(): { readonly to: string; readonly bytes: Uint8Array }[] {
    const sent: { readonly to: string; readonly bytes: Uint8Array }[] = [];
    for (let output = this.acceptor.poll(); output; output = this.acceptor.poll()) {
      sent.push(...this.#handle(output));
    }
    return sent;
  }

  #handle(output: AcceptorOutput): { readonly to: string; readonly bytes: Uint8Array }[] {
    if (output.kind === "transmit") return [{ to: output.to, bytes: new Uint8Array(output.bytes) }];
    const { engine } = output;
    if (output.kind === "moved") {
      this.moves.push(output.to);
      this.addresses.set(engine, output.to);
      return [];
    }
    if (output.kind === "accepted") {
      this.addresses.set(engine, output.from);
      this.peers.set(engine, new Peer(engine, this.#answerer, this.now));
    }
    const peer = this.peers.get(engine)!;
    peer.now = this.now;
    return peer.sent().map((bytes) => ({ to: this.addresses.get(engine)!, bytes }));
  }
}

/** A client of version 1.2, unless it is told otherwise, that a seed makes the same each time. */
export function client(options: Partial<DtlsOptions> = {}, answerer?: Answerer): Peer {
  const { now = 0 } = options;
  const all = { role: "client", now, random: seededRandom(1), ...VERSION_12, ...options } as const;
  return new Peer(createDtlsEngine(all), answerer, now);
}

/** A client of version 1.2 with Connection IDs that knows nothing of RFC 9853, as mbedTLS has it. */
export function engineWithoutChecks(options: Partial<DtlsOptions> = {}): Engine {
  const all = { role: "client", now: 0, random: seededRandom(1), ...VERSION_12, ...options } as const;
  return new DatagramEngine({
    ...{ role: "client", policy: toClientPolicy(all), datagrams: toDatagramPolicy(all), now: all.now },
    start: (link, policy) => new ClientHandshake(withoutChecks(link), policy, all),
  });
}

/** Takes the extension out of the hello before it is said, so that the transcripts agree. */
function withoutChecks(link: HandshakeLink): HandshakeLink {
  const send: HandshakeLink["send"] = (type, body) => {
    if (type !== HANDSHAKE.clientHello) return link.send(type, body);
    const { returnRoutability: _, ...rest } = decodeClientHello(body, "datagram");
    return link.send(type, encodeClientHello(rest));
  };
  return new Proxy(link, {
    get(target, name) {
      if (name === "send") return send;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Version 1.2 alone. */
export const VERSION_12: { readonly versions: readonly number[] } = { versions: [0xfefd] };

/** Version 1.3 alone. */
export const VERSION_13: { readonly versions: readonly number[] } = { versions: [0xfefc] };

/** Both, as without being told. */
export const BOTH_VERSIONS: { readonly versions: readonly number[] } = { versions: [0xfefc, 0xfefd] };

/** Carries datagrams between a client at `from` and the front until nobody says anything; returns all, in order. */
export function run(
  left: Peer,
  front: Front,
  from = "c:1",
  first: readonly Uint8Array[] = left.sent(),
): { readonly from: "client" | "server"; readonly bytes: Uint8Array }[] {
  const all: { readonly from: "client" | "server"; readonly bytes: Uint8Array }[] = [];
  let toServer = [...first];
  while (toServer.length > 0) {
    const toClient: Uint8Array[] = [];
    for (const bytes of toServer) {
      all.push({ from: "client", bytes });
      for (const { to, bytes: answer } of front.receive(bytes, from)) if (to === from) toClient.push(answer);
    }
    toServer = [];
    for (const bytes of toClient) {
      all.push({ from: "server", bytes });
      toServer.push(...left.receive(bytes));
    }
  }
  return all;
}

/** What stands in datagrams without opening them: type, epoch and number of each record. */
export function shapeOf(datagram: Uint8Array, connectionIdLength = 8): string[] {
  const shape: string[] = [];
  for (let at = 0; at < datagram.length;) {
    const record = recordAt(datagram, at, connectionIdLength)!;
    shape.push(`${record.type}:${record.epoch}:${record.number}`);
    at += record.whole.length;
  }
  return shape;
}

/** A fatal alert in the clear. */
export function alertRecord(description: number, level = 2, number = 9): Uint8Array {
  return Uint8Array.of(21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, number, 0, 2, level, description);
}

export { IDENTITY, PSK, secretFrom };
