/** What a successful run leaves in the BSF's store: Ks and whose it is, under its B-TID. @module */

import { fromUtf8, toUtf8 } from "../bytes/mod.ts";
import type { SecretBytes } from "../crypto/mod.ts";
import type { Random } from "../platform.ts";
import { openRecord, type RecordPlace, sealRecord } from "./sealed_record.ts";

/** Times in milliseconds since 1970. */
export interface KsRecord {
  readonly impi: string;
  /** CK || IK, 32 bytes. */
  readonly ks: SecretBytes;
  readonly bootstrappedAtWall: number;
  readonly expiresAtWall: number;
  /** The UICC keeps Ks, so there is a Ks_int_NAF too. */
  readonly gbaU: boolean;
}

/** The record, sealed for its place. */
export function sealKs(place: RecordPlace, record: KsRecord, random: Random): Uint8Array {
  const terms = new Uint8Array(17);
  const view = new DataView(terms.buffer);
  view.setFloat64(0, record.bootstrappedAtWall);
  view.setFloat64(8, record.expiresAtWall);
  terms[16] = record.gbaU ? 1 : 0;
  return sealRecord(place, [toUtf8(record.impi), terms, record.ks], random);
}

/** The record, whose Ks is the caller's to dispose; `undefined` where none is sealed for this place. */
export function openKs(place: RecordPlace, sealed: Uint8Array): KsRecord | undefined {
  const fields = openRecord(place, sealed, ["bytes", "bytes", "secret"]);
  if (!fields) return undefined;
  const [impi, terms, ks] = fields;
  const view = new DataView(terms.buffer, terms.byteOffset);
  return {
    impi: fromUtf8(impi),
    ks,
    bootstrappedAtWall: view.getFloat64(0),
    expiresAtWall: view.getFloat64(8),
    gbaU: terms[16] === 1,
  };
}
