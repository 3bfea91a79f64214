// Every implementation of HMAC-SHA-256 that createHmac may choose, so that each is tested wherever it runs at all.
import type { Hmac } from "../../lib/crypto/mod.ts";
import { HashedHmac } from "../../lib/crypto/hmac_hashed.ts";
import { KernelHmac, OneShotHmac } from "../../lib/crypto/hmac_sha256.ts";
import { type NativeSha256, nativeSha256 } from "../../lib/crypto/native.ts";
import { loopKernel, wasmKernel } from "../../lib/crypto/sha256_kernel.ts";
import { createHasher } from "../../lib/crypto/mod.ts";

/** Bun's SHA-256, or on other runtimes one of the same shape over ours, so that the code around it is tested there too. */
const oneShot: NativeSha256 = nativeSha256 ?? class {
  readonly #hasher = createHasher("sha-256");
  static hash(data: Uint8Array, out: Uint8Array): void {
    createHasher("sha-256").update(data).digestInto(out);
  }
  update(data: Uint8Array): this {
    this.#hasher.update(data);
    return this;
  }
  digest(out: Uint8Array): void {
    this.#hasher.digestInto(out);
  }
};

/** Throws where WebAssembly is missing: the three runtimes of the tests have it. */
function wasm(): NonNullable<ReturnType<typeof wasmKernel>> {
  const kernel = wasmKernel();
  if (kernel === undefined) throw new Error("no WebAssembly with SIMD");
  return kernel;
}

/** All of them, by name. */
export const everyHmacSha256: readonly { readonly name: string; readonly create: (key: Uint8Array) => Hmac }[] = [
  { name: "WebAssembly", create: (key) => new KernelHmac(wasm(), key) },
  { name: "loop", create: (key) => new KernelHmac(loopKernel, key) },
  { name: "one-shot", create: (key) => new OneShotHmac(oneShot, key) },
  { name: "hashed", create: (key) => new HashedHmac("sha-256", key) },
];
