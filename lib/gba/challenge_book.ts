/**
 * Which challenge a name is shown on Ub (DESIGN 4.4).
 *
 * A subscriber has one outstanding vector. It is given to all who ask for his name until he answers it or its period ends, so
 * that ten thousand strangers burn one of his sequence numbers, not ten thousand. A name that is no subscriber's is shown a
 * false challenge, computed from a secret: the same to all who ask, and another one when the period ends, as a true one would
 * be. Each name's periods begin at a moment of its own.
 *
 * Whatever is asked, the work is the same: one read, one vector from the centre, one write. Where nothing is to be written for
 * the name itself, a decoy record takes the write, one for each process, so that the store does not grow with strangers.
 *
 * @module
 */

import { type AuthenticationCentre, type AuthenticationVector, decoyVector } from "../aka/mod.ts";
import { toHex, toUtf8 } from "../bytes/mod.ts";
import type { Clock } from "../clock.ts";
import { createHmac, type Hmac, hmacSecret, type SecretBytes } from "../crypto/mod.ts";
import { withinDeadline } from "../deadline.ts";
import type { Random, Wait } from "../platform.ts";
import type { RecordStore } from "../store.ts";
import { type Challenge, challengeOf, openChallenge, sealChallenge } from "./challenge_record.ts";
import type { RecordPlace } from "./sealed_record.ts";

/** What {@link createChallengeBook} takes. */
export interface ChallengeBookOptions {
  readonly centre: AuthenticationCentre;
  readonly store: RecordStore;
  /** The same in every process that shares the store. Stays the caller's. */
  readonly wrappingKey: SecretBytes;
  readonly clock: Clock;
  readonly random: Random;
  /** How long a challenge is given out; it can be answered for as long again. */
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  /** Whether this subscriber's card runs GBA_U. */
  readonly gbaU: (impi: string) => boolean;
  /** What the subscribers' true challenges have in common: 2 bytes of AMF, the length of XRES. */
  readonly looks: { readonly amf?: Uint8Array; readonly resLength?: number };
}

/** The challenge that a name was shown. */
export interface ShownChallenge {
  readonly challenge: Challenge;
  /** In the store; 0 for a false challenge. */
  readonly version: number;
}

/** The challenges of all names. */
export interface ChallengeBook extends Disposable {
  /** The nonce for whoever asks for this name; makes a vector where a subscriber has none. */
  ask(impi: string): Promise<string>;
  /** What an answer must be checked against, true or false. The caller disposes the challenge. */
  shown(impi: string, wait: Wait): Promise<ShownChallenge>;
  /** Takes a true challenge out of the store: true for one caller alone. */
  take(impi: string, version: number, wait: Wait): Promise<boolean>;
  /** Puts `vector`, whose secrets it takes over, in its place and returns the new nonce; `undefined` if another was first. */
  replace(impi: string, version: number, vector: AuthenticationVector, wait: Wait): Promise<string | undefined>;
}

/** No subscriber's name: what the centre is asked for when only its time is wanted (RFC 2606). */
export const NOBODY = "nobody@invalid";

/** A book over a shared store. */
export function createChallengeBook(options: ChallengeBookOptions): ChallengeBook {
  return new Book(options);
}

/** A name, with what follows from it. */
interface Name {
  readonly impi: string;
  readonly place: RecordPlace;
  /** The number of the period that it is in now. */
  readonly period: number;
  readonly gbaU: boolean;
}

class Book implements ChallengeBook {
  readonly #options: ChallengeBookOptions;
  readonly #index: Hmac;
  readonly #false: Hmac;
  /** One run for each name at a time, so that those who ask together get one vector together. */
  readonly #asking = new Map<string, Promise<string>>();
  /** Opens for no name: what is tried where the store has nothing, in the time that a record takes. */
  readonly #blank: Uint8Array;
  readonly #decoyPlace: RecordPlace;
  #decoyVersion = 0;

  constructor(options: ChallengeBookOptions) {
    const { wrappingKey, random } = options;
    this.#options = options;
    using indexKey = hmacSecret("sha-256", wrappingKey, toUtf8("seccf challenge index\0"));
    using falseKey = hmacSecret("sha-256", wrappingKey, toUtf8("seccf false challenge\0"));
    this.#index = createHmac("sha-256", indexKey);
    this.#false = createHmac("sha-256", falseKey);
    const own = new Uint8Array(8);
    random(own);
    this.#decoyPlace = { wrappingKey, storeKey: `ub/decoy/${toHex(own)}` };
    using nobody = this.#falseChallenge(this.#name(NOBODY));
    this.#blank = sealChallenge(this.#decoyPlace, nobody, random);
  }

  ask(impi: string): Promise<string> {
    const name = this.#name(impi);
    const key = name.place.storeKey;
    const running = this.#asking.get(key);
    if (running) return running;
    const { clock, timeoutSeconds: seconds } = this.#options;
    // Its own time limit: whoever asked first may have gone while others wait for the same.
    const run = withinDeadline({ clock, seconds }, (signal) => this.#issue(name, { signal }))
      .finally(() => this.#asking.delete(key));
    this.#asking.set(key, run);
    return run;
  }

  async shown(impi: string, wait: Wait): Promise<ShownChallenge> {
    const name = this.#name(impi);
    const stored = await this.#options.store.get(name.place.storeKey, wait);
    const challenge = openChallenge(name.place, stored?.value ?? this.#blank);
    // Computed for a true one as well: how long this takes must not tell which it is.
    const falsehood = this.#falseChallenge(name);
    if (!stored || !challenge) return { challenge: falsehood, version: 0 };
    falsehood[Symbol.dispose]();
    return { challenge, version: stored.version };
  }

  take(impi: string, version: number, wait: Wait): Promise<boolean> {
    return this.#options.store.delete(this.#name(impi).place.storeKey, { ...wait, expected: version });
  }

  async replace(
    impi: string,
    version: number,
    vector: AuthenticationVector,
    wait: Wait,
  ): Promise<string | undefined> {
    const name = this.#name(impi);
    using challenge = challengeOf(vector, name);
    return await this.#write(name, challenge, version, wait) ? challenge.nonce : undefined;
  }

  [Symbol.dispose](): void {
    this.#index[Symbol.dispose]();
    this.#false[Symbol.dispose]();
  }

  async #issue(name: Name, wait: Wait): Promise<string> {
    const { centre, store } = this.#options;
    const { place, period, gbaU } = name;
    const stored = await store.get(place.storeKey, wait);
    using old = openChallenge(place, stored?.value ?? this.#blank);
    using falsehood = this.#falseChallenge(name);
    const current = old?.period === period ? old : undefined;
    const vector = await centre.vector(current ? NOBODY : name.impi, { ...wait, gbaU });
    if (current || !vector) {
      vector?.[Symbol.dispose]();
      await this.#writeDecoy(falsehood, wait);
      return (current ?? falsehood).nonce;
    }
    using challenge = challengeOf(vector, name);
    if (await this.#write(name, challenge, stored?.version ?? 0, wait)) return challenge.nonce;
    // Another process was first, and its challenge is the one outstanding.
    const winner = await store.get(place.storeKey, wait);
    using theirs = winner ? openChallenge(place, winner.value) : undefined;
    return (theirs ?? challenge).nonce;
  }

  async #write({ place }: Name, challenge: Challenge, expected: number, wait: Wait): Promise<boolean> {
    const { store, random, periodSeconds } = this.#options;
    const record = sealChallenge(place, challenge, random);
    const version = await store.put(place.storeKey, record, { ...wait, expected, ttlSeconds: 2 * periodSeconds });
    return version !== undefined;
  }

  async #writeDecoy(falsehood: Challenge, wait: Wait): Promise<void> {
    const { store, random, periodSeconds } = this.#options;
    const { storeKey } = this.#decoyPlace;
    const record = sealChallenge(this.#decoyPlace, falsehood, random);
    const options = { ...wait, expected: this.#decoyVersion, ttlSeconds: 2 * periodSeconds };
    const version = await store.put(storeKey, record, options);
    this.#decoyVersion = version ?? (await store.get(storeKey, wait))?.version ?? 0;
  }

  #falseChallenge(name: Name): Challenge {
    const random = this.#stream(`${name.period}\0${name.impi}`);
    return challengeOf(decoyVector({ ...this.#options.looks, random }), name);
  }

  /** Bytes that only the holder of the secret can tell from random ones: HMAC(secret, 0 || seed), HMAC(secret, 1 || seed), ... */
  #stream(seed: string): Random {
    const block = new Uint8Array(32);
    let count = 0;
    return (out) => {
      for (let at = 0; at < out.length; at += block.length) {
        this.#false.signInto(toUtf8(`${count++}\0${seed}`), block);
        out.set(block.subarray(0, out.length - at), at);
      }
    };
  }

  #name(impi: string): Name {
    const { clock, periodSeconds, wrappingKey, gbaU } = this.#options;
    // Names are of any length and alphabet, and need not be readable in the store.
    const index = new Uint8Array(32);
    this.#index.signInto(toUtf8(impi), index);
    const phase = new DataView(index.buffer).getUint32(0) % periodSeconds;
    const period = Math.max(0, Math.floor((clock.wall() / 1000 + phase) / periodSeconds)) >>> 0;
    return { impi, place: { wrappingKey, storeKey: `ub/${toHex(index)}` }, period, gbaU: gbaU(impi) };
  }
}
