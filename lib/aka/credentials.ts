/** A subscriber's secrets, and the algorithm set that they key. @module */

import type { AkaAlgorithm } from "./algorithm.ts";
import { milenage, type MilenageCredentials } from "./milenage.ts";
import { tuak, type TuakCredentials } from "./tuak.ts";

/** What a subscriber's module and the authentication centre share. Its secrets stay the owner's. */
export type AkaCredentials = MilenageCredentials | TuakCredentials;

/** The keyed algorithm set of `credentials`, with copies of what it needs. A key of a wrong length is a RangeError. */
export function akaAlgorithm(credentials: AkaCredentials): AkaAlgorithm {
  return credentials.algorithm === "tuak" ? tuak(credentials) : milenage(credentials);
}
