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
import { createHmac, hmacSecret, type SecretBytes } from "../crypto/mod.ts";
import { withinDeadline } from "../http/mod.ts";
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

class Book implements ChallengeBook {
  readonly #options: ChallengeBookOptions;
  readonly #indexKey: SecretBytes;
  readonly #falseKey: SecretBytes;
  /** One run for each name at a time, so that those who ask together get one vector together. */
  readonly #asking = new Map<string, Promise<string>>();
  /** Opens for no name: what is tried where the store has nothing, in the time that a record takes. */
  readonly #blank: Uint8Array;
  readonly #decoyKey: string;
  #decoyVersion = 0;

  constructor(options: ChallengeBookOptions) {
    this.#options = options;
    this.#indexKey = hmacSecret("sha-256", options.wrappingKey, toUtf8("seccf challenge index\0"));
    this.#falseKey = hmacSecret("sha-256", options.wrappingKey, toUtf8("seccf false challenge\0"));
    const own = new Uint8Array(8);
    options.random(own);
    this.#decoyKey = `ub/decoy/${toHex(own)}`;
    using nobody = this.#falseChallenge(NOBODY);
    const place = { wrappingKey: options.wrappingKey, storeKey: this.#decoyKey };
    this.#blank = sealChallenge(place, nobody, options.random);
  }

  ask(impi: string): Promise<string> {
    const key = this.#place(impi).storeKey;
    const running = this.#asking.get(key);
    if (running) return running;
    const { clock, timeoutSeconds: seconds } = this.#options;
    // Its own time limit: whoever asked first may have gone while others wait for the same.
    const run = withinDeadline({ clock, seconds }, (signal) => this.#issue(impi, { signal }))
      .finally(() => this.#asking.delete(key));
    this.#asking.set(key, run);
    return run;
  }

  async shown(impi: string, wait: Wait): Promise<ShownChallenge> {
    const place = this.#place(impi);
    const stored = await this.#options.store.get(place.storeKey, wait);
    const challenge = openChallenge(place, stored?.value ?? this.#blank);
    // Computed for a true one as well: how long this takes must not tell which it is.
    const falsehood = this.#falseChallenge(impi);
    if (!stored || !challenge) return { challenge: falsehood, version: 0 };
    falsehood[Symbol.dispose]();
    return { challenge, version: stored.version };
  }

  take(impi: string, version: number, wait: Wait): Promise<boolean> {
    return this.#options.store.delete(this.#place(impi).storeKey, { ...wait, expected: version });
  }

  async replace(
    impi: string,
    version: number,
    vector: AuthenticationVector,
    wait: Wait,
  ): Promise<string | undefined> {
    using challenge = challengeOf(vector, { impi, period: this.#period(impi), gbaU: this.#options.gbaU(impi) });
    return await this.#write(challenge, version, wait) ? challenge.nonce : undefined;
  }

  [Symbol.dispose](): void {
    this.#indexKey[Symbol.dispose]();
    this.#falseKey[Symbol.dispose]();
  }

  async #issue(impi: string, wait: Wait): Promise<string> {
    const { centre, store, gbaU } = this.#options;
    const place = this.#place(impi);
    const period = this.#period(impi);
    const stored = await store.get(place.storeKey, wait);
    using old = openChallenge(place, stored?.value ?? this.#blank);
    using falsehood = this.#falseChallenge(impi);
    const current = old?.period === period ? old : undefined;
    const vector = await centre.vector(current ? NOBODY : impi, { ...wait, gbaU: gbaU(impi) });
    if (current || !vector) {
      vector?.[Symbol.dispose]();
      await this.#writeDecoy(falsehood, wait);
      return (current ?? falsehood).nonce;
    }
    using challenge = challengeOf(vector, { impi, period, gbaU: gbaU(impi) });
    if (await this.#write(challenge, stored?.version ?? 0, wait)) return challenge.nonce;
    // Another process was first, and its challenge is the one outstanding.
    const winner = await store.get(place.storeKey, wait);
    using theirs = winner ? openChallenge(place, winner.value) : undefined;
    return (theirs ?? challenge).nonce;
  }

  async #write(challenge: Challenge, expected: number, wait: Wait): Promise<boolean> {
    const { store, random, periodSeconds } = this.#options;
    const place = this.#place(challenge.impi);
    const record = sealChallenge(place, challenge, random);
    const version = await store.put(place.storeKey, record, { ...wait, expected, ttlSeconds: 2 * periodSeconds });
    return version !== undefined;
  }

  async #writeDecoy(falsehood: Challenge, wait: Wait): Promise<void> {
    const { store, random, wrappingKey, periodSeconds } = this.#options;
    const record = sealChallenge({ wrappingKey, storeKey: this.#decoyKey }, falsehood, random);
    const options = { ...wait, expected: this.#decoyVersion, ttlSeconds: 2 * periodSeconds };
    const version = await store.put(this.#decoyKey, record, options);
    this.#decoyVersion = version ?? (await store.get(this.#decoyKey, wait))?.version ?? 0;
  }

  #falseChallenge(impi: string): Challenge {
    const { looks, gbaU } = this.#options;
    const period = this.#period(impi);
    const vector = decoyVector({ ...looks, random: this.#stream(`${period}\0${impi}`) });
    return challengeOf(vector, { impi, period, gbaU: gbaU(impi) });
  }

  /** Bytes that only the holder of the secret can tell from random ones: HMAC(secret, seed || 0), HMAC(secret, seed || 1), ... */
  #stream(seed: string): Random {
    const block = new Uint8Array(32);
    let count = 0;
    return (out) => {
      using hmac = createHmac("sha-256", this.#falseKey);
      for (let at = 0; at < out.length; at += block.length) {
        hmac.signInto(toUtf8(`${count++}\0${seed}`), block);
        out.set(block.subarray(0, out.length - at), at);
      }
    };
  }

  /** The number of the period that the name is in now. */
  #period(impi: string): number {
    const { clock, periodSeconds } = this.#options;
    const phase = new DataView(this.#index(impi).buffer).getUint32(0) % periodSeconds;
    return Math.max(0, Math.floor((clock.wall() / 1000 + phase) / periodSeconds)) >>> 0;
  }

  /** Names are of any length and alphabet, and need not be readable in the store. */
  #place(impi: string): RecordPlace {
    return { wrappingKey: this.#options.wrappingKey, storeKey: `ub/${toHex(this.#index(impi))}` };
  }

  #index(impi: string): Uint8Array {
    using hmac = createHmac("sha-256", this.#indexKey);
    const index = new Uint8Array(32);
    hmac.signInto(toUtf8(impi), index);
    return index;
  }
}
