/**
 * 10,000 handshakes and transfers over a network that loses, repeats, delays and reorders by a seed, and forgets where
 * clients are, in each version: `node test/soak/dtls.ts [first seed [worlds]]`. Fails where a share is missed or anything is
 * left behind, and names the seeds of what did not complete: `node test/soak/dtls.ts SEED 1` is that world again.
 *
 * @module
 */

import process from "node:process";
import { simulate, type Weather } from "../tls/network.ts";

/** Worlds, weather, and the share that has to be complete. */
const CLIMATES: readonly (readonly [name: string, worlds: number, weather: Weather, share: number])[] = [
  ["calm", 1000, {}, 1],
  ["repeated, reordered, late", 1500, { duplicates: 0.3, delay: [1, 900] }, 1],
  ["NAT rebinding", 1500, { duplicates: 0.1, delay: [5, 300], rebindings: 1700 }, 1],
  ["10 % loss", 1500, { loss: 0.1, duplicates: 0.05, delay: [10, 200] }, 0.98],
  ["20 % loss", 2500, { loss: 0.2, duplicates: 0.05, delay: [10, 200] }, 0.98],
  ["20 % loss, NAT rebinding", 1000, { loss: 0.2, delay: [10, 300], rebindings: 3000 }, 0.98],
  ["30 % loss", 1000, { loss: 0.3, duplicates: 0.05, delay: [10, 200] }, 0.9],
];

const VERSIONS = [["1.2", 0xfefd], ["1.3", 0xfefc]] as const;

const first = Number(process.argv[2] ?? 1);
/** Of each climate. Default: as the table says. */
const worlds = process.argv[3] === undefined ? undefined : Number(process.argv[3]);
let failed = false;
const runs = VERSIONS.flatMap((version) => CLIMATES.map((climate) => [...version, ...climate] as const));
for (const [version, number, name, most, weather, share] of runs) {
  const count = worlds ?? most;
  let complete = 0;
  let left = 0;
  let moves = 0;
  const others = new Map<string, number>();
  const seeds: number[] = [];
  const times: number[] = [];
  for (let seed = first; seed < first + count; seed++) {
    const outcome = simulate({ seed, weather, messages: 8, versions: [number] });
    left += outcome.left;
    moves += outcome.moves;
    if (outcome.left > 0 || outcome.fates.some(({ complete }) => !complete)) seeds.push(seed);
    for (const fate of outcome.fates) {
      if (fate.complete) complete++;
      else others.set(fate.code, (others.get(fate.code) ?? 0) + 1);
      if (fate.establishedAt !== undefined) times.push(fate.establishedAt);
    }
  }
  times.sort((a, b) => a - b);
  const onlyTimeouts = [...others.keys()].every((code) => code === "timeout");
  const isGood = complete >= share * count && left === 0 && onlyTimeouts;
  failed ||= !isGood;
  const at = (part: number): string => ((times[Math.floor(part * (times.length - 1))] ?? NaN) / 1000).toFixed(2);
  const rest = [...others].map(([code, number]) => `${number} ${code}`).join(", ") || "none";
  console.log(
    `${isGood ? "good" : "BAD "} DTLS ${version}, ${name}: ${complete} of ${count} complete, the others: ${rest}; ` +
      `established after ${at(0.5)} s, 95 % ${at(0.95)} s; moved ${moves}, left behind ${left}` +
      (seeds.length > 0 ? `; seeds ${seeds.slice(0, 5).join(", ")}${seeds.length > 5 ? " ..." : ""}` : ""),
  );
}
if (failed) process.exitCode = 1;
