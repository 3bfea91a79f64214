// Connect latency of clients to the same program, openssl's s_server: ours beside node-dtls-client, and node:tls with PSK
// over TCP where there is one. Cold is the first connection of a process that has loaded everything, and has a process for
// each; from nothing is that and all before it: the runtime's start and the loading of the published JavaScript, of one rival
// alone. Warm is in turns. The processors are shared with the peer: read the ratios.
import { execFileSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { toHex } from "../lib/bytes/mod.ts";
import { full, type Measure, median, publish } from "./harness.ts";
import { IDENTITY, KEY, SUITE } from "./support/keys.ts";
import { opensslPeer, type Peer } from "./support/peer.ts";
import { hasTlsPsk, nodeTls, ours, theirs } from "./support/rivals.ts";

const rivals = [ours, theirs, nodeTls];
const able = rivals.filter((rival) => rival !== nodeTls || hasTlsPsk);

const flags = "Deno" in globalThis ? ["run", "-A", "--no-check", "--quiet"] : [];
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const coldAt = process.argv.indexOf("--cold");
if (coldAt >= 0) {
  const [which, dtls, tls] = process.argv.slice(coldAt + 1).map(Number);
  const begin = performance.now();
  const line = await rivals[which!]!.connect({ dtls: dtls!, tls: tls!, [Symbol.dispose]: () => {} });
  console.log((performance.now() - begin) * 1e6);
  await line[Symbol.asyncDispose]();
} else {
  using peer = await opensslPeer();
  const packed = packedOnes(peer);
  const cold = coldOnes(peer);
  const warm = await warmOnes(peer);
  publish("dtls connect", [
    { name: "from nothing to connected, as published", bytes: 0, measures: packed },
    { name: "connect, the first of a process", bytes: 0, measures: cold },
    { name: "connect, warm", bytes: 0, measures: warm },
  ]);
}

/** In turns of one; the first half is the JIT's. */
async function warmOnes(peer: Peer): Promise<Measure[]> {
  const rounds = full ? 4000 : 500;
  const times: number[][] = rivals.map(() => []);
  for (let round = -rounds; round < rounds; round++) {
    for (const rival of able) {
      const begin = performance.now();
      const line = await rival.connect(peer);
      if (round >= 0) times[rivals.indexOf(rival)]!.push((performance.now() - begin) * 1e6);
      await line[Symbol.asyncDispose]();
    }
  }
  return medians(times);
}

/** In turns, each in a process of its own, from its start. */
function packedOnes(peer: Peer): Measure[] {
  execFileSync(here("../node_modules/.bin/node"), [
    here("../node_modules/typescript/bin/tsc"),
    "-p",
    "tsconfig.build.json",
  ], {
    cwd: here(".."),
  });
  const names = ["ours", "theirs"];
  const times: number[][] = rivals.map(() => []);
  for (let round = 0; round < (full ? 31 : 7); round++) {
    for (const [which, name] of names.entries()) {
      const words = [name, `${peer.dtls}`, IDENTITY, toHex(KEY), SUITE];
      const begin = performance.timeOrigin + performance.now();
      const said = execFileSync(process.execPath, [...flags, here("support/packed.ts"), ...words]);
      times[which]!.push((Number(said) - begin) * 1e6);
    }
  }
  return medians(times);
}

/** In turns as well, each in a process of its own. */
function coldOnes(peer: Peer): Measure[] {
  const times: number[][] = rivals.map(() => []);
  for (let round = 0; round < (full ? 15 : 5); round++) {
    for (const rival of able) {
      const which = rivals.indexOf(rival);
      const words = ["--cold", which, peer.dtls, peer.tls].map(String);
      const said = execFileSync(process.execPath, [...flags, here("dtls_connect.ts"), ...words]);
      times[which]!.push(Number(said));
    }
  }
  return medians(times);
}

function medians(times: readonly number[][]): Measure[] {
  return rivals.map(({ name }, which) => {
    const time = median(times[which]!);
    return time === undefined ? { name } : { name, time };
  });
}
