/**
 * Writes `lib/crypto/aes_wasm.ts`: AES-GCM (NIST SP 800-38D) and AES-CCM (RFC 3610) for WebAssembly with SIMD, made here instruction by
 * instruction. Neither AES nor GHASH reads memory at an address, or takes a branch, that depends on key or data: what
 * other code looks up in tables is permuted within vectors, `scripts/aes_tables.ts` says how.
 *
 * Round keys are kept as the rounds want them: in the field of the tables, the S-box's constant added in. Between calls
 * all memory behind the tables is zero, but for what JavaScript wipes after it has copied it out.
 *
 * Run it by `node scripts/build_aes.ts`; a test compares what is committed with what it makes.
 *
 * @module
 */

import { writeFileSync } from "node:fs";
import { AES_TABLES } from "./aes_tables.ts";
import {
  add,
  and,
  assemble,
  call,
  type Code,
  differ,
  get,
  i32,
  i64,
  land,
  less,
  load,
  lor,
  lshl,
  lshr,
  lsub,
  lxor,
  repeat,
  rotr,
  same,
  set,
  shl,
  shr,
  shuffle,
  store,
  sub,
  swizzle,
  tee,
  v128,
  vand,
  vany,
  vextract32,
  vextract64,
  vload,
  vreplace16,
  vreplace64,
  vshr16,
  vsplat32,
  vsplat64,
  vstore,
  vxor,
  when,
  widen,
  xor,
} from "./wasm_assembler.ts";

// Addresses in the memory, behind the tables.
const ROWS = 512;
const HASH_KEY = 1024;
const KEYS = HASH_KEY + 16;
const SUM = KEYS + 16 * 15;
const LENGTHS = SUM + 16;
const COUNTER = LENGTHS + 16;
/** Behind it nothing that is wiped whole. */
const AAD = ROWS + 7 * 128;
const AAD_ROOM = 1024;
/** E(K, J0), and behind it the text, so that one run of counters serves both. */
const MASK = AAD + AAD_ROOM;
const TEXT = MASK + 16;
/** Behind the text its tag, and what the last pair of blocks may write too much. */
const TEXT_ROOM = 65536 - TEXT - 64;

const ZERO: Code = i32(0);
const VZERO: Code = v128(Array(16).fill(0));
const LOW_NIBBLES: Code = v128(Array(16).fill(0x0f));
/** FIPS 197 5.1.1: the constant of the S-box in every byte. */
const SBOX_CONSTANT: Code = v128(Array(16).fill(0x63));
const sixteen: readonly number[] = Array.from({ length: 16 }, (_, n) => n);

const names = Object.keys(AES_TABLES);
/** A table of `AES_TABLES` from memory. */
const table = (name: string): Code => vload(ZERO, 16 * names.indexOf(name));
const lookup = (name: string, indices: Code): Code => swizzle(table(name), indices);
/** The functions by their place in the module. */
const FUNCTIONS = { subWord: 0, count: 1, rows: 2, hash: 3 } as const;
/** How many blocks, of which the last need not be whole. */
const blocksOf = (bytes: Code): Code => shr(add(bytes, i32(15)), 4);

/** Numbers for locals, from `first` on. */
function locals<Name extends string>(first: number, ...of: Name[]): Record<Name, number> {
  return Object.fromEntries(of.map((name, i) => [name, first + i])) as Record<Name, number>;
}

/** The locals of one block on its way through the rounds. */
interface Block {
  readonly x: number;
  readonly i: number;
  readonly j: number;
  readonly k: number;
}
/** The locals that hold tables of the rounds. */
const held = ["low", "rows", "next", "before", "inv", "inva", "io", "jo", "io2", "jo2"] as const;
type Held = Record<typeof held[number], number>;
const HELD_TABLES: Record<typeof held[number], string> = {
  ...{ low: "", rows: "shiftRows", next: "nextRow", before: "rowBefore", inv: "inverse", inva: "inverseTimesA" },
  ...{ io: "ofIo", jo: "ofJo", io2: "doubleOfIo", jo2: "doubleOfJo" },
};
const hold = (to: Held): Code =>
  held.flatMap((name) => set(to[name], name === "low" ? LOW_NIBBLES : table(HELD_TABLES[name])));

/** Splits x of each block: its high nibbles to i, its low ones to k. */
const split = (blocks: readonly Block[], low: Code): Code => [
  ...blocks.flatMap(({ x, k }) => set(k, vand(get(x), low))),
  ...blocks.flatMap(({ x, i }) => set(i, vand(vshr16(get(x), 4), low))),
];

/** Into the field of the tables, and the first round key. */
const enter = (blocks: readonly Block[], low: Code): Code => [
  ...split(blocks, low),
  ...blocks.flatMap(({ x, i, k }) => set(x, vxor(lookup("enterLow", get(k)), lookup("enterHigh", get(i))))),
];

/** From i and k to io in j and jo in i. */
function invert(blocks: readonly Block[], inverse: Code, inverseTimesA: Code): Code {
  return [
    ...blocks.flatMap(({ i, j, k }) => set(j, vxor(get(i), get(k)))),
    ...blocks.flatMap(({ k }) => set(k, swizzle(inverseTimesA, get(k)))),
    ...blocks.flatMap(({ x, i, k }) => set(x, vxor(swizzle(inverse, get(i)), get(k)))),
    ...blocks.flatMap(({ j, k }) => set(k, vxor(swizzle(inverse, get(j)), get(k)))),
    ...blocks.flatMap(({ x, j }) => set(j, vxor(swizzle(inverse, get(x)), get(j)))),
    ...blocks.flatMap(({ i, k }) => set(i, vxor(swizzle(inverse, get(k)), get(i)))),
  ];
}

/** SubBytes, ShiftRows and MixColumns (FIPS 197 5.1); 2a + 3b + c + d is y + (y of the next row) + d, where y = 2a + b. */
function round(blocks: readonly Block[], t: Held, key: Code): Code {
  return [
    ...blocks.flatMap(({ x }) => set(x, swizzle(get(x), get(t.rows)))),
    ...split(blocks, get(t.low)),
    ...invert(blocks, get(t.inv), get(t.inva)),
    ...blocks.flatMap(({ x, i, j }) => set(x, vxor(swizzle(get(t.io), get(j)), swizzle(get(t.jo), get(i))))),
    ...blocks.flatMap(({ x, i, j, k }) =>
      set(k, vxor(swizzle(get(t.io2), get(j)), swizzle(get(t.jo2), get(i)), swizzle(get(x), get(t.next))))
    ),
    ...blocks.flatMap(({ x, k }) =>
      set(x, vxor(get(k), swizzle(get(k), get(t.next)), swizzle(get(x), get(t.before)), vload(key, 0)))
    ),
  ];
}

/** SubBytes, back in AES's field, without its constant. */
const leave = ({ i, j }: Block): Code => vxor(lookup("lastOfIo", get(j)), lookup("lastOfJo", get(i)));

/** Encrypts x of each block; `end` is the address of the last round key. */
function encrypt(blocks: readonly Block[], t: Held, key: number, end: number): Code {
  return [
    ...enter(blocks, get(t.low)),
    ...blocks.flatMap(({ x }) => set(x, vxor(get(x), vload(ZERO, KEYS)))),
    ...set(key, i32(KEYS + 16)),
    ...repeat(round(blocks, t, get(key)), differ(tee(key, add(get(key), i32(16))), get(end))),
    ...blocks.flatMap(({ x }) => set(x, swizzle(get(x), get(t.rows)))),
    ...split(blocks, get(t.low)),
    ...invert(blocks, get(t.inv), get(t.inva)),
    ...blocks.flatMap((block) => set(block.x, vxor(leave(block), vload(get(end), 0)))),
  ];
}

// subWord(word): the S-box on four bytes, FIPS 197 5.2.
const subWord: Code = (() => {
  const block: Block = locals(1, "x", "i", "j", "k");
  return [
    ...set(block.x, vsplat32(get(0))),
    ...enter([block], LOW_NIBBLES),
    ...split([block], LOW_NIBBLES),
    ...invert([block], table("inverse"), table("inverseTimesA")),
    ...vextract32(vxor(leave(block), SBOX_CONSTANT), 0),
  ];
})();

// expand(length): the key of `length` bytes lies at KEYS, the round keys come there, and E(K, 0) to HASH_KEY.
const expand: Code = (() => {
  const { length, at, end, word, phase, constant } = locals(0, "length", "at", "end", "word", "phase", "constant");
  const block: Block = locals(6, "x", "i", "j", "k");
  const substituted = call(FUNCTIONS.subWord, get(word));
  return [
    ...set(at, get(length)),
    // Six rounds more than the key has words.
    ...set(end, add(shl(get(length), 2), i32(96))),
    ...set(constant, i32(1)),
    ...repeat([
      ...set(word, load(get(at), KEYS - 4)),
      ...when(same(get(phase), ZERO), [
        ...set(word, rotr(get(word), 8)),
        ...set(word, xor(substituted, get(constant))),
        ...set(constant, xor(shl(get(constant), 1), and(sub(ZERO, shr(get(constant), 7)), i32(0x11b)))),
      ]),
      ...when(and(same(get(length), i32(32)), same(get(phase), i32(16))), set(word, substituted)),
      ...store(get(at), KEYS, xor(get(word), load(sub(get(at), get(length)), KEYS))),
      ...set(at, add(get(at), i32(4))),
      ...set(phase, add(get(phase), i32(4))),
      ...when(same(get(phase), get(length)), set(phase, ZERO)),
    ], differ(get(at), add(get(end), i32(16)))),
    // Of the round keys all but the first hold the S-box's constant, all but the last are in the field of the tables.
    ...set(at, ZERO),
    ...repeat([
      ...set(block.x, vload(get(at), KEYS)),
      ...when(differ(get(at), ZERO), set(block.x, vxor(get(block.x), SBOX_CONSTANT))),
      ...when(differ(get(at), get(end)), enter([block], LOW_NIBBLES)),
      ...vstore(get(at), KEYS, get(block.x)),
    ], differ(tee(at, add(get(at), i32(16))), add(get(end), i32(16)))),
    ...call(FUNCTIONS.count, i32(1), shr(get(end), 4), ZERO),
    ...vstore(ZERO, HASH_KEY, vload(ZERO, MASK)),
    ...vstore(ZERO, MASK, VZERO),
    ...vstore(ZERO, TEXT, VZERO),
  ];
})();

// count(blocks, rounds, counter): xors the key stream of that many blocks, and maybe one more, to what begins at MASK.
const count: Code = (() => {
  const { rounds, counter, at, stop, key, end } = locals(1, "rounds", "counter", "at", "stop", "key", "end");
  const first: Block = locals(7, "x", "i", "j", "k");
  const second: Block = locals(11, "x", "i", "j", "k");
  const t: Held = locals(15, ...held);
  // Its last two bytes are all that changes of a counter that begins with 1 and has no more than a memory full.
  const block = (number: Code): Code => vreplace16(vload(ZERO, COUNTER), 7, xor(shl(number, 8), shr(number, 8)));
  return [
    ...hold(t),
    ...set(end, add(shl(get(rounds), 4), i32(KEYS))),
    ...set(at, i32(MASK)),
    ...set(stop, add(shl(get(0), 4), i32(MASK))),
    ...repeat([
      ...set(first.x, block(get(counter))),
      ...set(second.x, block(add(get(counter), i32(1)))),
      ...encrypt([first, second], t, key, end),
      ...vstore(get(at), 0, vxor(vload(get(at), 0), get(first.x))),
      ...vstore(get(at), 16, vxor(vload(get(at), 16), get(second.x))),
      ...set(counter, add(get(counter), i32(2))),
    ], less(tee(at, add(get(at), i32(32))), get(stop))),
  ];
})();

// rows(): from the hash key H at HASH_KEY, the rows that hash() permutes. Row r of the first sixteen holds byte r of
// each product of a nibble and H, where the nibble's top bit is x^0; the next sixteen the same times x^4.
const rows: Code = (() => {
  const MULTIPLES = 1;
  const { to } = locals(0, "to");
  const { high, low, carry } = locals(MULTIPLES + 32, "high", "low", "carry");
  const multiple = (n: number): number => MULTIPLES + n;
  const swap = (vector: Code): Code => swizzle(vector, table("reversed"));
  // Times x, in this order of bits a shift right; what falls out comes back as 1 + x + x^2 + x^7. SP 800-38D 6.3.
  const timesX: Code = [
    ...set(carry, lsub(i64(0n), land(get(low), i64(1n)))),
    ...set(low, lor(lshr(get(low), 1), lshl(get(high), 63))),
    ...set(high, lxor(lshr(get(high), 1), land(get(carry), i64(0xe1n << 56n)))),
  ];
  // Four times a vector with that eight further on, byte by byte, and a square of 16 by 16 is turned over.
  const interleave = (from: number, into: number): Code =>
    sixteen.slice(0, 8).flatMap((i) =>
      [0, 8].flatMap((start) =>
        set(
          into + 2 * i + (start >> 3),
          shuffle(get(from + i), get(from + i + 8), sixteen.map((n) => start + (n >> 1) + 16 * (n & 1))),
        )
      )
    );
  return [
    ...set(multiple(0), swap(vload(ZERO, HASH_KEY))),
    ...set(low, vextract64(get(multiple(0)), 0)),
    ...set(high, vextract64(get(multiple(0)), 1)),
    ...repeat([
      ...set(multiple(0), VZERO),
      ...[8, 4, 2, 1].flatMap((n) => [
        ...set(multiple(n), swap(vreplace64(vsplat64(get(low)), 1, get(high)))),
        ...timesX,
      ]),
      ...sixteen.filter((n) => (n & (n - 1)) !== 0).flatMap((n) =>
        set(multiple(n), vxor(get(multiple(n & (n - 1))), get(multiple(n & -n))))
      ),
      ...interleave(MULTIPLES, MULTIPLES + 16),
      ...interleave(MULTIPLES + 16, MULTIPLES),
      ...interleave(MULTIPLES, MULTIPLES + 16),
      ...interleave(MULTIPLES + 16, MULTIPLES),
      ...sixteen.flatMap((n) => vstore(get(to), ROWS + 16 * n, get(multiple(n)))),
    ], less(tee(to, add(get(to), i32(256))), i32(512))),
  ];
})();

// hash(at, blocks): multiplies by H the sum at SUM with each block. SP 800-38D 6.4.
const hash: Code = (() => {
  const { at, blocks } = locals(0, "at", "blocks");
  const { sum, over, first, second, x } = locals(2, "sum", "over", "first", "second", "x");
  const halves: Code = [
    ...set(first, vand(vshr16(get(x), 4), LOW_NIBBLES)),
    ...set(second, vand(get(x), LOW_NIBBLES)),
  ];
  const oneUp = sixteen.map((n) => 15 + n);
  return when(differ(get(blocks), ZERO), [
    ...set(sum, vload(ZERO, SUM)),
    ...repeat([
      ...set(x, vxor(get(sum), vload(get(at), 0))),
      ...halves,
      ...sixteen.toReversed().flatMap((row) => {
        const product = vxor(
          swizzle(vload(ZERO, ROWS + 16 * row), get(first)),
          swizzle(vload(ZERO, ROWS + 256 + 16 * row), get(second)),
        );
        // Byte `row` of what belongs to byte n of the block is byte n + row of the product: 31 bytes.
        if (row === 15) return [...set(over, VZERO), ...set(sum, product)];
        return [
          ...set(over, shuffle(get(sum), get(over), oneUp)),
          ...set(sum, vxor(shuffle(VZERO, get(sum), oneUp), product)),
        ];
      }),
      ...set(x, get(over)),
      ...halves,
      ...set(x, vxor(lookup("foldHighNext", get(first)), lookup("foldLowNext", get(second)))),
      ...set(
        sum,
        vxor(
          get(sum),
          lookup("foldHigh", get(first)),
          lookup("foldLow", get(second)),
          shuffle(VZERO, get(x), oneUp),
        ),
      ),
      ...set(at, add(get(at), i32(16))),
    ], tee(blocks, sub(get(blocks), i32(1)))),
    ...vstore(ZERO, SUM, get(sum)),
  ]);
})();

/** The hash over additional data, ciphertext and both lengths in bits; xored with the mask it is the tag. SP 800-38D 7.1. */
const authenticate = (aadLength: Code, length: Code): Code => [
  ...call(FUNCTIONS.rows),
  ...call(FUNCTIONS.hash, i32(AAD), blocksOf(aadLength)),
  ...call(FUNCTIONS.hash, i32(TEXT), blocksOf(length)),
  ...vstore(
    ZERO,
    LENGTHS,
    swizzle(
      vreplace64(vsplat64(lshl(widen(length), 3)), 1, lshl(widen(aadLength), 3)),
      table("reversed"),
    ),
  ),
  ...call(FUNCTIONS.hash, i32(LENGTHS), i32(1)),
];

/** Overwrites with zeros rows, keys, sums, nonce, mask, and so much of the additional data as there was. */
const wipe = (at: number, aadLength: Code): Code => [
  ...set(at, i32(ROWS)),
  ...repeat(
    [0, 16, 32, 48, 64, 80, 96, 112].flatMap((offset) => vstore(get(at), offset, VZERO)),
    less(tee(at, add(get(at), i32(128))), i32(AAD)),
  ),
  ...vstore(ZERO, MASK, VZERO),
  ...set(at, i32(AAD)),
  ...repeat(vstore(get(at), 0, VZERO), less(tee(at, add(get(at), i32(16))), add(aadLength, i32(AAD)))),
];

const { aadLength, length, rounds, at, tag } = locals(0, "aadLength", "length", "rounds", "at", "tag");

// seal(aadLength, length, rounds): H and round keys, nonce, additional data and text lie in their places, zeros behind.
const seal: Code = [
  ...call(FUNCTIONS.count, add(blocksOf(get(length)), i32(1)), get(rounds), i32(1)),
  ...vstore(get(length), TEXT, VZERO),
  ...vstore(get(length), TEXT + 16, VZERO),
  ...authenticate(get(aadLength), get(length)),
  ...vstore(get(length), TEXT, vxor(vload(ZERO, SUM), vload(ZERO, MASK))),
  ...wipe(at, get(aadLength)),
];

// open(aadLength, length, rounds): the same with the ciphertext and its tag; 0 where that is right, otherwise 1.
const open: Code = [
  ...set(tag, vload(get(length), TEXT)),
  ...vstore(get(length), TEXT, VZERO),
  ...authenticate(get(aadLength), get(length)),
  ...call(FUNCTIONS.count, add(blocksOf(get(length)), i32(1)), get(rounds), i32(1)),
  ...set(tag, vxor(get(tag), vload(ZERO, SUM), vload(ZERO, MASK))),
  ...wipe(at, get(aadLength)),
  ...vany(get(tag)),
];

// ccm(aadBlocks, length, rounds, tagLength, opening): RFC 3610. B_0 lies at LENGTHS and A_0 at COUNTER, in AAD the
// additional data behind their length, the rest as for GCM. The block of the MAC and the next one of the key stream are
// encrypted as a pair, which takes hardly longer than the first alone. 0 where a tag was opened and right.
const ccm: Code = (() => {
  const { aadBlocks, length, rounds, tagLength, opening } = locals(
    0,
    ...["aadBlocks", "length", "rounds", "tagLength", "opening"] as const,
  );
  const { at, end, key, last, number } = locals(5, "at", "end", "key", "last", "number");
  const mac: Block = locals(10, "x", "i", "j", "k");
  const next: Block = locals(14, "x", "i", "j", "k");
  const t: Held = locals(18, ...held);
  const { mask, text, tag } = locals(28, "mask", "text", "tag");
  const counter = (number: Code): Code => vreplace16(vload(ZERO, COUNTER), 7, xor(shl(number, 8), shr(number, 8)));
  const absorb = (block: Code): Code => set(mac.x, vxor(get(mac.x), block));
  return [
    ...hold(t),
    ...set(last, add(shl(get(rounds), 4), i32(KEYS))),
    ...set(end, add(get(length), i32(TEXT))),
    ...set(tag, vload(get(length), TEXT)),
    ...when(get(opening), vstore(get(length), TEXT, VZERO)),
    ...set(mac.x, vload(ZERO, LENGTHS)),
    ...set(next.x, vload(ZERO, COUNTER)),
    ...encrypt([mac, next], t, key, last),
    ...set(mask, get(next.x)),
    ...set(next.x, counter(i32(1))),
    ...when(same(get(aadBlocks), ZERO), encrypt([next], t, key, last)),
    ...set(at, i32(AAD)),
    ...when(
      get(aadBlocks),
      repeat([
        ...absorb(vload(get(at), 0)),
        ...set(next.x, counter(i32(1))),
        ...encrypt([mac, next], t, key, last),
      ], less(tee(at, add(get(at), i32(16))), add(shl(get(aadBlocks), 4), i32(AAD)))),
    ),
    ...set(number, i32(2)),
    ...set(at, i32(TEXT)),
    ...when(
      get(length),
      repeat([
        ...set(text, vload(get(at), 0)),
        ...vstore(get(at), 0, vxor(get(text), get(next.x))),
        // Behind an opened text the MAC sees zeros, not key stream.
        ...when(get(opening), [
          ...when(less(get(end), add(get(at), i32(16))), vstore(get(length), TEXT, VZERO)),
          ...set(text, vload(get(at), 0)),
        ]),
        ...absorb(get(text)),
        ...set(next.x, counter(get(number))),
        ...set(number, add(get(number), i32(1))),
        ...encrypt([mac, next], t, key, last),
      ], less(tee(at, add(get(at), i32(16))), get(end))),
    ),
    ...set(mask, vxor(get(mask), get(mac.x))),
    ...when(same(get(opening), ZERO), vstore(get(length), TEXT, get(mask))),
    ...set(tag, vxor(get(tag), get(mask))),
    ...when(same(get(tagLength), i32(8)), set(tag, vreplace64(get(tag), 1, i64(0n)))),
    ...wipe(at, shl(get(aadBlocks), 4)),
    ...vany(get(tag)),
  ];
})();

/** The text of `lib/crypto/aes_wasm.ts`. */
export function aesSource(): string {
  const bytes = assemble([
    { name: "subWord", parameters: 1, words: 0, vectors: 4, result: true, body: subWord },
    { name: "count", parameters: 3, words: 4, vectors: 18, body: count },
    { name: "rows", parameters: 0, words: 1, vectors: 32, longs: 3, body: rows },
    { name: "hash", parameters: 2, words: 0, vectors: 5, body: hash },
    { name: "expand", parameters: 1, words: 5, vectors: 4, body: expand },
    { name: "seal", parameters: 3, words: 1, vectors: 0, body: seal },
    { name: "open", parameters: 3, words: 1, vectors: 1, result: true, body: open },
    { name: "ccm", parameters: 5, words: 5, vectors: 21, result: true, body: ccm },
  ], Object.values(AES_TABLES).flat());
  return `// Generated by scripts/build_aes.ts from instructions that stand there: do not edit.
/** A WebAssembly module of ${bytes.length} bytes in base64: \`memory\`, \`expand(length)\`, \`seal\` and \`open(aadLength, length, rounds)\`, \`ccm(aadBlocks, length, rounds, tagLength, opening)\`. */
export const AES_MODULE: string =
  "${btoa(String.fromCharCode(...bytes))}";
/** Where in its memory the hash key lies, and behind it the round keys, 16 bytes each; a key to expand is written behind the hash key. */
export const KEYS_AT = ${HASH_KEY};
/** From where on all is zero between calls. */
export const ZEROS_AT = ${ROWS};
/** Where a nonce of 12 bytes is written. */
export const NONCE_AT = ${COUNTER};
/** Where CCM's first block of the MAC is written. */
export const FIRST_BLOCK_AT = ${LENGTHS};
/** Where additional data are written. */
export const AAD_AT = ${AAD};
/** How many bytes they may be. */
export const AAD_ROOM = ${AAD_ROOM};
/** Where a text is written, behind it its tag, and where the result is. */
export const TEXT_AT = ${TEXT};
/** How many bytes the text may be, without its tag. */
export const TEXT_ROOM = ${TEXT_ROOM};
`;
}

if (import.meta.main) writeFileSync(new URL("../lib/crypto/aes_wasm.ts", import.meta.url), aesSource());
