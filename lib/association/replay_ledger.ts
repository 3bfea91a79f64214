/**
 * What a receiver has on durable record, so that nothing is delivered twice though it may crash at any moment: the mirror
 * of reserving numbers ahead. Before the first message of a context is delivered, and before each block of numbers after
 * it, a *ceiling* is written; only numbers below it are accepted. Whoever starts again, from whatever snapshot, refuses
 * everything below the ceilings on record, unless the record's generation is the one in its snapshot: then nobody has
 * claimed anything since, and the snapshot's windows are exact.
 *
 * The price is stated, not hidden: a crash (not a clean snapshot) loses the messages of a context that were under way and
 * stand below its ceiling, at most {@link AHEAD} of them plus the window; and two receivers that share one record take
 * turns at disjoint blocks, so that each message is delivered by at most one of them, and many by neither.
 *
 * @module
 */

import { equal, toHex, toUtf8 } from "../bytes/mod.ts";
import { A256GCM, type CborValue, decodeCbor, encodeCbor, oscoreKey } from "../cose/mod.ts";
import type { SecretBytes } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { Random, Wait } from "../platform.ts";
import type { RecordStore } from "../store.ts";
import { CONTEXTS, type PeerContext, type PeerContexts } from "./replay_contexts.ts";
import { epochAt, ID_CONTEXT_LENGTH } from "./sealer_context.ts";
import { unwrap, wrap } from "./snapshot_wrap.ts";

/** How many numbers beyond the highest one a claim covers. */
export const AHEAD = 64;

/** What a {@link ReplayLedger} is made from. */
export interface ReplayLedgerOptions {
  readonly store: RecordStore;
  /** The record's key in the store: printable ASCII, at most 200 bytes. */
  readonly record: string;
  /** The record is encrypted under it. Borrowed. */
  readonly wrappingKey: SecretBytes;
  readonly random: Random;
  /** How long the record must be kept, seconds from now. */
  readonly ttlSeconds: () => number;
  /** Of the snapshot that this receiver starts from. */
  readonly generation?: Uint8Array | undefined;
}

interface LedgerRecord {
  /** 8 bytes that are new at each writing: 4 that count, 4 at random for a record that was lost and begins anew. */
  readonly generation: Uint8Array | undefined;
  readonly floor: number;
  readonly ceilings: ReadonlyMap<string, Ceiling>;
}

interface Ceiling {
  readonly idContext: Uint8Array;
  readonly ceiling: number;
}

/** The key that a use's record is encrypted under; `prk` is extracted from the use's key. The caller disposes it. */
export function ledgerKey(prk: SecretBytes): SecretBytes {
  return oscoreKey(prk, { id: toUtf8(LABEL), algorithm: A256GCM, type: "Key", length: 32 });
}

/** One receiver's hand on the record of one use. */
export class ReplayLedger {
  readonly #options: ReplayLedgerOptions;
  #generation: Uint8Array | undefined;

  constructor(options: ReplayLedgerOptions) {
    this.#options = options;
    this.#generation = options.generation;
  }

  /** Of the last record written or restored from; undefined before. */
  get generation(): Uint8Array | undefined {
    return this.#generation;
  }

  /**
   * Raises the ceilings of the contexts that need it, and learns what others have claimed. Throws what the store throws,
   * `state` where the record is damaged, `exhausted` where others change it faster than we do.
   */
  async claim(contexts: PeerContexts, wait: Wait = {}): Promise<void> {
    const { store, record: key, ttlSeconds } = this.#options;
    for (let attempt = 0; attempt < 8; attempt++) {
      const stored = await store.get(key, wait);
      const record = stored ? this.#decode(stored.value) : EMPTY;
      const ours = record.generation !== undefined && this.#generation !== undefined &&
        equal(record.generation, this.#generation);
      const next = merge(record, contexts, this.#generationAfter(record.generation));
      const version = await store.put(key, this.#encode(next), {
        ...wait,
        expected: stored?.version ?? 0,
        ttlSeconds: ttlSeconds(),
      });
      if (version === undefined) continue;
      this.#generation = next.generation;
      apply(next, record, ours, contexts);
      return;
    }
    throw new SeccfError("exhausted", "others keep changing the record of what was received");
  }

  #generationAfter(before: Uint8Array | undefined): Uint8Array {
    const generation = new Uint8Array(8);
    this.#options.random(generation.subarray(4));
    const count = before ? new DataView(before.buffer, before.byteOffset).getUint32(0) + 1 : 0;
    new DataView(generation.buffer).setUint32(0, count);
    return generation;
  }

  #encode({ generation, floor, ceilings }: LedgerRecord): Uint8Array {
    const entries = [...ceilings.values()].map(({ idContext, ceiling }) => [idContext, ceiling]);
    const plaintext = encodeCbor([VERSION, generation ?? null, floor, entries]);
    return wrap(plaintext, { wrappingKey: this.#options.wrappingKey, label: LABEL, random: this.#options.random });
  }

  #decode(value: Uint8Array): LedgerRecord {
    try {
      const plaintext = unwrap(value, { wrappingKey: this.#options.wrappingKey, label: LABEL });
      return parse(decodeCbor(plaintext, { deterministic: true }));
    } catch (cause) {
      throw new SeccfError("state", "the record of what was received is damaged", { cause });
    }
  }
}

const VERSION = 1;
const LABEL = "seccf replay record";
const EMPTY: LedgerRecord = { generation: undefined, floor: 0, ceilings: new Map() };

function parse(value: CborValue): LedgerRecord {
  if (!Array.isArray(value) || value.length !== 4) throw new SeccfError("malformed", "not a record");
  const [version, generation, floor, entries] = value as readonly CborValue[];
  const good = version === VERSION && generation instanceof Uint8Array && generation.length === 8 &&
    typeof floor === "number" && floor >= 0 &&
    Array.isArray(entries) && entries.length <= CONTEXTS;
  if (!good) throw new SeccfError("malformed", "not a record");
  const ceilings = new Map<string, Ceiling>();
  for (const entry of entries) {
    const [idContext, ceiling] = Array.isArray(entry) ? entry as readonly CborValue[] : [];
    if (!(idContext instanceof Uint8Array) || idContext.length !== ID_CONTEXT_LENGTH || typeof ceiling !== "number") {
      throw new SeccfError("malformed", "not a record");
    }
    ceilings.set(toHex(idContext), { idContext, ceiling });
  }
  return { generation, floor, ceilings };
}

/** The record to write: ceilings only rise, the newest contexts stay, and the floor covers those that go. */
function merge(record: LedgerRecord, contexts: PeerContexts, generation: Uint8Array): LedgerRecord {
  const ceilings = new Map(record.ceilings);
  for (const context of contexts.all) {
    const name = toHex(context.idContext);
    const before = ceilings.get(name)?.ceiling ?? 0;
    const reach = Math.max(context.wanted, context.window.next);
    if (!needs(context)) continue;
    // Never more than AHEAD beyond what arrived, or a stranger's replays and a crash after each would raise it for ever.
    ceilings.set(name, { idContext: context.idContext, ceiling: Math.max(before, reach + AHEAD) });
  }
  let floor = Math.max(record.floor, contexts.floor);
  const byAge = [...ceilings].sort(([, a], [, b]) => epochAt(b.idContext, 0) - epochAt(a.idContext, 0));
  for (const [, { idContext }] of byAge.slice(CONTEXTS)) floor = Math.max(floor, epochAt(idContext, 0) + 1);
  const kept = byAge.slice(0, CONTEXTS).filter(([, { idContext }]) => epochAt(idContext, 0) >= floor);
  return { generation, floor, ceilings: new Map(kept) };
}

/** Takes over what is now on record. */
function apply(next: LedgerRecord, before: LedgerRecord, ours: boolean, contexts: PeerContexts): void {
  contexts.raise(next.floor);
  for (const context of contexts.all) {
    const name = toHex(context.idContext);
    // Others may have accepted anything below a ceiling that we did not write.
    if (!ours || !context.onRecord) context.window.refuseBelow(before.ceilings.get(name)?.ceiling ?? 0);
    context.onRecord = true;
    context.ceiling = next.ceilings.get(name)?.ceiling ?? 0;
    if (context.wanted <= context.ceiling) context.wanted = 0;
  }
}

/** Whether a message waits, or will soon. */
export function needs(context: PeerContext): boolean {
  return waits(context) || (context.ceiling > 0 && context.window.next + AHEAD / 2 > context.ceiling);
}

/** Whether a message came that must not be accepted yet. */
export function waits(context: PeerContext): boolean {
  return context.wanted > context.ceiling;
}
