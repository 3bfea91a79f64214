/** TUAK, the algorithm set on Keccak-f[1600] (TS 35.231): f1 to f5, f1* and f5*. @module */

import { toUtf8 } from "../bytes/mod.ts";
import { keccakF1600, type SecretBytes, secretFrom, secretSlice, wipe } from "../crypto/mod.ts";
// The permutation's input is laid out octet by octet from TOPc and K, which no operation of the crypto room does.
import { expose } from "../crypto/secret.ts";
import type { AkaAlgorithm, AkaKeys } from "./algorithm.ts";
import { requireLength } from "./octets.ts";

/** A TUAK subscriber: K 16 or 32 bytes, and TOPc or the operator's TOP, 32 bytes. Lengths are in bytes. */
export type TuakCredentials =
  & {
    readonly algorithm: "tuak";
    readonly k: SecretBytes;
    /** Runs of Keccak-f for each value, at least 1. Default 1. */
    readonly iterations?: number;
    /** Default 8, the only length that an AUTN has room for. */
    readonly macLength?: 8 | 16 | 32;
    /** Default 8. */
    readonly resLength?: 4 | 8 | 16 | 32;
    /** Default 16, as GBA needs. */
    readonly ckLength?: 16 | 32;
    /** Default 16, as GBA needs. */
    readonly ikLength?: 16 | 32;
  }
  & ({ readonly topc: SecretBytes } | { readonly top: SecretBytes });

/** TUAK under K and TOPc; from TOP, TOPc is made first (TS 35.231 6.1). */
export function tuak(credentials: TuakCredentials): AkaAlgorithm {
  return new Tuak(credentials);
}

class Tuak implements AkaAlgorithm {
  readonly name = "tuak";
  readonly #k: SecretBytes;
  readonly #topc: SecretBytes;
  readonly #iterations: number;
  readonly #lengths: {
    readonly mac: 8 | 16 | 32;
    readonly res: 4 | 8 | 16 | 32;
    readonly ck: number;
    readonly ik: number;
  };

  constructor(credentials: TuakCredentials) {
    const { k, iterations = 1, macLength = 8, resLength = 8, ckLength = 16, ikLength = 16 } = credentials;
    const operator = "topc" in credentials ? credentials.topc : credentials.top;
    requireLength("K", k, 16, 32);
    requireLength("topc" in credentials ? "TOPc" : "TOP", operator, 32);
    if (!Number.isInteger(iterations) || iterations < 1 || iterations > 255) {
      throw new RangeError("1 to 255 iterations");
    }
    this.#iterations = iterations;
    this.#lengths = { mac: macLength, res: resLength, ck: ckLength, ik: ikLength };
    this.#k = secretSlice(k, 0);
    if ("topc" in credentials) {
      this.#topc = secretSlice(operator, 0);
    } else {
      const state = this.#run(operator, 0x00, {});
      this.#topc = field(state, 0, 32);
      wipe(state);
    }
  }

  f1(rand: Uint8Array, sqn: Uint8Array, amf: Uint8Array): Uint8Array {
    return this.#mac(MAC_INSTANCE[this.#lengths.mac], rand, sqn, amf);
  }

  f1Star(rand: Uint8Array, sqn: Uint8Array, amf: Uint8Array): Uint8Array {
    return this.#mac(0x80 + MAC_INSTANCE[this.#lengths.mac], rand, sqn, amf);
  }

  f2345(rand: Uint8Array): AkaKeys {
    requireLength("RAND", rand, 16);
    const { res, ck, ik } = this.#lengths;
    const instance = 0x40 + RES_INSTANCE[res] + (ck === 32 ? 0x04 : 0) + (ik === 32 ? 0x02 : 0);
    const state = this.#run(this.#topc, instance, { rand });
    const keys = {
      res: field(state, 0, res),
      ck: field(state, 32, ck),
      ik: field(state, 64, ik),
      ak: state.slice(96, 102).reverse(),
    };
    wipe(state);
    return keys;
  }

  f5Star(rand: Uint8Array): Uint8Array {
    requireLength("RAND", rand, 16);
    const state = this.#run(this.#topc, 0xc0, { rand });
    const ak = state.slice(96, 102).reverse();
    wipe(state);
    return ak;
  }

  [Symbol.dispose](): void {
    this.#k[Symbol.dispose]();
    this.#topc[Symbol.dispose]();
  }

  #mac(instance: number, rand: Uint8Array, sqn: Uint8Array, amf: Uint8Array): Uint8Array {
    requireLength("RAND", rand, 16);
    requireLength("SQN", sqn, 6);
    requireLength("AMF", amf, 2);
    const state = this.#run(this.#topc, instance, { rand, sqn, amf });
    const mac = state.slice(0, this.#lengths.mac).reverse();
    wipe(state);
    return mac;
  }

  /** The state after the permutations (TS 35.231 6): every field stands in it with its last octet first. */
  #run(
    top: SecretBytes,
    instance: number,
    input: { rand?: Uint8Array; sqn?: Uint8Array; amf?: Uint8Array },
  ): Uint8Array {
    const state = new Uint8Array(200);
    const k = expose(this.#k);
    reversedInto(state, 0, expose(top));
    state[32] = instance + (k.length === 32 ? 1 : 0);
    reversedInto(state, 33, ALGORITHM_NAME);
    if (input.rand) reversedInto(state, 40, input.rand);
    if (input.amf) reversedInto(state, 56, input.amf);
    if (input.sqn) reversedInto(state, 58, input.sqn);
    reversedInto(state, 64, k);
    state[96] = 0x1f;
    state[135] = 0x80;
    for (let i = 0; i < this.#iterations; i++) keccakF1600(state);
    return state;
  }
}

function reversedInto(state: Uint8Array, at: number, value: Uint8Array): void {
  for (let i = 0; i < value.length; i++) state[at + i] = value[value.length - 1 - i]!;
}

function field(state: Uint8Array, at: number, length: number): SecretBytes {
  const bytes = state.slice(at, at + length).reverse();
  const secret = secretFrom(bytes);
  wipe(bytes);
  return secret;
}

const ALGORITHM_NAME = toUtf8("TUAK1.0");
const MAC_INSTANCE = { 8: 0x08, 16: 0x10, 32: 0x20 } as const;
const RES_INSTANCE = { 4: 0x00, 8: 0x08, 16: 0x10, 32: 0x20 } as const;
