/** New inputs out of kept ones. */
import fc from "fast-check";
import { concat } from "../../lib/bytes/mod.ts";

/** The longest input that mutation makes, in bytes, but for seeds that are longer themselves. */
export const LONGEST = 4096;

const EDGES: readonly number[] = [0x00, 0x01, 0x0a, 0x0d, 0x20, 0x22, 0x2c, 0x3b, 0x3d, 0x7f, 0x80, 0xfe, 0xff];
const KINDS = ["set", "flip", "add", "out", "in", "cut", "double", "repeat", "splice", "length"] as const;

/**
 * Bytes of no meaning now and then, else one of `seeds` with up to six changes: bytes set, turned, counted up or down, taken
 * out and put in, the end cut off, a part doubled or repeated, one seed's beginning before another's end, a number of two
 * bytes set to what is left behind it, or to one more or less.
 */
export function mutated(seeds: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const noise = fc.uint8Array({ maxLength: 300, size: "max" });
  if (seeds.length === 0) return noise;
  const edit = fc.record({
    kind: fc.constantFrom(...KINDS),
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    byte: fc.oneof(fc.constantFrom(...EDGES), fc.nat(255)),
    many: fc.integer({ min: 1, max: 40 }),
    other: fc.nat(seeds.length - 1),
  });
  const changed = fc.tuple(fc.nat(seeds.length - 1), fc.array(edit, { maxLength: 6 })).map(([first, edits]) => {
    let bytes: Uint8Array = seeds[first]!.slice();
    for (const each of edits) bytes = apply(bytes, each, seeds).slice(0, Math.max(LONGEST, seeds[first]!.length));
    return bytes;
  });
  return fc.oneof({ arbitrary: changed, weight: 15 }, { arbitrary: noise, weight: 1 });
}

interface Edit {
  readonly kind: typeof KINDS[number];
  readonly at: number;
  readonly byte: number;
  readonly many: number;
  readonly other: number;
}

function apply(
  bytes: Uint8Array,
  { kind, at: share, byte, many, other }: Edit,
  seeds: readonly Uint8Array[],
): Uint8Array {
  const at = Math.floor(share * bytes.length);
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  const first = after[0] ?? 0;
  switch (kind) {
    case "set":
      return concat(before, Uint8Array.of(byte), after.subarray(1));
    case "flip":
      return concat(before, Uint8Array.of(first ^ (1 << (byte & 7))), after.subarray(1));
    case "add":
      return concat(before, Uint8Array.of(first + (byte & 1 ? 1 : -1)), after.subarray(1));
    case "out":
      return concat(before, after.subarray(many));
    case "in":
      return concat(before, new Uint8Array(many).fill(byte), after);
    case "cut":
      return before;
    case "double":
      return concat(before, after.subarray(0, many), after);
    case "repeat":
      return concat(before, ...Array.from({ length: many * 4 }, () => after.subarray(0, 1 + (byte & 15))), after);
    case "splice": {
      const tail = seeds[other]!;
      return concat(before, tail.subarray(Math.floor(share * tail.length)));
    }
    case "length": {
      const left = Math.max(0, after.length - 2) + ((byte % 3) - 1);
      return concat(before, Uint8Array.of(left >> 8, left), after.subarray(2));
    }
    default:
      return kind satisfies never;
  }
}
