/**
 * Key bytes, in one class that neither prints nor serializes them. Wiping is what a language with a collector allows:
 * this array is overwritten, copies that a runtime may have made are not. What is secret is compared in constant time.
 *
 * @module
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { SeccfError } from "../error.ts";
import type { Random } from "../platform.ts";

const CREATE = Symbol("secret");

let reveal: (secret: SecretBytes) => Uint8Array;
let adopt: (bytes: Uint8Array) => SecretBytes;

/** Bytes that only this library's crypto can see. Prints, and turns to JSON, as `[secret 16 bytes]`. */
export class SecretBytes implements Disposable {
  #bytes: Uint8Array | undefined;

  static {
    reveal = (secret) => {
      if (secret.#bytes === undefined) throw new SeccfError("state", "the secret was disposed");
      return secret.#bytes;
    };
    adopt = (bytes) => new SecretBytes(CREATE, bytes);
    // What console.log shows on Node, Deno and Bun.
    Object.defineProperty(this.prototype, Symbol.for("nodejs.util.inspect.custom"), {
      value(this: SecretBytes): string {
        return this.toString();
      },
    });
  }

  /** Not for callers: {@link secretFrom} and its like make secrets. Otherwise TypeError. */
  constructor(permission: symbol, bytes: Uint8Array) {
    if (permission !== CREATE) throw new TypeError("use secretFrom");
    this.#bytes = bytes;
  }

  /** How many bytes; throws `state` after disposal. */
  get byteLength(): number {
    return reveal(this).length;
  }

  /** Wipes the bytes; every later use throws `state`. Again does nothing. */
  [Symbol.dispose](): void {
    this.#bytes?.fill(0);
    this.#bytes = undefined;
  }

  /** `[secret 16 bytes]`, or `[secret disposed]`. */
  toString(): string {
    return this.#bytes === undefined ? "[secret disposed]" : `[secret ${this.#bytes.length} bytes]`;
  }

  /** As {@link SecretBytes.toString}. */
  toJSON(): string {
    return this.toString();
  }
}

/** A copy of `bytes`; the caller wipes its own array. TypeError for anything else, text above all. */
export function secretFrom(bytes: Uint8Array): SecretBytes {
  checkBytes(bytes);
  return adopt(copyOf(bytes));
}

/** `length` unpredictable bytes. */
export function secretRandom(length: number, random: Random): SecretBytes {
  const bytes = secretRoom(length);
  random(bytes);
  return adopt(bytes);
}

/** A new secret with copies of `parts` in order. */
export function secretConcat(...parts: readonly (SecretBytes | Uint8Array)[]): SecretBytes {
  let length = 0;
  for (const part of parts) {
    const piece = bytesOf(part);
    checkBytes(piece);
    length += piece.length;
  }
  const bytes = secretRoom(length);
  let at = 0;
  for (const part of parts) {
    const piece = bytesOf(part);
    bytes.set(piece, at);
    at += piece.length;
  }
  return adopt(bytes);
}

/** A copy of the bytes from `start` up to but without `end`; RangeError where they are not all there. */
export function secretSlice(secret: SecretBytes, start: number, end?: number): SecretBytes {
  const bytes = expose(secret);
  const stop = end ?? bytes.length;
  // TypedArray.slice would clamp, and a key would silently be shorter than its user believes.
  if (!Number.isInteger(start) || !Number.isInteger(stop) || start < 0 || stop < start || stop > bytes.length) {
    throw new RangeError(`bytes ${start} to ${stop} of ${bytes.length}`);
  }
  return secretFrom(bytes.subarray(start, stop));
}

/** Compares in a time that depends on the lengths alone. */
export function secretEqual(a: SecretBytes, b: SecretBytes | Uint8Array): boolean {
  const left = expose(a);
  const right = bytesOf(b);
  if (left.length !== right.length) return false;
  let difference = 0;
  for (let i = 0; i < left.length; i++) difference |= left[i]! ^ right[i]!;
  return difference === 0;
}

/** The ASCII bytes of RFC 4648 section 4 with padding: passwords that are made of keys (TS 33.222). Table-free, so that no index depends on a key. */
export function secretBase64(secret: SecretBytes): SecretBytes {
  const bytes = expose(secret);
  const out = secretRoom(4 * Math.ceil(bytes.length / 3));
  for (let i = 0, at = 0; i < bytes.length; i += 3, at += 4) {
    const group = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    out[at] = base64Digit(group >>> 18);
    out[at + 1] = base64Digit((group >>> 12) & 63);
    out[at + 2] = i + 1 < bytes.length ? base64Digit((group >>> 6) & 63) : PAD;
    out[at + 3] = i + 2 < bytes.length ? base64Digit(group & 63) : PAD;
  }
  return adopt(out);
}

const PAD = 0x3d;

/** 'A' + value, moved to 'a', '0', '+' and '/' where value passes 25, 51, 61 and 62, by sign bits alone. */
function base64Digit(value: number): number {
  return 65 + value + (((25 - value) >> 31) & 6) - (((51 - value) >> 31) & 75) -
    (((61 - value) >> 31) & 15) + (((62 - value) >> 31) & 3);
}

/** 16 hexadecimal digits of a labelled SHA-256: to show that two keys are the same or differ, never the key. Not for secrets that can be guessed. */
export function fingerprint(secret: SecretBytes): string {
  const hash = sha256.create().update(LABEL).update(expose(secret)).digest();
  return Array.from(hash.subarray(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const LABEL = new TextEncoder().encode("seccf fingerprint\0");

/** Overwrites with zeros. */
export function wipe(...arrays: readonly Uint8Array[]): void {
  for (const bytes of arrays) bytes.fill(0);
}

/** The bytes themselves, not a copy: read, never keep or change. Not exported by this room's door. Throws `state` after disposal. */
export function expose(secret: SecretBytes): Uint8Array {
  return reveal(secret);
}

/** Makes `bytes` themselves a secret: the giver must not use them again. Not exported by this room's door. */
export function secretOwning(bytes: Uint8Array): SecretBytes {
  return adopt(bytes);
}

/** The bytes of either. Not exported by this room's door. */
export function bytesOf(part: SecretBytes | Uint8Array): Uint8Array {
  return part instanceof SecretBytes ? reveal(part) : part;
}

/**
 * Zeros to write a secret into. An engine may keep a small typed array within its own heap, where the collector moves
 * it and may leave a copy behind; memory behind an ArrayBuffer of its own stays where it is. Not exported by this room's door.
 */
export function secretRoom(length: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(length));
}

/** A program without types may bring text: its characters would be copied as zeros, and be a key. */
function checkBytes(bytes: unknown): void {
  if (!(bytes instanceof Uint8Array)) throw new TypeError("a secret is made of a Uint8Array");
}

/** Never `slice`: of a Buffer it would be a view of the caller's memory. */
function copyOf(bytes: Uint8Array): Uint8Array {
  const copy = secretRoom(bytes.length);
  copy.set(bytes);
  return copy;
}
