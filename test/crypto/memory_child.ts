// Run as its own process by memory.test.ts: derives from a key, disposes everything, and looks for the key in its own
// memory, before and after. The key comes from a formula, so that nothing but the secret holds 16 of its bytes.
import { existsSync, openSync, readFileSync, readSync } from "node:fs";
import {
  createHmac,
  fingerprint,
  hkdfExpand,
  kdf3gpp,
  prf,
  secretBase64,
  secretConcat,
  secretRandom,
  secretSlice,
} from "../../lib/crypto/mod.ts";

const byteAt = (i: number) => (i * 73 + 41 + i * i * 11) & 0xff;
/** What a byte of the key is xored with where it may lie: nothing, HMAC's ipad, its opad. */
const MASKS = { key: 0, ipad: 0x36, opad: 0x5c };

const PAGE = 4096;
let memory = -1;
let pagemap = -1;

const key = secretRandom(32, (out) => {
  for (let i = 0; i < out.length; i++) out[i] = byteAt(i);
});
const hmac = createHmac("sha-256", key);
const out = new Uint8Array(32);
for (const length of [10, 100, 5000]) {
  hmac.signInto(new Uint8Array(length), out);
  hmac.update(key).update(new Uint8Array(length)).finishInto(out);
}
for (
  const made of [
    kdf3gpp(key, 1, key),
    prf("sha-256", key, "label", out, 48),
    hkdfExpand("sha-256", key, out, 48),
    secretBase64(key),
    secretSlice(key, 0, 32),
    secretConcat(key, out),
  ]
) made[Symbol.dispose]();
fingerprint(key);

if (!existsSync("/proc/self/mem")) {
  console.log(JSON.stringify({ seen: false }));
} else {
  memory = openSync("/proc/self/mem", "r");
  pagemap = openSync("/proc/self/pagemap", "r");
  const before = look();
  key[Symbol.dispose]();
  hmac[Symbol.dispose]();
  console.log(JSON.stringify({ seen: true, before, after: look() }));
}

/** In how many places of this process's writable memory 16 bytes of the key lie, under each mask. */
function look(): Record<string, number> {
  const found: Record<string, number> = { key: 0, ipad: 0, opad: 0 };
  const chunk = new Uint8Array(PAGE * 256 + 15);
  for (const [start, end] of writable()) {
    for (let at = start; at < end; at += PAGE * 256) {
      for (const [from, to] of present(at, Math.min(at + PAGE * 256, end))) {
        const bytes = chunk.subarray(0, read(memory, chunk, from, Math.min(to + 15, end) - from));
        for (const [name, mask] of Object.entries(MASKS)) found[name]! += finds(bytes, mask);
        // Or the copy would be found too.
        chunk.fill(0);
      }
    }
  }
  return found;
}

/** No array holds what is looked for: it would be found too. */
function finds(bytes: Uint8Array, mask: number): number {
  const first = byteAt(0) ^ mask;
  let count = 0;
  for (let i = 0; i + 16 <= bytes.length; i++) {
    if (bytes[i] !== first) continue;
    let same = 1;
    while (same < 16 && bytes[i + same] === (byteAt(same) ^ mask)) same++;
    if (same === 16) count++;
  }
  return count;
}

function writable(): [start: number, end: number][] {
  return readFileSync("/proc/self/maps", "utf8").split("\n").filter((line) => / rw/.test(line)).map((line) => {
    const [start, end] = line.split(" ")[0]!.split("-").map((digits) => Number.parseInt(digits, 16));
    return [start!, end!];
  });
}

/** The runs of pages that are there, in memory or swapped out: most of what a runtime reserves is not. */
function present(start: number, end: number): [from: number, to: number][] {
  const entries = new Uint8Array((end - start) / PAGE * 8);
  read(pagemap, entries, start / PAGE * 8, entries.length);
  const runs: [number, number][] = [];
  for (let i = 7, at = start; i < entries.length; i += 8, at += PAGE) {
    if (entries[i]! < 0x40) continue;
    const last = runs.at(-1);
    if (last?.[1] === at) last[1] += PAGE;
    else runs.push([at, at + PAGE]);
  }
  return runs;
}

function read(file: number, into: Uint8Array, at: number, length: number): number {
  try {
    return readSync(file, into, 0, length, at);
  } catch {
    // A range that went away meanwhile.
    return 0;
  }
}
