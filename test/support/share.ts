/**
 * A walk that would cost three runtimes the same minute each is shared by them: each takes every third step, together they
 * take all. `npm test` fails where one of the three is missing.
 *
 * @module
 */

const OWN = "Deno" in globalThis ? 1 : "Bun" in globalThis ? 2 : 0;

/** Whether step `index` is this runtime's. Of the eight bits of a byte each has two or three. */
export function isOwnShare(index: number): boolean {
  return index % 3 === OWN;
}
