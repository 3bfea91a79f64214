/**
 * One direction's keys under one ID Context. The sender chooses an ID Context at every start and every message carries it;
 * both ends derive from it (RFC 8613 3.2), so that no start shares a key with another.
 *
 * @module
 */

import {
  encryptionAlgorithm,
  HMAC_256_256,
  oscoreBaseNonce,
  oscoreCommonIv,
  oscoreKey,
  oscoreNonceInto,
} from "../cose/mod.ts";
import { type Aead, createAead, createHmac, type Hmac, type SecretBytes } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { Random } from "../platform.ts";
import type { Role } from "./ports.ts";

/** Bytes of an ID Context: epoch (6, big-endian), Sender ID (1), random (8). */
export const ID_CONTEXT_LENGTH = 15;

/** The largest epoch: 48 bits. In milliseconds since 1970 that is the year 10889. */
export const MAXIMUM_EPOCH: number = 2 ** 48 - 1;

const EPOCH_LENGTH = 6;

/** Sender ID of each role, one octet: every key and every nonce of ours has the author's role in it. */
export function senderIdOf(role: Role): 0 | 1 {
  return role === "initiator" ? 0 : 1;
}

/**
 * A new ID Context. The epoch orders the starts of one sender; the random part keeps two starts apart that got one epoch
 * (two restores of one snapshot, a store and a clock set back); the Sender ID tells whose message it is.
 */
export function createIdContext(epoch: number, senderId: 0 | 1, random: Random): Uint8Array {
  const idContext = new Uint8Array(ID_CONTEXT_LENGTH);
  random(idContext.subarray(EPOCH_LENGTH + 1));
  let left = epoch;
  for (let i = EPOCH_LENGTH - 1; i >= 0; i--) {
    idContext[i] = left % 0x100;
    left = Math.floor(left / 0x100);
  }
  idContext[EPOCH_LENGTH] = senderId;
  return idContext;
}

/** The epoch of the ID Context at `at` in `bytes`. */
export function epochAt(bytes: Uint8Array, at: number): number {
  let epoch = 0;
  for (let i = 0; i < EPOCH_LENGTH; i++) epoch = epoch * 0x100 + bytes[at + i]!;
  return epoch;
}

/** The Sender ID of the ID Context at `at` in `bytes`: what the message claims of its author. */
export function authorAt(bytes: Uint8Array, at: number): number {
  return bytes[at + EPOCH_LENGTH]!;
}

/** What seals or opens under one ID Context: an AEAD with its nonces, or a keyed MAC. */
export interface DirectionKeys extends Disposable {
  /** Present when the algorithm encrypts. */
  readonly aead: Aead | undefined;
  /** Present when the algorithm authenticates alone. */
  readonly hmac: Hmac | undefined;
  /** The nonce of a Partial IV, in an array that the next call overwrites. */
  nonce(partialIv: number): Uint8Array;
}

/** The keys of the sender with `senderId` under `idContext`; `prk` is extracted from the use's key. RangeError for an algorithm not offered. */
export function deriveDirection(
  prk: SecretBytes,
  algorithm: number,
  senderId: number,
  idContext: Uint8Array,
): DirectionKeys {
  const id = new Uint8Array([senderId]);
  if (algorithm === HMAC_256_256) {
    // A label of its own: no MAC key ever equals a cipher's, nor OSCORE's.
    using key = oscoreKey(prk, { id, idContext, algorithm, type: "MAC Key", length: 32 });
    return new Direction(undefined, createHmac("sha-256", key), new Uint8Array(0));
  }
  const cipher = encryptionAlgorithm(algorithm);
  if (!cipher) throw new RangeError("an algorithm that is not offered");
  using key = oscoreKey(prk, { id, idContext, algorithm, type: "Key", length: cipher.keyLength });
  const commonIv = oscoreCommonIv(prk, { idContext, algorithm, nonceLength: cipher.nonceLength });
  return new Direction(createAead(cipher.spec, key), undefined, oscoreBaseNonce(commonIv, id));
}

class Direction implements DirectionKeys {
  readonly aead: Aead | undefined;
  readonly hmac: Hmac | undefined;
  readonly #base: Uint8Array;
  readonly #nonce: Uint8Array;

  constructor(aead: Aead | undefined, hmac: Hmac | undefined, base: Uint8Array) {
    this.aead = aead;
    this.hmac = hmac;
    this.#base = base;
    this.#nonce = base.slice();
  }

  nonce(partialIv: number): Uint8Array {
    oscoreNonceInto(this.#base, partialIv, this.#nonce);
    return this.#nonce;
  }

  [Symbol.dispose](): void {
    this.aead?.[Symbol.dispose]();
    this.hmac?.[Symbol.dispose]();
  }
}

/** Throws `exhausted` unless `epoch` fits an ID Context. */
export function checkEpoch(epoch: number): void {
  if (!Number.isSafeInteger(epoch) || epoch < 0 || epoch > MAXIMUM_EPOCH) {
    throw new SeccfError("exhausted", "no epoch is left");
  }
}
