/** What one application of the soft card remembers of bootstrapping, as TS 33.220 G.1 and G.2 have it. @module */

import { equal } from "../bytes/mod.ts";
import { type SecretBytes, secretSlice } from "../crypto/mod.ts";
import { decodeBootstrap, decodeNafRecord, encodeBootstrap, encodeNafRecord } from "./gba_files.ts";
import { deriveNafKey } from "./naf_key.ts";
import { SW } from "./status.ts";

/** EF_GBABP and EF_GBANL of an application with the keys behind them. Ks and Ks_int_NAF have no way out by a command. */
export class CardGba implements Disposable {
  /** EF_GBABP, written in place. */
  readonly gbabp: Uint8Array;
  /** The records of EF_GBANL, written in place. */
  readonly gbanl: readonly Uint8Array[];
  /** Ks_int_NAF of each record of EF_GBANL, the one last used at the end. */
  readonly #internal = new Map<number, SecretBytes>();
  #bootstrapped: { readonly rand: Uint8Array; readonly ks: SecretBytes } | undefined;

  constructor(gbabp: Uint8Array, gbanl: readonly Uint8Array[]) {
    this.gbabp = gbabp;
    this.gbanl = gbanl;
  }

  /** Takes `ks` over. B-TID and lifetime of the Ks that this one replaces go with it (G.1). */
  bootstrap(rand: Uint8Array, ks: SecretBytes): void {
    this.#bootstrapped?.ks[Symbol.dispose]();
    this.#bootstrapped = { rand: new Uint8Array(rand), ks };
    const none = new Uint8Array(0);
    this.gbabp.fill(0xff).set(encodeBootstrap({ rand, btid: none, lifetime: none }));
  }

  /** G.2: Ks_ext_NAF goes out, Ks_int_NAF stays, EF_GBANL tells of both. A number is the status that says why not. */
  async nafKey(nafId: Uint8Array, impi: Uint8Array, save: () => Promise<boolean>): Promise<SecretBytes | number> {
    const btid = decodeBootstrap(this.gbabp)?.btid;
    if (!this.#bootstrapped || !btid?.length) return SW.conditionsOfUse;
    const index = this.#recordOf(nafId) ?? this.#freeRecord();
    const record = encodeNafRecord({ nafId, btid }, this.gbanl[index]!.length);
    if (!record) return SW.noMemory;
    this.gbanl[index]!.set(record);
    if (!await save()) return SW.memoryProblem;
    const { rand, ks } = this.#bootstrapped;
    this.#internal.get(index)?.[Symbol.dispose]();
    this.#internal.delete(index);
    this.#internal.set(index, deriveNafKey(ks, { label: "gba-u", rand, impi, nafId }));
    return deriveNafKey(ks, { label: "gba-me", rand, impi, nafId });
  }

  /** Ks_int_NAF of `nafId`, as an application inside the UICC would get it; the caller's to dispose. */
  internalKey(nafId: Uint8Array): SecretBytes | undefined {
    const index = this.#recordOf(nafId);
    const key = index === undefined ? undefined : this.#internal.get(index);
    return key && secretSlice(key, 0);
  }

  [Symbol.dispose](): void {
    this.#bootstrapped?.ks[Symbol.dispose]();
    this.#bootstrapped = undefined;
    for (const key of this.#internal.values()) key[Symbol.dispose]();
    this.#internal.clear();
  }

  #recordOf(nafId: Uint8Array): number | undefined {
    const index = this.gbanl.findIndex((record) => {
      const found = decodeNafRecord(record);
      return found !== undefined && equal(found.nafId, nafId);
    });
    return index < 0 ? undefined : index;
  }

  /** An empty record, else one without a key since the card was started, else the one used least recently. */
  #freeRecord(): number {
    const empty = this.gbanl.findIndex((record) => decodeNafRecord(record) === undefined);
    if (empty >= 0) return empty;
    const keyless = this.gbanl.findIndex((_, index) => !this.#internal.has(index));
    if (keyless >= 0) return keyless;
    return this.#internal.keys().next().value ?? 0;
  }
}
