/**
 * Nonces that a server knows as its own without having kept them: time || random || HMAC. A stranger who asks for a million of
 * them costs no memory (DESIGN 4.4).
 *
 * The time is this process's monotonic one, so that a wall clock set back revives nothing; the key may therefore die with the
 * process. What another process or an earlier life of this one minted is not ours, and is answered as a stale nonce is.
 *
 * @module
 */

import { concat, fromBase64, toBase64, toUtf8 } from "../bytes/mod.ts";
import type { Clock } from "../clock.ts";
import { createHmac, secretRandom } from "../crypto/mod.ts";
import type { Random } from "../platform.ts";

/** What {@link createNonceMint} takes. */
export interface NonceMintOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly seconds: number;
}

/** Makes nonces and recognises them. */
export interface NonceMint extends Disposable {
  /** Good for `context` alone: realm, algorithm, the peer's address, whatever the caller binds. */
  mint(context: string): string;
  /** When it was minted, in whole milliseconds of the monotonic clock; `undefined` unless it is ours and still good. */
  mintedAt(nonce: string, context: string): number | undefined;
}

/** A mint with a key of its own, made here and never told. */
export function createNonceMint({ clock, random, seconds }: NonceMintOptions): NonceMint {
  using key = secretRandom(32, random);
  const hmac = createHmac("sha-256", key);
  const input = (head: Uint8Array, context: string): Uint8Array => concat(head, toUtf8(context));
  return {
    mint(context) {
      const nonce = new Uint8Array(HEAD + TAG);
      const at = Math.floor(clock.now());
      new DataView(nonce.buffer).setUint16(0, Math.floor(at / 2 ** 32));
      new DataView(nonce.buffer).setUint32(2, at % 2 ** 32);
      random(nonce.subarray(6, HEAD));
      hmac.signInto(input(nonce.subarray(0, HEAD), context), nonce.subarray(HEAD));
      return toBase64(nonce);
    },
    mintedAt(nonce, context) {
      const bytes = decode(nonce);
      if (!bytes || !hmac.verify(input(bytes.subarray(0, HEAD), context), bytes.subarray(HEAD))) return undefined;
      const view = new DataView(bytes.buffer);
      const at = view.getUint16(0) * 2 ** 32 + view.getUint32(2);
      return clock.now() - at < seconds * 1000 ? at : undefined;
    },
    [Symbol.dispose]: () => hmac[Symbol.dispose](),
  };
}

function decode(nonce: string): Uint8Array | undefined {
  if (nonce.length !== LENGTH) return undefined;
  try {
    return fromBase64(nonce);
  } catch {
    return undefined; // a stranger's text: not ours
  }
}

/** 6 bytes of time, 10 of randomness, and the whole HMAC-SHA-256: 48 bytes, 64 characters of base64 without padding. */
const HEAD = 16;
const TAG = 32;
const LENGTH = 64;
