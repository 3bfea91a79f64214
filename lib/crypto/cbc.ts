/** AES-CBC without padding and without authentication (NIST SP 800-38A 6.2): for `createCbcHmac` alone, not at this room's door. @module */

import { cbc } from "@noble/ciphers/aes.js";
import { SeccfError } from "../error.ts";
import { type NativeCbc, type NativeCbcName, type NativeCrypto, nativeCrypto, type NativeKey } from "./native.ts";
import { expose, type SecretBytes } from "./secret.ts";

/** One keyed CBC over whole blocks of 16 bytes; `out` may overlap the input. */
export interface Cbc extends Disposable {
  /** Writes as many bytes as `plaintext` has, a multiple of 16, otherwise RangeError; `iv` is 16 bytes. */
  encryptInto(iv: Uint8Array, plaintext: Uint8Array, out: Uint8Array): void;
  /** Writes as many bytes as `ciphertext` has, a multiple of 16, otherwise RangeError; nothing here is authenticated. */
  decryptInto(iv: Uint8Array, ciphertext: Uint8Array, out: Uint8Array): void;
}

/** AES-CBC keyed with a copy of `key`, 16, 24 or 32 bytes, otherwise RangeError. Disposing wipes or lets go of the copy. */
export function createCbc(key: SecretBytes): Cbc {
  const bytes = expose(key);
  const name = NAMES.get(bytes.length);
  if (name === undefined) throw new RangeError("an AES key is 16, 24 or 32 bytes");
  return nativeCrypto !== undefined && available(nativeCrypto, name)
    ? new RuntimeCbc(nativeCrypto, name, bytes)
    : new NobleCbc(bytes);
}

abstract class CheckedCbc implements Cbc {
  encryptInto(iv: Uint8Array, plaintext: Uint8Array, out: Uint8Array): void {
    check(iv, plaintext, out);
    out.set(this.encrypt(iv, plaintext));
  }

  decryptInto(iv: Uint8Array, ciphertext: Uint8Array, out: Uint8Array): void {
    check(iv, ciphertext, out);
    const plaintext = this.decrypt(iv, ciphertext);
    out.set(plaintext);
    plaintext.fill(0);
  }

  protected abstract encrypt(iv: Uint8Array, plaintext: Uint8Array): Uint8Array;
  protected abstract decrypt(iv: Uint8Array, ciphertext: Uint8Array): Uint8Array;
  abstract [Symbol.dispose](): void;
}

class RuntimeCbc extends CheckedCbc {
  readonly #native: NativeCrypto;
  readonly #name: NativeCbcName;
  /** Cannot be wiped; the runtime does that when the collector takes it. */
  #key: NativeKey | undefined;

  constructor(native: NativeCrypto, name: NativeCbcName, key: Uint8Array) {
    super();
    this.#native = native;
    this.#name = name;
    this.#key = native.createSecretKey(key);
  }

  protected encrypt(iv: Uint8Array, plaintext: Uint8Array): Uint8Array {
    return run(this.#native.createCipheriv(this.#name, usable(this.#key), iv), plaintext);
  }

  protected decrypt(iv: Uint8Array, ciphertext: Uint8Array): Uint8Array {
    return run(this.#native.createDecipheriv(this.#name, usable(this.#key), iv), ciphertext);
  }

  [Symbol.dispose](): void {
    this.#key = undefined;
  }
}

class NobleCbc extends CheckedCbc {
  #key: Uint8Array | undefined;

  constructor(key: Uint8Array) {
    super();
    this.#key = new Uint8Array(key);
  }

  protected encrypt(iv: Uint8Array, plaintext: Uint8Array): Uint8Array {
    return cbc(usable(this.#key), iv, UNPADDED).encrypt(plaintext);
  }

  protected decrypt(iv: Uint8Array, ciphertext: Uint8Array): Uint8Array {
    return cbc(usable(this.#key), iv, UNPADDED).decrypt(ciphertext);
  }

  [Symbol.dispose](): void {
    this.#key?.fill(0);
    this.#key = undefined;
  }
}

function usable<Key>(key: Key | undefined): Key {
  if (key === undefined) throw new SeccfError("state", "the cipher was disposed");
  return key;
}

function check(iv: Uint8Array, input: Uint8Array, out: Uint8Array): void {
  if (iv.length !== 16) throw new RangeError("an IV of CBC is 16 bytes");
  if (input.length % 16 !== 0) throw new RangeError("CBC works on whole blocks of 16 bytes");
  if (out.length < input.length) throw new RangeError(`needs ${input.length} bytes of room, has ${out.length}`);
}

function run(cipher: NativeCbc, input: Uint8Array): Uint8Array {
  cipher.setAutoPadding(false);
  const output = cipher.update(input);
  cipher.final();
  return output;
}

const UNPADDED = { disablePadding: true };

const NAMES = new Map<number, NativeCbcName>([[16, "aes-128-cbc"], [24, "aes-192-cbc"], [32, "aes-256-cbc"]]);

const probed = new Map<NativeCbcName, boolean>();

/** Deno has no aes-192-cbc, and no list says so before it is tried. */
function available(native: NativeCrypto, name: NativeCbcName): boolean {
  let works = probed.get(name);
  if (works === undefined) {
    works = probe(native, name);
    probed.set(name, works);
  }
  return works;
}

function probe(native: NativeCrypto, name: NativeCbcName): boolean {
  const key = new Uint8Array(Number(name.slice(4, 7)) / 8);
  const block = new Uint8Array(16);
  try {
    return run(native.createCipheriv(name, native.createSecretKey(key), block), block).length === 16;
  } catch {
    return false;
  }
}
