// Run as its own process by native.test.ts: takes away what its arguments name before the library is loaded, checks the
// RFCs' vectors through the door, and prints which implementation answered.
import process from "node:process";
import type { HashName } from "../../lib/crypto/mod.ts";

const missing = process.argv.slice(2);
if (missing.includes("native")) {
  Object.defineProperty(process, "getBuiltinModule", { value: undefined });
  const { Bun } = globalThis as { Bun?: object };
  if (Bun) Object.defineProperty(Bun, "SHA256", { value: undefined });
}
if (missing.includes("refused")) {
  Object.defineProperty(process, "getBuiltinModule", {
    value() {
      throw new Error("not permitted");
    },
  });
}
const withProcess = (value: unknown) => Object.defineProperty(globalThis, "process", { value, configurable: true });
if (missing.includes("process")) withProcess(undefined);
if (missing.includes("wasm")) Object.defineProperty(globalThis, "WebAssembly", { value: undefined });

const { createHasher, createHmac, createKeyShare, namedGroups, secretEqual, secretFrom } = await import(
  "../../lib/crypto/mod.ts"
);
const { nativeCrypto } = await import("../../lib/crypto/native.ts");
// Asked once, when it is loaded; what reads the vectors needs it again.
withProcess(process);
const { toHex } = await import("../../lib/bytes/mod.ts");
const { bytesOf, readVectors } = await import("./cases.ts");

const right = { digests: 0, tags: 0, agreements: 0 };
const hashes = readVectors<{ tests: [source: string, hash: HashName, message: string, digest: string][] }>(
  "crypto/hash.json",
).tests;
for (const [, hash, message, digest] of hashes) {
  const hasher = createHasher(hash).update(bytesOf(message).subarray(0, 1)).clone();
  if (toHex(hasher.update(bytesOf(message).subarray(1)).digest()) === digest) right.digests++;
}
const tags = readVectors<{ tests: [source: string, hash: HashName, key: string, message: string, tag: string][] }>(
  "crypto/hmac.json",
).tests;
for (const [, hash, key, message, tag] of tags) {
  using hmac = createHmac(hash, secretFrom(bytesOf(key)));
  const out = new Uint8Array(hmac.length);
  hmac.signInto(bytesOf(message), out);
  const once = toHex(out);
  hmac.update(bytesOf(message)).finishInto(out);
  if (once.startsWith(tag) && toHex(out) === once) right.tags++;
}
const agreements = readVectors<
  { tests: [clause: string, group: string, scalar: string, own: string, peer: string, shared: string][] }
>("crypto/agree.json").tests;
for (const [, group, scalar, , peer, shared] of agreements) {
  const { id } = namedGroups.find(({ name }) => name === group)!;
  using share = createKeyShare(id, (out) => out.set(bytesOf(scalar)));
  if (secretEqual(share.agree(bytesOf(peer)), bytesOf(shared))) right.agreements++;
}
using chosen = createHmac("sha-256", secretFrom(new Uint8Array(32)));
console.log(JSON.stringify({
  native: nativeCrypto !== undefined,
  chosen: chosen.constructor.name,
  of: [hashes.length, tags.length, agreements.length],
  ...right,
}));
