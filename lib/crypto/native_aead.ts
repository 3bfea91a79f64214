/**
 * An AEAD of the runtime's own: a fresh native cipher for each record, since none lets its nonce be changed. The key
 * is a KeyObject: given its bytes, Node makes one for each cipher, and that is four fifths of a record's time.
 *
 * @module
 */

import type { RawAead } from "./aead.ts";
import { type NativeAeadName, type NativeCrypto, nativeCrypto, type NativeKey } from "./native.ts";

/**
 * Nonces of 12 bytes but for CCM. Undefined where the runtime lacks `name`: probed by doing it once, lists of ciphers do not
 * tell. That takes a millisecond, so whoever may never need one asks when he does.
 */
export function createNativeAead(name: NativeAeadName, key: Uint8Array, tagLength: number): RawAead | undefined {
  let native = probed.get(name);
  if (native === undefined) {
    native = probe(name) ? nativeCrypto! : null;
    probed.set(name, native);
  }
  return native === null ? undefined : new NativeAead(native, name, key, tagLength);
}

const probed = new Map<NativeAeadName, NativeCrypto | null>();

/** Whether `name` seals, opens, and refuses a wrong tag. */
function probe(name: NativeAeadName): boolean {
  if (nativeCrypto === undefined) return false;
  const bits = name === "chacha20-poly1305" ? 256 : Number(name.slice(4, 7));
  const nonce = new Uint8Array(12);
  const sealed = new Uint8Array(17);
  const opened = new Uint8Array(1);
  try {
    const raw = new NativeAead(nativeCrypto, name, new Uint8Array(bits / 8), 16);
    raw.seal(nonce, nonce, Uint8Array.of(1), sealed);
    if (!raw.open(nonce, nonce, sealed, opened) || opened[0] !== 1) return false;
    sealed[16]! ^= 1;
    return !raw.open(nonce, nonce, sealed, opened);
  } catch {
    return false;
  }
}

class NativeAead implements RawAead {
  readonly longest: number = Number.MAX_SAFE_INTEGER;
  readonly #native: NativeCrypto;
  readonly #name: NativeAeadName;
  readonly #options: { readonly authTagLength: number };
  /** CCM's first block holds the length. */
  readonly #lengthFirst: boolean;
  /** Gone once disposed, which its owner checks. Cannot be wiped; the runtime does that when the collector takes it. */
  #key: NativeKey | undefined;

  constructor(native: NativeCrypto, name: NativeAeadName, key: Uint8Array, tagLength: number) {
    this.#native = native;
    this.#name = name;
    this.#lengthFirst = name.endsWith("ccm");
    this.#key = native.createSecretKey(key);
    this.#options = { authTagLength: tagLength };
  }

  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array): void {
    const cipher = this.#native.createCipheriv(this.#name, this.#key!, nonce, this.#options);
    cipher.setAAD(aad, this.#lengthFirst ? { plaintextLength: plaintext.length } : undefined);
    const ciphertext = cipher.update(plaintext);
    cipher.final();
    out.set(ciphertext);
    out.set(cipher.getAuthTag(), ciphertext.length);
  }

  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out: Uint8Array): boolean {
    const length = sealed.length - this.#options.authTagLength;
    const decipher = this.#native.createDecipheriv(this.#name, this.#key!, nonce, this.#options);
    decipher.setAuthTag(sealed.subarray(length));
    decipher.setAAD(aad, this.#lengthFirst ? { plaintextLength: length } : undefined);
    const plaintext = decipher.update(sealed.subarray(0, length));
    try {
      decipher.final();
    } catch {
      plaintext.fill(0);
      return false;
    }
    out.set(plaintext);
    plaintext.fill(0);
    return true;
  }

  dispose(): void {
    this.#key = undefined;
  }
}
