/** Diffie-Hellman of noble's, for runtimes without their own: JavaScript with big integers, and none of those can be wiped. @module */

import { montgomery, type MontgomeryECDH } from "@noble/curves/abstract/montgomery.js";
import { pow } from "@noble/curves/abstract/modular.js";
import { ecdh, weierstrass } from "@noble/curves/abstract/weierstrass.js";
import type { RawShare } from "./groups.ts";
import { expose, type SecretBytes, secretFrom, wipe } from "./secret.ts";

/**
 * A share of noble's with a copy of `scalar`. Ladder and tables take the same steps whatever the scalar, which noble
 * also blinds where the runtime has Web Crypto's randomness; but big integers of JavaScript promise no constant time.
 */
export function nobleShare(name: "x25519" | "secp256r1", scalar: Uint8Array): RawShare {
  return name === "x25519" ? new NobleX25519(scalar) : new NobleP256(scalar);
}

abstract class NobleShare implements RawShare {
  abstract readonly publicKey: Uint8Array;
  protected readonly scalar: SecretBytes;

  constructor(scalar: Uint8Array) {
    this.scalar = secretFrom(scalar);
  }

  agreeInto(peer: Uint8Array, out: Uint8Array): boolean {
    const scalar = expose(this.scalar);
    let shared: Uint8Array;
    try {
      shared = this.multiply(scalar, peer);
    } catch {
      // Lengths and the scalar were checked before: noble throws for nothing but the peer's key.
      return false;
    }
    // P-256's comes with its form before it and y behind it.
    out.set(shared.length === 32 ? shared : shared.subarray(1, 33));
    wipe(shared);
    return true;
  }

  dispose(): void {
    this.scalar[Symbol.dispose]();
  }

  protected abstract multiply(scalar: Uint8Array, peer: Uint8Array): Uint8Array;
}

class NobleX25519 extends NobleShare {
  readonly publicKey: Uint8Array;

  constructor(scalar: Uint8Array) {
    super(scalar);
    this.publicKey = x25519().getPublicKey(scalar);
  }

  protected multiply(scalar: Uint8Array, peer: Uint8Array): Uint8Array {
    return x25519().getSharedSecret(scalar, peer);
  }
}

class NobleP256 extends NobleShare {
  readonly publicKey: Uint8Array;

  constructor(scalar: Uint8Array) {
    super(scalar);
    this.publicKey = p256().getPublicKey(scalar, false);
  }

  protected multiply(scalar: Uint8Array, peer: Uint8Array): Uint8Array {
    return p256().getSharedSecret(scalar, peer, false);
  }
}

let builtX25519: MontgomeryECDH | undefined;

/** X25519 (RFC 7748 5). Not noble's own, with which comes Ed25519: it takes longer to load than any other part of noble. */
function x25519(): MontgomeryECDH {
  return builtX25519 ??= montgomery({
    P: P25519,
    type: "x25519",
    powPminus2: (x) => pow(x, P25519 - 2n, P25519),
    adjustScalarBytes: clamp,
  });
}

function clamp(scalar: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  scalar[0]! &= 0b1111_1000;
  scalar[31]! &= 0b0111_1111;
  scalar[31]! |= 0b0100_0000;
  return scalar;
}

/** RFC 7748 4.1. */
const P25519 = 2n ** 255n - 19n;

type Ecdh = ReturnType<typeof ecdh>;

let built: Ecdh | undefined;

/** P-256, whose tables take some milliseconds: made when it is first asked for, which is never where the runtime has its own. */
function p256(): Ecdh {
  return built ??= ecdh(weierstrass(P256));
}

/** SP 800-186 3.2.1.3. Not noble's own p256, with which come ECDSA and two more curves: 6 KB more for a device to carry. */
const P256 = {
  p: 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn,
  n: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  h: 1n,
  a: 0xffffffff00000001000000000000000000000000fffffffffffffffffffffffcn,
  b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
  Gx: 0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296n,
  Gy: 0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5n,
};
