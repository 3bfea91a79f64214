// HMAC-SHA-256 of messages as long as a device's records, under a key that stays: ours beside node:crypto with a
// KeyObject that is kept, and noble as its README says and at its best (a keyed object cloned into another).
import { createHmac as createHmacOfNode, createSecretKey } from "node:crypto";
import { hmac as hmacOfNoble } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { equal } from "../lib/bytes/mod.ts";
import { createHmac, secretFrom } from "../lib/crypto/mod.ts";
import { type Group, run } from "./harness.ts";

const key = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
const keyObject = createSecretKey(key);
const secret = secretFrom(key);
const ours = createHmac("sha-256", secret);
const keyed = hmacOfNoble.create(sha256, key);
const scratch = keyed.clone();

const groups: Group[] = [];
for (const size of [16, 64, 256, 1024, 4096]) {
  const message = Uint8Array.from({ length: size }, (_, i) => i * 7);
  const out = new Uint8Array(32);
  add(`HMAC-SHA-256 ${size}`, size, {
    "ours": () => {
      ours.signInto(message, out);
      return out;
    },
    "node:crypto KeyObject": () => createHmacOfNode("sha256", keyObject).update(message).digest(),
    "noble one-shot": () => hmacOfNoble(sha256, key, message),
    "noble keyed": () => {
      keyed._cloneInto(scratch).update(message).digestInto(out);
      return out;
    },
  });
}
const message = new Uint8Array(64);
const out = new Uint8Array(32);
add("HMAC-SHA-256 64, a key for each", 64, {
  "ours": () => {
    using hmac = createHmac("sha-256", secret);
    hmac.signInto(message, out);
    return out;
  },
  "node:crypto": () => createHmacOfNode("sha256", key).update(message).digest(),
  "noble one-shot": () => hmacOfNoble(sha256, key, message),
});
run("hmac", groups);

/** A group, after a look that every rival makes the same tag. */
function add(name: string, bytes: number, calls: Readonly<Record<string, () => Uint8Array>>): void {
  const [first, ...others] = Object.entries(calls).map(([rival, call]) => ({ rival, tag: call().slice() }));
  for (const { rival, tag } of others) {
    if (!equal(first!.tag, tag)) throw new Error(`${rival} differs in ${name}`);
  }
  groups.push({ name, bytes, contenders: Object.entries(calls).map(([name, call]) => ({ name, call })) });
}
