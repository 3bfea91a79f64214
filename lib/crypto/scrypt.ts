/** scrypt (RFC 7914): keys from passphrases, at a price in memory that whoever guesses pays too. @module */

import { scrypt } from "@noble/hashes/scrypt.js";
import { expose, type SecretBytes, secretOwning, secretRoom } from "./secret.ts";

/** What one derivation costs: 128 * N * r bytes of memory, and time by N * r * p. */
export interface ScryptCost {
  /** Logarithm of N: 10 to 20. */
  readonly logN: number;
  /** 1 to 16. */
  readonly r: number;
  /** 1 to 16. */
  readonly p: number;
}

/** The most memory that a derivation may take, 128 MiB: a cost read from a file must not fell the machine. */
export const MOST_SCRYPT_MEMORY: number = 128 * 2 ** 20;
/** The most that N * r * p may be: 16 times the work of N = 2^15, r = 8, p = 1. */
const MOST_WORK = 2 ** 22;

/** Whether {@link scryptKey} would pay this cost. */
export function scryptCostFits({ logN, r, p }: ScryptCost): boolean {
  const whole = [[logN, 10, 20], [r, 1, 16], [p, 1, 16]].every(([value, least, most]) =>
    Number.isInteger(value) && value! >= least! && value! <= most!
  );
  return whole && 128 * 2 ** logN * r <= MOST_SCRYPT_MEMORY && 2 ** logN * r * p <= MOST_WORK;
}

/**
 * `length` bytes from a passphrase and a salt, which has to be another for every passphrase. Computes in one go, with the
 * thread to itself. RangeError for a cost that does not fit its bounds.
 */
export function scryptKey(passphrase: SecretBytes, salt: Uint8Array, cost: ScryptCost, length: number): SecretBytes {
  if (!scryptCostFits(cost)) throw new RangeError("a cost of scrypt outside of its bounds");
  const { logN, r, p } = cost;
  const made = scrypt(expose(passphrase), salt, { N: 2 ** logN, r, p, dkLen: length });
  const out = secretRoom(length);
  out.set(made);
  made.fill(0);
  return secretOwning(out);
}
