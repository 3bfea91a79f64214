// What an idle session keeps in memory: the engines without I/O of 10,000 established sessions, clients and servers apart
// (the servers with what the acceptor keeps of each), by suite, as what is given back when they are disposed of. V8's heap
// and array buffers after a full collection; what node:crypto holds outside of both is not seen. Bun counts with
// JavaScriptCore's own figures. The keys, which are in it, are 208 bytes for each direction of AES-128.
import process from "node:process";
import { suiteByName } from "../lib/crypto/mod.ts";
import type { Acceptor, Engine } from "../lib/tls/mod.ts";
import { type Measured, publish } from "./harness.ts";
import { acceptorOf, dtlsPair, sendOver } from "./support/engines.ts";

const SESSIONS = 10_000;
const SUITES = ["TLS_PSK_WITH_AES_128_GCM_SHA256", "TLS_PSK_WITH_AES_128_CCM_8"];
const held = await measurer();

const groups: Measured[] = [];
for (const name of SUITES) groups.push(measured(name));
publish("dtls heap", groups);

function measured(name: string): Measured {
  const suite = suiteByName(name)!.id;
  const acceptor = acceptorOf(suite, 8);
  const measures = ([["left", "client engine"], ["right", "server engine and acceptor"]] as const).map((each) => ({
    name: each[1],
    ...heldBy(each[0], suite, acceptor),
  }));
  acceptor[Symbol.dispose]();
  return { name, bytes: 0, unit: "bytes an idle session", measures };
}

/** Bytes for each of those on `side`; the others are gone when they have heard one message. */
function heldBy(side: "left" | "right", suite: number, acceptor: Acceptor): { value: number } | { none: string } {
  if (!held) return { none: "not seen without a collector" };
  const message = new Uint8Array(64);
  const kept: Engine[] = [];
  for (let i = 0; i < SESSIONS; i++) {
    const pair = dtlsPair(suite, acceptor);
    // Only then the server knows that its last flight has come.
    sendOver(pair, message);
    kept.push(pair[side]);
    pair[side === "left" ? "right" : "left"][Symbol.dispose]();
  }
  const full = held();
  for (const engine of kept) engine[Symbol.dispose]();
  kept.length = 0;
  return { value: (full - held()) / SESSIONS };
}

/** Bytes after a full collection; undefined where none can be asked for. */
async function measurer(): Promise<(() => number) | undefined> {
  const { gc, Bun } = globalThis as { gc?: () => void; Bun?: { gc(force: boolean): void } };
  if (Bun !== undefined) {
    type Stats = { heapSize: number; extraMemorySize: number };
    const { heapStats } = await import("bun:jsc" as string) as { heapStats(): Stats };
    return () => {
      Bun.gc(true);
      const { heapSize, extraMemorySize } = heapStats();
      return heapSize + extraMemorySize;
    };
  }
  if (gc === undefined) return undefined;
  return () => {
    gc();
    gc();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
}
