/**
 * As much of a WebAssembly assembler as the kernels need: each function returns the bytes of an expression, so that
 * nesting calls writes the stack machine's postfix. Numbers of instructions: WebAssembly Core Specification 3.0, 5.4.
 *
 * @module
 */

/** The bytes of zero or more instructions. */
export type Code = readonly number[];

/** Unsigned LEB128. */
export function unsigned(value: number): number[] {
  const out: number[] = [];
  let rest = value >>> 0;
  do {
    const bits = rest & 0x7f;
    rest >>>= 7;
    out.push(rest === 0 ? bits : bits | 0x80);
  } while (rest !== 0);
  return out;
}

/** Signed LEB128 of 32 bits. */
export function signed(value: number): number[] {
  const out: number[] = [];
  let rest = value | 0;
  for (;;) {
    const bits = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && bits < 0x40) || (rest === -1 && bits >= 0x40)) return [...out, bits];
    out.push(bits | 0x80);
  }
}

/** A constant i32. */
export const i32 = (value: number): Code => [0x41, ...signed(value)];
/** A constant i64. */
export const i64 = (value: bigint): Code => {
  const out: number[] = [];
  for (let rest = BigInt.asIntN(64, value);;) {
    const bits = Number(rest & 0x7fn);
    rest >>= 7n;
    if ((rest === 0n && bits < 0x40) || (rest === -1n && bits >= 0x40)) return [0x42, ...out, bits];
    out.push(bits | 0x80);
  }
};
/** A constant v128 from its 16 bytes. */
export const v128 = (bytes: readonly number[]): Code => [...simd(12), ...bytes];

/** The value of a local. */
export const get = (local: number): Code => [0x20, ...unsigned(local)];
/** Sets a local. */
export const set = (local: number, value: Code): Code => [...value, 0x21, ...unsigned(local)];
/** Sets a local and leaves the value. */
export const tee = (local: number, value: Code): Code => [...value, 0x22, ...unsigned(local)];
/** Calls a function. */
export const call = (index: number, ...values: Code[]): Code => [...values.flat(), 0x10, ...unsigned(index)];
/** Runs `body`, again as long as `condition`, which comes last, is not zero. */
export const repeat = (body: Code, condition: Code): Code => [0x03, 0x40, ...body, ...condition, 0x0d, 0, 0x0b];

/** Runs `body` if `condition` is not zero. */
export const when = (condition: Code, body: Code): Code => [...condition, 0x04, 0x40, ...body, 0x0b];

/** The sum of i32s. */
export const add = (first: Code, ...rest: Code[]): Code => rest.reduce((a, b) => [...a, ...b, 0x6a], first);
/** Exclusive or of i32s. */
export const xor = (first: Code, ...rest: Code[]): Code => rest.reduce((a, b) => [...a, ...b, 0x73], first);
/** a - b. */
export const sub = (a: Code, b: Code): Code => [...a, ...b, 0x6b];
/** a & b. */
export const and = (a: Code, b: Code): Code => [...a, ...b, 0x71];
/** Rotates an i32 right. */
export const rotr = (a: Code, bits: number): Code => [...a, ...i32(bits), 0x78];
/** Shifts an i32 right, zeros coming in. */
export const shr = (a: Code, bits: number): Code => [...a, ...i32(bits), 0x76];
/** Shifts an i32 left. */
export const shl = (a: Code, bits: number): Code => [...a, ...i32(bits), 0x74];
/** Whether a differs from b. */
export const differ = (a: Code, b: Code): Code => [...a, ...b, 0x47];

/** Whether a equals b. */
export const same = (a: Code, b: Code): Code => [...a, ...b, 0x46];
/** Whether a is less than b, both without sign. */
export const less = (a: Code, b: Code): Code => [...a, ...b, 0x49];

/** The sum of i64s. */
export const ladd = (first: Code, ...rest: Code[]): Code => rest.reduce((a, b) => [...a, ...b, 0x7c], first);
/** Exclusive or of i64s. */
export const lxor = (first: Code, ...rest: Code[]): Code => rest.reduce((a, b) => [...a, ...b, 0x85], first);
/** a - b of i64s. */
export const lsub = (a: Code, b: Code): Code => [...a, ...b, 0x7d];
/** The low 64 bits of a * b. */
export const lmul = (a: Code, b: Code): Code => [...a, ...b, 0x7e];
/** a & b of i64s. */
export const land = (a: Code, b: Code): Code => [...a, ...b, 0x83];
/** a | b of i64s. */
export const lor = (a: Code, b: Code): Code => [...a, ...b, 0x84];
/** Shifts an i64 left. */
export const lshl = (a: Code, bits: number): Code => [...a, ...i64(BigInt(bits)), 0x86];
/** Shifts an i64 right, zeros coming in. */
export const lshr = (a: Code, bits: number): Code => [...a, ...i64(BigInt(bits)), 0x88];
/** An i32 without sign as an i64. */
export const widen = (a: Code): Code => [...a, 0xad];
/** The low half of an i64. */
export const narrow = (a: Code): Code => [...a, 0xa7];
/** The i64 at `address + offset`. */
export const lload = (address: Code, offset: number): Code => [...address, 0x29, 0, ...unsigned(offset)];
/** Stores an i64. */
export const lstore = (address: Code, offset: number, value: Code): Code => [
  ...address,
  ...value,
  ...[0x37, 0],
  ...unsigned(offset),
];
/** The i32 at `address + offset` without sign as an i64. */
export const lload32 = (address: Code, offset: number): Code => [...address, 0x35, 0, ...unsigned(offset)];
/** Stores the low half of an i64. */
export const lstore32 = (address: Code, offset: number, value: Code): Code => [
  ...address,
  ...value,
  ...[0x3e, 0],
  ...unsigned(offset),
];

/** The i32 at `address + offset`. */
export const load = (address: Code, offset: number): Code => [...address, 0x28, 2, ...unsigned(offset)];
/** Stores an i32. */
export const store = (address: Code, offset: number, value: Code): Code => [
  ...address,
  ...value,
  ...[0x36, 2],
  ...unsigned(offset),
];
/** Stores the low byte of an i32. */
export const store8 = (address: Code, offset: number, value: Code): Code => [
  ...address,
  ...value,
  ...[0x3a, 0],
  ...unsigned(offset),
];

/** The v128 at `address + offset`. */
export const vload = (address: Code, offset: number): Code => [...address, ...simd(0), 0, ...unsigned(offset)];
/** Four copies of the i32 at `address + offset`. */
export const vload32 = (address: Code, offset: number): Code => [...address, ...simd(9), 0, ...unsigned(offset)];
/** Stores a v128. */
export const vstore = (address: Code, offset: number, value: Code): Code => [
  ...address,
  ...value,
  ...simd(11),
  0,
  ...unsigned(offset),
];
/** Four sums of 32 bits. */
export const vadd = (first: Code, ...rest: Code[]): Code => rest.reduce((a, b) => [...a, ...b, ...simd(174)], first);
/** Exclusive or of 128 bits. */
export const vxor = (first: Code, ...rest: Code[]): Code => rest.reduce((a, b) => [...a, ...b, ...simd(81)], first);
/** a & b of 128 bits. */
export const vand = (a: Code, b: Code): Code => [...a, ...b, ...simd(78)];
/** Whether any bit of 128 is set. */
export const vany = (a: Code): Code => [...a, ...simd(83)];
/** Eight shifts right of 16 bits, zeros coming in. */
export const vshr16 = (a: Code, bits: number): Code => [...a, ...i32(bits), ...simd(141)];
/** Four copies of an i32. */
export const vsplat32 = (a: Code): Code => [...a, ...simd(17)];
/** Two copies of an i64. */
export const vsplat64 = (a: Code): Code => [...a, ...simd(18)];
/** A word of four. */
export const vextract32 = (a: Code, lane: number): Code => [...a, ...simd(27), lane];
/** One half of 128 bits as an i64. */
export const vextract64 = (a: Code, lane: number): Code => [...a, ...simd(29), lane];
/** `a` with one of its eight parts of 16 bits replaced by the low ones of an i32. */
export const vreplace16 = (a: Code, lane: number, value: Code): Code => [...a, ...value, ...simd(26), lane];
/** `a` with one of its two halves replaced by an i64. */
export const vreplace64 = (a: Code, lane: number, value: Code): Code => [...a, ...value, ...simd(30), lane];
/** Four shifts left of 32 bits. */
export const vshl = (a: Code, bits: number): Code => [...a, ...i32(bits), ...simd(171)];
/** Four shifts right of 32 bits, zeros coming in. */
export const vshr = (a: Code, bits: number): Code => [...a, ...i32(bits), ...simd(173)];
/** Two shifts right of 64 bits, zeros coming in. */
export const vshr64 = (a: Code, bits: number): Code => [...a, ...i32(bits), ...simd(205)];
/** Any 16 of the 32 bytes of a and b. */
export const shuffle = (a: Code, b: Code, lanes: readonly number[]): Code => [...a, ...b, ...simd(13), ...lanes];
/**
 * The bytes of `a` at 16 indices, 0 where an index is 128 or more: the relaxed instruction (0x100), for which those
 * from 16 to 127 must not occur. A permutation within registers (PSHUFB, TBL), whose time does not depend on the indices.
 */
export const swizzle = (a: Code, indices: Code): Code => [...a, ...indices, ...simd(0x100)];

function simd(instruction: number): number[] {
  return [0xfd, ...unsigned(instruction)];
}

/** A function of the module. Its locals follow its parameters: first those of i32, then those of v128, then those of i64. */
export interface Func {
  readonly name: string;
  readonly parameters: number;
  readonly words: number;
  readonly vectors: number;
  readonly longs?: number;
  /** Whether it leaves an i32. */
  readonly result?: boolean;
  readonly body: Code;
}

/** A module of one page of memory named `memory`, which begins with `data` and never grows, and exported functions. */
export function assemble(functions: readonly Func[], data: readonly number[]): Uint8Array {
  const list = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()];
  const sized = (body: Code): Code => [...unsigned(body.length), ...body];
  const section = (id: number, items: readonly Code[]): Code => [id, ...sized(list(items))];
  const name = (text: string): Code => sized([...new TextEncoder().encode(text)]);
  const I32 = 0x7f;
  const I64 = 0x7e;
  const V128 = 0x7b;
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(
      1,
      functions.map((
        { parameters, result },
      ) => [0x60, ...list(Array(parameters).fill([I32])), ...(result ? [1, I32] : [0])]),
    ),
    ...section(3, functions.map((_, index) => unsigned(index))),
    ...section(5, [[1, 1, 1]]),
    ...section(7, [
      [...name("memory"), 2, 0],
      ...functions.map((func, index) => [...name(func.name), 0, ...unsigned(index)]),
    ]),
    ...section(
      10,
      functions.map(({ words, vectors, longs, body }) =>
        sized([
          ...list([
            [...unsigned(words), I32],
            [...unsigned(vectors), V128],
            ...(longs === undefined ? [] : [[...unsigned(longs), I64]]),
          ]),
          ...body,
          0x0b,
        ])
      ),
    ),
    ...section(11, [[0, ...i32(0), 0x0b, ...sized(data)]]),
  ]);
}
