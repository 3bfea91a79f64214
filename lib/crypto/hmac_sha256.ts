/** HMAC-SHA-256 whose tags allocate nothing: on a kernel of ours, or on a runtime's one-shot hash. @module */

import { equal } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";
import { digest } from "./hash.ts";
import type { Hmac } from "./hmac.ts";
import { nativeCrypto, type NativeSha256 } from "./native.ts";
import { bytesOf, type SecretBytes, secretRoom, wipe } from "./secret.ts";
import type { Sha256Kernel } from "./sha256_kernel.ts";
import { INITIAL_STATE } from "./sha256_loop.ts";
import { Sha256Stream } from "./sha256_stream.ts";

const LENGTH = 32;

/** Bytes from which on the runtime's hash, which allocates, is faster than the kernel by more than its garbage costs; measured. */
export const NATIVE_FROM = 2049;

function room(out: Uint8Array): void {
  if (out.length < LENGTH) throw new RangeError(`needs ${LENGTH} bytes of room, has ${out.length}`);
}

function disposed(): SeccfError {
  return new SeccfError("state", "the HMAC was disposed");
}

/** RFC 2104 2: writes the key, hashed if longer than a block, into `block` of 64 zeros; xored with ipad. */
function writeInnerBlock(key: Uint8Array, block: Uint8Array): void {
  if (key.length > 64) {
    const short = digest("sha-256", key);
    block.set(short);
    wipe(short);
  } else {
    block.set(key);
  }
  turn(block, 0x36);
}

function turn(block: Uint8Array, pad: number): void {
  for (let i = 0; i < 64; i++) block[i]! ^= pad;
}

const IPAD_TO_OPAD = 0x36 ^ 0x5c;

/** On a kernel: messages go from the states after the key's blocks, the midstates. */
export class KernelHmac implements Hmac {
  readonly length: number = LENGTH;
  readonly #kernel: Sha256Kernel;
  /** All that is kept of the key, and room for a tag to compare with. */
  readonly #own: Uint8Array = secretRoom(64 + 64 + LENGTH);
  readonly #midstates: Int32Array = new Int32Array(this.#own.buffer, 0, 16);
  /** The inner key block, for the runtime's hash. */
  readonly #block: Uint8Array = this.#own.subarray(64, 128);
  readonly #tag: Uint8Array = this.#own.subarray(128);
  /** A message in parts, and one that is too long for the kernel; made when first needed. */
  #parts: Sha256Stream | undefined;
  #single: Sha256Stream | undefined;
  #live = true;

  constructor(kernel: Sha256Kernel, key: Uint8Array) {
    this.#kernel = kernel;
    const block = this.#block;
    const inner = this.#midstates.subarray(0, 8);
    const outer = this.#midstates.subarray(8);
    inner.set(INITIAL_STATE);
    outer.set(INITIAL_STATE);
    writeInnerBlock(key, block);
    kernel.compress(inner, block, 0, 1);
    turn(block, IPAD_TO_OPAD);
    kernel.compress(outer, block, 0, 1);
    turn(block, IPAD_TO_OPAD);
  }

  signInto(message: Uint8Array, out: Uint8Array): number {
    if (!this.#live) throw disposed();
    room(out);
    if (message.length < NATIVE_FROM && message.length <= this.#kernel.room) {
      this.#kernel.tag(this.#midstates, message, out);
    } else {
      this.#long(message, out);
    }
    return LENGTH;
  }

  verify(message: Uint8Array, tag: Uint8Array): boolean {
    this.signInto(message, this.#tag);
    const good = equal(this.#tag, tag);
    wipe(this.#tag);
    return good;
  }

  update(part: Uint8Array | SecretBytes): this {
    this.#begun().update(bytesOf(part));
    return this;
  }

  finishInto(out: Uint8Array): number {
    const parts = this.#begun();
    room(out);
    parts.finishInto(this.#midstates, out);
    return LENGTH;
  }

  [Symbol.dispose](): void {
    this.#live = false;
    wipe(this.#own);
    this.#parts?.wipe();
    this.#single?.wipe();
  }

  #begun(): Sha256Stream {
    if (!this.#live) throw disposed();
    const parts = this.#parts ??= new Sha256Stream(this.#kernel);
    if (!parts.begun) parts.begin(this.#midstates);
    return parts;
  }

  #long(message: Uint8Array, out: Uint8Array): void {
    const single = this.#single ??= new Sha256Stream(this.#kernel);
    if (message.length >= NATIVE_FROM && nativeCrypto !== undefined) {
      const inner = nativeCrypto.createHash("sha256").update(this.#block).update(message).digest();
      single.closeInto(this.#midstates, inner, out);
      wipe(inner);
    } else {
      single.begin(this.#midstates);
      single.update(message);
      single.finishInto(this.#midstates, out);
    }
  }
}

/** Bytes of the longest message for which {@link OneShotHmac} allocates nothing. */
export const ONE_SHOT_ROOM = 2048;

// Shared by all keys: each tag writes its key, reads and wipes. A view for each length that occurs is kept, since
// making one would allocate: at most as many as there are lengths.
const scratch = secretRoom(64 + ONE_SHOT_ROOM);
const views: (Uint8Array | undefined)[] = [];

/** On a runtime that hashes one array into another by a plain call (Bun): nothing of the key is kept outside our own arrays. */
export class OneShotHmac implements Hmac {
  readonly length: number = LENGTH;
  readonly #sha256: NativeSha256;
  readonly #own: Uint8Array = secretRoom(64 + 64 + 2 * LENGTH);
  readonly #inner: Uint8Array = this.#own.subarray(0, 64);
  /** The outer key block, and behind it each message's inner digest. */
  readonly #outer: Uint8Array = this.#own.subarray(64, 128 + LENGTH);
  readonly #digest: Uint8Array = this.#own.subarray(128, 128 + LENGTH);
  readonly #tag: Uint8Array = this.#own.subarray(128 + LENGTH);
  #running: InstanceType<NativeSha256> | undefined;
  #live = true;

  constructor(sha256: NativeSha256, key: Uint8Array) {
    this.#sha256 = sha256;
    writeInnerBlock(key, this.#inner);
    this.#outer.set(this.#inner);
    turn(this.#outer, IPAD_TO_OPAD);
  }

  signInto(message: Uint8Array, out: Uint8Array): number {
    if (!this.#live) throw disposed();
    room(out);
    const { length } = message;
    if (length > ONE_SHOT_ROOM) return this.#close(new this.#sha256().update(this.#inner).update(message), out);
    const view = views[length] ??= scratch.subarray(0, 64 + length);
    view.set(message, 64);
    view.set(this.#inner);
    this.#sha256.hash(view, this.#digest);
    view.fill(0);
    this.#sha256.hash(this.#outer, out);
    return LENGTH;
  }

  verify(message: Uint8Array, tag: Uint8Array): boolean {
    this.signInto(message, this.#tag);
    const good = equal(this.#tag, tag);
    wipe(this.#tag);
    return good;
  }

  update(part: Uint8Array | SecretBytes): this {
    this.#begun().update(bytesOf(part));
    return this;
  }

  finishInto(out: Uint8Array): number {
    const running = this.#begun();
    room(out);
    this.#running = undefined;
    return this.#close(running, out);
  }

  [Symbol.dispose](): void {
    this.#live = false;
    this.#running = undefined;
    wipe(this.#own);
  }

  #begun(): InstanceType<NativeSha256> {
    if (!this.#live) throw disposed();
    return this.#running ??= new this.#sha256().update(this.#inner);
  }

  #close(inner: InstanceType<NativeSha256>, out: Uint8Array): number {
    inner.digest(this.#digest);
    this.#sha256.hash(this.#outer, out);
    return LENGTH;
  }
}
