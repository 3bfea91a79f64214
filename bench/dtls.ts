// Full DTLS 1.2 PSK handshakes and echoed records in memory, both sides in one thread, beside node:tls with the same
// suite over a Duplex pair: TLS, since no runtime has DTLS, and on Node alone, since Deno and Bun have no PSK.
import { Buffer } from "node:buffer";
import { arch, cpus } from "node:os";
import process from "node:process";
import { Duplex } from "node:stream";
import { connect, createSecureContext, TLSSocket } from "node:tls";
import { secretFrom } from "../lib/crypto/mod.ts";
import { type Acceptor, createDtlsAcceptor, createDtlsEngine, createTlsEngine, type Engine } from "../lib/tls/mod.ts";
import type { Measure, Report } from "./harness.ts";

/** One way to do the work, now or soon; undefined where this runtime has none. */
type Work = (() => unknown) | undefined;

const full = process.argv.includes("--full");
const PSK = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
const IDENTITY = new TextEncoder().encode("Client_identity");
const SUITES = [["AES-128-GCM", 0x00a8, "PSK-AES128-GCM-SHA256"], [
  "AES-128-CCM_8",
  0xc0a8,
  "PSK-AES128-CCM8",
]] as const;
const random = (out: Uint8Array): void => {
  crypto.getRandomValues(out as Uint8Array<ArrayBuffer>);
};

const acceptors = new Map<number, Acceptor>();
let port = 0;
const groups: { name: string; bytes: number; measures: Measure[] }[] = [];
for (const [name, suite, native] of SUITES) {
  groups.push({
    name: `handshake ${name}`,
    bytes: 0,
    measures: await measure({
      "ours, DTLS": () => end(dtlsPair(suite)),
      "ours, DTLS and CID": () => end(dtlsPair(suite, 8)),
      "ours, TLS": () => end(tlsPair(suite)),
      "node:tls": tried(await nodePair(native), () => nodePair(native).then((pair) => pair?.end())),
    }),
  });
  for (const size of [64, 1024]) {
    const payload = new Uint8Array(size).fill(7);
    const node = await nodePair(native);
    groups.push({
      name: `echo ${name} ${size}`,
      bytes: 2 * size,
      measures: await measure({
        "ours, DTLS": echo(dtlsPair(suite), payload),
        "ours, DTLS and CID": echo(dtlsPair(suite, 8), payload),
        "ours, TLS": echo(tlsPair(suite), payload),
        "node:tls": tried(node, () => node!.echo(payload)),
      }),
    });
    node?.end();
  }
}
report();

/** The median nanoseconds of each, in turns, so that a slow moment of the machine falls on all. */
async function measure(works: { readonly [name: string]: Work }): Promise<Measure[]> {
  const rounds = full ? 15 : 7;
  const count = full ? 1000 : 200;
  const times: number[][] = Object.keys(works).map(() => []);
  for (let round = -1; round < rounds; round++) {
    for (const [i, work] of Object.values(works).entries()) {
      if (!work) continue;
      const start = performance.now();
      for (let n = 0; n < count; n++) {
        const soon = work();
        if (soon instanceof Promise) await soon;
      }
      // The first round is the JIT's.
      if (round >= 0) times[i]!.push((performance.now() - start) * 1e6 / count);
    }
  }
  return Object.keys(works).map((name, i) => {
    const time = times[i]!.sort((a, b) => a - b)[rounds >> 1];
    return time === undefined ? { name } : { name, time };
  });
}

/** Two engines with a session, and what carries bytes from one to the other. */
interface Pair {
  readonly left: Engine;
  readonly right: Engine;
  readonly toRight: (bytes: Uint8Array) => void;
}

/** Every client at an address of its own, all at one acceptor. */
function dtlsPair(suite: number, connectionIdLength = 0): Pair {
  const kind = suite * 256 + connectionIdLength;
  const options = { random, suites: [suite], connectionIdLength, maxEngines: 1_000_000 };
  const acceptor = acceptors.get(kind) ?? createDtlsAcceptor(options);
  acceptors.set(kind, acceptor);
  const from = `client:${port++}`;
  const left = createDtlsEngine({ role: "client", now: 0, random, suites: [suite] });
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

function tlsPair(suite: number): Pair {
  const right = createTlsEngine({ role: "server", now: 0, random, suites: [suite] });
  const left = createTlsEngine({ role: "client", now: 0, random, suites: [suite] });
  const toRight = (bytes: Uint8Array): void => right.receive(bytes, 0);
  settle(left, () => right, toRight);
  return { left, right, toRight };
}

function end({ left, right }: Pair): void {
  left[Symbol.dispose]();
  right[Symbol.dispose]();
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
        using key = secretFrom(PSK);
        engine.answer(demand, { kind: "psk", identity: IDENTITY, key }, 0);
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

function echo({ left, right, toRight }: Pair, payload: Uint8Array): () => void {
  return () => {
    left.send(payload, 0);
    for (let output = left.poll(); output; output = left.poll()) if (output.kind === "transmit") toRight(output.bytes);
    let heard: Uint8Array | undefined;
    for (let output = right.poll(); output; output = right.poll()) if (output.kind === "data") heard = output.bytes;
    right.send(heard!, 0);
    for (let output = right.poll(); output; output = right.poll()) {
      if (output.kind === "transmit") left.receive(output.bytes, 0);
    }
    let length = 0;
    for (let output = left.poll(); output; output = left.poll()) {
      if (output.kind === "data") length = output.bytes.length;
    }
    if (length !== payload.length) throw new Error("lost");
  };
}

function tried(found: unknown, work: () => unknown): Work {
  return found === undefined ? undefined : work;
}

interface NodePair {
  echo(payload: Uint8Array): Promise<void>;
  end(): void;
}

/** Both ends of node:tls in memory; undefined where the runtime has no PSK. */
function nodePair(ciphers: string): Promise<NodePair | undefined> {
  if ("Deno" in globalThis || "Bun" in globalThis) return Promise.resolve(undefined);
  const [near, far] = duplexPair();
  const named = { ciphers: `${ciphers}:@SECLEVEL=0`, minVersion: "TLSv1.2", maxVersion: "TLSv1.2" } as const;
  const psk = Buffer.from(PSK);
  // The types know pskCallback of servers and of connect, not of TLSSocket, which both make.
  const options = { isServer: true, secureContext: createSecureContext(named), pskCallback: () => psk } as object;
  const server = new TLSSocket(far as never, options);
  server.on("data", (data) => server.write(data));
  server.on("error", () => {});
  return new Promise((resolve) => {
    const client = connect({
      ...named,
      socket: near,
      checkServerIdentity: () => undefined,
      pskCallback: () => ({ psk, identity: "Client_identity" }),
    });
    client.on("error", () => resolve(undefined));
    client.on("secureConnect", () =>
      resolve({
        echo: (payload) =>
          new Promise((done) => {
            let left = payload.length;
            const hear = (data: Buffer): void => {
              left -= data.length;
              if (left > 0) return;
              client.off("data", hear);
              done();
            };
            client.on("data", hear);
            client.write(payload);
          }),
        end: () => {
          client.destroy();
          server.destroy();
        },
      }));
  });
}

function duplexPair(): [Duplex, Duplex] {
  const make = (other: () => Duplex): Duplex =>
    new Duplex({
      read() {},
      write(chunk, _encoding, done) {
        other().push(chunk);
        done();
      },
    });
  const near: Duplex = make(() => far);
  const far: Duplex = make(() => near);
  return [near, far];
}

function report(): void {
  const { deno, bun, node } = process.versions;
  const found: Report = {
    title: "dtls",
    runtime: deno ? `Deno ${deno}` : bun ? `Bun ${bun}` : `Node ${node}`,
    machine: `${cpus()[0]?.model.trim() ?? "unknown processor"}, ${cpus().length} x ${arch()}`,
    mode: full ? "full" : "quick",
    groups,
  };
  if (process.argv.includes("--json")) {
    console.log(JSON.stringify(found));
    return;
  }
  console.log(`dtls: ${found.runtime}, ${found.machine}, ${found.mode}; a second, ns/op, times ours`);
  for (const { name, measures } of groups) {
    console.log(name);
    for (const { name: rival, time } of measures) {
      const figures = time === undefined
        ? ["none here"]
        : [(1e9 / time).toFixed(0), time.toFixed(0), (time / measures[0]!.time!).toFixed(2)];
      console.log(`  ${rival.padEnd(24)}${figures.map((figure) => figure.padStart(12)).join("")}`);
    }
  }
}
