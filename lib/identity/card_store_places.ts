/** The places that objects have on a card: what stands in them, and where the next version goes. @module */

import { SeccfError } from "../error.ts";
import type { CardObject, CardObjectForm, CardPlace } from "./card_store_object.ts";
import type { CardFiles } from "./pkcs15_card.ts";

/** The paths of two transparent files. */
export type PlacePair = readonly [Uint8Array, Uint8Array];

interface Pair {
  readonly paths: PlacePair;
  readonly sizes: readonly [number, number];
  readonly places: [CardPlace, CardPlace];
}

/** The card's side, as it was read. */
export class CardPlaces {
  readonly #files: CardFiles;
  readonly #form: CardObjectForm;
  readonly #pairs: readonly Pair[];

  private constructor(files: CardFiles, form: CardObjectForm, pairs: readonly Pair[]) {
    this.#files = files;
    this.#form = form;
    this.#pairs = pairs;
  }

  /** Reads all places. */
  static async read(files: CardFiles, form: CardObjectForm, paths: readonly PlacePair[]): Promise<CardPlaces> {
    const pairs: Pair[] = [];
    for (const pair of paths) {
      const [first, second] = [await files.read(pair[0]), await files.read(pair[1])];
      pairs.push({
        paths: pair,
        sizes: [first.content.length, second.content.length],
        places: [form.decode(first.content), form.decode(second.content)],
      });
    }
    return new CardPlaces(files, form, pairs);
  }

  /** The names of the objects, the deleted ones too. */
  get names(): string[] {
    return this.#pairs.map((pair) => current(pair)?.name).filter((name) => name !== undefined);
  }

  /** The newest version of an object. */
  object(name: string): CardObject | undefined {
    return this.#holder(name)?.object;
  }

  /**
   * Writes an object beside its last version, or to a free pair, and gives it as it was written: with a version above all
   * that stands in the pair. A deletion gives its pair away only if `settled` says that the device has stored it. Throws
   * `exhausted` when no pair is free, `too-large` for what does not fit.
   */
  async write(object: CardObject, settled: (deleted: CardObject) => boolean): Promise<CardObject> {
    const pair = this.#holder(object.name)?.pair ?? this.#free(settled);
    if (!pair) throw new SeccfError("exhausted", "the card has no place left for an object");
    const before = current(pair);
    const written = { ...object, version: Math.max(object.version, (before?.version ?? 0) + 1) };
    const bytes = this.#form.encode(written);
    if (bytes.length > Math.min(...pair.sizes)) {
      throw new SeccfError("too-large", `an object of ${bytes.length} bytes with all that belongs to it`);
    }
    // Never over the version that counts until this one does.
    const at = before !== undefined && before === objectIn(pair.places[0]) ? 1 : 0;
    pair.places[at] = { kind: "free" };
    await this.#files.update(pair.paths[at], bytes);
    pair.places[at] = { kind: "object", object: written };
    return written;
  }

  #holder(name: string): { readonly pair: Pair; readonly object: CardObject } | undefined {
    let newest: { readonly pair: Pair; readonly object: CardObject } | undefined;
    for (const pair of this.#pairs) {
      const object = current(pair);
      if (object?.name === name && !(newest && newest.object.version >= object.version)) newest = { pair, object };
    }
    return newest;
  }

  /** Never written, or of an object that is deleted or has moved. What another authority wrote is left to it. */
  #free(settled: (deleted: CardObject) => boolean): Pair | undefined {
    return this.#pairs.find((pair) => {
      const object = current(pair);
      if (object && this.#holder(object.name)?.pair !== pair) return true;
      if (object) return object.content === undefined && settled(object);
      return pair.places.every(({ kind }) => kind === "free");
    });
  }
}

function current({ places: [first, second] }: Pair): CardObject | undefined {
  const [a, b] = [objectIn(first), objectIn(second)];
  return !b || (a && a.version >= b.version) ? a : b;
}

function objectIn(place: CardPlace): CardObject | undefined {
  return place.kind === "object" ? place.object : undefined;
}
