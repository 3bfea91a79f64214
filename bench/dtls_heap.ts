// What an idle session keeps in memory: 10,000 established pairs of engines without I/O, the clients' engines and the
// servers' (with what the acceptor keeps of each) apart, by suite. V8's heap and array buffers after a full collection;
// what node:crypto holds outside of both is not seen. Bun counts with JavaScriptCore's own figures. Beside it, on Node,
// both ends of a TLS-PSK connection of node:tls over Duplex streams, of which most lies in OpenSSL and is not seen either.
import process from "node:process";
import { suiteByName } from "../lib/crypto/mod.ts";
import type { Engine } from "../lib/tls/mod.ts";
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
  const message = new Uint8Array(64);
  const clients: Engine[] = [];
  const servers: Engine[] = [];
  // The code's own memory, and that of what is made once.
  for (let i = 0; i < 200; i++) dtlsPair(suite, acceptor).right[Symbol.dispose]();
  const before = held?.();
  for (let i = 0; i < SESSIONS; i++) {
    const pair = dtlsPair(suite, acceptor);
    // Only then the server knows that its last flight has come.
    sendOver(pair, message);
    clients.push(pair.left);
    servers.push(pair.right);
  }
  const both = held?.();
  if (clients.length !== SESSIONS) throw new Error("clients were lost");
  clients.length = 0;
  const alone = held?.();
  if (servers.length !== SESSIONS) throw new Error("servers were lost");
  const each = (most: number | undefined, least: number | undefined) =>
    most === undefined || least === undefined
      ? { none: "not seen without a collector" }
      : { value: (most - least) / SESSIONS };
  acceptor[Symbol.dispose]();
  return {
    ...{ name, bytes: 0, unit: "bytes an idle session" },
    measures: [
      { name: "client engine", ...each(both, alone) },
      { name: "server engine and acceptor", ...each(alone, before) },
    ],
  };
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
