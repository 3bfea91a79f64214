// The kernel in WebAssembly: it is what its generator makes, agrees with the loop, and its memory forgets.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { toHex } from "../../lib/bytes/mod.ts";
import {
  loopKernel,
  type Sha256Exports,
  type Sha256Kernel,
  WasmKernel,
  wasmKernel,
} from "../../lib/crypto/sha256_kernel.ts";
import { compressBlocks, INITIAL_STATE, ROUND_CONSTANTS } from "../../lib/crypto/sha256_loop.ts";
import { MESSAGE_AT, SHA256_MODULE, STATES_AT } from "../../lib/crypto/sha256_wasm.ts";
import { Sha256Stream } from "../../lib/crypto/sha256_stream.ts";
import { sha256Source } from "../../scripts/build_sha256.ts";
import { signed, unsigned } from "../../scripts/wasm_assembler.ts";
import { pattern } from "./cases.ts";

const decode = () => Uint8Array.from(atob(SHA256_MODULE), (digit) => digit.charCodeAt(0));
const instance = () => new WebAssembly.Instance(new WebAssembly.Module(decode())).exports as unknown as Sha256Exports;

test("the committed module is byte for byte what scripts/build_sha256.ts makes", () => {
  const committed = readFileSync(new URL("../../lib/crypto/sha256_wasm.ts", import.meta.url), "utf8");
  assert.equal(committed, sha256Source());
});

test("the assembler's LEB128 is that of the WebAssembly specification at every edge", () => {
  // Values and bytes of the DWARF specification's figures 4 and 5 (DWARF 4, 7.6), where LEB128 comes from.
  const figure4: [number, number[]][] = [[2, [2]], [127, [127]], [128, [0x80, 1]], [129, [0x81, 1]], [130, [0x82, 1]], [
    12857,
    [0xb9, 0x64],
  ]];
  const figure5: [number, number[]][] = [
    [2, [2]],
    [-2, [0x7e]],
    [127, [0xff, 0]],
    [-127, [0x81, 0x7f]],
    [128, [0x80, 1]],
    [-128, [0x80, 0x7f]],
    [129, [0x81, 1]],
    [-129, [0xff, 0x7e]],
  ];
  for (const [value, bytes] of figure4) assert.deepEqual(unsigned(value), bytes, `${value}`);
  for (const [value, bytes] of figure5) assert.deepEqual(signed(value), bytes, `${value}`);
});

test("the module imports nothing, its memory is one page that cannot grow, and it exports what the kernel names", () => {
  const module = new WebAssembly.Module(decode());
  assert.deepEqual(WebAssembly.Module.imports(module), []);
  assert.deepEqual(WebAssembly.Module.exports(module).map(({ name }) => name).sort(), ["compress", "memory", "tag"]);
  const memory = instance().memory as unknown as WebAssembly.Memory;
  assert.equal(memory.buffer.byteLength, 65536);
  assert.throws(() => memory.grow(1), RangeError);
});

test("constants are the cube roots of the first 64 primes, and the initial state the square roots of the first 8", () => {
  // FIPS 180-4 4.2.2 and 5.3.3, in integers: floor(root(p) * 2^32) mod 2^32.
  const primes: bigint[] = [];
  for (let n = 2n; primes.length < 64; n++) if (primes.every((prime) => n % prime !== 0n)) primes.push(n);
  const root = (value: bigint, power: bigint) => {
    let low = 0n;
    for (let bit = 1n << 40n; bit > 0n; bit >>= 1n) if ((low + bit) ** power <= value) low += bit;
    return Number(BigInt.asIntN(32, low));
  };
  assert.deepEqual([...ROUND_CONSTANTS], primes.map((prime) => root(prime << 96n, 3n)));
  assert.deepEqual([...INITIAL_STATE], primes.slice(0, 8).map((prime) => root(prime << 64n, 2n)));
});

test("both kernels compress any number of blocks, from anywhere, alike", () => {
  const wasm = wasmKernel()!;
  const property = fc.property(fc.uint8Array({ minLength: 64, maxLength: 700 }), fc.nat(63), (bytes, start) => {
    const count = (bytes.length - start) >> 6;
    const states = [wasm, loopKernel].map((kernel) => {
      const state = new Int32Array(INITIAL_STATE);
      kernel.compress(state, bytes, start, count);
      return [...state];
    });
    assert.deepEqual(states[0], states[1]);
  });
  fc.assert(property, { numRuns: 200, seed: 180 });
});

test("a plain digest on either kernel is NIST's example, so that neither is right only with the other", () => {
  const block = new Uint8Array(64);
  block.set([0x61, 0x62, 0x63, 0x80]);
  block[63] = 24;
  for (const kernel of [wasmKernel()!, loopKernel]) {
    const state = new Int32Array(INITIAL_STATE);
    kernel.compress(state, block, 0, 1);
    const hex = [...state].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
    assert.equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  }
});

test("nothing of key or message is in the kernel's memory when a call returns", () => {
  const exports = instance();
  const memory = new Uint8Array(exports.memory.buffer);
  const fresh = memory.slice();
  const kernel = new WasmKernel(exports);
  const midstates = Int32Array.from({ length: 16 }, (_, i) => 0x01010101 * (i + 1));
  const out = new Uint8Array(32);
  const clean = () => memory.every((byte, i) => byte === fresh[i]);
  for (const length of [0, 1, 55, 56, 63, 64, 119, 120, 1500, 2048, kernel.room]) {
    kernel.tag(midstates, pattern(length), out);
    assert.ok(clean(), `tag of ${length}`);
  }
  for (const blocks of [1, 2, 9, 1015, 1030]) {
    kernel.compress(new Int32Array(midstates.subarray(0, 8)), pattern(64 * blocks), 0, blocks);
    assert.ok(clean(), `${blocks} blocks`);
  }
  assert.throws(() => kernel.tag(midstates, new Uint8Array(70000), out), RangeError);
  assert.ok(clean(), "after a message that does not fit");
});

test("what the module leaves for the kernel to wipe is its result alone", () => {
  const exports = instance();
  const memory = new Uint8Array(exports.memory.buffer);
  const fresh = memory.slice();
  memory.set(pattern(64), STATES_AT);
  memory.set(pattern(200), MESSAGE_AT);
  exports.tag(200);
  for (let at = 0; at < memory.length; at++) {
    if (at < STATES_AT || at >= STATES_AT + 32) assert.equal(memory[at], fresh[at], `byte ${at}`);
  }
});

test("the kernel's longest message is whole, and the tag of one byte more is refused before it is touched", () => {
  const kernel = wasmKernel()!;
  const midstates = new Int32Array([...INITIAL_STATE, ...INITIAL_STATE]);
  const expected = (length: number) => {
    const out = new Uint8Array(32);
    const stream = new Sha256Stream(loopKernel);
    stream.begin(midstates);
    stream.update(pattern(length));
    stream.finishInto(midstates, out);
    return toHex(out);
  };
  for (const length of [kernel.room - 65, kernel.room - 9, kernel.room - 1, kernel.room]) {
    const out = new Uint8Array(32);
    kernel.tag(midstates, pattern(length), out);
    assert.equal(toHex(out), expected(length), `${length}`);
  }
});

test("a stream counts its length past 2^29 bytes, where its bits pass 2^32", () => {
  // The block that holds the count is all that is looked at: compressing half a gigabyte would only take time.
  const blocks: Uint8Array[] = [];
  const counting: Sha256Kernel = {
    ...loopKernel,
    compress: (state, bytes, start, count) => {
      if (bytes.length === 64) {
        blocks.push(bytes.slice(start, start + 64));
        compressBlocks(state, bytes, start, count);
      }
    },
  };
  const stream = new Sha256Stream(counting);
  stream.begin(new Int32Array(16));
  // An array's length without its memory.
  const huge = Object.create(Uint8Array.prototype, { length: { value: 2 ** 29 + 2 ** 26 } }) as Uint8Array;
  stream.update(huge);
  stream.finishInto(new Int32Array(16), new Uint8Array(32));
  const bits = BigInt(2 ** 29 + 2 ** 26 + 64) * 8n;
  assert.equal(toHex(blocks[0]!.subarray(56)), bits.toString(16).padStart(16, "0"));
});
