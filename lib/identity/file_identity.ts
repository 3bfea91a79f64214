/** An identity module out of an identity file: a soft USIM whose sequence numbers the file keeps, and provisioned keys. @module */

import { equal } from "../bytes/mod.ts";
import type { Clock } from "../clock.ts";
import { type SecretBytes, secretSlice } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { Random, Wait } from "../platform.ts";
import type { IdentityFile } from "./file.ts";
import {
  copyCredentials,
  keyManagerOf,
  type ProvisionedEntry,
  secretsOf,
  type SubscriberEntry,
} from "./file_content.ts";
import type { FileEntries } from "./file_entries.ts";
import { memoryIdentity } from "./memory.ts";
import type { IdentityModule, ProvisionedModule } from "./ports.ts";
import { type ProvisionedKey, ProvisionedKeys } from "./provisioned.ts";
import { deviceExpire, deviceInstall, deviceProved, type RotationHook, rotationHook, usable } from "./rotation.ts";
import type { SoftUsimState } from "./soft_usim.ts";
import type { GbaMode } from "./usim.ts";

/** What {@link identityOfFile} takes. */
export type FileIdentityOptions = Wait & GbaMode & {
  readonly random: Random;
  readonly clock: Clock;
  /** The name of the subscriber. Default: the only one. */
  readonly identity?: string;
};

/** A key that a server offers in place of another: see `rotation.ts`. */
export interface KeyOffer {
  /** The server's count. */
  readonly attempt: number;
  /** The new key's name at both sides, 1 to 128 bytes; `state` if another key in the file has it. */
  readonly identity: Uint8Array;
  /** 16 to 64 bytes. Stays the caller's. */
  readonly key: SecretBytes;
  /** How long to wait for the new key's first proof. */
  readonly withinSeconds: number;
}

/** An identity module whose secrets are in a file. */
export interface FileIdentity extends IdentityModule {
  /** Installs a new key beside the one of `identity`. Throws `state` while another is on its way, `replayed` for an attempt that is over. */
  install(identity: Uint8Array, offer: KeyOffer, options?: Wait): Promise<void>;
  /**
   * For an association under the key of `identity`: `onBound` goes to `createAssociation`, `settled` is awaited before its first
   * message. A new key whose first proof this is takes the old one's place; `expired` if it comes too late.
   */
  rotation(identity: Uint8Array): RotationHook;
}

/**
 * A module over an open file, which it disposes. Whoever opens a subscriber holds it: a module that opened it before, here or in
 * another process, can not answer challenges any more, since two would not know of each other's sequence numbers.
 */
export async function identityOfFile(file: IdentityFile, options: FileIdentityOptions): Promise<FileIdentity> {
  const { signal, random, identity } = options;
  const wait: Wait = signal ? { signal } : {};
  const holder = new Uint8Array(8);
  random(holder);
  const taken = await file.change((entries) => {
    const subscriber = entries.subscriber(identity);
    if (subscriber) entries.replace({ ...subscriber, holder });
    expire(entries, options.clock);
    return {
      subscriber: subscriber && { ...subscriber, credentials: copyCredentials(subscriber.credentials) },
      keys: keysOf(entries),
      until: untilOf(entries),
    };
  }, wait);
  const { subscriber, keys, until } = taken;
  try {
    const provisioned = new FileKeys(keys);
    const usim = subscriber && await memoryIdentity({ aka: akaOf(subscriber, file, holder, options) });
    const module = new ModuleOfFile({
      file,
      usim,
      provisioned,
      clock: options.clock,
      keyManager: subscriber && keyManagerOf(subscriber),
    });
    module.watch(until);
    return module;
  } finally {
    for (const { key } of keys) key[Symbol.dispose]();
    if (subscriber) { for (const secret of secretsOf(subscriber)) secret[Symbol.dispose](); }
  }
}

/** Provisioned keys that may be exchanged while the module is in use. */
class FileKeys implements ProvisionedModule, Disposable {
  #keys: ProvisionedKeys;

  constructor(keys: readonly ProvisionedKey[]) {
    this.#keys = new ProvisionedKeys(keys);
  }

  get identities(): readonly Uint8Array[] {
    return this.#keys.identities;
  }

  derive(identity: Uint8Array, label: Uint8Array): Promise<SecretBytes> {
    return this.#keys.derive(identity, label);
  }

  renew(keys: readonly ProvisionedKey[]): void {
    const renewed = new ProvisionedKeys(keys);
    this.#keys[Symbol.dispose]();
    this.#keys = renewed;
  }

  [Symbol.dispose](): void {
    this.#keys[Symbol.dispose]();
  }
}

class ModuleOfFile implements FileIdentity {
  readonly aka?: NonNullable<IdentityModule["aka"]>;
  readonly keyManager?: string;
  readonly provisioned: FileKeys;
  readonly #file: IdentityFile;
  readonly #usim: IdentityModule | undefined;
  readonly #clock: Clock;
  #alarm: Disposable | undefined;
  #disposed = false;

  constructor(parts: {
    readonly file: IdentityFile;
    readonly usim: IdentityModule | undefined;
    readonly provisioned: FileKeys;
    readonly clock: Clock;
    readonly keyManager: string | undefined;
  }) {
    const { file, usim, provisioned, clock, keyManager } = parts;
    this.#file = file;
    this.#usim = usim;
    this.#clock = clock;
    this.provisioned = provisioned;
    if (usim?.aka) this.aka = usim.aka;
    if (keyManager !== undefined) this.keyManager = keyManager;
  }

  async install(identity: Uint8Array, offer: KeyOffer, options: Wait = {}): Promise<void> {
    const { attempt, withinSeconds } = offer;
    const next = { identity: offer.identity, key: offer.key };
    const until = Math.ceil(this.#clock.wall() + withinSeconds * 1000);
    await this.#rotate(identity, ({ rotation }) => {
      return deviceInstall(deviceExpire(rotation, this.#clock.wall()), { attempt, next, until });
    }, options);
  }

  rotation(identity: Uint8Array): RotationHook {
    const own = new Uint8Array(identity);
    return rotationHook(() =>
      this.#rotate(own, ({ rotation }) => {
        if (!rotation.next || !equal(rotation.next.identity, own)) return rotation;
        const proved = deviceProved(rotation, this.#clock.wall());
        if (!proved) throw new SeccfError("expired", "the time to take the new key into use is over");
        return proved;
      })
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.watch(undefined);
    await this.#usim?.[Symbol.asyncDispose]();
    this.provisioned[Symbol.dispose]();
    this.#file[Symbol.dispose]();
  }

  async #rotate(
    identity: Uint8Array,
    step: (entry: ProvisionedEntry) => ProvisionedEntry["rotation"],
    options: Wait = {},
  ): Promise<void> {
    await this.#change((entries) => {
      const entry = entries.provisionedBy(identity);
      const rotation = step(entry);
      if (rotation !== entry.rotation) entries.replace({ ...entry, rotation });
    }, options);
  }

  async #change(change: (entries: FileEntries) => void, options: Wait): Promise<void> {
    const { keys, until } = await this.#file.change((entries) => {
      change(entries);
      return { keys: keysOf(entries), until: untilOf(entries) };
    }, options);
    try {
      this.provisioned.renew(keys);
    } finally {
      for (const { key } of keys) key[Symbol.dispose]();
    }
    this.watch(until);
  }

  /** Goes back to the old keys at the time `until`; what the disk refuses then is done when the file is opened again. */
  watch(until: number | undefined): void {
    this.#alarm?.[Symbol.dispose]();
    this.#alarm = undefined;
    if (until === undefined || this.#disposed) return;
    const clock = this.#clock;
    this.#alarm = clock.alarm(clock.now() + Math.max(0, until - clock.wall()), () => {
      this.#change((entries) => expire(entries, clock), {}).catch(() => undefined);
    });
  }
}

function akaOf(subscriber: SubscriberEntry, file: IdentityFile, holder: Uint8Array, options: FileIdentityOptions) {
  const { name, credentials, imsi, impi, mncLength, sequence, state } = subscriber;
  const mode: GbaMode = options.mode === "gba-u" ? { mode: "gba-u", clock: options.clock } : {};
  const card = {
    mncLength,
    ...(sequence ? { sequence } : {}),
    ...(state ? { state } : {}),
    save: (saved: SoftUsimState) => save(file, name, holder, saved),
  };
  return { ...mode, credentials, imsi, ...(impi === undefined ? {} : { impi }), card };
}

/** Before the card answers: what is accepted once is stored as accepted, or not answered at all. */
async function save(file: IdentityFile, name: string, holder: Uint8Array, state: SoftUsimState): Promise<void> {
  await file.change((entries) => {
    const entry = entries.get("subscriber", name);
    if (!entry.holder || !equal(entry.holder, holder)) {
      throw new SeccfError("state", "the subscriber was opened elsewhere since");
    }
    entries.replace({ ...entry, state });
  });
}

function expire(entries: FileEntries, clock: Clock): void {
  for (const entry of entries.all) {
    if (entry.kind !== "provisioned") continue;
    const rotation = deviceExpire(entry.rotation, clock.wall());
    if (rotation !== entry.rotation) entries.replace({ ...entry, rotation });
  }
}

/** When the first attempt to change a key ends. */
function untilOf(entries: FileEntries): number | undefined {
  const ends = entries.all.flatMap((entry) => entry.kind === "provisioned" ? entry.rotation.until ?? [] : []);
  return ends.length === 0 ? undefined : Math.min(...ends);
}

/** Copies, the caller's. A key that is to take another's place stands before it. */
function keysOf(entries: FileEntries): ProvisionedKey[] {
  return entries.all.flatMap((entry) => entry.kind === "provisioned" ? usable(entry.rotation) : [])
    .map(({ identity, key }) => ({ identity, key: secretSlice(key, 0) }));
}
