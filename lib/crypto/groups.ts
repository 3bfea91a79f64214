/**
 * Ephemeral Diffie-Hellman over X25519 (RFC 7748) and P-256 (FIPS 186-5), as TLS has them: RFC 8446 4.2.8.2 and 7.4.2,
 * RFC 8422 5.4, 5.10 and 5.11. Scalars are drawn from the given source of randomness, whoever computes with them.
 *
 * @module
 */

import { fromHex } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";
import type { Random } from "../platform.ts";
import { nativeShare } from "./native_shares.ts";
import { nobleShare } from "./noble_shares.ts";
import { type SecretBytes, secretOwning, secretRoom, wipe } from "./secret.ts";

/** One end's ephemeral key. Disposing forgets its scalar; a later {@link KeyShare.agree} throws `state`. */
export interface KeyShare extends Disposable {
  /** IANA's number of the group, 16 bits. */
  readonly group: number;
  /** What goes to the peer: 32 bytes of X25519, or 65 of P-256, uncompressed (RFC 8446 4.2.8.2). */
  readonly publicKey: Uint8Array;
  /**
   * The 32 bytes that both ends can make: the u coordinate of X25519, the x coordinate of P-256 with its leading zeros
   * (RFC 8446 7.4.2). Throws `malformed` where the peer's key has another length, is no uncompressed point of P-256, or
   * is one of X25519 that gives zeros whatever the scalar (RFC 7748 6.1).
   */
  agree(peerPublicKey: Uint8Array): SecretBytes;
}

/** A group by IANA's number and name. */
export interface NamedGroup {
  /** IANA's number, 16 bits. */
  readonly id: number;
  /** IANA's name. */
  readonly name: "x25519" | "secp256r1";
  /** Bytes of a public key. */
  readonly publicLength: number;
}

/** What one implementation of one group supplies below the checks. Lengths and the form of a point are already known to be right. */
export interface RawShare {
  readonly publicKey: Uint8Array;
  /** Fills the 32 bytes of `out`; false where `peer` is no point or gives zeros. */
  agreeInto(peer: Uint8Array, out: Uint8Array): boolean;
  dispose(): void;
}

/** Best first: any 32 bytes are a scalar of X25519, and the points to refuse are few. */
export const namedGroups: readonly NamedGroup[] = [
  { id: 0x001d, name: "x25519", publicLength: 32 },
  { id: 0x0017, name: "secp256r1", publicLength: 65 },
];

/** A fresh key of the group with IANA's number `group`, one of {@link namedGroups}, otherwise RangeError. */
export function createKeyShare(group: number, random: Random): KeyShare {
  const named = namedGroups.find(({ id }) => id === group);
  if (named === undefined) throw new RangeError(`group ${group} is not known here`);
  const scalar = secretRoom(32);
  try {
    if (named.name === "x25519") random(scalar);
    else drawBelowOrder(scalar, random);
    return new CheckedShare(named, nativeShare(named.name, scalar) ?? nobleShare(named.name, scalar));
  } finally {
    wipe(scalar);
  }
}

/** A share behind the checks that every implementation needs. Not exported by this room's door. */
export class CheckedShare implements KeyShare {
  readonly group: number;
  readonly publicKey: Uint8Array;
  readonly #named: NamedGroup;
  #raw: RawShare | undefined;

  constructor(named: NamedGroup, raw: RawShare) {
    this.group = named.id;
    this.publicKey = raw.publicKey;
    this.#named = named;
    this.#raw = raw;
  }

  agree(peerPublicKey: Uint8Array): SecretBytes {
    if (this.#raw === undefined) throw new SeccfError("state", "the key share was disposed");
    const { name, publicLength } = this.#named;
    if (peerPublicKey.length !== publicLength) {
      throw malformed(name, `${peerPublicKey.length} bytes of public key, not ${publicLength}`);
    }
    // OpenSSL reads the hybrid form of X9.62 as well, which has the same length.
    if (name === "secp256r1" && peerPublicKey[0] !== 4) throw malformed(name, "a point that is not uncompressed");
    const shared = secretRoom(32);
    if (!this.#raw.agreeInto(peerPublicKey, shared)) throw malformed(name, "a public key that is none");
    // Whoever computed, the standard wants the result looked at (RFC 7748 6.1). Of P-256, x = 0 is a good point's.
    if (name === "x25519" && isZero(shared)) throw malformed(name, "a public key of small order");
    return secretOwning(shared);
  }

  [Symbol.dispose](): void {
    this.#raw?.dispose();
    this.#raw = undefined;
  }
}

/** Uniform from 1 to n - 1: draws until one fits (FIPS 186-5 A.2.2), which all but one of 2^32 do. */
function drawBelowOrder(scalar: Uint8Array, random: Random): void {
  for (let tries = 0; tries < 8; tries++) {
    random(scalar);
    if (!isZero(scalar) && isBelow(scalar, P256_ORDER)) return;
  }
  throw new SeccfError("state", "the source of randomness repeats itself");
}

/** Whether every byte is 0, in a time that does not depend on them. */
function isZero(bytes: Uint8Array): boolean {
  let any = 0;
  for (let i = 0; i < bytes.length; i++) any |= bytes[i]!;
  return any === 0;
}

/** Big-endian, by the borrow of the whole subtraction: what is learned of a scalar is that it fits. */
function isBelow(bytes: Uint8Array, limit: Uint8Array): boolean {
  let borrow = 0;
  for (let i = bytes.length - 1; i >= 0; i--) borrow = (bytes[i]! - limit[i]! - borrow) >>> 31;
  return borrow === 1;
}

function malformed(name: NamedGroup["name"], why: string): SeccfError {
  return new SeccfError("malformed", `${name}: ${why}`, {
    clause: name === "x25519" ? "RFC 7748 6.1" : "RFC 8446 4.2.8.2",
  });
}

/** n of P-256 (SP 800-186 3.2.1.3). */
const P256_ORDER: Uint8Array = fromHex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
