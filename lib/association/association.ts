/** What two sides agreed, as one object: it binds to carriers, answers their demand for a key, seals bytes, and ends in time. @module */

import { concat, toUtf8 } from "../bytes/mod.ts";
import { digest, fingerprint, type SecretBytes, secretSlice } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { Platform, Wait } from "../platform.ts";
import type { RecordStore } from "../store.ts";
import type { Lifetime } from "./lifetime.ts";
import type { Binding, KeyOrigin, Peer, Role, SecurityAssociation, Use } from "./ports.ts";
import { openSealing, type Sealing } from "./sealer.ts";
import { openSnapshot, sealSnapshot } from "./snapshot.ts";
import type { AssociationState, PurposeState } from "./snapshot_state.ts";
import { uaIdentifier } from "./uses.ts";

/** What {@link createAssociation} takes. */
export interface AssociationOptions {
  /** The public reference that both ends have: a B-TID or a provisioned identity. With the name it makes the id. */
  readonly reference: string;
  /** The name the device used for the enabler, canonical. */
  readonly serverName: string;
  readonly role: Role;
  readonly peer: Peer;
  /** Disposed with the association. */
  readonly origin: KeyOrigin;
  readonly lifetime: Lifetime;
  readonly platform: Platform;
  /** Where numbers of sealed messages are reserved, and their replay state kept; without it a restart must agree anew. */
  readonly store?: RecordStore;
  /**
   * COSE number of the one algorithm that sealed messages are sent and accepted with; both ends must agree. Default 10,
   * AES-CCM-16-64-128; also 1 and 3 (AES-GCM), 24 (ChaCha20-Poly1305), 30 to 33 (CCM with long tags), 5 (HMAC, readable).
   */
  readonly sealingAlgorithm?: number;
  /** Hears of each binding, after it has counted: the peer has proved its key. */
  readonly onBound?: (binding: Binding) => void;
  /**
   * An association of the same id that is older, if there is one by now: what is sealed goes through it, so that numbers and
   * replay state are kept once. Asked at each use.
   */
  readonly elder?: () => SecurityAssociation | undefined;
  /** What a snapshot held; its keys are taken over. */
  readonly restored?: Pick<AssociationState, "weakest" | "sealings">;
}

/** Makes an association of what was agreed. */
// req: SEC_CF-HLF-001
export function createAssociation(options: AssociationOptions): SecurityAssociation {
  const { reference, serverName, role, peer, origin, lifetime, platform, store, restored } = options;
  const id = associationId(reference, serverName);
  const sealings = new Map<string, Promise<Sealing>>();
  let weakest = restored?.weakest;
  let disposed = false;

  const live = () => {
    if (disposed) throw new SeccfError("state", "the association is disposed");
    if (lifetime.expired) throw new SeccfError("expired", "the association's lifetime is over");
  };

  const openPurpose = async (purpose: string, wait: Wait): Promise<Sealing> => {
    const state = restored?.sealings.find((sealing) => sealing.purpose === purpose);
    const use: Use = { kind: "object", purpose };
    const key = state ? secretSlice(state.key, 0) : await origin.key(use, wait);
    return await openSealing({
      key,
      associationId: id,
      role,
      use: uaIdentifier(use),
      lifetime,
      platform,
      algorithm: state?.algorithm ?? options.sealingAlgorithm,
      store,
      state,
      ...wait,
    });
  };

  const association: SecurityAssociation = {
    id,
    serverName,
    peer,
    role,
    origin: origin.kind,
    expiresAt: lifetime.expiresAt,
    get expired() {
      return lifetime.expired;
    },
    get weakest() {
      return weakest;
    },
    async find({ use, hint }, wait) {
      live();
      const identity = origin.identity(use, hint);
      const key = await origin.key(use, wait);
      return { identity, key, association };
    },
    async bind(carrier, wait = {}) {
      live();
      return await carrier.connect(association, { ...wait, platform });
    },
    bound(binding) {
      if (weakest === undefined || binding.strength < weakest.strength) weakest = binding;
      options.onBound?.(binding);
    },
    async sealer(purpose, { contentType, binding, ...wait } = {}) {
      live();
      const sealedFor = { ...(contentType === undefined ? {} : { contentType }), ...(binding ? { binding } : {}) };
      const elder = options.elder?.();
      if (elder && elder !== association) return await elder.sealer(purpose, { ...wait, ...sealedFor });
      let opening = sealings.get(purpose);
      if (!opening) {
        opening = openPurpose(purpose, wait);
        sealings.set(purpose, opening);
        // The next caller tries again.
        opening.catch(() => sealings.delete(purpose));
      }
      return (await opening).sealer(sealedFor);
    },
    async snapshot(wrappingKey, wait = {}) {
      live();
      const states: PurposeState[] = [];
      try {
        for (const [purpose, opening] of sealings) states.push({ purpose, ...await (await opening).state(wait) });
        // What a snapshot held of a purpose that was not opened since is kept as it is.
        for (const state of restored?.sealings ?? []) if (!sealings.has(state.purpose)) states.push(copyOf(state));
        return sealSnapshot(
          {
            ...{ reference, serverName, role, peer, origin: origin.kind, lifetime, sealings: states },
            ...(weakest ? { weakest } : {}),
          },
          wrappingKey,
          platform,
        );
      } finally {
        for (const { key } of states) key[Symbol.dispose]();
      }
    },
    async [Symbol.asyncDispose]() {
      if (disposed) return;
      disposed = true;
      for (const { key } of restored?.sealings ?? []) key[Symbol.dispose]();
      for (const opening of sealings.values()) opening.then((sealing) => sealing[Symbol.dispose](), () => undefined);
      await origin[Symbol.asyncDispose]();
    },
  };
  return association;
}

/** What {@link restoreAssociation} takes besides the snapshot. */
export interface RestoreOptions extends Wait {
  /** The key that {@link SecurityAssociation.snapshot} was given. */
  readonly wrappingKey: SecretBytes;
  readonly platform: Platform;
  /** The store that the association had: it knows what was sent and received since. */
  readonly store?: RecordStore;
  /** The root again, where it is at hand. Without it the association seals and opens for the purposes that it had opened, and no more. */
  readonly origin?: KeyOrigin;
}

/**
 * An association as it was when {@link SecurityAssociation.snapshot} was taken, with what is left of its lifetime. Throws
 * `malformed`, `too-large`, `auth-failed` (another key, or altered), `unsupported`, `expired`, and what the store throws.
 */
export async function restoreAssociation(snapshot: Uint8Array, options: RestoreOptions): Promise<SecurityAssociation> {
  const { wrappingKey, platform, store, signal } = options;
  const wait = signal ? { signal } : {};
  const state = await openSnapshot(snapshot, wrappingKey, { clock: platform.clock, store, ...wait });
  const { reference, serverName, role, peer, lifetime } = state;
  return createAssociation({
    ...{ reference, serverName, role, peer, lifetime, platform, restored: state },
    origin: options.origin ?? rootless(state.origin),
    ...(store ? { store } : {}),
  });
}

/** Stands where the root was: it has no key to give. */
function rootless(kind: KeyOrigin["kind"]): KeyOrigin {
  const gone = () => new SeccfError("identity-unavailable", "the association was restored without its root");
  return {
    kind,
    identity() {
      throw gone();
    },
    key: () => Promise.reject(gone()),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function copyOf(state: PurposeState): PurposeState {
  return { ...state, key: secretSlice(state.key, 0) };
}

/** 8 bytes that both ends compute from what both know: public, and no more than a name. */
export function associationId(reference: string, serverName: string): Uint8Array {
  return digest("sha-256", concat(toUtf8(`seccf association\0${serverName}\0${reference}`))).subarray(0, 8).slice();
}

/** 16 hexadecimal digits that tell one key of an association from another, at either end; nothing of the key. */
export async function keyFingerprint(association: SecurityAssociation, use: Use, wait: Wait = {}): Promise<string> {
  const found = await association.find({ use }, wait);
  if (!found) throw new SeccfError("key-unavailable", "the association has no key for this use");
  using key = found.key;
  return fingerprint(key);
}
