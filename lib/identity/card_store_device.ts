/** The device's side of the objects that it shares with a card, as one record: all of them change together or not at all. @module */

import { concat, Reader, Writer } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";
import type { CardObject, CardObjectForm } from "./card_store_object.ts";

/** An object at the device. */
export interface DeviceEntry {
  readonly object: CardObject;
  /** The version that both sides had when they were last the same, 0 before the first time. */
  readonly agreed: number;
}

/** Objects that were deleted are remembered, so that an old card does not bring them back: this many, the newest. */
const MOST_DELETED = 64;

/** The record. */
export function encodeDeviceSide(entries: readonly DeviceEntry[], form: CardObjectForm): Uint8Array {
  const deleted = entries.filter(({ object }) => object.content === undefined);
  const forgotten = new Set(deleted.slice(0, Math.max(0, deleted.length - MOST_DELETED)));
  const parts = entries.filter((entry) => !forgotten.has(entry)).map(({ object, agreed }) =>
    new Writer().u16(Math.floor(agreed / 2 ** 32)).u32(agreed % 2 ** 32).vector24(form.encode(object)).done()
  );
  return concat(Uint8Array.of(FORM), ...parts);
}

/** Throws `malformed` for what is no such record, `auth-failed` for one that the authority's key does not prove. */
export function decodeDeviceSide(record: Uint8Array, form: CardObjectForm): DeviceEntry[] {
  const reader = new Reader(record);
  if (reader.u8() !== FORM) throw new SeccfError("malformed", "no record of a card's objects");
  const entries: DeviceEntry[] = [];
  while (reader.remaining > 0) {
    const agreed = reader.u16() * 2 ** 32 + reader.u32();
    const place = form.decode(reader.vector24());
    if (place.kind === "free") throw new SeccfError("malformed", "a record of a card's objects that was altered");
    if (place.kind === "foreign") throw new SeccfError("auth-failed", "a record of a card's objects under another key");
    entries.push({ object: place.object, agreed });
  }
  return entries;
}

const FORM = 1;
