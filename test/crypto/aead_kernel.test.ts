// The kernels of AES-GCM and ChaCha20-Poly1305: they are what their generators make, and their memory forgets.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type AesExports, AesKernel, aesKernel, CcmKernel } from "../../lib/crypto/aes_kernel.ts";
import { AES_MODULE } from "../../lib/crypto/aes_wasm.ts";
import { type ChaChaExports, ChaChaKernel, chachaKernel } from "../../lib/crypto/chacha_kernel.ts";
import { CHACHA_MODULE } from "../../lib/crypto/chacha_wasm.ts";
import { Ccm } from "../../lib/crypto/ccm.ts";
import { createGcm } from "../../lib/crypto/gcm.ts";
import { type AeadKernel, KernelAead } from "../../lib/crypto/kernel_aead.ts";
import { NobleAead } from "../../lib/crypto/noble_aead.ts";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { gcm } from "@noble/ciphers/aes.js";
import { AES_TABLES } from "../../scripts/aes_tables.ts";
import { aesSource } from "../../scripts/build_aes.ts";
import { chachaSource } from "../../scripts/build_chacha.ts";
import { i64 } from "../../scripts/wasm_assembler.ts";
import { pattern } from "./cases.ts";
import { kernelAlone } from "./implementations.ts";
import { recordRooms } from "./rooms.ts";

const moduleOf = (text: string) => new WebAssembly.Module(Uint8Array.from(atob(text), (digit) => digit.charCodeAt(0)));
const exportsOf = (text: string) => new WebAssembly.Instance(moduleOf(text)).exports as unknown;

/** A kernel on an instance of its own, and that instance's memory. */
function fresh(module: string): { kernel: AeadKernel; memory: Uint8Array } {
  const exports = exportsOf(module);
  const kernel = module === AES_MODULE
    ? new AesKernel(exports as AesExports)
    : new ChaChaKernel(exports as ChaChaExports);
  return { kernel, memory: new Uint8Array((exports as AesExports).memory.buffer) };
}

const modules = [[AES_MODULE, 16], [AES_MODULE, 24], [AES_MODULE, 32], [CHACHA_MODULE, 32]] as const;

test("the committed modules of AES and ChaCha20 are byte for byte what their scripts make", () => {
  const committed = (name: string) => readFileSync(new URL(`../../lib/crypto/${name}.ts`, import.meta.url), "utf8");
  assert.equal(committed("aes_wasm"), aesSource());
  assert.equal(committed("chacha_wasm"), chachaSource());
});

test("the assembler's LEB128 of 64 bits is that of the WebAssembly specification at its edges", () => {
  // Values of the DWARF specification's figure 5, where LEB128 comes from, and the ends of the range.
  const cases: [bigint, number[]][] = [
    [2n, [2]],
    [-2n, [0x7e]],
    [127n, [0xff, 0]],
    [-127n, [0x81, 0x7f]],
    [
      -128n,
      [0x80, 0x7f],
    ],
    [1n << 63n, [...Array(9).fill(0x80), 0x7f]],
    [(1n << 63n) - 1n, [...Array(9).fill(0xff), 0]],
  ];
  for (const [value, bytes] of cases) assert.deepEqual(i64(value), [0x42, ...bytes], `${value}`);
});

test("the modules of AES and ChaCha20 import nothing, and their memory is one page that cannot grow", () => {
  for (const text of [AES_MODULE, CHACHA_MODULE]) {
    assert.deepEqual(WebAssembly.Module.imports(moduleOf(text)), []);
    const { memory } = exportsOf(text) as { memory: WebAssembly.Memory };
    assert.equal(memory.buffer.byteLength, 65536);
    assert.throws(() => memory.grow(1), RangeError);
  }
});

test("the tables compute the S-box of FIPS 197 for every byte", () => {
  // FIPS 197 4.2 and 5.1.1: the inverse modulo x^8 + x^4 + x^3 + x + 1, then the affine map.
  const times = (a: number, b: number): number => {
    let product = 0;
    for (let i = 7; i >= 0; i--) product = (product << 1) ^ ((product >> 7) * 0x11b) ^ (((b >> i) & 1) * a);
    return product;
  };
  const t = (name: string, index: number): number => index < 16 ? AES_TABLES[name]![index]! : 0;
  for (let byte = 0; byte < 256; byte++) {
    let inverse = 0;
    while (byte !== 0 && times(byte, inverse) !== 1) inverse++;
    let expected = 0x63;
    for (let turn = 0; turn < 5; turn++) expected ^= (inverse << turn) | (inverse >> (8 - turn));
    const mapped = t("enterLow", byte & 15) ^ t("enterHigh", byte >> 4);
    const [i, k] = [mapped >> 4, mapped & 15];
    const a = t("inverseTimesA", k);
    const io = t("inverse", t("inverse", i) ^ a) ^ i ^ k;
    const jo = t("inverse", t("inverse", i ^ k) ^ a) ^ i;
    // An index is 15 at most, or has the top bit, at which a permutation gives 0 on every processor.
    for (const index of [t("inverse", i) ^ a, t("inverse", i ^ k) ^ a, io, jo]) assert.ok(index < 16 || index >= 128);
    assert.equal(t("lastOfIo", io) ^ t("lastOfJo", jo) ^ 0x63, expected & 0xff, `${byte}`);
  }
});

test("nothing of key, nonce or text is in the kernels' memory when a call returns", () => {
  for (const [module, keyLength] of modules) {
    const { kernel, memory } = fresh(module);
    const before = memory.slice();
    const clean = (what: string) => assert.ok(memory.every((byte, i) => byte === before[i]), `${keyLength} ${what}`);
    const raw = kernelAlone(kernel, pattern(keyLength));
    clean("keyed");
    for (const length of [0, 1, 16, 64, 191, 192, 193, 449, 2000, kernel.textRoom]) {
      const aad = pattern(length % (kernel.aadRoom + 1));
      const sealed = new Uint8Array(length + 16);
      raw.seal(pattern(12), aad, pattern(length), sealed);
      clean(`seal ${length}`);
      const opened = new Uint8Array(length);
      assert.ok(raw.open(pattern(12), aad, sealed, opened));
      assert.deepEqual(opened, pattern(length));
      clean(`open ${length}`);
      sealed[length]! ^= 1;
      opened.fill(0xa5);
      assert.ok(!raw.open(pattern(12), aad, sealed, opened));
      assert.ok(opened.every((byte) => byte === 0xa5), "nothing is written of a record that failed");
      clean(`refuse ${length}`);
    }
  }
});

test("nothing of key, nonce or text is in the kernel's memory when a call of CCM returns, and it agrees with our own in JavaScript", () => {
  const exports = exportsOf(AES_MODULE) as AesExports;
  const aes = new AesKernel(exports);
  const memory = new Uint8Array(exports.memory.buffer);
  const before = memory.slice();
  const clean = (what: string) => assert.ok(memory.every((byte, i) => byte === before[i]), what);
  for (const [keyLength, nonceLength, tagLength] of [[16, 13, 8], [24, 12, 16], [32, 7, 8]] as const) {
    const raw = kernelAlone(new CcmKernel(aes, tagLength), pattern(keyLength));
    const own = new Ccm(pattern(keyLength), nonceLength, tagLength);
    for (const [aadLength, length] of [[0, 0], [0, 5], [14, 16], [15, 17], [1022, 2000], [13, 62000]] as const) {
      const record = [pattern(nonceLength), pattern(aadLength)] as const;
      const [sealed, expected] = [new Uint8Array(length + tagLength), new Uint8Array(length + tagLength)];
      raw.seal(...record, pattern(length), sealed);
      clean(`seal ${length}`);
      own.seal(...record, pattern(length), expected);
      assert.deepEqual(sealed, expected, `${keyLength} ${length}`);
      const opened = new Uint8Array(length);
      assert.ok(raw.open(...record, sealed, opened));
      assert.deepEqual(opened, pattern(length));
      clean(`open ${length}`);
      for (const at of [0, length, length + tagLength - 1]) {
        sealed[at]! ^= 0x80;
        opened.fill(0xa5);
        assert.ok(!raw.open(...record, sealed, opened));
        assert.ok(opened.every((byte) => byte === 0xa5), "nothing is written of a record that failed");
        clean(`refuse ${length}`);
        sealed[at]! ^= 0x80;
      }
    }
  }
});

test("a kernel asked for more than it has room for throws, and keeps nothing either", () => {
  for (const [module, keyLength] of modules) {
    const { kernel, memory } = fresh(module);
    const before = memory.slice();
    const count = kernel.expandedWords(keyLength);
    const expanded = { words: new Int32Array(count), at: 0, count };
    kernel.expand(pattern(keyLength), expanded);
    const out = new Uint8Array(70_000);
    assert.throws(() => kernel.seal(expanded, pattern(12), pattern(70_000), pattern(5), out), RangeError);
    assert.throws(() => kernel.seal(expanded, pattern(12), pattern(5), pattern(70_000), out), RangeError);
    assert.throws(() => kernel.open(expanded, pattern(12), pattern(5), pattern(70_000), out), RangeError);
    if (kernel instanceof AesKernel) {
      const ccm = new CcmKernel(kernel, 8);
      assert.throws(() => ccm.seal(expanded, pattern(12), pattern(ccm.aadRoom + 1), pattern(5), out), RangeError);
      assert.throws(() => ccm.seal(expanded, pattern(12), pattern(5), pattern(70_000), out), RangeError);
      assert.throws(() => ccm.open(expanded, pattern(12), pattern(5), pattern(70_000), out), RangeError);
    }
    assert.ok(out.every((byte) => byte === 0));
    assert.ok(memory.every((byte, i) => byte === before[i]));
  }
});

test("a call that throws halfway leaves nothing behind, and the next is right", () => {
  for (const [module, keyLength] of modules) {
    const exports = exportsOf(module) as AesExports;
    const memory = new Uint8Array(exports.memory.buffer);
    const before = memory.slice();
    let breaks = false;
    const broken = (...lengths: Parameters<AesExports["open"]>): number => {
      if (breaks) throw new RangeError("the end of the stack");
      return exports.open(...lengths);
    };
    const seal = (...lengths: Parameters<AesExports["seal"]>) => {
      exports.seal(...lengths);
      if (breaks) throw new RangeError("the end of the stack");
    };
    const { memory: shared, expand, ccm } = exports;
    const parts = { memory: shared, expand, ccm, seal, open: broken };
    // The two modules' functions take the same first parameters.
    const kernel = module === AES_MODULE ? new AesKernel(parts) : new ChaChaKernel(parts as unknown as ChaChaExports);
    const raw = kernelAlone(kernel, pattern(keyLength));
    const sealed = new Uint8Array(116);
    raw.seal(pattern(12), pattern(13), pattern(100), sealed);
    breaks = true;
    const out = new Uint8Array(116);
    for (const call of [raw.seal, raw.open]) {
      assert.throws(() => call.call(raw, pattern(12), pattern(20), pattern(100), out), RangeError);
      assert.ok(memory.every((byte, i) => byte === before[i]));
    }
    breaks = false;
    assert.ok(raw.open(pattern(12), pattern(13), sealed, out));
    assert.deepEqual(out.subarray(0, 100), pattern(100));
  }
});

test("records at the edge of the kernel's room, and additional data at its edge, are noble's byte for byte", () => {
  for (const [module, keyLength] of modules) {
    const kernel = module === AES_MODULE ? aesKernel()! : chachaKernel()!;
    const key = pattern(keyLength, 3);
    const noble = new NobleAead(module === AES_MODULE ? gcm : chacha20poly1305, key);
    const raw = new KernelAead({ kernel, keyLength, until: Infinity, beyond: () => noble }, key);
    const { aadRoom, textRoom } = kernel;
    for (
      const [aadLength, length] of [
        [aadRoom, 100],
        [aadRoom + 1, 100],
        [13, textRoom],
        [aadRoom, textRoom - 1],
        [13, textRoom + 1],
      ] as const
    ) {
      const [ours, theirs] = [new Uint8Array(length + 16), new Uint8Array(length + 16)];
      raw.seal(pattern(12), pattern(aadLength), pattern(length), ours);
      noble.seal(pattern(12), pattern(aadLength), pattern(length), theirs);
      assert.ok(Buffer.from(ours).equals(theirs), `${aadLength} ${length}`);
      const opened = new Uint8Array(length);
      assert.ok(raw.open(pattern(12), pattern(aadLength), theirs, opened));
      assert.ok(Buffer.from(opened).equals(pattern(length)));
    }
  }
});

test("the cipher for longer records is made with the first of them, from the same key, and disposed with the other", () => {
  const calls: string[] = [];
  const key = pattern(16, 5);
  const beyond = (copy: Uint8Array) => {
    calls.push("made");
    assert.deepEqual(copy, key);
    return { ...fake, dispose: () => void calls.push("disposed") };
  };
  const raw = new KernelAead({ kernel: aesKernel()!, keyLength: 16, until: 64, beyond }, key);
  const fake = { longest: 0, seal: () => void calls.push("seal"), open: () => (calls.push("open"), true) };
  const use = (length: number) => {
    const sealed = new Uint8Array(length + 16);
    raw.seal(pattern(12), pattern(0), pattern(length), sealed);
    raw.open(pattern(12), pattern(0), sealed, new Uint8Array(length));
  };
  use(64);
  assert.deepEqual(calls, []);
  use(65);
  use(66);
  raw.dispose();
  assert.deepEqual(calls, ["made", "seal", "open", "seal", "open", "disposed"]);
});

test("eight keys of GCM share one memory, below 400 bytes each, and disposing one wipes its own place for the next", () => {
  for (const [keyLength, each] of [[16, 208], [24, 248], [32, 288]] as const) {
    const keys: ReturnType<typeof createGcm>[] = [];
    const make = () => keys.push(createGcm(pattern(keyLength, keys.length)));
    // Whatever lay there before: from here on there is one shelf, and it is full.
    let rooms: ArrayBuffer[] = [];
    while (rooms.length === 0) rooms = recordRooms(make);
    assert.deepEqual(rooms.map((room) => room.byteLength), [8 * each]);
    const shelf = new Uint8Array(rooms[0]!);
    const places = () => Array.from({ length: 8 }, (_, i) => shelf.subarray(i * each, (i + 1) * each));
    const taken = () => places().filter((place) => place.some((byte) => byte !== 0)).length;
    assert.equal(taken(), 1);
    assert.deepEqual(recordRooms(() => Array.from({ length: 7 }, make)), []);
    assert.equal(taken(), 8);
    const mine = keys.slice(-8);
    const sealed = (raw: ReturnType<typeof createGcm>) => {
      const out = new Uint8Array(80);
      raw.seal(pattern(12), pattern(13), pattern(64), out);
      return Buffer.from(out).toString("hex");
    };
    const before = mine.map(sealed);
    mine[3]!.dispose();
    assert.equal(taken(), 7);
    assert.deepEqual(recordRooms(make), [], "the place of one that is gone");
    assert.equal(taken(), 8);
    // Nobody else's key has changed.
    assert.deepEqual(mine.filter((_, i) => i !== 3).map(sealed), before.filter((_, i) => i !== 3));
    for (const raw of new Set([...mine.filter((_, i) => i !== 3), keys.at(-1)!])) raw.dispose();
    assert.ok(shelf.every((byte) => byte === 0));
  }
});
