/**
 * A PIN that software checks: how often it may still be tried is stored before each comparison, so that neither a power cut
 * nor a restart gives a try back. A card's own PIN is the card's to count, and not this.
 *
 * @module
 */

import { equal, Reader, toUtf8, Writer } from "../bytes/mod.ts";
import { digest, type ScryptCost, scryptCostFits, scryptKey, type SecretBytes } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { Random, Wait } from "../platform.ts";
import type { RecordStore } from "../store.ts";
import type { MonotonicCounter } from "./file_counter.ts";
import { DEFAULT_COST } from "./file_format.ts";

/** What {@link PresencePin} takes. */
export interface PresencePinOptions {
  /**
   * Where the count is kept. Who can write it can set the PIN anew, who can read it can guess at the price of scrypt: a short
   * PIN withstands a thief of the device, not one of its store.
   */
  readonly store: RecordStore;
  /** The record's name. Default `presence-pin`. */
  readonly key?: string;
  /** Outside of the store: an old copy of the store, put back, then gives no tries back but is found. */
  readonly counter?: MonotonicCounter;
}

/** What {@link PresencePin.set} takes. */
export interface SetPinOptions extends Wait {
  /** Makes the 16 bytes of salt of this PIN. */
  readonly random: Random;
  /** How many wrong tries block it, 1 to 255. Default 3. */
  readonly tries?: number;
  /** Default that of the identity file: 2^15, 8, 1 or more. RangeError for one outside of scrypt's bounds. */
  readonly cost?: ScryptCost;
}

/** One PIN of 4 to 64 bytes. */
export class PresencePin {
  readonly #options: PresencePinOptions;
  readonly #key: string;

  /** Neither reads the store nor writes to it: a PIN that is there stays as it is. */
  constructor(options: PresencePinOptions) {
    this.#options = options;
    this.#key = options.key ?? "presence-pin";
  }

  /** How many tries are left, 0 when it is blocked; `undefined` before one was set. */
  async tries(options: Wait = {}): Promise<number | undefined> {
    return (await this.#read(options))?.state.tries;
  }

  /** Sets the PIN, whatever it was and however blocked: for who installs the device, not for who uses it. */
  async set(pin: SecretBytes, options: SetPinOptions): Promise<void> {
    const { random, tries = 3, cost = DEFAULT_COST } = options;
    if (!Number.isInteger(tries) || tries < 1 || tries > 255) throw new RangeError("1 to 255 tries");
    requireLength(pin);
    const salt = new Uint8Array(16);
    random(salt);
    const verifier = verifierOf(pin, salt, cost);
    for (;;) {
      const before = await this.#read(options, true);
      const attempts = Math.max(before?.state.attempts ?? 0, await this.#options.counter?.value(options) ?? 0);
      const state = { tries, allowed: tries, attempts, cost, salt, verifier };
      if (await this.#write(state, before?.version ?? 0, options) !== undefined) return;
    }
  }

  /**
   * Resolves if this is the PIN. Throws `pin-required` when it is wrong or none was set, `pin-blocked` when that was the last
   * try, or there was none left, or an old count was put back; what the store throws, and then a try may be lost.
   */
  async verify(pin: SecretBytes, options: Wait = {}): Promise<void> {
    requireLength(pin);
    const { state, version } = await this.#take(options);
    if (!equal(verifierOf(pin, state.salt, state.cost), state.verifier)) {
      if (state.tries === 0) throw blocked();
      throw new SeccfError("pin-required", `a wrong PIN, ${state.tries} tries left`);
    }
    // Should another try have come between, its count stays.
    await this.#write({ ...state, tries: state.allowed }, version, options);
  }

  /** Takes one try, durably. */
  async #take(options: Wait): Promise<{ readonly state: PinState; readonly version: number }> {
    for (;;) {
      const found = await this.#read(options);
      if (!found) throw new SeccfError("pin-required", "no PIN was set");
      const { counter } = this.#options;
      if (found.state.tries === 0 || (counter && await counter.value(options) > found.state.attempts)) throw blocked();
      const state = { ...found.state, tries: found.state.tries - 1, attempts: found.state.attempts + 1 };
      const version = await this.#write(state, found.version, options);
      if (version === undefined) continue;
      await counter?.advance(state.attempts, options);
      return { state, version };
    }
  }

  /** `anything`: what cannot be read counts as not there, to be written over. */
  async #read(
    options: Wait,
    anything = false,
  ): Promise<{ readonly state: PinState; readonly version: number } | undefined> {
    const record = await this.#options.store.get(this.#key, options);
    if (!record) return undefined;
    try {
      return { state: decode(record.value), version: record.version };
    } catch (error) {
      if (anything && error instanceof SeccfError) return { state: NOTHING, version: record.version };
      throw error;
    }
  }

  #write(state: PinState, expected: number, options: Wait): Promise<number | undefined> {
    const { signal } = options;
    return this.#options.store.put(this.#key, encode(state), { expected, ...(signal ? { signal } : {}) });
  }
}

interface PinState {
  readonly tries: number;
  readonly allowed: number;
  /** Never counted down: what the counter outside is compared with. */
  readonly attempts: number;
  readonly cost: ScryptCost;
  readonly salt: Uint8Array;
  readonly verifier: Uint8Array;
}

function encode({ tries, allowed, attempts, cost, salt, verifier }: PinState): Uint8Array {
  const writer = new Writer().u8(FORM).u8(tries).u8(allowed).u16(Math.floor(attempts / 2 ** 32)).u32(
    attempts % 2 ** 32,
  );
  return writer.u8(cost.logN).u8(cost.r).u8(cost.p).bytes(salt).bytes(verifier).done();
}

function decode(record: Uint8Array): PinState {
  const reader = new Reader(record);
  if (reader.u8() !== FORM) throw new SeccfError("malformed", "no record of a PIN");
  const [tries, allowed] = [reader.u8(), reader.u8()];
  const attempts = reader.u16() * 2 ** 32 + reader.u32();
  const cost = { logN: reader.u8(), r: reader.u8(), p: reader.u8() };
  const state = { tries, allowed, attempts, cost, salt: reader.take(16), verifier: reader.take(VERIFIER) };
  reader.end();
  // A cost that was changed in the store must not fell the machine.
  if (!scryptCostFits(cost) || tries > allowed) throw new SeccfError("malformed", "a record of a PIN that was altered");
  return state;
}

/** What is stored of a PIN: a digest of what scrypt makes of it. */
function verifierOf(pin: SecretBytes, salt: Uint8Array, cost: ScryptCost): Uint8Array {
  using derived = scryptKey(pin, salt, cost, 32);
  return digest("sha-256", toUtf8("seccf-presence-pin"), derived);
}

function requireLength(pin: SecretBytes): void {
  if (pin.byteLength < 4 || pin.byteLength > 64) throw new RangeError("a PIN of 4 to 64 bytes");
}

function blocked(): SeccfError {
  return new SeccfError("pin-blocked", "the PIN is blocked");
}

const FORM = 1;
/** SHA-256. */
const VERIFIER = 32;
const NOTHING: PinState = {
  tries: 0,
  allowed: 0,
  attempts: 0,
  cost: DEFAULT_COST,
  salt: new Uint8Array(16),
  verifier: new Uint8Array(VERIFIER),
};
