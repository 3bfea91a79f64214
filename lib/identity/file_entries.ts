/** The entries of an identity file in memory, for as long as they are looked at or changed. @module */

import { akaAlgorithm } from "../aka/mod.ts";
import { equal, toUtf8 } from "../bytes/mod.ts";
import { type SecretBytes, wipe } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import {
  decodeContent,
  encodeContent,
  type FileEntry,
  type KeyEntry,
  type ProvisionedEntry,
  secretsOf,
  type SubscriberEntry,
} from "./file_content.ts";
import { encodeImsi } from "./names.ts";
import { usable } from "./rotation.ts";

/** What was decrypted; disposing wipes it. */
export class FileEntries implements Disposable {
  readonly #entries = new Map<string, FileEntry>();
  /** All that were ever held, those replaced too. */
  readonly #secrets = new Set<SecretBytes>();
  #changed = false;

  /** Takes `entries` over, uncopied: disposing wipes their secrets. Throws `malformed` for a name that comes twice. */
  constructor(entries: readonly FileEntry[]) {
    for (const entry of entries) this.#hold(entry);
  }

  /** Whether anything was added, changed or removed. */
  get changed(): boolean {
    return this.#changed;
  }

  /** In order of entering. Their secrets are wiped with this object. */
  get all(): readonly FileEntry[] {
    return [...this.#entries.values()];
  }

  /** Throws `identity-unavailable` where no entry of this kind has the name. */
  get<Kind extends FileEntry["kind"]>(kind: Kind, name: string): FileEntry & { kind: Kind } {
    const entry = this.#entries.get(name);
    if (entry?.kind !== kind) throw new SeccfError("identity-unavailable", `the identity file has no such ${kind}`);
    return entry as FileEntry & { kind: Kind }; // Its kind was compared.
  }

  /** The subscriber of this name; without a name the only one, or undefined where there is none. Throws `identity-unavailable`. */
  subscriber(name: string | undefined): SubscriberEntry | undefined {
    if (name !== undefined) return this.get("subscriber", name);
    const [only, ...more] = this.all.filter((entry) => entry.kind === "subscriber");
    if (more.length > 0) {
      throw new SeccfError("identity-unavailable", "the identity file has several subscribers: name one");
    }
    return only;
  }

  /** The provisioned key, or the one that is to take its place, that a peer knows by `identity`. Throws `identity-unavailable`. */
  provisionedBy(identity: Uint8Array): ProvisionedEntry {
    for (const entry of this.all) {
      if (entry.kind !== "provisioned") continue;
      if (usable(entry.rotation).some((key) => equal(key.identity, identity))) return entry;
    }
    throw new SeccfError("identity-unavailable", "the identity file has no key of this identity");
  }

  /** Enters a copy. RangeError for what no module could work with, `state` where the name or the identity is taken. */
  add(entry: FileEntry): void {
    if (this.#entries.has(entry.name)) throw new SeccfError("state", "the identity file has an entry of this name");
    this.#enter(entry);
  }

  /** Puts a copy in the place of the entry of the same name and kind. Throws as {@link FileEntries.add} does. */
  replace(entry: FileEntry): void {
    const before = this.get(entry.kind, entry.name);
    this.#entries.delete(entry.name);
    try {
      this.#enter(entry);
    } catch (error) {
      this.#entries.set(entry.name, before);
      throw error;
    }
  }

  /** Throws `identity-unavailable` where nothing has the name. */
  remove(name: string): void {
    if (!this.#entries.delete(name)) {
      throw new SeccfError("identity-unavailable", "the identity file has no entry of this name");
    }
    this.#changed = true;
  }

  /** Wipes every secret that was ever held, those of replaced and removed entries too. */
  [Symbol.dispose](): void {
    for (const secret of this.#secrets) secret[Symbol.dispose]();
    this.#entries.clear();
  }

  #enter(entry: FileEntry): void {
    check(entry);
    if (entry.kind === "provisioned") this.#checkIdentities(entry);
    // By way of its encoding: what can not be read back is not written.
    const encoded = encodeContent([entry]);
    for (const copy of decodeContent(encoded)) this.#hold(copy);
    wipe(encoded);
    this.#changed = true;
  }

  #hold(entry: FileEntry): void {
    if (this.#entries.has(entry.name)) throw new SeccfError("malformed", "the identity file has a name twice");
    this.#entries.set(entry.name, entry);
    for (const secret of secretsOf(entry)) this.#secrets.add(secret);
  }

  #checkIdentities({ rotation }: ProvisionedEntry): void {
    const mine = usable(rotation).map(({ identity }) => identity);
    const others = this.all.flatMap((entry) => entry.kind === "provisioned" ? usable(entry.rotation) : []);
    const twice = mine.length === 2 && equal(mine[0]!, mine[1]!); // Both are there.
    if (twice || others.some(({ identity }) => mine.some((one) => equal(one, identity)))) {
      throw new SeccfError("state", "the identity file has a key of this identity");
    }
  }
}

function check(entry: FileEntry): void {
  const length = toUtf8(entry.name).length;
  if (length < 1 || length > 200 || /\p{Cc}/u.test(entry.name)) {
    throw new RangeError("a name has 1 to 200 bytes and no control characters");
  }
  if (entry.kind === "subscriber") checkSubscriber(entry);
  else if (entry.kind === "key") checkKey(entry);
  else {
    for (const { identity, key } of usable(entry.rotation)) {
      if (identity.length < 1 || identity.length > 128) throw new RangeError("an identity has 1 to 128 bytes");
      checkKey({ key });
    }
  }
}

function checkSubscriber({ credentials, imsi }: SubscriberEntry): void {
  encodeImsi(imsi);
  akaAlgorithm(credentials)[Symbol.dispose]();
}

function checkKey({ key }: Pick<KeyEntry, "key">): void {
  if (key.byteLength < 16 || key.byteLength > 64) throw new RangeError("a key has 16 to 64 bytes");
}
