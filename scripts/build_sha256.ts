/**
 * Writes `lib/crypto/sha256_wasm.ts`: SHA-256 (FIPS 180-4) and the tag of HMAC for WebAssembly with SIMD, made here
 * instruction by instruction. Four words of the message schedule are computed at once in vectors, beside the rounds
 * in scalars. A block is overwritten with zeros as it is read, and all else that depends on a key before a call
 * returns, but for the result: so the memory is zero between calls, which the padding relies on.
 *
 * Run it by `node scripts/build_sha256.ts`; a test compares what is committed with what it makes.
 *
 * @module
 */

import { writeFileSync } from "node:fs";
import { ROUND_CONSTANTS } from "../lib/crypto/sha256_loop.ts";
import {
  add,
  and,
  assemble,
  call,
  type Code,
  differ,
  get,
  i32,
  load,
  repeat,
  rotr,
  set,
  shl,
  shr,
  shuffle,
  store,
  store8,
  sub,
  tee,
  v128,
  vadd,
  vload,
  vshl,
  vshr,
  vshr64,
  vstore,
  vxor,
  xor,
} from "./wasm_assembler.ts";

// Addresses in the memory. The first two states are where JavaScript writes midstates and reads the result.
const CONSTANTS = 0;
const SUMS = 256;
const INNER = 320;
const OUTER = 352;
const MESSAGE = 512;

const ZERO: Code = i32(0);
const VZERO: Code = v128(Array(16).fill(0));
const four: readonly number[] = [0, 1, 2, 3];
const eight: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7];

/** Bytes of four words, of which 0 to 3 are the first vector's and 4 to 7 the second's. */
const words = (...of: number[]): number[] => of.flatMap((word) => four.map((byte) => 4 * word + byte));
const bigEndian = (vector: Code): Code => shuffle(vector, VZERO, words(0, 1, 2, 3).map((byte) => byte ^ 3));

// compress(state, block, count): the locals behind its parameters.
const STATE = 0;
const BLOCK = 1;
const COUNT = 2;
const WORKING = 3;
const SUM = 11;
const CONSTANT = 12;
const SCHEDULE = 13;
const TURNED = 17;

/** One of a to h in round `t`: they stay where they are, and their names move. */
const working = (name: string, t: number): number => WORKING + (("abcdefgh".indexOf(name) - t) & 7);

/** FIPS 180-4 6.2.2 step 3. T1 is added to d in two halves: the half that does not wait for e comes first. */
function round(t: number): Code {
  const [a, b, c, d, e, f, g, h] = [..."abcdefgh"].map((name) => get(working(name, t))) as [
    ...[Code, Code, Code, Code, Code, Code, Code, Code],
  ];
  const choose = xor(and(xor(f, g), e), g);
  const majority = xor(and(a, xor(b, c)), and(b, c));
  const early = get(working("h", t));
  return [
    ...set(working("h", t), add(h, load(ZERO, SUMS + 4 * (t & 15)))),
    ...set(SUM, add(choose, xor(rotr(e, 6), rotr(e, 11), rotr(e, 25)))),
    ...set(working("d", t), add(add(d, early), get(SUM))),
    ...set(
      working("h", t),
      add(add(add(early, get(SUM)), majority), xor(rotr(a, 2), rotr(a, 13), rotr(a, 22))),
    ),
  ];
}

const schedule = (j: number): number => SCHEDULE + (j & 3);

/** W[t..t+3] from the sixteen words before it (FIPS 180-4 6.2.2 step 1), where vector `j` holds W[t-16..t-13]. */
function nextWords(j: number): Code {
  const [w0, w1, w2, w3] = [0, 1, 2, 3].map((i) => get(schedule(j + i))) as [Code, Code, Code, Code];
  const x = get(TURNED);
  const sigma0 = vxor(vxor(vshr(x, 3), vshr(x, 7)), vxor(vshl(x, 25), vshr(x, 18)), vshl(x, 14));
  // Each word twice in 64 bits makes a shift a rotation.
  const sigma1 = vxor(vshr64(x, 17), vshr64(x, 19), vshr(x, 10));
  return [
    ...set(TURNED, shuffle(w0, w1, words(1, 2, 3, 4))),
    ...set(schedule(j), vadd(w0, sigma0, shuffle(w2, w3, words(1, 2, 3, 4)))),
    // The last two of the four words need the first two.
    ...set(TURNED, shuffle(w3, w3, words(2, 2, 3, 3))),
    ...set(schedule(j), vadd(w0, shuffle(sigma1, VZERO, words(0, 2, 4, 4)))),
    ...set(TURNED, shuffle(w0, w0, words(0, 0, 1, 1))),
    ...set(schedule(j), vadd(w0, shuffle(VZERO, sigma1, words(0, 0, 4, 6)))),
  ];
}

/** Sixteen rounds, after each four of which the words that they used become those sixteen later, unless these are the last. */
function sixteenRounds(constants: Code, offset: number, last: boolean): Code {
  return four.flatMap((j) => [
    ...vstore(ZERO, SUMS + 16 * j, vadd(get(schedule(j)), vload(constants, offset + 16 * j))),
    ...(last ? [] : nextWords(j)),
    ...four.flatMap((i) => round(4 * j + i)),
  ]);
}

const compress: Code = [
  ...repeat([
    ...four.flatMap((j) => set(schedule(j), bigEndian(vload(get(BLOCK), 16 * j)))),
    ...four.flatMap((j) => vstore(get(BLOCK), 16 * j, VZERO)),
    ...eight.flatMap((i) => set(WORKING + i, load(get(STATE), 4 * i))),
    ...set(CONSTANT, ZERO),
    ...repeat(
      sixteenRounds(get(CONSTANT), CONSTANTS, false),
      differ(tee(CONSTANT, add(get(CONSTANT), i32(64))), i32(192)),
    ),
    ...sixteenRounds(ZERO, CONSTANTS + 192, true),
    ...eight.flatMap((i) => store(get(STATE), 4 * i, add(load(get(STATE), 4 * i), get(WORKING + i)))),
    ...set(BLOCK, add(get(BLOCK), i32(64))),
  ], tee(COUNT, sub(get(COUNT), i32(1)))),
  ...four.flatMap((j) => vstore(ZERO, SUMS + 16 * j, VZERO)),
];

// tag(length): the message lies at MESSAGE, the midstates at INNER and OUTER; the tag comes to INNER.
const LENGTH = 0;
const PADDED = 1;
const BITS = 2;

const tag: Code = [
  // FIPS 180-4 5.1.1; the key's block counts too.
  ...set(PADDED, and(add(get(LENGTH), i32(72)), i32(-64))),
  ...set(BITS, shl(add(get(LENGTH), i32(64)), 3)),
  ...store8(get(LENGTH), MESSAGE, i32(0x80)),
  ...store8(get(PADDED), MESSAGE - 3, shr(get(BITS), 16)),
  ...store8(get(PADDED), MESSAGE - 2, shr(get(BITS), 8)),
  ...store8(get(PADDED), MESSAGE - 1, get(BITS)),
  ...call(0, i32(INNER), i32(MESSAGE), shr(get(PADDED), 6)),
  ...vstore(ZERO, MESSAGE, bigEndian(vload(ZERO, INNER))),
  ...vstore(ZERO, MESSAGE + 16, bigEndian(vload(ZERO, INNER + 16))),
  ...store8(ZERO, MESSAGE + 32, i32(0x80)),
  ...store8(ZERO, MESSAGE + 62, i32((96 * 8) >> 8)),
  ...call(0, i32(OUTER), i32(MESSAGE), i32(1)),
  ...vstore(ZERO, INNER, bigEndian(vload(ZERO, OUTER))),
  ...vstore(ZERO, INNER + 16, bigEndian(vload(ZERO, OUTER + 16))),
  ...vstore(ZERO, OUTER, VZERO),
  ...vstore(ZERO, OUTER + 16, VZERO),
];

/** The text of `lib/crypto/sha256_wasm.ts`. */
export function sha256Source(): string {
  const constants = new Uint8Array(4 * ROUND_CONSTANTS.length);
  const view = new DataView(constants.buffer);
  ROUND_CONSTANTS.forEach((word, i) => view.setInt32(4 * i, word, true));
  const bytes = assemble([
    { name: "compress", parameters: 3, words: 10, vectors: 5, body: compress },
    { name: "tag", parameters: 1, words: 2, vectors: 0, body: tag },
  ], [...constants]);
  return `// Generated by scripts/build_sha256.ts from instructions that stand there: do not edit.
/** A WebAssembly module of ${bytes.length} bytes in base64: \`memory\`, \`compress(state, block, count)\`, \`tag(length)\`. */
export const SHA256_MODULE: string =
  "${btoa(String.fromCharCode(...bytes))}";
/** Where in its memory the midstates are written, inner before outer, 8 words each; the result is where the inner one was. */
export const STATES_AT = ${INNER};
/** Where in its memory a message is written. */
export const MESSAGE_AT = ${MESSAGE};
`;
}

if (import.meta.main) writeFileSync(new URL("../lib/crypto/sha256_wasm.ts", import.meta.url), sha256Source());
