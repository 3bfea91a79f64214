/** Pairs of our engines in memory, with a session. @module */

import { toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import {
  type Acceptor,
  createDtlsAcceptor,
  createDtlsEngine,
  createTlsEngine,
  type Engine,
} from "../../lib/tls/mod.ts";
import { webPlatform } from "../../web_platform.ts";
import { IDENTITY, KEY } from "./keys.ts";

/** A client, a server, and what carries bytes from the first to the second. */
export interface Pair {
  readonly left: Engine;
  readonly right: Engine;
  readonly toRight: (bytes: Uint8Array) => void;
}

const { random } = webPlatform;
const identity = toUtf8(IDENTITY);
/** A datagram of 16 KiB goes in one piece. */
const MTU = 20_000;
let port = 0;

/** For any number of clients; the bytes of the Connection IDs it gives out. */
export function acceptorOf(suite: number, connectionIdLength = 0): Acceptor {
  const limits = { maxEngines: 1_000_000, maxHandshakesPerHost: 1_000_000, maxHandshakes: 1_000_000 };
  return createDtlsAcceptor({ ...limits, random, suites: [suite], connectionIdLength, mtu: MTU });
}

/** One more client of `acceptor`, at an address of its own. */
export function dtlsPair(suite: number, acceptor: Acceptor): Pair {
  const from = `client:${port++}`;
  const left = createDtlsEngine({ role: "client", now: 0, random, suites: [suite], mtu: MTU });
  let right: Engine | undefined;
  const toRight = (bytes: Uint8Array): void => {
    acceptor.receive(bytes, from, 0);
    for (let output = acceptor.poll(); output; output = acceptor.poll()) {
      if (output.kind === "transmit") left.receive(output.bytes, 0);
      else if (output.kind === "accepted") right = output.engine;
    }
  };
  settle(left, () => right, toRight);
  return { left, right: right!, toRight };
}

/** The same on a stream. */
export function tlsPair(suite: number): Pair {
  const right = createTlsEngine({ role: "server", now: 0, random, suites: [suite] });
  const left = createTlsEngine({ role: "client", now: 0, random, suites: [suite] });
  const toRight = (bytes: Uint8Array): void => right.receive(bytes, 0);
  settle(left, () => right, toRight);
  return { left, right, toRight };
}

/** Ends both, silently. */
export function end({ left, right }: Pair): void {
  left[Symbol.dispose]();
  right[Symbol.dispose]();
}

/** One record from the client to the server; throws unless it comes. */
export function sendOver({ left, right, toRight }: Pair, payload: Uint8Array): void {
  left.send(payload, 0);
  for (let output = left.poll(); output; output = left.poll()) if (output.kind === "transmit") toRight(output.bytes);
  if (dataOf(right)?.length !== payload.length) throw new Error("lost");
}

/** There and back. */
export function echo({ left, right, toRight }: Pair, payload: Uint8Array): void {
  left.send(payload, 0);
  for (let output = left.poll(); output; output = left.poll()) if (output.kind === "transmit") toRight(output.bytes);
  right.send(dataOf(right)!, 0);
  for (let output = right.poll(); output; output = right.poll()) {
    if (output.kind === "transmit") left.receive(output.bytes, 0);
  }
  if (dataOf(left)?.length !== payload.length) throw new Error("lost");
}

function dataOf(engine: Engine): Uint8Array | undefined {
  let data: Uint8Array | undefined;
  for (let output = engine.poll(); output; output = engine.poll()) if (output.kind === "data") data = output.bytes;
  return data;
}

/** Carries what both say until neither says more. */
function settle(left: Engine, right: () => Engine | undefined, toRight: (bytes: Uint8Array) => void): void {
  let sessions = 0;
  const drain = (engine: Engine | undefined, carry: (bytes: Uint8Array) => void): boolean => {
    if (!engine) return false;
    const out: Uint8Array[] = [];
    for (let output = engine.poll(); output; output = engine.poll()) {
      if (output.kind === "transmit") out.push(output.bytes.slice());
      else if (output.kind === "established") sessions++;
      else if (output.kind === "demand") {
        const { demand } = output;
        engine.poll();
        using key = secretFrom(KEY);
        engine.answer(demand, { kind: "psk", identity, key }, 0);
      }
    }
    for (const bytes of out) carry(bytes);
    return out.length > 0;
  };
  let goesOn = true;
  while (goesOn) {
    goesOn = drain(left, toRight);
    goesOn = drain(right(), (bytes) => left.receive(bytes, 0)) || goesOn;
  }
  if (sessions !== 2) throw new Error("no session");
}
