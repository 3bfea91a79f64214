/** The end of a handshake, for whoever waits for it. @module */

import type { Wait } from "../platform.ts";
import type { Binding, SecurityAssociation } from "../association/ports.ts";
import { suiteById } from "../crypto/mod.ts";
import type { Session } from "../tls/engine.ts";
import type { Driver } from "./driver.ts";

/** Whose key it was, and what protects from here on. */
export interface Established {
  readonly association: SecurityAssociation;
  readonly binding: Binding;
}

/** Waits for the end of the handshake and tells the association how it was used. `carrier`: what its binding says. */
export async function establish(driver: Driver, carrier: string, { signal }: Wait): Promise<Established> {
  const abort = () => driver.abort(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    if (signal?.aborted) abort();
    const { session, association } = await driver.agreed;
    const binding = toBinding(carrier, session);
    association.bound(binding);
    return { association, binding };
  } catch (error) {
    // An association may refuse how it was bound.
    driver.abort(error);
    await driver.released;
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

function toBinding(carrier: string, { suite, forwardSecret }: Session): Binding {
  // CBC is authentic and secret, but not by an AEAD.
  if (suiteById(suite)?.protection.kind !== "aead") return { carrier, suite, strength: 1 };
  return { carrier, suite, strength: forwardSecret ? 3 : 2 };
}
