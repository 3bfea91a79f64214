import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type KeyShelf, shelfFor } from "../../lib/crypto/key_shelf.ts";

interface Place {
  readonly shelf: KeyShelf;
  readonly at: number;
}

function take(size: number): Place {
  const shelf = shelfFor(size);
  return { shelf, at: shelf.take() };
}

function give({ shelf, at }: Place): void {
  shelf.give(at);
}

/** How many shelves those are on. */
function spread(places: readonly Place[]): number {
  return new Set(places.map(({ shelf }) => shelf)).size;
}

test("where seven of eight keys are gone, the next lie in their places, and need no other shelves", () => {
  const places = Array.from({ length: 800 }, () => take(41));
  const shelves = spread(places);
  for (const [i, place] of places.entries()) if (i % 8 > 0) give(place);
  const left = places.filter((_, i) => i % 8 === 0);
  const next = Array.from({ length: 700 }, () => take(41));
  assert.ok(spread([...left, ...next]) <= shelves, `${spread([...left, ...next])} shelves instead of ${shelves}`);
});

test("no two keys have a place in common, whoever comes and goes, and one that is free is zeros", () => {
  const step = fc.record({ size: fc.constantFrom(7, 9), isGiven: fc.boolean(), pick: fc.nat(1000) });
  fc.assert(fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
    const taken: (Place & { readonly size: number; readonly mark: number })[] = [];
    for (const [i, { size, isGiven, pick }] of steps.entries()) {
      if (isGiven && taken.length > 0) {
        const [gone] = taken.splice(pick % taken.length, 1);
        give(gone!);
      } else {
        const place = { ...take(size), size, mark: i + 1 };
        const words = place.shelf.words.subarray(place.at, place.at + size);
        assert.ok(words.length === size && words.every((word) => word === 0));
        words.fill(place.mark);
        taken.push(place);
      }
      for (const { shelf, at, size, mark } of taken) {
        assert.ok(shelf.words.subarray(at, at + size).every((word) => word === mark));
      }
    }
    taken.forEach(give);
  }));
});
