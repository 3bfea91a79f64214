/** A client's memory of how to go on: what its last handshake for an association left, until the association ends. @module */

import type { SecurityAssociation } from "../association/ports.ts";
import type { Resumable } from "../tls/engine.ts";
import type { Earlier } from "./driver_options.ts";

/** Of one carrier, which always goes to the same place: one session for each association, and none that outlives it. */
export class EarlierSessions {
  readonly #states = new WeakMap<SecurityAssociation, Resumable>();

  /** What an engine for `association` is to be told. The state stays here. */
  offer(association: SecurityAssociation): { readonly resumable: true; readonly resume?: Resumable } {
    if (association.expired) this.forget(association);
    const resume = this.#states.get(association);
    return { resumable: true, ...(resume && { resume }) };
  }

  /** Who takes what a handshake for `association` leaves. */
  keeper(association: SecurityAssociation): Earlier {
    return {
      association,
      keep: (state) => {
        this.forget(association);
        this.#states.set(association, state);
      },
    };
  }

  /** A handshake failed: the next one begins anew (RFC 5246 7.2.2). */
  forget(association: SecurityAssociation): void {
    this.#states.get(association)?.[Symbol.dispose]();
    this.#states.delete(association);
  }
}
