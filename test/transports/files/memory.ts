/** The memory of another process, as Linux shows it to the one that started it. */
import { Buffer } from "node:buffer";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";

const PAGE = 4096;
const PIECE = 64 * PAGE;

/** How often each of `needles`, at most 64 bytes, lies in the memory that the process `pid` can write to. */
export function countInMemory(pid: number, needles: readonly Uint8Array[]): number[] {
  const counts = needles.map(() => 0);
  // As text: every runtime searches that natively.
  const texts = needles.map((needle) => Buffer.from(needle).toString("latin1"));
  const [memory, pages] = ["mem", "pagemap"].map((name) => openSync(`/proc/${pid}/${name}`, "r")) as [number, number];
  try {
    for (const [start, end] of writable(pid)) {
      for (const at of piecesThere(pages, start, end)) {
        // A little of the next piece, for what lies across.
        const found = readAt(memory, at, Math.min(PIECE + 64, end - at)).toString("latin1");
        texts.forEach((text, i) => {
          for (let hit = found.indexOf(text); hit >= 0 && hit < PIECE; hit = found.indexOf(text, hit + 1)) counts[i]!++;
        });
      }
    }
  } finally {
    closeSync(memory);
    closeSync(pages);
  }
  return counts;
}

function writable(pid: number): (readonly [start: number, end: number])[] {
  const maps = readFileSync(`/proc/${pid}/maps`, "utf8");
  return [...maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw/gm)].map(([, start = "", end = ""]) =>
    [Number.parseInt(start, 16), Number.parseInt(end, 16)] as const
  );
}

/** Where pieces begin of which a page is in memory or swapped out: runtimes reserve far more than they use. */
function* piecesThere(pages: number, start: number, end: number): Generator<number> {
  for (let at = start; at < end; at += 1024 * PIECE) {
    const entries = readAt(pages, at / PAGE * 8, Math.min(1024 * PIECE, end - at) / PAGE * 8);
    for (let i = 0; i < entries.length; i += PIECE / PAGE * 8) {
      const piece = entries.subarray(i, i + PIECE / PAGE * 8);
      // The two highest bits of a page's entry say so.
      if (piece.some((byte, k) => (k & 7) === 7 && (byte & 0xc0) !== 0)) yield at + i / 8 * PAGE;
    }
  }
}

function readAt(file: number, at: number, length: number): Buffer {
  const piece = Buffer.alloc(length);
  try {
    return piece.subarray(0, readSync(file, piece, 0, length, at));
  } catch {
    // Some mappings are there for the kernel alone.
    return piece.subarray(0, 0);
  }
}
