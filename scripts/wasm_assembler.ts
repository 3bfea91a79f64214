/**
 * As much of a WebAssembly assembler as one kernel needs: each function returns the bytes of an expression, so that
 * nesting calls writes the stack machine's postfix. Numbers of instructions: WebAssembly Core Specification 2.0, 5.4.
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
/** Four shifts left of 32 bits. */
export const vshl = (a: Code, bits: number): Code => [...a, ...i32(bits), ...simd(171)];
/** Four shifts right of 32 bits, zeros coming in. */
export const vshr = (a: Code, bits: number): Code => [...a, ...i32(bits), ...simd(173)];
/** Two shifts right of 64 bits, zeros coming in. */
export const vshr64 = (a: Code, bits: number): Code => [...a, ...i32(bits), ...simd(205)];
/** Any 16 of the 32 bytes of a and b. */
export const shuffle = (a: Code, b: Code, lanes: readonly number[]): Code => [...a, ...b, ...simd(13), ...lanes];

function simd(instruction: number): number[] {
  return [0xfd, ...unsigned(instruction)];
}

/** A function of the module. Its locals follow its parameters: first those of i32, then those of v128. */
export interface Func {
  readonly name: string;
  readonly parameters: number;
  readonly words: number;
  readonly vectors: number;
  readonly body: Code;
}

/** A module of one page of memory named `memory`, which begins with `data` and never grows, and exported functions without result. */
export function assemble(functions: readonly Func[], data: readonly number[]): Uint8Array {
  const list = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()];
  const sized = (body: Code): Code => [...unsigned(body.length), ...body];
  const section = (id: number, items: readonly Code[]): Code => [id, ...sized(list(items))];
  const name = (text: string): Code => sized([...new TextEncoder().encode(text)]);
  const I32 = 0x7f;
  const V128 = 0x7b;
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, functions.map(({ parameters }) => [0x60, ...list(Array(parameters).fill([I32])), 0])),
    ...section(3, functions.map((_, index) => unsigned(index))),
    ...section(5, [[1, 1, 1]]),
    ...section(7, [
      [...name("memory"), 2, 0],
      ...functions.map((func, index) => [...name(func.name), 0, ...unsigned(index)]),
    ]),
    ...section(
      10,
      functions.map(({ words, vectors, body }) =>
        sized([...list([[...unsigned(words), I32], [...unsigned(vectors), V128]]), ...body, 0x0b])
      ),
    ),
    ...section(11, [[0, ...i32(0), 0x0b, ...sized(data)]]),
  ]);
}
