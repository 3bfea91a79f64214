/**
 * The tables of 16 bytes with which `scripts/build_aes.ts` computes AES (FIPS 197) by permutations within vectors, after
 * M. Hamburg, "Accelerating AES with Vector Permute Instructions" (CHES 2009), derived here from the fields themselves.
 *
 * The S-box inverts in GF(2^8). Here that field is GF(16)[z] with z^2 = z + 1/a: a byte is i + k z, its high nibble i
 * and its low nibble k. With j = i + k, the inverse of i + k z is linear in 1/io and 1/jo, where
 * io = 1/(1/i + a/k) + j and jo = 1/(1/j + a/k) + i: only functions of one nibble, each one permutation of a table.
 * 1/0 is written 0x80, at which a permutation yields 0.
 *
 * @module
 */

const nibbles: readonly number[] = Array.from({ length: 16 }, (_, n) => n);
const INFINITE = 0x80;

/** GF(16) with w^4 = w + 1. */
function times(a: number, b: number): number {
  let product = 0;
  for (let i = 0; i < 4; i++) if ((b >> i) & 1) product ^= a << i;
  for (let i = 6; i > 3; i--) if ((product >> i) & 1) product ^= 0b10011 << (i - 4);
  return product;
}

function inverse(a: number): number {
  return nibbles.find((b) => times(a, b) === 1) ?? INFINITE;
}

/** z^2 = z + c has no root in GF(16) if the trace of c is 1. */
function trace(c: number): number {
  const square = times(c, c);
  const fourth = times(square, square);
  return c ^ square ^ fourth ^ times(fourth, fourth);
}

const A: number = nibbles.find((a) => a > 0 && trace(inverse(a)) === 1)!;
const A_INVERSE: number = inverse(A);

/** (i + k z)(i' + k' z). */
function towerTimes(x: number, y: number): number {
  const [i, k, i2, k2] = [x >> 4, x & 15, y >> 4, y & 15];
  const both = times(k, k2);
  return ((times(i, i2) ^ times(both, A_INVERSE)) << 4) | (times(i, k2) ^ times(k, i2) ^ both);
}

const powers = (x: number): number[] => {
  const list = [0x10];
  while (list.length < 9) list.push(towerTimes(list.at(-1)!, x));
  return list;
};

/** The powers of a root of AES's polynomial x^8 + x^4 + x^3 + x + 1: where the bits of a byte of AES go. */
const ROOT: readonly number[] = Array.from({ length: 256 }, (_, x) => powers(x))
  .find((p) => (p[8]! ^ p[4]! ^ p[3]! ^ p[1]! ^ p[0]!) === 0)!;

/** From AES's field to this one: linear. */
function enter(byte: number): number {
  let image = 0;
  for (let bit = 0; bit < 8; bit++) if ((byte >> bit) & 1) image ^= ROOT[bit]!;
  return image;
}

const LEAVE: readonly number[] = Array.from({ length: 256 }, (_, image) => {
  let byte = 0;
  while (enter(byte) !== image) byte++;
  return byte;
});

/** The S-box's linear map (FIPS 197 5.1.1); its constant is in the round keys. */
function affine(byte: number): number {
  let mapped = byte;
  for (let turn = 1; turn < 5; turn++) mapped ^= (byte << turn) | (byte >> (8 - turn));
  return mapped & 0xff;
}

/** FIPS 197 4.2.1. */
function double(byte: number): number {
  return ((byte << 1) & 0xff) ^ (byte >> 7) * 0x1b;
}

/** What 1/io and 1/jo each add to the S-box's output, in AES's field. */
const ofIo = (n: number): number => n === 0 ? 0 : affine(LEAVE[(times(inverse(n), A_INVERSE) << 4) | inverse(n)]!);
const ofJo = (n: number): number =>
  n === 0 ? 0 : affine(LEAVE[((inverse(n) ^ times(inverse(n), A_INVERSE)) << 4) | inverse(n)]!);

/** What a byte of GHASH's product that overflows adds at its own place (high byte) and the next (low byte): times x^128 = 1 + x + x^2 + x^7, the top bit being x^0. */
function folded(byte: number): number {
  const wide = byte << 8;
  return wide ^ (wide >> 1) ^ (wide >> 2) ^ (wide >> 7);
}

/** Each table by its name; indices of nibbles, but for the orders of bytes. */
export const AES_TABLES: Readonly<Record<string, readonly number[]>> = {
  enterLow: nibbles.map((n) => enter(n)),
  enterHigh: nibbles.map((n) => enter(n << 4)),
  inverse: nibbles.map(inverse),
  inverseTimesA: nibbles.map((n) => n === 0 ? INFINITE : times(A, inverse(n))),
  ofIo: nibbles.map((n) => enter(ofIo(n))),
  ofJo: nibbles.map((n) => enter(ofJo(n))),
  doubleOfIo: nibbles.map((n) => enter(double(ofIo(n)))),
  doubleOfJo: nibbles.map((n) => enter(double(ofJo(n)))),
  lastOfIo: nibbles.map(ofIo),
  lastOfJo: nibbles.map(ofJo),
  // FIPS 197 5.1.2: row r of column c comes from column c + r.
  shiftRows: nibbles.map((n) => (n + 4 * (n & 3)) & 15),
  nextRow: nibbles.map((n) => (n & 12) | ((n + 1) & 3)),
  rowBefore: nibbles.map((n) => (n & 12) | ((n + 3) & 3)),
  reversed: nibbles.map((n) => 15 - n),
  foldHigh: nibbles.map((n) => folded(n << 4) >> 8),
  foldHighNext: nibbles.map((n) => folded(n << 4) & 0xff),
  foldLow: nibbles.map((n) => folded(n) >> 8),
  foldLowNext: nibbles.map((n) => folded(n) & 0xff),
};
