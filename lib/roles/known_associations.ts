/** The associations of devices that have proved their key: what an enabler finds a sealed message's keys by. @module */

import type { SecurityAssociation } from "../association/mod.ts";
import { toHex } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";

/** What {@link KnownAssociations} takes. */
export interface KnownAssociationsOptions {
  /** How many there are at most. */
  readonly capacity: number;
  /** Replay state is in a store: one that has sealed may be forgotten, and come back without letting anything in twice. */
  readonly durable: boolean;
}

interface Entry {
  readonly association: SecurityAssociation;
  /** Its replay state may be here and nowhere else. */
  sealing: boolean;
}

/**
 * One association an id, the one used most recently last. Where room is needed the oldest go that have not sealed. One that has
 * loses messages when it is forgotten and comes back (those under way, by its ledger); without a store they would be good a
 * second time, and so it stays until its end, and whom it leaves no room goes without sealed messages.
 */
export class KnownAssociations implements AsyncDisposable {
  readonly #options: KnownAssociationsOptions;
  readonly #entries = new Map<string, Entry>();
  #disposed = false;

  constructor(options: KnownAssociationsOptions) {
    this.#options = options;
  }

  /** The one of this id. */
  get(id: Uint8Array): SecurityAssociation | undefined {
    return this.#entries.get(toHex(id))?.association;
  }

  /** A device has proved the key of `association`, which is taken over unless there is an older one of its id. */
  remember(association: SecurityAssociation): void {
    if (!this.#disposed) this.#enter(association);
  }

  /** Through which association of its id `association` seals: the one that is known. Throws `exhausted` where there is no room. */
  sealingWith(association: SecurityAssociation): SecurityAssociation {
    if (this.#disposed) throw new SeccfError("state", "the enabler is disposed");
    const entry = this.#enter(association, true);
    if (this.get(association.id) === entry.association) return entry.association;
    throw new SeccfError("exhausted", "too many associations with sealed messages");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    for (const { association } of entries) await association[Symbol.asyncDispose]();
  }

  #enter(association: SecurityAssociation, sealing = false): Entry {
    const id = toHex(association.id);
    const entry = this.#entries.get(id) ?? { association, sealing: false };
    this.#entries.delete(id);
    this.#trim(this.#options.capacity - 1);
    if (this.#entries.size < this.#options.capacity) {
      entry.sealing ||= sealing;
      this.#entries.set(id, entry);
    }
    return entry;
  }

  #trim(size: number): void {
    for (const [id, { association, sealing }] of this.#entries) {
      if (this.#entries.size <= size) return;
      // Not disposed before its end: a channel or a handler may have it still.
      if (association.expired) void association[Symbol.asyncDispose]();
      else if (sealing) continue;
      this.#entries.delete(id);
    }
    if (!this.#options.durable) return;
    for (const id of this.#entries.keys()) {
      if (this.#entries.size <= size) return;
      this.#entries.delete(id);
    }
  }
}
