/**
 * Where the BSF keeps what its subscribers bootstrapped. A subscriber who bootstraps again and again, as he may, has his newest
 * few Ks here and not all of a day: the older ones go before their time, so that he can not fill the store.
 *
 * @module
 */

import { concat, toHex, toUtf8 } from "../bytes/mod.ts";
import { createHmac, type Hmac, hmacSecret, type SecretBytes } from "../crypto/mod.ts";
import type { Random, Wait } from "../platform.ts";
import type { RecordStore } from "../store.ts";
import { type KsRecord, sealKs } from "./ks_record.ts";
import { openRecord, type RecordPlace, sealRecord } from "./sealed_record.ts";

/** What {@link KsShelf} takes. */
export interface KsShelfOptions {
  readonly store: RecordStore;
  /** Stays the caller's. */
  readonly wrappingKey: SecretBytes;
  readonly random: Random;
}

/** The store key of a run. */
export function ksStoreKey(rand: Uint8Array): string {
  return `ks/${toHex(rand)}`;
}

/** Ks in the store, by RAND. */
export class KsShelf implements Disposable {
  readonly #options: KsShelfOptions;
  readonly #index: Hmac;

  constructor(options: KsShelfOptions) {
    this.#options = options;
    using key = hmacSecret("sha-256", options.wrappingKey, toUtf8("seccf ks index\0"));
    this.#index = createHmac("sha-256", key);
  }

  /** Puts one in for `ttlSeconds`; false where there is one of this RAND. */
  async add(rand: Uint8Array, record: KsRecord, options: Wait & { readonly ttlSeconds: number }): Promise<boolean> {
    const { store, wrappingKey, random } = this.#options;
    const storeKey = ksStoreKey(rand);
    const sealed = sealKs({ wrappingKey, storeKey }, record, random);
    if (await store.put(storeKey, sealed, { ...options, expected: 0 }) === undefined) return false;
    const { signal } = options;
    for (const old of await this.#enlist(record.impi, rand, options)) await this.#remove(old, signal ? { signal } : {});
    return true;
  }

  [Symbol.dispose](): void {
    this.#index[Symbol.dispose]();
  }

  /** Enters `rand` into the list of the subscriber's and returns those that are too many. */
  async #enlist(
    impi: string,
    rand: Uint8Array,
    options: Wait & { readonly ttlSeconds: number },
  ): Promise<Uint8Array[]> {
    const { store, random } = this.#options;
    const place = this.#listOf(impi);
    const stored = await store.get(place.storeKey, options);
    const rands = [rand, ...stored ? splitRands(openRecord(place, stored.value, ["bytes"])?.[0]) : []];
    const list = sealRecord(place, [concat(...rands.slice(0, KEPT))], random);
    const version = await store.put(place.storeKey, list, { ...options, expected: stored?.version ?? 0 });
    // Where another process was first with another run of his, this one ends by its time.
    return version === undefined ? [] : rands.slice(KEPT);
  }

  async #remove(rand: Uint8Array, wait: Wait): Promise<void> {
    const { store } = this.#options;
    const stored = await store.get(ksStoreKey(rand), wait);
    if (stored) await store.delete(ksStoreKey(rand), { ...wait, expected: stored.version });
  }

  #listOf(impi: string): RecordPlace {
    const index = new Uint8Array(32);
    this.#index.signInto(toUtf8(impi), index);
    return { wrappingKey: this.#options.wrappingKey, storeKey: `ks-of/${toHex(index)}` };
  }
}

function splitRands(joined: Uint8Array = new Uint8Array()): Uint8Array[] {
  const rands: Uint8Array[] = [];
  for (let at = 0; at + RAND_LENGTH <= joined.length; at += RAND_LENGTH) rands.push(joined.slice(at, at + RAND_LENGTH));
  return rands;
}

/** The one in use, one whose answer was lost on its way, and some room. */
const KEPT = 4;
const RAND_LENGTH = 16;
