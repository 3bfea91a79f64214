/**
 * An association on disk, sealed: what a restart needs to go on without the root key. The keys of uses are inside the
 * ciphertext only.
 *
 * A snapshot may be restored twice, or late: each restore seals under a fresh ID Context, and what was received since is
 * on record in the store (see `replay_ledger.ts`). A snapshot cannot know by itself that it was restored before: without
 * a store, setting the clock back and restoring again gives the lifetime that was left when it was taken, never more.
 *
 * @module
 */

import { toHex, toUtf8 } from "../bytes/mod.ts";
import { digest, type SecretBytes, wipe } from "../crypto/mod.ts";
import type { Clock } from "../clock.ts";
import { SeccfError } from "../error.ts";
import type { Random, Wait } from "../platform.ts";
import type { RecordStore } from "../store.ts";
import { startLifetime } from "./lifetime.ts";
import { type AssociationState, encodeState, type ParsedState, parseState } from "./snapshot_state.ts";
import { unwrap, wrap } from "./snapshot_wrap.ts";

/** What {@link openSnapshot} takes. */
export interface OpenSnapshotOptions extends Wait {
  readonly clock: Clock;
  /** Remembers the latest time at which the association was restored, so that a clock set back between two restores gains nothing. */
  readonly store?: RecordStore | undefined;
}

/** The snapshot's bytes: `state` under `wrappingKey`, 16 bytes at least (otherwise RangeError). The keys in `state` stay the caller's. */
// req: SEC_CF-KEM-001
export function sealSnapshot(
  state: AssociationState,
  wrappingKey: SecretBytes,
  { random }: { readonly random: Random },
): Uint8Array {
  const plaintext = encodeState(state);
  try {
    return wrap(plaintext, { wrappingKey, label: LABEL, random });
  } finally {
    wipe(plaintext);
  }
}

/**
 * The state in a snapshot, with what is left of its lifetime. Throws `malformed` or `too-large` for what is no snapshot,
 * `auth-failed` for one under another key or altered, `unsupported` for a later version, `expired` for one whose lifetime
 * is over, and what the store throws.
 */
export async function openSnapshot(
  bytes: Uint8Array,
  wrappingKey: SecretBytes,
  options: OpenSnapshotOptions,
): Promise<AssociationState> {
  const parsed = parse(bytes, wrappingKey);
  try {
    const { left, expiresAtWall, ...state } = parsed;
    const seconds = Math.min(left, expiresAtWall - await trustedTime(parsed, options)) / 1000;
    if (seconds <= 0) throw new SeccfError("expired", "the association's lifetime is over");
    return { ...state, lifetime: startLifetime({ clock: options.clock, seconds, expiresAtWall }) };
  } catch (error) {
    for (const { key } of parsed.sealings) key[Symbol.dispose]();
    throw error;
  }
}

const LABEL = "seccf snapshot";

function parse(bytes: Uint8Array, wrappingKey: SecretBytes): ParsedState {
  const plaintext = unwrap(bytes, { wrappingKey, label: LABEL });
  try {
    return parseState(plaintext);
  } finally {
    wipe(plaintext);
  }
}

/** The wall clock's time, or that of an earlier restore if it was later (DESIGN 4.9). */
async function trustedTime(
  { reference, serverName }: ParsedState,
  { clock, store, signal }: OpenSnapshotOptions,
): Promise<number> {
  const atLeast = Math.max(0, Math.floor(clock.wall()));
  if (!store) return atLeast;
  const name = toHex(digest("sha-256", toUtf8(`${serverName}\0${reference}`)).subarray(0, 8));
  return await store.reserve(`restored/${name}`, 1, { ...signal ? { signal } : {}, atLeast });
}
