// Connect latency of clients to the same program, openssl's s_server: ours beside node-dtls-client, and node:tls with PSK
// over TCP where there is one. Cold is the first connection of a process that has loaded everything, and has a process for
// each; warm is in turns. The processors are shared with the peer: read the ratios.
import { execFileSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { full, type Measure, median, publish } from "./harness.ts";
import { opensslPeer, type Peer } from "./support/peer.ts";
import { hasTlsPsk, nodeTls, ours, theirs } from "./support/rivals.ts";

const rivals = [ours, theirs, nodeTls];
const able = rivals.filter((rival) => rival !== nodeTls || hasTlsPsk);

const coldAt = process.argv.indexOf("--cold");
if (coldAt >= 0) {
  const [which, dtls, tls] = process.argv.slice(coldAt + 1).map(Number);
  const begin = performance.now();
  const line = await rivals[which!]!.connect({ dtls: dtls!, tls: tls!, [Symbol.dispose]: () => {} });
  console.log((performance.now() - begin) * 1e6);
  await line[Symbol.asyncDispose]();
} else {
  using peer = await opensslPeer();
  const cold = coldOnes(peer);
  const warm = await warmOnes(peer);
  publish("dtls connect", [
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

/** In turns as well, each in a process of its own. */
function coldOnes(peer: Peer): Measure[] {
  const flags = "Deno" in globalThis ? ["run", "-A", "--no-check", "--quiet"] : [];
  const times: number[][] = rivals.map(() => []);
  for (let round = 0; round < (full ? 15 : 5); round++) {
    for (const rival of able) {
      const which = rivals.indexOf(rival);
      const words = ["--cold", which, peer.dtls, peer.tls].map(String);
      const said = execFileSync(process.execPath, [...flags, fileURLToPath(import.meta.url), ...words]);
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
