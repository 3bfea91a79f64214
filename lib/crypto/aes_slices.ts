/**
 * AES (FIPS 197) on bit slices: eight words hold one bit each of every byte of two blocks, and the S-box is the circuit
 * of 115 gates by J. Boyar and R. Peralta ("A new combinational logic minimization technique with applications to
 * cryptology", 2010). No table is read at an index made of key or data, as most AES in JavaScript does, so that a
 * process which shares the cache learns nothing. Two blocks cost what one does: CCM fills both.
 *
 * @module
 */

/** The number of rounds for `key`, 16, 24 or 32 bytes, otherwise RangeError. FIPS 197 5. */
export function aesRounds(key: Uint8Array): number {
  if (key.length !== 16 && key.length !== 24 && key.length !== 32) {
    throw new RangeError("an AES key is 16, 24 or 32 bytes");
  }
  return key.length / 4 + 6;
}

/** The expanded key as slices, eight words a round. FIPS 197 5.2. */
export function expandKey(key: Uint8Array): Int32Array {
  const words = 4 * (aesRounds(key) + 1);
  const keyWords = key.length / 4;
  const w = new Int32Array(words);
  for (let i = 0; i < keyWords; i++) {
    w[i] = key[4 * i]! | (key[4 * i + 1]! << 8) | (key[4 * i + 2]! << 16) | (key[4 * i + 3]! << 24);
  }
  const slices = new Int32Array(8);
  let constant = 1;
  for (let i = keyWords; i < words; i++) {
    let t = w[i - 1]!;
    if (i % keyWords === 0) {
      t = subWord((t >>> 8) | (t << 24), slices) ^ constant;
      constant = (constant << 1) ^ ((constant >> 7) * 0x11b);
    } else if (keyWords === 8 && i % 8 === 4) {
      t = subWord(t, slices);
    }
    w[i] = w[i - keyWords]! ^ t;
  }
  const schedule = new Int32Array(2 * words);
  for (let i = 0; i < words; i += 4) {
    for (let j = 0; j < 4; j++) slices[2 * j] = slices[2 * j + 1] = w[i + j]!;
    transpose(slices);
    schedule.set(slices, 2 * i);
  }
  w.fill(0);
  slices.fill(0);
  return schedule;
}

/**
 * Encrypts two blocks in place: word i of the first is `pair[2 * i]`, of the second `pair[2 * i + 1]`, each with the
 * block's earlier byte in its lower bits.
 */
export function encryptPair(schedule: Int32Array, rounds: number, pair: Int32Array): void {
  transpose(pair);
  for (let i = 0; i < 8; i++) pair[i]! ^= schedule[i]!;
  for (let round = 1; round < rounds; round++) {
    subBytes(pair);
    shiftAndMix(pair, schedule, 8 * round);
  }
  subBytes(pair);
  for (let i = 0; i < 8; i++) pair[i] = shiftRows(pair[i]!) ^ schedule[8 * rounds + i]!;
  transpose(pair);
}

function subWord(word: number, slices: Int32Array): number {
  slices.fill(0);
  slices[0] = word;
  transpose(slices);
  subBytes(slices);
  transpose(slices);
  return slices[0]!;
}

/** Bit i of each byte goes to word i and back: an involution. */
function transpose(q: Int32Array): void {
  swapBits(q, 0, 1, 1, 0x55555555);
  swapBits(q, 2, 3, 1, 0x55555555);
  swapBits(q, 4, 5, 1, 0x55555555);
  swapBits(q, 6, 7, 1, 0x55555555);
  swapBits(q, 0, 2, 2, 0x33333333);
  swapBits(q, 1, 3, 2, 0x33333333);
  swapBits(q, 4, 6, 2, 0x33333333);
  swapBits(q, 5, 7, 2, 0x33333333);
  swapBits(q, 0, 4, 4, 0x0f0f0f0f);
  swapBits(q, 1, 5, 4, 0x0f0f0f0f);
  swapBits(q, 2, 6, 4, 0x0f0f0f0f);
  swapBits(q, 3, 7, 4, 0x0f0f0f0f);
}

function swapBits(q: Int32Array, low: number, high: number, shift: number, mask: number): void {
  const t = ((q[low]! >>> shift) ^ q[high]!) & mask;
  q[high]! ^= t;
  q[low]! ^= t << shift;
}

/** Byte r of a word is row r, two bits a column: row r turns left by r columns. FIPS 197 5.1.2. */
function shiftRows(x: number): number {
  return (x & 0xff) | ((x & 0xfc00) >>> 2) | ((x & 0x300) << 6) | ((x & 0xf00000) >>> 4) | ((x & 0xf0000) << 4) |
    ((x >>> 30) << 24) | ((x & 0x3f000000) << 2);
}

/** The rows turned, then each plus its neighbour times 2, with the round key. FIPS 197 5.1.2 to 5.1.4. */
function shiftAndMix(q: Int32Array, schedule: Int32Array, at: number): void {
  const s0 = shiftRows(q[0]!);
  const s1 = shiftRows(q[1]!);
  const s2 = shiftRows(q[2]!);
  const s3 = shiftRows(q[3]!);
  const s4 = shiftRows(q[4]!);
  const s5 = shiftRows(q[5]!);
  const s6 = shiftRows(q[6]!);
  const s7 = shiftRows(q[7]!);
  const r0 = (s0 >>> 8) | (s0 << 24);
  const r1 = (s1 >>> 8) | (s1 << 24);
  const r2 = (s2 >>> 8) | (s2 << 24);
  const r3 = (s3 >>> 8) | (s3 << 24);
  const r4 = (s4 >>> 8) | (s4 << 24);
  const r5 = (s5 >>> 8) | (s5 << 24);
  const r6 = (s6 >>> 8) | (s6 << 24);
  const r7 = (s7 >>> 8) | (s7 << 24);
  const e0 = s0 ^ r0;
  const e1 = s1 ^ r1;
  const e2 = s2 ^ r2;
  const e3 = s3 ^ r3;
  const e4 = s4 ^ r4;
  const e5 = s5 ^ r5;
  const e6 = s6 ^ r6;
  const e7 = s7 ^ r7;
  // A byte's top bit comes back as 0x1b: bits 0, 1, 3 and 4.
  q[0] = e7 ^ r0 ^ ((e0 >>> 16) | (e0 << 16)) ^ schedule[at]!;
  q[1] = e0 ^ e7 ^ r1 ^ ((e1 >>> 16) | (e1 << 16)) ^ schedule[at + 1]!;
  q[2] = e1 ^ r2 ^ ((e2 >>> 16) | (e2 << 16)) ^ schedule[at + 2]!;
  q[3] = e2 ^ e7 ^ r3 ^ ((e3 >>> 16) | (e3 << 16)) ^ schedule[at + 3]!;
  q[4] = e3 ^ e7 ^ r4 ^ ((e4 >>> 16) | (e4 << 16)) ^ schedule[at + 4]!;
  q[5] = e4 ^ r5 ^ ((e5 >>> 16) | (e5 << 16)) ^ schedule[at + 5]!;
  q[6] = e5 ^ r6 ^ ((e6 >>> 16) | (e6 << 16)) ^ schedule[at + 6]!;
  q[7] = e6 ^ r7 ^ ((e7 >>> 16) | (e7 << 16)) ^ schedule[at + 7]!;
}

/** The S-box on every byte. Names are the paper's: x0 is the top bit of the input, s0 of the output. FIPS 197 5.1.1. */
// deno-fmt-ignore: several gates a line
function subBytes(q: Int32Array): void {
  const x0 = q[7]!, x1 = q[6]!, x2 = q[5]!, x3 = q[4]!, x4 = q[3]!, x5 = q[2]!, x6 = q[1]!, x7 = q[0]!;
  // Linear, from the input.
  const y14 = x3 ^ x5, y13 = x0 ^ x6, y9 = x0 ^ x3, y8 = x0 ^ x5, t0 = x1 ^ x2, y1 = t0 ^ x7, y4 = y1 ^ x3,
    y12 = y13 ^ y14, y2 = y1 ^ x0, y5 = y1 ^ x6, y3 = y5 ^ y8, t1 = x4 ^ y12, y15 = t1 ^ x5, y20 = t1 ^ x1,
    y6 = y15 ^ x7, y10 = y15 ^ t0, y11 = y20 ^ y9, y7 = x7 ^ y11, y17 = y10 ^ y11, y19 = y10 ^ y8, y16 = t0 ^ y11,
    y21 = y13 ^ y16, y18 = x0 ^ y16;
  // Into the field of 16 elements.
  const t2 = y12 & y15, t3 = y3 & y6, t4 = t3 ^ t2, t5 = y4 & x7, t6 = t5 ^ t2, t7 = y13 & y16, t8 = y5 & y1,
    t9 = t8 ^ t7, t10 = y2 & y7, t11 = t10 ^ t7, t12 = y9 & y11, t13 = y14 & y17, t14 = t13 ^ t12, t15 = y8 & y10,
    t16 = t15 ^ t12, t17 = t4 ^ t14, t18 = t6 ^ t16, t19 = t9 ^ t14, t20 = t11 ^ t16, t21 = t17 ^ y20,
    t22 = t18 ^ y19, t23 = t19 ^ y21, t24 = t20 ^ y18;
  // The inverse there.
  const t25 = t21 ^ t22, t26 = t21 & t23, t27 = t24 ^ t26, t28 = t25 & t27, t29 = t28 ^ t22, t30 = t23 ^ t24,
    t31 = t22 ^ t26, t32 = t31 & t30, t33 = t32 ^ t24, t34 = t23 ^ t33, t35 = t27 ^ t33, t36 = t24 & t35,
    t37 = t36 ^ t34, t38 = t27 ^ t36, t39 = t29 & t38, t40 = t25 ^ t39, t41 = t40 ^ t37, t42 = t29 ^ t33,
    t43 = t29 ^ t40, t44 = t33 ^ t37, t45 = t42 ^ t41;
  // Back, multiplied.
  const z0 = t44 & y15, z1 = t37 & y6, z2 = t33 & x7, z3 = t43 & y16, z4 = t40 & y1, z5 = t29 & y7, z6 = t42 & y11,
    z7 = t45 & y17, z8 = t41 & y10, z9 = t44 & y12, z10 = t37 & y3, z11 = t33 & y4, z12 = t43 & y13,
    z13 = t40 & y5, z14 = t29 & y2, z15 = t42 & y9, z16 = t45 & y14, z17 = t41 & y8;
  // Linear, to the output.
  const t46 = z15 ^ z16, t47 = z10 ^ z11, t48 = z5 ^ z13, t49 = z9 ^ z10, t50 = z2 ^ z12, t51 = z2 ^ z5,
    t52 = z7 ^ z8, t53 = z0 ^ z3, t54 = z6 ^ z7, t55 = z16 ^ z17, t56 = z12 ^ t48, t57 = t50 ^ t53, t58 = z4 ^ t46,
    t59 = z3 ^ t54, t60 = t46 ^ t57, t61 = z14 ^ t57, t62 = t52 ^ t58, t63 = t49 ^ t58, t64 = z4 ^ t59,
    t65 = t61 ^ t62, t66 = z1 ^ t63, t67 = t64 ^ t65, s3 = t53 ^ t66;
  q[7] = t59 ^ t63;
  q[6] = t64 ^ ~s3;
  q[5] = t55 ^ ~t67;
  q[4] = s3;
  q[3] = t51 ^ t66;
  q[2] = t47 ^ t65;
  q[1] = t56 ^ ~t62;
  q[0] = t48 ^ ~t60;
}
