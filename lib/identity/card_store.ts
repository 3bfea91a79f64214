/**
 * Objects that a card and a device both hold, kept in step. Whatever is cut short at whichever command or write, each side
 * has an object as it was or as it is to be, and the next `sync` makes both the same: on the card an object has two places,
 * of which the one that does not hold it is written; at the device all of them are one record of a store.
 *
 * The rule when both sides changed an object: the higher version is kept, of two equal ones the card's, which an authority
 * wrote there; the other goes to `onConflict`. A card that was set back to an older state is brought forward again.
 *
 * @module
 */

import { equal, toHex } from "../bytes/mod.ts";
import type { SecretBytes } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { Wait } from "../platform.ts";
import type { RecordStore } from "../store.ts";
import { type CardObject, CardObjectForm } from "./card_store_object.ts";
import { CardPlaces, type PlacePair } from "./card_store_places.ts";
import { decodeDeviceSide, type DeviceEntry, encodeDeviceSide } from "./card_store_device.ts";
import { CardFiles } from "./pkcs15_card.ts";
import { bindingDigest, type CardBinding } from "./pkcs15_parameters.ts";
import type { ApduChannel } from "./ports.ts";
import { UsimCard } from "./usim_card.ts";

/** What {@link CardStore} takes. */
export interface CardStoreOptions {
  /** The authority's key: who has it can write objects that this store takes. Copied. */
  readonly key: SecretBytes;
  /** The card and the device. What is on another card, or was put there by another device, is not taken. */
  readonly binding: CardBinding;
  /** The device's side. Its record is named `prefix/` and digits made of the binding. */
  readonly store: RecordStore;
  /** Default `card-objects`. */
  readonly prefix?: string;
  /** AID of the application that the places are in. */
  readonly application: Uint8Array;
  /** Two transparent files for each object, by their paths; the smaller one limits its size. The card's issuer made them. */
  readonly places: readonly PlacePair[];
  /** Both sides had changed an object, and this content of one is about to be given up (`undefined`: it had deleted it). */
  readonly onConflict?: (conflict: {
    readonly name: string;
    readonly kept: "card" | "device";
    readonly lost: Uint8Array | undefined;
  }) => void | Promise<void>;
}

// req: SEC_CF-SEC-003
/** Objects by name. Reading and changing them is the device's side alone and needs no card. */
export class CardStore implements Disposable {
  readonly #options: CardStoreOptions;
  readonly #form: CardObjectForm;
  readonly #key: string;
  #last: Promise<unknown> = Promise.resolve();

  /** RangeError without places. */
  constructor(options: CardStoreOptions) {
    if (options.places.length < 1 || options.places.length > MOST_PLACES) {
      throw new RangeError(`1 to ${MOST_PLACES} places`);
    }
    this.#options = options;
    const binding = bindingDigest(options.binding);
    this.#form = new CardObjectForm(options.key, binding);
    this.#key = `${options.prefix ?? "card-objects"}/${toHex(binding.subarray(0, 16))}`;
  }

  /** The names of the objects. */
  async names(options: Wait = {}): Promise<string[]> {
    const { entries } = await this.#read(options);
    return entries.filter(({ object }) => object.content !== undefined).map(({ object }) => object.name);
  }

  /** The content of an object; `undefined` if there is none. */
  async get(name: string, options: Wait = {}): Promise<Uint8Array | undefined> {
    const { entries } = await this.#read(options);
    return entries.find(({ object }) => object.name === name)?.object.content?.slice();
  }

  /** Creates or replaces an object at the device; `sync` brings it to the card. RangeError for a name or size that there is not. */
  put(name: string, content: Uint8Array, options: Wait = {}): Promise<void> {
    return this.#change(name, content.slice(), options);
  }

  /** Deletes an object at the device; `sync` deletes it on the card. Does nothing where there is none. */
  async delete(name: string, options: Wait = {}): Promise<void> {
    if (await this.get(name, options) !== undefined) await this.#change(name, undefined, options);
  }

  /**
   * Makes both sides the same, through a channel that stays the caller's and to which the application's PIN was verified if
   * its files want that. Throws `identity-unavailable` for another card, `exhausted` when the card has no place left, `too-large` for what fits none, `state` when
   * another `sync` was first, what the channel, the store and `onConflict` throw.
   */
  sync(channel: ApduChannel, options: Wait = {}): Promise<void> {
    return this.#inTurn(() => this.#sync(channel, options));
  }

  /** Removes the device's side, as when the card went. */
  forget(options: Wait = {}): Promise<void> {
    return this.#inTurn(async () => {
      const record = await this.#options.store.get(this.#key, options);
      if (record) await this.#options.store.delete(this.#key, { ...options, expected: record.version });
    });
  }

  /** Wipes this object's copy of the key. What the device and the card keep stays. */
  [Symbol.dispose](): void {
    this.#form[Symbol.dispose]();
  }

  #change(name: string, content: Uint8Array | undefined, options: Wait): Promise<void> {
    return this.#inTurn(async () => {
      const { entries, version } = await this.#read(options);
      const known = entries.find(({ object }) => object.name === name);
      const object = { name, version: (known?.object.version ?? 0) + 1, content };
      await this.#write([...without(entries, name), { object, agreed: known?.agreed ?? 0 }], version, options);
    });
  }

  async #sync(channel: ApduChannel, options: Wait): Promise<void> {
    const iccid = await new UsimCard(channel).iccid(options);
    if (!iccid || !equal(iccid, this.#options.binding.iccid)) {
      throw new SeccfError("identity-unavailable", "another card than the one that these objects belong to");
    }
    const files = new CardFiles(channel, options);
    await files.application(this.#options.application);
    const card = await CardPlaces.read(files, this.#form, this.#options.places);
    const { entries, version } = await this.#read(options);
    const names = new Set([...card.names, ...entries.map(({ object }) => object.name)]);
    const after: DeviceEntry[] = [];
    const known = (name: string) => entries.find(({ object }) => object.name === name);
    const settled = (deleted: CardObject) => {
      const entry = known(deleted.name);
      return !entry || (entry.object.content === undefined && entry.agreed >= deleted.version);
    };
    let refused: unknown;
    for (const name of names) {
      try {
        const entry = await this.#merge(card, name, known(name), settled);
        if (entry) after.push(entry);
      } catch (error) {
        // One object without room must not hold up the others, whose deletion may be the room that it needs.
        if (!(error instanceof SeccfError && NO_ROOM.includes(error.code))) throw error;
        refused ??= error;
        after.push(known(name)!); // The card refuses what the device has.
      }
    }
    const changed = !sameEntries(entries, after);
    if (changed) await this.#write(after, version, options);
    if (refused === undefined) return;
    if (!changed) throw refused;
    await this.#sync(channel, options);
  }

  /** What the device holds of this name when both sides are the same. */
  async #merge(
    card: CardPlaces,
    name: string,
    device: DeviceEntry | undefined,
    settled: (deleted: CardObject) => boolean,
  ): Promise<DeviceEntry | undefined> {
    const there = card.object(name);
    // A deletion that this device never knew the object of needs no memory.
    if (!device) return there?.content && { object: there, agreed: there.version };
    const { object: here, agreed } = device;
    if (!there && here.content === undefined) return device;
    const alike = there !== undefined && sameContent(there.content, here.content);
    const cardWins = there !== undefined && there.version >= here.version;
    if (there && !alike && there.version > agreed && here.version > agreed) {
      const [kept, lost] = cardWins ? ["card" as const, here] : ["device" as const, there];
      await this.#options.onConflict?.({ name, kept, lost: lost.content?.slice() });
    }
    if (cardWins) return { object: there, agreed: there.version };
    const written = await card.write(here, settled);
    return { object: written, agreed: written.version };
  }

  async #read(options: Wait): Promise<{ readonly entries: readonly DeviceEntry[]; readonly version: number }> {
    const record = await this.#options.store.get(this.#key, options);
    return record
      ? { entries: decodeDeviceSide(record.value, this.#form), version: record.version }
      : { entries: [], version: 0 };
  }

  async #write(entries: readonly DeviceEntry[], expected: number, options: Wait): Promise<void> {
    const record = encodeDeviceSide(entries, this.#form);
    if (await this.#options.store.put(this.#key, record, { ...options, expected }) !== undefined) return;
    throw new SeccfError("state", "the objects were changed by somebody else meanwhile");
  }

  #inTurn<T>(operation: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(operation);
    this.#last = mine.catch(() => undefined);
    return mine;
  }
}

function without(entries: readonly DeviceEntry[], name: string): DeviceEntry[] {
  return entries.filter(({ object }) => object.name !== name);
}

function sameContent(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equal(a, b);
}

function sameEntries(a: readonly DeviceEntry[], b: readonly DeviceEntry[]): boolean {
  return a.length === b.length && a.every(({ object, agreed }) => {
    const other = b.find((entry) => entry.object.name === object.name);
    return other?.agreed === agreed && other.object.version === object.version &&
      sameContent(other.object.content, object.content);
  });
}

const MOST_PLACES = 32;
const NO_ROOM: readonly string[] = ["exhausted", "too-large"];
