/**
 * `node test/soak/files.ts [COUNT]`: kills a process that changes an identity file, a thousand times unless told otherwise, at
 * moments spread over the length of a change.
 *
 * @module
 */

import process from "node:process";
import { Victim } from "../fault/kill.ts";
import { seededNumbers } from "../support/virtual.ts";

const count = Number(process.argv[2] ?? 1000);
const next = seededNumbers(1);
await using victim = new Victim();
for (let i = 1; i <= count; i++) {
  await victim.kill(next() * 12);
  if (i % 100 === 0) console.log(`${i} kills, ${victim.interrupted} of them within a change, nothing lost`);
}
