/** The end of a connection, behind its last word. @module */

import type { Clock } from "../clock.ts";
import type { Engine } from "../tls/engine.ts";
import type { Wire } from "./wire.ts";

/** What is given back. */
export interface Parting {
  readonly engine: Engine;
  readonly wire: Wire;
  readonly clock: Clock;
}

/**
 * Gives `engine` and `wire` back, as soon as all of `last` has settled; a peer that does not read, or a store that is away,
 * must not keep them for longer than a moment. Never rejects.
 */
export async function part(
  { engine, wire, clock }: Parting,
  last: readonly (Promise<void> | undefined)[],
): Promise<void> {
  const leaving = last.filter((each) => each !== undefined);
  if (leaving.length > 0) {
    await new Promise<void>((resolve) => {
      const limit = clock.alarm(clock.now() + MOMENT, resolve);
      Promise.all(leaving).catch(() => {}).then(() => {
        limit[Symbol.dispose]();
        resolve();
      });
    });
  }
  engine[Symbol.dispose]();
  try {
    await wire.release();
  } catch {
    // What is given up can not be given up any better.
  }
}

/** Milliseconds. */
const MOMENT = 1000;
