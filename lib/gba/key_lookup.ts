/** The BSF's answer to an enabler that holds a B-TID: the key of one NAF_Id. TS 33.220 4.5.3. @module */

import type { Clock } from "../clock.ts";
import type { SecretBytes } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import { deriveNafKey } from "../identity/mod.ts";
import type { Wait } from "../platform.ts";
import type { RecordStore } from "../store.ts";
import { parseBtid } from "./btid.ts";
import { openKs } from "./ks_record.ts";
import { ksStoreKey } from "./ks_shelf.ts";
import { encodeNafId, type NafId } from "./naf_id.ts";

/** What {@link createKeyLookup} takes. */
export interface KeyLookupOptions {
  /** The BSF's name, canonical. */
  readonly name: string;
  readonly store: RecordStore;
  /** Stays the caller's. */
  readonly wrappingKey: SecretBytes;
  readonly clock: Clock;
}

/** Whose key is asked for. */
export interface NafKeyRequest {
  readonly btid: string;
  readonly nafId: NafId;
}

/** One NAF's key of one run. The caller disposes the secrets. Times in milliseconds since 1970. */
export interface NafKey {
  /** Ks_NAF, or in GBA_U Ks_ext_NAF: 32 bytes. */
  readonly key: SecretBytes;
  /** Ks_int_NAF, 32 bytes, where the run was one of GBA_U. */
  readonly uiccKey?: SecretBytes;
  readonly impi: string;
  readonly bootstrappedAtWall: number;
  readonly expiresAtWall: number;
}

/** `undefined` for a B-TID that is unknown, expired, or another BSF's. That the asker may have this NAF_Id is for its caller to see to. */
export type KeyLookup = (request: NafKeyRequest, wait?: Wait) => Promise<NafKey | undefined>;

/** Looks keys up in the store that the bootstrapping server writes. */
export function createKeyLookup({ name, store, wrappingKey, clock }: KeyLookupOptions): KeyLookup {
  return async ({ btid, nafId }, wait = {}) => {
    const rand = ownRand(btid, name);
    if (!rand) return undefined;
    const storeKey = ksStoreKey(rand);
    const stored = await store.get(storeKey, wait);
    const record = stored && openKs({ wrappingKey, storeKey }, stored.value);
    if (!record) return undefined;
    using ks = record.ks;
    const { impi, bootstrappedAtWall, expiresAtWall, gbaU } = record;
    // The store counts the lifetime too, by its own clock: the earlier of both ends it.
    if (expiresAtWall <= clock.wall()) return undefined;
    const input = { rand, impi, nafId: encodeNafId(nafId) };
    const key = deriveNafKey(ks, { ...input, label: "gba-me" });
    const found = { key, impi, bootstrappedAtWall, expiresAtWall };
    return gbaU ? { ...found, uiccKey: deriveNafKey(ks, { ...input, label: "gba-u" }) } : found;
  };
}

function ownRand(btid: string, name: string): Uint8Array | undefined {
  try {
    const { rand, bsf } = parseBtid(btid);
    return bsf === name ? rand : undefined;
  } catch (error) {
    if (error instanceof SeccfError) return undefined;
    throw error;
  }
}
