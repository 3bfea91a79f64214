// Run as its own process by aead_missing.test.ts: takes away what its arguments name before the library is loaded, and
// seals and opens the published vectors through the door.
import process from "node:process";
import type { AeadSpec } from "../../lib/crypto/mod.ts";

const missing = process.argv.slice(2);
const { Buffer } = globalThis;
if (missing.includes("native")) {
  Object.defineProperty(process, "getBuiltinModule", { value: undefined });
  Object.defineProperty(Uint8Array, "fromBase64", { value: undefined });
  Object.defineProperty(globalThis, "Buffer", { value: undefined, configurable: true });
}
if (missing.includes("wasm")) Object.defineProperty(globalThis, "WebAssembly", { value: undefined });
if (missing.includes("relaxed")) {
  // An engine that does not know an instruction of the modules refuses them.
  Object.defineProperty(WebAssembly, "Module", {
    value: class {
      constructor() {
        throw new WebAssembly.CompileError("unknown instruction");
      }
    },
  });
}

const { createAead, secretFrom } = await import("../../lib/crypto/mod.ts");
const { aesKernel } = await import("../../lib/crypto/aes_kernel.ts");
const { chachaKernel } = await import("../../lib/crypto/chacha_kernel.ts");
const { nativeBase64, nativeCrypto } = await import("../../lib/crypto/native.ts");
const kernels = [aesKernel(), chachaKernel()].filter((kernel) => kernel !== undefined).length;
const native = [nativeCrypto, nativeBase64("")].filter((each) => each !== undefined).length;
// What reads the vectors may need it.
Object.defineProperty(globalThis, "Buffer", { value: Buffer });
const { bytesOf, readVectors } = await import("./cases.ts");
const { toHex } = await import("../../lib/bytes/mod.ts");

type Row = [name: string, key: string, nonce: string, aad: string, plaintext: string, sealed: string];
const vectors = readVectors<Record<AeadSpec["cipher"], { rows: Row[] }>>("crypto/aead.json");
let right = 0;
for (const cipher of ["aes-gcm", "aes-ccm", "chacha20-poly1305"] as const) {
  for (const [, key, nonce, aad, plaintext, sealed] of vectors[cipher].rows) {
    const tagLength = (sealed.includes("*") ? 16 : bytesOf(sealed).length - bytesOf(plaintext).length) as 8 | 16;
    const spec = { cipher, nonceLength: bytesOf(nonce).length, tagLength } as AeadSpec;
    using aead = createAead(spec, secretFrom(bytesOf(key)));
    const out = new Uint8Array(bytesOf(sealed).length);
    aead.sealInto(bytesOf(nonce), bytesOf(aad), bytesOf(plaintext), out);
    if (toHex(out) !== toHex(bytesOf(sealed))) continue;
    const opened = new Uint8Array(out.length - tagLength);
    if (aead.openInto(bytesOf(nonce), bytesOf(aad), out, opened) !== opened.length) continue;
    out[0]! ^= 1;
    if (toHex(opened) !== toHex(bytesOf(plaintext))) continue;
    if (aead.openInto(bytesOf(nonce), bytesOf(aad), out, opened) === -1) right++;
  }
}
console.log(JSON.stringify({ native, kernels, right }));
