/** What two sides agreed, as one object: it binds to carriers, answers their demand for a key, seals bytes, and ends in time. @module */

import { concat, toUtf8 } from "../bytes/mod.ts";
import { digest, fingerprint, type SecretBytes, secretSlice } from "../crypto/mod.ts";
import { unlessAborted } from "../deadline.ts";
import { SeccfError } from "../error.ts";
import type { Platform, Wait } from "../platform.ts";
import type { RecordStore } from "../store.ts";
import type { Lifetime } from "./lifetime.ts";
import type {
  Binding,
  Connector,
  FoundKey,
  KeyOrigin,
  KeyRequest,
  Peer,
  Role,
  SealedFor,
  Sealer,
  SecureChannel,
  SecurityAssociation,
  Use,
} from "./ports.ts";
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
  /** Which end this is. */
  readonly role: Role;
  /** Who is at the other end. */
  readonly peer: Peer;
  /** Disposed with the association. */
  readonly origin: KeyOrigin;
  /** When it ends. */
  readonly lifetime: Lifetime;
  /** What carriers and sealers run on. */
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
}

/** Makes an association of what was agreed. */
// req: SEC_CF-HLF-001
export function createAssociation(options: AssociationOptions): SecurityAssociation {
  return new Agreed(options);
}

class Agreed implements SecurityAssociation {
  readonly id: Uint8Array;
  readonly #options: AssociationOptions;
  /** Of a restored one: purposes that the snapshot held, with keys of their own. */
  readonly #kept: readonly PurposeState[];
  readonly #sealings = new Map<string, Promise<Sealing>>();
  #weakest: Binding | undefined;
  #disposed = false;

  /** Takes over the keys in `restored`, if there was a snapshot. */
  constructor(options: AssociationOptions, restored?: Pick<AssociationState, "weakest" | "sealings">) {
    this.id = associationId(options.reference, options.serverName);
    this.#options = options;
    this.#kept = restored?.sealings ?? [];
    this.#weakest = restored?.weakest;
  }

  get serverName(): string {
    return this.#options.serverName;
  }

  get peer(): Peer {
    return this.#options.peer;
  }

  get role(): Role {
    return this.#options.role;
  }

  get origin(): KeyOrigin["kind"] {
    return this.#options.origin.kind;
  }

  get expiresAt(): number {
    return this.#options.lifetime.expiresAt;
  }

  get expired(): boolean {
    return this.#options.lifetime.expired;
  }

  get weakest(): Binding | undefined {
    return this.#weakest;
  }

  async find({ use, hint }: KeyRequest, wait: Wait): Promise<FoundKey> {
    this.#requireLive();
    const { origin } = this.#options;
    const identity = origin.identity(use, hint);
    const key = await origin.key(use, wait);
    return { identity, key, association: this };
  }

  async bind<C extends SecureChannel>(carrier: Connector<C>, wait: Wait = {}): Promise<C> {
    this.#requireLive();
    return await carrier.connect(this, { ...wait, platform: this.#options.platform });
  }

  bound(binding: Binding): void {
    if (this.#weakest === undefined || binding.strength < this.#weakest.strength) this.#weakest = binding;
    this.#options.onBound?.(binding);
  }

  async sealer(purpose: string, options: Wait & SealedFor = {}): Promise<Sealer> {
    this.#requireLive();
    const elder = this.#elder();
    if (elder) return await elder.sealer(purpose, options);
    const { signal, ...sealedFor } = options;
    let opening = this.#sealings.get(purpose);
    if (!opening) {
      // Not with this caller's signal: others wait for it too.
      opening = this.#open(purpose);
      this.#sealings.set(purpose, opening);
      // The next caller tries again.
      opening.catch(() => this.#sealings.delete(purpose));
    }
    return (await unlessAborted(opening, signal)).sealer(sealedFor);
  }

  async snapshot(wrappingKey: SecretBytes, wait: Wait = {}): Promise<Uint8Array> {
    this.#requireLive();
    const elder = this.#elder();
    if (elder) return await elder.snapshot(wrappingKey, wait);
    const { reference, lifetime, platform } = this.#options;
    const { serverName, role, peer, origin, weakest } = this;
    const sealings: PurposeState[] = [];
    try {
      for (const [purpose, opening] of this.#sealings) {
        sealings.push({ purpose, ...await (await opening).state(wait) });
      }
      // What a snapshot held of a purpose that was not opened since is kept as it is.
      for (const state of this.#kept) if (!this.#sealings.has(state.purpose)) sealings.push(copyOf(state));
      const state = { reference, serverName, role, peer, origin, lifetime, sealings, ...(weakest ? { weakest } : {}) };
      return sealSnapshot(state, wrappingKey, platform);
    } finally {
      for (const { key } of sealings) key[Symbol.dispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const { key } of this.#kept) key[Symbol.dispose]();
    for (const opening of this.#sealings.values()) {
      opening.then((sealing) => sealing[Symbol.dispose](), () => undefined);
    }
    await this.#options.origin[Symbol.asyncDispose]();
  }

  async #open(purpose: string): Promise<Sealing> {
    const { origin, role, lifetime, platform, store, sealingAlgorithm } = this.#options;
    const state = this.#kept.find((kept) => kept.purpose === purpose);
    const use: Use = { kind: "object", purpose };
    return await openSealing({
      key: state ? secretSlice(state.key, 0) : await origin.key(use),
      associationId: this.id,
      role,
      use: uaIdentifier(use),
      lifetime,
      platform,
      algorithm: state?.algorithm ?? sealingAlgorithm,
      store,
      state,
    });
  }

  /** The older one of the same id, unless that is this. */
  #elder(): SecurityAssociation | undefined {
    const elder = this.#options.elder?.();
    return elder === this ? undefined : elder;
  }

  #requireLive(): void {
    if (this.#disposed) throw new SeccfError("state", "the association is disposed");
    if (this.expired) throw new SeccfError("expired", "the association's lifetime is over");
  }
}

/** What {@link restoreAssociation} takes besides the snapshot. */
export interface RestoreOptions extends Wait {
  /** The key that {@link SecurityAssociation.snapshot} was given. */
  readonly wrappingKey: SecretBytes;
  /** What carriers and sealers run on. */
  readonly platform: Platform;
  /** The store that the association had: it knows what was sent and received since. */
  readonly store?: RecordStore;
  /** The root again, where it is at hand. Without it the association seals and opens for the purposes that it had opened, and no more. */
  readonly origin?: KeyOrigin;
  /** For purposes that were not open when the snapshot was taken; the others keep theirs. Default 10, AES-CCM-16-64-128. */
  readonly sealingAlgorithm?: number;
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
  return new Agreed({
    ...{ reference, serverName, role, peer, lifetime, platform },
    origin: options.origin ?? rootless(state.origin),
    ...(store ? { store } : {}),
    ...(options.sealingAlgorithm === undefined ? {} : { sealingAlgorithm: options.sealingAlgorithm }),
  }, state);
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
