/**
 * 100,000 strangers that bring their cookies back and show made-up identities, from a hundred hosts, and an honest
 * handshake among every thousand of them, in each version; and 100,000 that say one hello and no more: `node
 * test/soak/dtls_flood.ts`. Fails where one of the honest does not complete, where more is held than may be, where the heap
 * grows, or where a host causes more key lookups than its budget has.
 *
 * @module
 */

import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { LookupBudget } from "../../lib/channel/lookup_budget.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import {
  type AcceptorOutput,
  createDtlsAcceptor,
  createDtlsEngine,
  type Demand,
  type Engine,
} from "../../lib/tls/mod.ts";
import { seededRandom } from "../support/virtual.ts";

const FLOOD = 100_000;
const HOSTS = 100;
/** Lookups for one host in 10 s: the listener's default. */
const PER_HOST = 64;
/** Bytes that the heap may be larger by after nine tenths of the strangers, and after 100,000 hellos. */
const FLAT = 2 ** 20;
/** Bytes that one session may keep. */
const SESSION = 8192;
const LIMITS = { maxHandshakes: 256, maxHandshakesPerHost: 8 };
const PSK = new Uint8Array(16).fill(3);
const HONEST = new TextEncoder().encode("honest");

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

for (const [name, versions] of [["DTLS 1.2", [0xfefd]], ["DTLS 1.3", [0xfefc]]] as const) flood(name, versions);

function flood(name: string, versions: readonly number[]): void {
  const random = seededRandom(1);
  const acceptor = createDtlsAcceptor({ random, versions, ...LIMITS });
  // The class has counts for tests beside its port.
  const counted = acceptor as unknown as { readonly counts: { engines: number; entries: number; handshakes: number } };
  const engines = new Set<Engine>();
  const clock = { now: () => now, alarm: () => ({ [Symbol.dispose]: () => {} }), wall: () => now };
  const budget = new LookupBudget(clock, { maxLookupsPerHost: PER_HOST });
  const hosts = new Map<Engine, string>();
  let lookups = 0;
  let refused = 0;
  let sessions = 0;
  let most = 0;
  let now = 0;
  let early = 0;

  for (let i = 0; i < FLOOD; i++) {
    now += 0.5;
    const identity = new Uint8Array(16);
    random(identity);
    shake(`10.0.0.${i % HOSTS}:${i % 60_000}`, identity, false);
    if (i % 1000 === 0) shake(`192.0.2.1:${1000 + i / 1000}`, HONEST, true);
    for (const engine of [...engines]) expire(engine);
    most = Math.max(most, counted.counts.handshakes);
    if (i === FLOOD / 10) early = heapInUse();
  }
  const before = counted.counts;
  const heap = heapInUse();
  const greeted = strangers();
  // What the honest sessions among them keep is no leak.
  const grown = [heap - early - FLOOD / 1000 * SESSION, heapInUse() - heap];
  const after = counted.counts;
  // A window for each 10 s, and one that was begun.
  const isWithin = lookups - FLOOD / 1000 <= HOSTS * PER_HOST * Math.ceil(FLOOD / 2 / 10_000 + 1) && refused > 0;
  const isFlat = grown.every((bytes) => bytes < FLAT) && greeted === FLOOD && before.engines === after.engines &&
    before.entries === after.entries;
  const honest = FLOOD / 1000;
  now += 60_000;
  for (const engine of [...engines]) expire(engine);
  const { engines: left, handshakes } = counted.counts;
  const isGood = isFlat && isWithin && sessions === honest && left === honest && handshakes === 0 &&
    most <= LIMITS.maxHandshakes;
  console.log(
    `${
      isGood ? "good" : "BAD "
    } ${name}, flood: ${sessions} of ${honest} honest handshakes, ${lookups} lookups and ${refused} ` +
      `over budget for ${FLOOD + honest} hellos, ${most} handshakes at most, ${left} engines left; ` +
      `${greeted} first hellos answered; heap ${grown.map((bytes) => Math.round(bytes / 1024)).join(", ")} KiB more`,
  );
  if (!isGood) process.exitCode = 1;

  /** One hello from as many addresses; how many were answered. */
  function strangers(): number {
    let answered = 0;
    let hello: Uint8Array | undefined;
    using client = createDtlsEngine({ role: "client", now, random, versions });
    for (let output = client.poll(); output; output = client.poll()) {
      if (output.kind === "transmit") hello = new Uint8Array(output.bytes);
      else if (output.kind === "demand") {
        using key = secretFrom(PSK);
        client.answer(output.demand, { kind: "psk", identity: HONEST, key }, now);
      }
    }
    for (let i = 0; i < FLOOD; i++) {
      acceptor.receive(hello!, `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}:9`, now);
      answered += drainAcceptor().length;
    }
    return answered;
  }

  /** One client's whole handshake, as far as it comes. */
  function shake(from: string, identity: Uint8Array, isKnown: boolean): void {
    const client = createDtlsEngine({ role: "client", now, random, versions });
    const toServer: Uint8Array[] = [];
    const drainClient = (): void => {
      for (let output = client.poll(); output; output = client.poll()) {
        if (output.kind === "transmit") toServer.push(new Uint8Array(output.bytes));
        else if (output.kind === "demand") {
          const { demand } = output;
          client.poll();
          using key = secretFrom(PSK);
          client.answer(demand, { kind: "psk", identity, key }, now);
        } else if (output.kind === "established" && isKnown) {
          sessions++;
        }
      }
    };
    drainClient();
    for (let bytes = toServer.shift(); bytes; bytes = toServer.shift()) {
      acceptor.receive(bytes, from, now);
      for (const answer of drainAcceptor()) {
        client.receive(answer, now);
        drainClient();
      }
    }
    client[Symbol.dispose]();
  }

  function drainAcceptor(): Uint8Array[] {
    const sent: Uint8Array[] = [];
    for (let output: AcceptorOutput | undefined = acceptor.poll(); output; output = acceptor.poll()) {
      if (output.kind === "transmit") sent.push(output.bytes);
      else if (output.kind !== "moved") {
        if (output.kind === "accepted") hosts.set(output.engine, output.from.slice(0, output.from.lastIndexOf(":")));
        drainServer(output.engine, sent);
      }
    }
    return sent;
  }

  function drainServer(engine: Engine, sent: Uint8Array[]): void {
    engines.add(engine);
    for (let output = engine.poll(); output; output = engine.poll()) {
      if (output.kind === "transmit") sent.push(new Uint8Array(output.bytes));
      else if (output.kind === "demand") answer(engine, output.demand);
      else if (output.kind === "closed" || output.kind === "established") forget(engine);
    }
  }

  function forget(engine: Engine): void {
    engines.delete(engine);
    hosts.delete(engine);
  }

  function answer(engine: Engine, demand: Demand): void {
    engine.poll();
    let isKnown = demand.identity?.length === HONEST.length;
    try {
      budget.spend(hosts.get(engine)!);
      lookups++;
    } catch {
      isKnown = false;
      refused++;
    }
    using key = secretFrom(PSK);
    engine.answer(demand, isKnown ? { kind: "psk", identity: HONEST, key } : { kind: "unknown" }, now);
  }

  function expire(engine: Engine): void {
    if ((engine.deadline ?? Infinity) > now) return;
    engine.expire(now);
    drainServer(engine, []);
  }
}

function heapInUse(): number {
  collect();
  return process.memoryUsage().heapUsed;
}
