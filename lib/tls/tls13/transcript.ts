/** The transcript of version 1.3 (RFC 8446 4.4.1), the same on streams and datagrams (RFC 9147 5.2). @module */

import { createHasher, digest, type Hasher } from "../../crypto/mod.ts";
import type { Schedule } from "./key_schedule.ts";

/** Hashes messages under headers of four bytes. The hash is that of the key, so it is known from the first one on. */
export class Transcript13 {
  readonly #hash: Schedule["hash"];
  #hasher: Hasher;

  constructor(hash: Schedule["hash"]) {
    this.#hash = hash;
    this.#hasher = createHasher(hash);
  }

  /** Adds one message. */
  add(type: number, body: Uint8Array): void {
    this.#hasher.update(header(type, body.length)).update(body);
  }

  /** The first hello was answered by HelloRetryRequest: its hash takes its place. */
  retry(firstHello: Uint8Array = this.digest()): void {
    this.#hasher = createHasher(this.#hash);
    this.add(MESSAGE_HASH, firstHello);
  }

  /** The hash of all that was added so far. */
  digest(): Uint8Array {
    return this.#hasher.clone().digest();
  }

  /** The same with a message behind it that misses its last `missing` bytes, though its header counts them (RFC 8446 4.2.11.2). */
  digestTruncated(type: number, body: Uint8Array, missing: number): Uint8Array {
    const hasher = this.#hasher.clone().update(header(type, body.length));
    return hasher.update(body.subarray(0, body.length - missing)).digest();
  }
}

/** The hash of a first hello, for who keeps nothing else of it. */
export function hashOfHello(hash: Schedule["hash"], type: number, body: Uint8Array): Uint8Array {
  return digest(hash, header(type, body.length), body);
}

function header(type: number, length: number): Uint8Array {
  return Uint8Array.of(type, length >> 16, length >> 8, length);
}

/** RFC 8446 4.4.1. */
const MESSAGE_HASH = 254;
