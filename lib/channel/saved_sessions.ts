/**
 * Sessions that outlive their process, in a store: sealed, each bound to its place there, and with what is left of its life.
 *
 * A record in the store is the session: whoever has the store and the wrapping key goes on with it, and ends it by deleting
 * the record. Each claim of an engine is written over the version before; who finds another there has lost the session to
 * a twin and stops. Numbers to send with come from counters, which a store never sets back, so that a record which was
 * set back (a backup, a replica that lagged) still repeats no nonce; what such a record would let in again is what was
 * received since, once: that it does not go back is what durable means of a store.
 *
 * In version 1.3 the peer sees 16 bits of each number, so that each epoch of each session has a counter of its own. It begins at
 * a *base* that nobody can guess, and goes when the session can not come back any more; one that is missing before its time
 * shows by numbers below the base, and its session is over.
 *
 * @module
 */

import { concat, toHex, toUtf8 } from "../bytes/mod.ts";
import { createAead, digest, hkdfExpand, hkdfExtract, type SecretBytes, secretFrom, wipe } from "../crypto/mod.ts";
import { expose } from "../crypto/secret.ts";
import type { Clock } from "../clock.ts";
import { SeccfError } from "../error.ts";
import type { Random, Wait } from "../platform.ts";
import type { RecordStore, StoredRecord } from "../store.ts";
import { type Lifetime, type SecurityAssociation, startLifetime } from "../association/mod.ts";
import type { Claim } from "../tls/engine.ts";
import { BASE_UNIT, decodeShelved, encodeShelved } from "./shelved_session.ts";

/** What {@link savedSessions} takes. */
export interface SavedSessionsOptions {
  /** Durable: what it has taken is there after a crash. */
  readonly store: RecordStore;
  /** At least 16 bytes that nobody can guess: from the identity file, a TPM, a Key Manager. Borrowed for as long as sessions are kept. */
  readonly wrappingKey: SecretBytes;
  /** The longest that a session lives, whatever the lifetime of its key. Default 2,592,000, thirty days. */
  readonly maxSeconds?: number;
}

/** A place for the sessions of any number of carriers, in one process at a time. Made by {@link savedSessions}. */
export interface SavedSessions {
  /** Places in the store of the clients' sessions that are awake in this process. */
  readonly awake: ReadonlySet<string>;
}

/** Sessions in a store: what `dtls({ sessions })` takes. RangeError for a wrapping key of less than 16 bytes. */
export function savedSessions(options: SavedSessionsOptions): SavedSessions {
  return new Shelf(options);
}

/** The class behind `sessions`. TypeError for what {@link savedSessions} did not make. */
export function shelfOf(sessions: SavedSessions): Shelf {
  if (sessions instanceof Shelf) return sessions;
  throw new TypeError("sessions are made by savedSessions()");
}

/** What sealing, time and places need of the machine. */
export interface ShelfPlatform {
  readonly clock: Clock;
  readonly random: Random;
}

/** A session as it was found. The caller disposes `state`. */
export interface FoundSession {
  readonly state: SecretBytes;
  /** Where its peer was, or where this end was bound. */
  readonly place: string;
  readonly record: SessionRecord;
}

/** The only kind of {@link SavedSessions}. */
export class Shelf implements SavedSessions {
  readonly awake: Set<string> = new Set<string>();
  readonly store: RecordStore;
  readonly wrappingKey: SecretBytes;
  readonly #maxSeconds: number;

  constructor({ store, wrappingKey, maxSeconds = 2_592_000 }: SavedSessionsOptions) {
    if (wrappingKey.byteLength < 16) throw new RangeError("a wrapping key has at least 16 bytes");
    if (!(maxSeconds > 0 && maxSeconds <= 0xffffffff)) throw new RangeError("maxSeconds is above 0 and below 2^32");
    this.store = store;
    this.wrappingKey = wrappingKey;
    this.#maxSeconds = maxSeconds;
  }

  /** A place for a new session, over whatever is there. */
  async place(name: string, association: SecurityAssociation, platform: ShelfPlatform): Promise<SessionRecord> {
    const { clock } = platform;
    const stored = await this.store.get(name);
    const seconds = Math.min(this.#maxSeconds, (association.expiresAt - clock.now()) / 1000);
    const lifetime = startLifetime({ clock, seconds: Math.max(0, seconds) });
    return new SessionRecord(this, { name, version: stored?.version ?? 0, lifetime, platform });
  }

  /**
   * The session at `name`; `undefined` where there is none, its time is over, or it was not sealed by this key for this
   * place. Throws what the store throws.
   */
  async find(name: string, platform: ShelfPlatform, wait: Wait = {}): Promise<FoundSession | undefined> {
    const stored = await this.store.get(name, wait);
    const plaintext = stored && unseal(stored, name, this.wrappingKey);
    if (!plaintext) return undefined;
    try {
      const { state, place, base, left, expiresAtWall } = decodeShelved(plaintext);
      // What was left when it was written is the most that can be left, whatever the clock says now (DESIGN 4.9).
      const seconds = Math.min(left, expiresAtWall - platform.clock.wall() / 1000);
      if (seconds <= 0) return undefined;
      const lifetime = startLifetime({ clock: platform.clock, seconds, expiresAtWall: expiresAtWall * 1000 });
      const record = new SessionRecord(this, { name, version: stored.version, lifetime, platform, base });
      return { state: secretFrom(state), place, record };
    } catch (error) {
      if (error instanceof SeccfError) return undefined;
      throw error;
    } finally {
      wipe(plaintext);
    }
  }
}

/**
 * The first place for a client's session with `association` at `address` that no other session of this process has; it is
 * taken until its record is released, or by {@link Shelf.awake}.
 */
export function clientPlace(shelf: Shelf, association: SecurityAssociation, address: string): string {
  const whose = toUtf8(`seccf dtls client\0${toHex(association.id)}\0${association.serverName}\0${address}`);
  const base = `dtls/client/${toHex(digest("sha-256", whose).subarray(0, 16))}`;
  let name = base;
  for (let i = 1; shelf.awake.has(name); i++) name = `${base}/${i}`;
  shelf.awake.add(name);
  return name;
}

/** How a record is known. */
interface RecordOptions {
  readonly name: string;
  readonly version: number;
  readonly lifetime: Lifetime;
  readonly platform: ShelfPlatform;
  readonly base?: number | undefined;
}

/** One session's record, by the one who has it. */
export class SessionRecord {
  readonly name: string;
  /** By both clocks. */
  readonly lifetime: Lifetime;
  /** See {@link FoundSession.place}. */
  place = "";
  readonly #shelf: Shelf;
  readonly #platform: ShelfPlatform;
  #version: number;
  /** Of its counters, once they have begun. */
  #base: number | undefined;

  constructor(shelf: Shelf, { name, version, lifetime, platform, base }: RecordOptions) {
    this.#shelf = shelf;
    this.#platform = platform;
    this.#version = version;
    this.#base = base;
    this.name = name;
    this.lifetime = lifetime;
  }

  /** Numbers for `claim`, which nobody else ever gets; the first of them. Throws `closed` where the count was lost, and what the store throws. */
  async reserve({ count, above, epoch }: Claim): Promise<number> {
    if (count === 0) return 0;
    if (epoch !== undefined) return await this.#reserveIn(epoch, count, above);
    const first = await this.#shelf.store.reserve(counterOf(this.name), count, { atLeast: above });
    if (!(first >= above)) throw new SeccfError("state", "the store gave a number twice");
    return first;
  }

  async #reserveIn(epoch: number, count: number, above: number): Promise<number> {
    const { lifetime, name } = this;
    const base = this.#base ?? randomBase(this.#platform.random);
    const begins = this.#base === undefined || above === 0;
    const first = await this.#shelf.store.reserve(counterIn(epoch, name, base), count, {
      ttlSeconds: Math.ceil(lifetime.left / 1000) + DAY,
      ...(begins && { atLeast: base + above }),
    });
    if (!(first >= base + above)) throw new SeccfError("closed", "the store has lost count of the session's numbers");
    this.#base = base;
    return first - base;
  }

  /** Writes `state`, which stays the caller's. Throws `closed` where another has the session now, and what the store throws. */
  async write(state: SecretBytes): Promise<void> {
    const { lifetime, name, place } = this;
    const left = Math.floor(lifetime.left / 1000);
    if (left <= 0) throw new SeccfError("expired", "the session's time is over");
    const expiresAtWall = Math.floor(lifetime.expiresAtWall / 1000);
    const plaintext = encodeShelved({ left, expiresAtWall, place, base: this.#base, state: expose(state) });
    const sealed = seal(plaintext, name, this.#shelf.wrappingKey, this.#platform.random);
    wipe(plaintext);
    const version = await this.#shelf.store.put(name, sealed, { expected: this.#version, ttlSeconds: left });
    if (version === undefined) throw new SeccfError("closed", "the session goes on elsewhere");
    this.#version = version;
  }

  /** The session is over: nobody can go on with it. Throws what the store throws. */
  async forget(): Promise<void> {
    await this.#shelf.store.delete(this.name, { expected: this.#version });
  }

  /** Others in this process may have the session. */
  release(): void {
    this.#shelf.awake.delete(this.name);
  }
}

/** Of 256 that all sessions share: a store keeps its counters for ever. */
function counterOf(name: string): string {
  return `dtls/numbers/${toHex(digest("sha-256", toUtf8(name)).subarray(0, 1))}`;
}

/** Nobody else has it, not even the next session at `name`. */
function counterIn(epoch: number, name: string, base: number): string {
  return `dtls/numbers/${toHex(digest("sha-256", toUtf8(`${name}\0${base}`)).subarray(0, 16))}/${epoch}`;
}

/** So high that a counter which begins anew at 0 does not get there. */
function randomBase(random: Random): number {
  const bytes = new Uint8Array(4);
  random(bytes);
  return (2 ** 28 + new DataView(bytes.buffer).getUint32(0) % (2 ** 32 - 2 ** 28)) * BASE_UNIT;
}

/** `salt (12), ciphertext, tag (16)`, under a key that is made for each sealing: no nonce of one key is ever used twice. */
function seal(plaintext: Uint8Array, name: string, wrappingKey: SecretBytes, random: Random): Uint8Array {
  const salt = new Uint8Array(SALT_LENGTH);
  random(salt);
  using key = sealingKey(wrappingKey, salt, name);
  using aead = createAead(A256GCM, key);
  const out = new Uint8Array(plaintext.length + aead.tagLength);
  aead.sealInto(NONCE, NOTHING, plaintext, out);
  return concat(salt, out);
}

/** Undefined for what was altered, belongs elsewhere, or is under another key. */
function unseal({ value }: StoredRecord, name: string, wrappingKey: SecretBytes): Uint8Array | undefined {
  if (value.length < SALT_LENGTH + TAG_LENGTH) return undefined;
  using key = sealingKey(wrappingKey, value.subarray(0, SALT_LENGTH), name);
  using aead = createAead(A256GCM, key);
  const sealed = value.subarray(SALT_LENGTH);
  const plaintext = new Uint8Array(sealed.length - aead.tagLength);
  return aead.openInto(NONCE, NOTHING, sealed, plaintext) < 0 ? undefined : plaintext;
}

function sealingKey(wrappingKey: SecretBytes, salt: Uint8Array, name: string): SecretBytes {
  using prk = hkdfExtract("sha-256", salt, wrappingKey);
  return hkdfExpand("sha-256", prk, toUtf8(`seccf dtls session\0${name}`), 32);
}

/** How much longer than the session its counters are kept, for clocks that differ. Seconds. */
const DAY = 86_400;
const A256GCM = { cipher: "aes-gcm" } as const;
/** As random as the nonces of AES-GCM may be (SP 800-38D 8.2.2), for each place by itself. Bytes. */
const SALT_LENGTH = 12;
const TAG_LENGTH = 16;
const NONCE: Uint8Array = new Uint8Array(12);
const NOTHING: Uint8Array = new Uint8Array(0);
