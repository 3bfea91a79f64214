/** The committed vectors of this room, and what the tests share to read them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fromHex, toHex } from "../../lib/bytes/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { type SecretBytes, secretEqual, secretFrom } from "../../lib/crypto/mod.ts";

/** A file of test/vectors/aka. */
export function vectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/aka/${name}.json`, import.meta.url), "utf8")) as T;
}

export interface MilenageSet {
  readonly set: number;
  readonly K: string;
  readonly RAND: string;
  readonly SQN: string;
  readonly AMF: string;
  readonly OP: string;
  readonly OPc: string;
  readonly f1: string;
  readonly f1star: string;
  readonly f2: string;
  readonly f3: string;
  readonly f4: string;
  readonly f5: string;
  readonly f5star?: string;
}

export interface AkaVectors {
  readonly [name: string]: string;
}

export interface NafVectors {
  readonly IMPI: string;
  readonly Ks: string;
  readonly RAND: string;
  readonly naf: readonly { readonly NAF_Id: string; readonly Ks_NAF: string; readonly Ks_int_NAF: string }[];
}

export function secretHex(hex: string): SecretBytes {
  return secretFrom(fromHex(hex));
}

/** Passes when the secret has these bytes, without printing it. */
export function assertSecret(secret: SecretBytes, hex: string, name: string): void {
  assert.equal(secret.byteLength, hex.length / 2, `length of ${name}`);
  assert.ok(secretEqual(secret, fromHex(hex)), name);
}

export function assertBytes(bytes: Uint8Array, hex: string, name: string): void {
  assert.equal(toHex(bytes), hex, name);
}

/** Each copy of `bytes` with one bit turned over. */
export function* flips(bytes: Uint8Array): Generator<Uint8Array> {
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = new Uint8Array(bytes);
    flipped[bit >> 3]! ^= 0x80 >> (bit & 7);
    yield flipped;
  }
}

/** A predicate for `assert.throws` and `assert.rejects`. */
export function withCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof SeccfError && error.code === code;
}
