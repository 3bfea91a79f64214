/** The pre_shared_key extension of version 1.3: who the client may be, and that it has the keys (RFC 8446 4.2.11). @module */

import { Reader, Writer } from "../../bytes/mod.ts";
import { SeccfError } from "../../error.ts";
import { TlsFailure } from "../alert.ts";
import { MAX_OFFERED_KEYS } from "../limits.ts";

/** One key that the client offers. */
export interface PskIdentity {
  /** 1 to 65535 bytes: a name, or a ticket. */
  readonly identity: Uint8Array;
  /** Milliseconds since the ticket came, plus a number only its two ends know, modulo 2^32; 0 for what is no ticket. */
  readonly obfuscatedAge: number;
}

/** What the client offers, best first; each identity has its binder. */
export interface OfferedPsks {
  readonly identities: readonly PskIdentity[];
  /** 32 to 255 bytes each: an HMAC over the hello up to here. */
  readonly binders: readonly Uint8Array[];
}

/** The extension's body. */
export function encodeOfferedPsks({ identities, binders }: OfferedPsks): Uint8Array {
  const names = new Writer();
  for (const { identity, obfuscatedAge } of identities) names.vector16(identity).u32(obfuscatedAge);
  const proofs = new Writer();
  for (const binder of binders) proofs.vector8(binder);
  return new Writer().vector16(names.done()).vector16(proofs.done()).done();
}

/** Bytes at the end of the extension, and so of the hello, that no binder covers (RFC 8446 4.2.11.2). */
export function bindersLength(binders: readonly Uint8Array[]): number {
  return binders.reduce((length, binder) => length + 1 + binder.length, 2);
}

/** Throws `malformed`, also where identities and binders are not equally many, and `too-large`. Views. */
export function decodeOfferedPsks(body: Uint8Array): OfferedPsks {
  const reader = new Reader(body);
  const names = new Reader(reader.vector16());
  const proofs = new Reader(reader.vector16());
  reader.end();
  const identities: PskIdentity[] = [];
  while (names.remaining > 0) {
    const identity = names.vector16();
    if (identity.length === 0) {
      throw new SeccfError("malformed", "an empty PSK identity", { clause: "RFC 8446 4.2.11" });
    }
    identities.push({ identity, obfuscatedAge: names.u32() });
    if (identities.length > MAX_OFFERED_KEYS) {
      throw new TlsFailure("illegal_parameter", "too-large", "too many keys are offered");
    }
  }
  const binders: Uint8Array[] = [];
  while (proofs.remaining > 0) {
    const binder = proofs.vector8();
    if (binder.length < 32) throw new SeccfError("malformed", "a binder that is too short");
    binders.push(binder);
    if (binders.length > identities.length) break;
  }
  if (identities.length === 0 || binders.length !== identities.length) {
    throw new TlsFailure("illegal_parameter", "malformed", "identities and binders that do not match", {
      clause: "RFC 8446 4.2.11",
    });
  }
  return { identities, binders };
}

/** How a client may combine the key with a fresh agreement (RFC 8446 4.2.9). */
export const PSK_MODE = { pskOnly: 0, pskWithKeyShare: 1 } as const;
