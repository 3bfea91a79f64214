/**
 * Writes `lib/crypto/chacha_wasm.ts`: ChaCha20-Poly1305 (RFC 8439) for WebAssembly with SIMD, made here instruction by
 * instruction. Four blocks of key stream are computed at once, each vector holding one word of all four; Poly1305 counts
 * in limbs of 32 bits with products of 64. No address and no branch depends on key or data. Between calls all memory
 * behind the constants is zero, but for what JavaScript wipes after it has copied it out.
 *
 * Run it by `node scripts/build_chacha.ts`; a test compares what is committed with what it makes.
 *
 * @module
 */

import { writeFileSync } from "node:fs";
import {
  add,
  assemble,
  call,
  type Code,
  differ,
  get,
  i32,
  i64,
  ladd,
  land,
  less,
  lload,
  lload32,
  lmul,
  lshr,
  lstore,
  lstore32,
  lsub,
  repeat,
  set,
  shr,
  shuffle,
  sub,
  swizzle,
  tee,
  v128,
  vadd,
  vany,
  vload,
  vload32,
  vreplace64,
  vshl,
  vshr,
  vsplat32,
  vsplat64,
  vstore,
  vxor,
  when,
  widen,
} from "./wasm_assembler.ts";

// Addresses in the memory. The first 64 bytes are the initial state of RFC 8439 2.3 but for the counter.
const STATE = 0;
const KEY = 16;
const NONCE = 52;
const SUM = 64;
const LENGTHS = 112;
/** The first four blocks of key stream, of which the first is Poly1305's key (RFC 8439 2.6). */
const FIRST = 128;
const AAD = 384;
const AAD_ROOM = 1024;
const TEXT = AAD + AAD_ROOM;
/** Of the text's bytes that many are under the first four blocks. */
const UNDER_FIRST = 192;
const PASS = 256;
const TEXT_ROOM = 65536 - TEXT - PASS - 16;

const ZERO: Code = i32(0);
const VZERO: Code = v128(Array(16).fill(0));
const FUNCTIONS = { stream: 0, hash: 1, finish: 2 } as const;
const four: readonly number[] = [0, 1, 2, 3];
const sixteen: readonly number[] = Array.from({ length: 16 }, (_, n) => n);
const blocksOf = (bytes: Code): Code => shr(add(bytes, i32(15)), 4);

/** Numbers for locals, from `first` on. */
function locals<Name extends string>(first: number, ...of: Name[]): Record<Name, number> {
  return Object.fromEntries(of.map((name, i) => [name, first + i])) as Record<Name, number>;
}

// stream(at, passes, counter): xors that many times four blocks of key stream, from block `counter` on, to what lies at `at`.
const stream: Code = (() => {
  const { at, passes, counter, round } = locals(0, "at", "passes", "counter", "round");
  const WORDS = 4;
  const { by16, by8, numbers } = locals(WORDS + 16, "by16", "by8", "numbers");
  const word = (n: number): number => WORDS + n;
  // A rotation left by whole bytes is an order of bytes.
  const turned = (bytes: number): Code => v128(sixteen.map((n) => (n & 12) | ((n + 4 - bytes) & 3)));
  const turn = (n: number, bits: number): Code =>
    set(
      word(n),
      bits === 16 ? swizzle(get(word(n)), get(by16)) : bits === 8 ? swizzle(get(word(n)), get(by8)) : vxor(
        vshl(get(word(n)), bits),
        vshr(get(word(n)), 32 - bits),
      ),
    );
  /** One step of four quarter rounds side by side (RFC 8439 2.1): the words from x on and those from y on, these turned by `shift` each. */
  const step = (x: number, y: number, shift: number, make: (x: number, y: number) => Code): Code =>
    four.flatMap((i) => make(x + ((i + shift * (x >> 2)) & 3), y + ((i + shift * (y >> 2)) & 3)));
  const mix = (x: number, y: number, z: number, bits: number, shift: number): Code => [
    ...step(x, y, shift, (x, y) => set(word(x), vadd(get(word(x)), get(word(y))))),
    ...step(z, x, shift, (z, x) => set(word(z), vxor(get(word(z)), get(word(x))))),
    ...step(z, x, shift, (z) => turn(z, bits)),
  ];
  const quarterRounds = (shift: number): Code => [
    ...mix(0, 4, 12, 16, shift),
    ...mix(8, 12, 4, 12, shift),
    ...mix(0, 4, 12, 8, shift),
    ...mix(8, 12, 4, 7, shift),
  ];
  const initial = (n: number): Code => n === 12 ? get(numbers) : vload32(ZERO, STATE + 4 * n);
  const lanes = (...of: number[]): number[] => of.flatMap((lane) => four.map((byte) => 4 * lane + byte));
  // Words 4g to 4g + 3 of each block, which lie in four vectors, become one vector a block.
  const write = (g: number): Code => {
    const [a, b, c, d] = four.map((i) => word(4 * g + i)) as [number, number, number, number];
    const pair = (x: number, y: number, ...of: number[]) => shuffle(get(x), get(y), lanes(...of));
    return [
      ...set(by16, pair(a, b, 0, 4, 1, 5)),
      ...set(a, pair(a, b, 2, 6, 3, 7)),
      ...set(b, pair(c, d, 0, 4, 1, 5)),
      ...set(c, pair(c, d, 2, 6, 3, 7)),
      ...four.flatMap((block) => {
        const offset = 64 * block + 16 * g;
        const [x, y] = block < 2 ? [by16, b] as const : [a, c] as const;
        const stream = (block & 1) === 0 ? pair(x, y, 0, 1, 4, 5) : pair(x, y, 2, 3, 6, 7);
        return vstore(get(at), offset, vxor(vload(get(at), offset), stream));
      }),
    ];
  };
  return when(differ(get(passes), ZERO), [
    ...set(numbers, vadd(vsplat32(get(counter)), v128(lanes(0, 1, 2, 3).map((n) => (n & 3) === 0 ? n >> 2 : 0)))),
    ...repeat([
      ...set(by16, turned(2)),
      ...set(by8, turned(1)),
      ...sixteen.flatMap((n) => set(word(n), initial(n))),
      ...set(round, i32(10)),
      ...repeat(
        [...quarterRounds(0), ...quarterRounds(1)],
        tee(round, sub(get(round), i32(1))),
      ),
      ...sixteen.flatMap((n) => set(word(n), vadd(get(word(n)), initial(n)))),
      ...four.flatMap(write),
      ...set(at, add(get(at), i32(PASS))),
      ...set(numbers, vadd(get(numbers), vsplat32(i32(4)))),
    ], tee(passes, sub(get(passes), i32(1)))),
  ]);
})();

const LOW: Code = i64(0xffffffffn);
const limbs = ["h0", "h1", "h2", "h3", "h4"] as const;

/** Carries from each limb to the next, and what passes 2^130 comes back times 5. RFC 8439 2.5. */
function carry(h: readonly number[], from: readonly number[]): Code {
  const top = get(h[4]!);
  return [
    ...[0, 1, 2].flatMap((i) => [
      ...set(from[i + 1]!, ladd(get(from[i + 1]!), lshr(get(from[i]!), 32))),
      ...set(h[i]!, land(get(from[i]!), LOW)),
    ]),
    ...set(h[4]!, ladd(top, lshr(get(from[3]!), 32))),
    ...set(h[3]!, land(get(from[3]!), LOW)),
    ...set(h[0]!, ladd(get(h[0]!), lshr(top, 2), land(top, i64(-4n)))),
    ...set(h[4]!, land(top, i64(3n))),
  ];
}

// hash(at, blocks): Poly1305 over whole blocks, its limbs kept at SUM. Between blocks the lowest may be up to 2.25 * 2^32,
// so that no sum of products passes 2^64: r has 28 bits a limb.
const hash: Code = (() => {
  const { at, blocks } = locals(0, "at", "blocks");
  const { r0, r1, r2, r3, s1, s2, s3 } = locals(2, "r0", "r1", "r2", "r3", "s1", "s2", "s3");
  const { h0, h1, h2, h3, h4, d0, d1, d2, d3 } = locals(9, ...limbs, "d0", "d1", "d2", "d3");
  const h = [h0, h1, h2, h3, h4];
  const sum = (...pairs: [number, number][]): Code =>
    pairs.map(([a, b]) => lmul(get(a), get(b))).reduce((a, b) => ladd(a, b));
  return when(differ(get(blocks), ZERO), [
    // The bits of r that are cleared, RFC 8439 2.5, leave r1 to r3 multiples of 4: times 2^128 each is 5/4 of itself.
    ...[r0, r1, r2, r3].flatMap((r, i) =>
      set(r, land(lload32(ZERO, FIRST + 4 * i), i64(i === 0 ? 0x0fffffffn : 0x0ffffffcn)))
    ),
    ...[[s1, r1], [s2, r2], [s3, r3]].flatMap(([s, r]) => set(s!, ladd(get(r!), lshr(get(r!), 2)))),
    ...h.flatMap((limb, i) => set(limb, lload(ZERO, SUM + 8 * i))),
    ...repeat([
      ...four.flatMap((i) => set(h[i]!, ladd(get(h[i]!), lload32(get(at), 4 * i)))),
      ...set(h4, ladd(get(h4), i64(1n))),
      ...set(d0, sum([h0, r0], [h1, s3], [h2, s2], [h3, s1])),
      ...set(d1, sum([h0, r1], [h1, r0], [h2, s3], [h3, s2], [h4, s1])),
      ...set(d2, sum([h0, r2], [h1, r1], [h2, r0], [h3, s3], [h4, s2])),
      ...set(d3, sum([h0, r3], [h1, r2], [h2, r1], [h3, r0], [h4, s3])),
      ...set(h4, lmul(get(h4), get(r0))),
      ...carry(h, [d0, d1, d2, d3]),
      ...set(at, add(get(at), i32(16))),
    ], tee(blocks, sub(get(blocks), i32(1)))),
    ...h.flatMap((limb, i) => lstore(ZERO, SUM + 8 * i, get(limb))),
  ]);
})();

// finish(): the tag comes to SUM. RFC 8439 2.5: the sum modulo 2^130 - 5, plus the second half of the key.
const finish: Code = (() => {
  const { h0, h1, h2, h3, h4, c, least } = locals(0, ...limbs, "c", "least");
  const h = [h0, h1, h2, h3, h4];
  return [
    ...h.flatMap((limb, i) => set(limb, lload(ZERO, SUM + 8 * i))),
    ...carry(h, h),
    ...carry(h, h),
    // The sum is at least the modulus if it passes 2^130 with 5 more.
    ...set(c, i64(5n)),
    ...[h0, h1, h2, h3].flatMap((limb) => set(c, lshr(ladd(get(limb), get(c)), 32))),
    ...set(least, lsub(i64(0n), lshr(ladd(get(h4), get(c)), 2))),
    ...set(c, land(get(least), i64(5n))),
    ...four.flatMap((i) => [
      ...set(c, ladd(get(c), get(h[i]!), lload32(ZERO, FIRST + 16 + 4 * i))),
      ...lstore32(ZERO, SUM + 4 * i, get(c)),
      ...set(c, lshr(get(c), 32)),
    ]),
  ];
})();

const { aadLength, length, at, tag } = locals(0, "aadLength", "length", "at", "tag");

/** The first four blocks of key stream to FIRST, which is zero before. */
const begin: Code = call(FUNCTIONS.stream, i32(FIRST), i32(1), ZERO);

/** The key stream to all of the text. */
const encrypt: Code = [
  ...sixteen.slice(0, UNDER_FIRST / 16).flatMap((i) =>
    vstore(ZERO, TEXT + 16 * i, vxor(vload(ZERO, TEXT + 16 * i), vload(ZERO, FIRST + 64 + 16 * i)))
  ),
  ...when(
    less(i32(UNDER_FIRST), get(length)),
    call(FUNCTIONS.stream, i32(TEXT + UNDER_FIRST), shr(add(get(length), i32(PASS - 1 - UNDER_FIRST)), 8), i32(4)),
  ),
];

/** RFC 8439 2.8: over additional data, ciphertext and both lengths, each part filled with zeros. */
const authenticate: Code = [
  ...call(FUNCTIONS.hash, i32(AAD), blocksOf(get(aadLength))),
  ...call(FUNCTIONS.hash, i32(TEXT), blocksOf(get(length))),
  ...vstore(ZERO, LENGTHS, vreplace64(vsplat64(widen(get(aadLength))), 1, widen(get(length)))),
  ...call(FUNCTIONS.hash, i32(LENGTHS), i32(1)),
  ...call(FUNCTIONS.finish),
];

/** Overwrites with zeros all but the constants and the text; of the additional data so much as there was. */
const wipe: Code = [
  ...vstore(ZERO, KEY, VZERO),
  ...vstore(ZERO, KEY + 16, VZERO),
  ...vstore(ZERO, KEY + 32, VZERO),
  ...set(at, i32(SUM)),
  ...repeat(
    four.flatMap((i) => vstore(get(at), 16 * i, VZERO)),
    less(tee(at, add(get(at), i32(64))), i32(AAD)),
  ),
  ...repeat(vstore(get(at), 0, VZERO), less(tee(at, add(get(at), i32(16))), add(get(aadLength), i32(AAD)))),
];

// seal(aadLength, length): key, nonce, additional data and text lie in their places, zeros behind.
const seal: Code = [
  ...begin,
  ...encrypt,
  ...vstore(get(length), TEXT, VZERO),
  ...authenticate,
  ...vstore(get(length), TEXT, vload(ZERO, SUM)),
  ...wipe,
];

// open(aadLength, length): the same with the ciphertext and its tag; 0 where that is right, otherwise 1.
const open: Code = [
  ...begin,
  ...set(tag, vload(get(length), TEXT)),
  ...vstore(get(length), TEXT, VZERO),
  ...authenticate,
  ...encrypt,
  ...set(tag, vxor(get(tag), vload(ZERO, SUM))),
  ...wipe,
  ...vany(get(tag)),
];

/** The text of `lib/crypto/chacha_wasm.ts`. */
export function chachaSource(): string {
  const constants = [...new TextEncoder().encode("expand 32-byte k")];
  const bytes = assemble([
    { name: "stream", parameters: 3, words: 1, vectors: 19, body: stream },
    { name: "hash", parameters: 2, words: 0, vectors: 0, longs: 16, body: hash },
    { name: "finish", parameters: 0, words: 0, vectors: 0, longs: 7, body: finish },
    { name: "seal", parameters: 2, words: 1, vectors: 0, body: seal },
    { name: "open", parameters: 2, words: 1, vectors: 1, result: true, body: open },
  ], constants);
  return `// Generated by scripts/build_chacha.ts from instructions that stand there: do not edit.
/** A WebAssembly module of ${bytes.length} bytes in base64: \`memory\`, \`seal\` and \`open(aadLength, length)\`. */
export const CHACHA_MODULE: string =
  "${btoa(String.fromCharCode(...bytes))}";
/** Where in its memory a key of 32 bytes is written. */
export const KEY_AT = ${KEY};
/** From where on all is zero between calls. */
export const ZEROS_AT = ${KEY};
/** Where a nonce of 12 bytes is written. */
export const NONCE_AT = ${NONCE};
/** Where additional data are written. */
export const AAD_AT = ${AAD};
/** How many bytes they may be. */
export const AAD_ROOM = ${AAD_ROOM};
/** Where a text is written, behind it its tag, and where the result is. */
export const TEXT_AT = ${TEXT};
/** How many bytes the text may be, without its tag. */
export const TEXT_ROOM = ${TEXT_ROOM};
/** How many bytes behind the text may be written besides. */
export const TEXT_SLACK = ${PASS + 16};
`;
}

if (import.meta.main) writeFileSync(new URL("../lib/crypto/chacha_wasm.ts", import.meta.url), chachaSource());
