/** Milenage, the algorithm set on AES-128 (TS 35.206): f1 to f5, f1* and f5*. @module */

import { aesBlock, type BlockCipher, type SecretBytes, secretFrom, wipe } from "../crypto/mod.ts";
// Its outputs are made by exclusive or with OPc, which no operation of the crypto room does.
import { expose } from "../crypto/secret.ts";
import type { AkaAlgorithm, AkaKeys } from "./algorithm.ts";
import { requireLength } from "./octets.ts";

/** A Milenage subscriber: K 16 bytes, and OPc or the operator's OP, 16 bytes. */
export type MilenageCredentials =
  & { readonly algorithm?: "milenage"; readonly k: SecretBytes }
  & ({ readonly opc: SecretBytes } | { readonly op: SecretBytes });

/** Milenage under K and OPc; from OP, OPc is made first (TS 35.206 4.1). */
export function milenage(credentials: MilenageCredentials): AkaAlgorithm {
  return new Milenage(credentials);
}

class Milenage implements AkaAlgorithm {
  readonly name = "milenage";
  readonly #cipher: BlockCipher;
  readonly #opc: SecretBytes;

  constructor(credentials: MilenageCredentials) {
    const operator = "opc" in credentials ? credentials.opc : credentials.op;
    requireLength("K", credentials.k, 16);
    requireLength("opc" in credentials ? "OPc" : "OP", operator, 16);
    this.#cipher = aesBlock(credentials.k);
    const opc = expose(operator).slice();
    if ("op" in credentials) {
      this.#cipher.encryptInto(opc, opc);
      xorInto(opc, expose(operator));
    }
    this.#opc = secretFrom(opc);
    wipe(opc);
  }

  f1(rand: Uint8Array, sqn: Uint8Array, amf: Uint8Array): Uint8Array {
    return this.#macs(rand, sqn, amf).slice(0, 8);
  }

  f1Star(rand: Uint8Array, sqn: Uint8Array, amf: Uint8Array): Uint8Array {
    return this.#macs(rand, sqn, amf).slice(8);
  }

  f2345(rand: Uint8Array): AkaKeys {
    const temp = this.#temp(rand);
    const out2 = this.#out(temp, 0, 1);
    const out3 = this.#out(temp, 4, 2);
    const out4 = this.#out(temp, 8, 4);
    const keys = {
      res: secretFrom(out2.subarray(8)),
      ck: secretFrom(out3),
      ik: secretFrom(out4),
      ak: out2.slice(0, 6),
    };
    wipe(temp, out2, out3, out4);
    return keys;
  }

  f5Star(rand: Uint8Array): Uint8Array {
    const temp = this.#temp(rand);
    const out5 = this.#out(temp, 12, 8);
    const ak = out5.slice(0, 6);
    wipe(temp, out5);
    return ak;
  }

  [Symbol.dispose](): void {
    this.#cipher[Symbol.dispose]();
    this.#opc[Symbol.dispose]();
  }

  /** TEMP of TS 35.206 4.1. */
  #temp(rand: Uint8Array): Uint8Array {
    requireLength("RAND", rand, 16);
    const temp = new Uint8Array(rand);
    xorInto(temp, expose(this.#opc));
    this.#cipher.encryptInto(temp, temp);
    return temp;
  }

  /** OUT1: MAC-A and MAC-S. */
  #macs(rand: Uint8Array, sqn: Uint8Array, amf: Uint8Array): Uint8Array {
    requireLength("SQN", sqn, 6);
    requireLength("AMF", amf, 2);
    const in1 = new Uint8Array(16);
    for (const half of [0, 8]) {
      in1.set(sqn, half);
      in1.set(amf, half + 6);
    }
    const temp = this.#temp(rand);
    xorInto(in1, expose(this.#opc));
    const block = rotated(in1, 8);
    xorInto(block, temp);
    this.#cipher.encryptInto(block, block);
    xorInto(block, expose(this.#opc));
    wipe(temp, in1);
    return block;
  }

  /** OUT2 to OUT5: `rotation` is r in bytes, `constant` the last byte of c, whose others are zero. */
  #out(temp: Uint8Array, rotation: 0 | 4 | 8 | 12, constant: 1 | 2 | 4 | 8): Uint8Array {
    const masked = temp.slice();
    xorInto(masked, expose(this.#opc));
    const block = rotated(masked, rotation);
    block[15]! ^= constant;
    this.#cipher.encryptInto(block, block);
    xorInto(block, expose(this.#opc));
    wipe(masked);
    return block;
  }
}

function xorInto(target: Uint8Array, mask: Uint8Array): void {
  for (let i = 0; i < target.length; i++) target[i]! ^= mask[i]!;
}

/** `bytes` cyclically to the left. */
function rotated(bytes: Uint8Array, by: number): Uint8Array {
  const out = new Uint8Array(bytes.length);
  out.set(bytes.subarray(by));
  out.set(bytes.subarray(0, by), bytes.length - by);
  return out;
}
