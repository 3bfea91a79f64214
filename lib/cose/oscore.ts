/** Keys and nonces as OSCORE derives them (RFC 8613 3.2, 5.2). CoAP itself is not here. @module */

import { hkdfExpand, hkdfExtract, type SecretBytes } from "../crypto/mod.ts";
import { expose } from "../crypto/secret.ts";
import { encodeCbor } from "./cbor.ts";

/** The largest Partial IV: five bytes (RFC 8613 7.2.1). */
export const MAXIMUM_PARTIAL_IV: number = 2 ** 40 - 1;

/** HKDF-Extract of a Master Secret; done once for all keys of a security context. The caller disposes the result. */
export function oscoreExtract(masterSecret: SecretBytes, masterSalt: Uint8Array): SecretBytes {
  return hkdfExtract("sha-256", masterSalt, masterSecret);
}

/** The `info` of one derivation (RFC 8613 3.2.1). */
export interface OscoreInfo {
  /** Sender ID or Recipient ID; empty for the Common IV. */
  readonly id: Uint8Array;
  readonly idContext?: Uint8Array;
  /** The COSE number of the algorithm the output is for. */
  readonly algorithm: number;
  /** RFC 8613 knows `Key` and `IV`. */
  readonly type: string;
  /** Bytes to derive. */
  readonly length: number;
}

/** One key of a security context. `prk` comes from {@link oscoreExtract}; the caller disposes the result. */
export function oscoreKey(prk: SecretBytes, { id, idContext, algorithm, type, length }: OscoreInfo): SecretBytes {
  return hkdfExpand("sha-256", prk, encodeCbor([id, idContext ?? null, algorithm, type, length]), length);
}

/** The Common IV: as public as a nonce, which it becomes part of. */
export function oscoreCommonIv(
  prk: SecretBytes,
  info: { readonly idContext?: Uint8Array; readonly algorithm: number; readonly nonceLength: number },
): Uint8Array {
  const { nonceLength: length, ...rest } = info;
  using iv = oscoreKey(prk, { ...rest, id: new Uint8Array(0), type: "IV", length });
  return expose(iv).slice();
}

/**
 * The nonce of Partial IV 0 from the sender with `id`: every other one is this with a Partial IV of at most 5 bytes
 * added at its end by exclusive or (RFC 8613 5.2), which makes it a context IV of COSE (RFC 9052 3.1).
 */
export function oscoreBaseNonce(commonIv: Uint8Array, id: Uint8Array): Uint8Array {
  const idRoom = commonIv.length - 6;
  if (id.length > idRoom) throw new RangeError(`an id of at most ${idRoom} bytes`);
  const nonce = commonIv.slice();
  nonce[0]! ^= id.length;
  const offset = 1 + idRoom - id.length;
  for (let i = 0; i < id.length; i++) nonce[offset + i]! ^= id[i]!;
  return nonce;
}

/** Writes the nonce for `partialIv` (0 to 2^40 - 1) on `base` into `out`. Allocates nothing. */
export function oscoreNonceInto(base: Uint8Array, partialIv: number, out: Uint8Array): void {
  const length = base.length;
  const high = Math.floor(partialIv / 0x100000000);
  for (let i = 0; i < length - 5; i++) out[i] = base[i]!;
  out[length - 5] = base[length - 5]! ^ high;
  for (let i = 0; i < 4; i++) out[length - 4 + i] = base[length - 4 + i]! ^ (partialIv >>> (24 - 8 * i));
}
