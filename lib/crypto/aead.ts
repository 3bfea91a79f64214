/** The authenticated ciphers behind one keyed object: lengths are checked here, once, for all of them. @module */

import { SeccfError } from "../error.ts";
import { createCcm } from "./ccm.ts";
import { createChaCha } from "./chacha.ts";
import { createGcm } from "./gcm.ts";
import { expose, type SecretBytes } from "./secret.ts";

/** Which cipher, and where the standard leaves a choice, which lengths in bytes. GCM and ChaCha20 have nonces of 12 and tags of 16. */
export type AeadSpec = { readonly cipher: "aes-gcm" | "chacha20-poly1305" } | {
  readonly cipher: "aes-ccm";
  readonly nonceLength: 7 | 12 | 13;
  readonly tagLength: 8 | 16;
};

/**
 * One keyed authenticated cipher. Choosing nonces that never repeat is the caller's duty.
 *
 * `out` may begin where the input begins (in place) or lie apart from it; any other overlap gives undefined bytes.
 * A nonce of the wrong length or an `out` that is too short is a RangeError before anything is written.
 * A record of at most 512 bytes allocates nothing where there is WebAssembly with relaxed SIMD (on Bun, GCM at most 64); a
 * longer one may go to the runtime's cipher, where that is faster, and then does.
 */
export interface Aead extends Disposable {
  /** Bytes. */
  readonly nonceLength: number;
  /** Bytes. */
  readonly tagLength: number;
  /** Writes ciphertext || tag and returns how many bytes that is: `plaintext.length + tagLength`. */
  sealInto(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array): number;
  /**
   * Writes the plaintext and returns its length, `sealed.length - tagLength`; or returns -1 when the tag is wrong or
   * `sealed` is shorter than one, and then as many bytes of `out` are zero: unauthenticated plaintext is never seen.
   */
  openInto(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out: Uint8Array): number;
}

/** What one algorithm supplies below the checks. Tags and plaintext lengths are already known to fit. */
export interface RawAead {
  readonly longest: number;
  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array): void;
  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out: Uint8Array): boolean;
  dispose(): void;
}

/** A cipher keyed with a copy of `key`: 16, 24 or 32 bytes for AES, 32 for ChaCha20, otherwise RangeError. */
export function createAead(spec: AeadSpec, key: SecretBytes): Aead {
  return new CheckedAead(spec, expose(key));
}

class CheckedAead implements Aead {
  readonly #lengths: Lengths;
  #raw: RawAead | undefined;

  constructor(spec: AeadSpec, key: Uint8Array) {
    const size = key.length;
    const chacha = spec.cipher === "chacha20-poly1305";
    if (size !== 32 && (chacha || (size !== 16 && size !== 24))) throw new RangeError(`a key of ${size} bytes`);
    this.#lengths = lengthsOf(spec);
    if (spec.cipher === "aes-ccm") {
      this.#raw = createCcm(key, spec.nonceLength, spec.tagLength);
    } else if (spec.cipher === "aes-gcm") {
      this.#raw = createGcm(key);
    } else if (chacha) {
      this.#raw = createChaCha(key);
    } else {
      throw new RangeError("an unknown cipher");
    }
  }

  get nonceLength(): number {
    return this.#lengths.nonceLength;
  }

  get tagLength(): number {
    return this.#lengths.tagLength;
  }

  sealInto(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array): number {
    const raw = this.#ready(nonce);
    const length = plaintext.length + this.tagLength;
    if (plaintext.length > raw.longest) throw new RangeError("longer than the cipher can count");
    if (out.length < length) throw new RangeError(`needs ${length} bytes of room, has ${out.length}`);
    raw.seal(nonce, aad, plaintext, out);
    return length;
  }

  openInto(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out: Uint8Array): number {
    const raw = this.#ready(nonce);
    const length = sealed.length - this.tagLength;
    if (length < 0) return -1;
    if (out.length < length) throw new RangeError(`needs ${length} bytes of room, has ${out.length}`);
    if (length <= raw.longest && raw.open(nonce, aad, sealed, out)) return length;
    out.fill(0, 0, length);
    return -1;
  }

  [Symbol.dispose](): void {
    this.#raw?.dispose();
    this.#raw = undefined;
  }

  #ready(nonce: Uint8Array): RawAead {
    if (this.#raw === undefined) throw new SeccfError("state", "the cipher was disposed");
    if (nonce.length !== this.nonceLength) {
      throw new RangeError(`a nonce of ${nonce.length} bytes, not ${this.nonceLength}`);
    }
    return this.#raw;
  }
}

interface Lengths {
  readonly nonceLength: number;
  readonly tagLength: number;
}

/** The same object for all of a kind: an association has two ciphers or more. */
function lengthsOf(spec: AeadSpec): Lengths {
  if (spec.cipher !== "aes-ccm") return USUAL;
  if (![7, 12, 13].includes(spec.nonceLength)) throw new RangeError("the nonce of CCM is 7, 12 or 13 bytes");
  if (![8, 16].includes(spec.tagLength)) throw new RangeError("the tag of CCM is 8 or 16 bytes");
  const { nonceLength, tagLength } = spec;
  const known = ofCcm.find((each) => each.nonceLength === nonceLength && each.tagLength === tagLength);
  if (known) return known;
  ofCcm.push({ nonceLength, tagLength });
  return ofCcm.at(-1)!;
}

const USUAL: Lengths = { nonceLength: 12, tagLength: 16 };
const ofCcm: Lengths[] = [];
