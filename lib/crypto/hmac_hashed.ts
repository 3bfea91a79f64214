/** HMAC with any hash, without work on speed: the runtime's hash objects, or noble's. @module */

import { equal } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";
import { blockLength, createHasher, digest, type Hasher, type HashName } from "./hash.ts";
import type { Hmac } from "./hmac.ts";
import { bytesOf, type SecretBytes, secretRoom, wipe } from "./secret.ts";

/** Over any {@link Hasher}: the two halves of the key are hashed once and cloned for each message. */
export class HashedHmac implements Hmac {
  readonly length: number;
  readonly #tag: Uint8Array;
  #keyed: { readonly inner: Hasher; readonly outer: Hasher } | undefined;
  #running: Hasher | undefined;

  constructor(hash: HashName, key: Uint8Array) {
    const block = secretRoom(blockLength(hash));
    const short = key.length > block.length ? digest(hash, key) : key;
    block.set(short);
    if (short !== key) wipe(short);
    for (let i = 0; i < block.length; i++) block[i]! ^= 0x36;
    const inner = createHasher(hash).update(block);
    for (let i = 0; i < block.length; i++) block[i]! ^= 0x36 ^ 0x5c;
    this.#keyed = { inner, outer: createHasher(hash).update(block) };
    wipe(block);
    this.length = inner.length;
    this.#tag = secretRoom(this.length);
  }

  signInto(message: Uint8Array, out: Uint8Array): number {
    return this.#finish(this.#ready().inner.clone().update(message), out);
  }

  verify(message: Uint8Array, tag: Uint8Array): boolean {
    this.signInto(message, this.#tag);
    const good = equal(this.#tag, tag);
    wipe(this.#tag);
    return good;
  }

  update(part: Uint8Array | SecretBytes): this {
    const { inner } = this.#ready();
    this.#running ??= inner.clone();
    this.#running.update(bytesOf(part));
    return this;
  }

  finishInto(out: Uint8Array): number {
    const { inner } = this.#ready();
    this.#room(out);
    const running = this.#running ?? inner.clone();
    this.#running = undefined;
    return this.#finish(running, out);
  }

  [Symbol.dispose](): void {
    // The runtime's hash objects cannot be wiped, only let go.
    this.#keyed = this.#running = undefined;
    wipe(this.#tag);
  }

  #finish(inner: Hasher, out: Uint8Array): number {
    this.#room(out);
    const { outer } = this.#ready();
    const hash = inner.digest();
    outer.clone().update(hash).digestInto(out);
    wipe(hash);
    return this.length;
  }

  #room(out: Uint8Array): void {
    if (out.length < this.length) throw new RangeError(`needs ${this.length} bytes of room, has ${out.length}`);
  }

  #ready(): { readonly inner: Hasher; readonly outer: Hasher } {
    if (this.#keyed === undefined) throw new SeccfError("state", "the HMAC was disposed");
    return this.#keyed;
  }
}
