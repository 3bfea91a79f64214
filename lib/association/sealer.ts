/**
 * Sealed messages without a connection (DESIGN 6): a profile of COSE (RFC 9052) keyed as OSCORE is (RFC 8613 3.2).
 *
 * - Master Secret: the 32-octet key of the use; Master Salt: empty. Sender ID: one octet, 00 of the initiator, 01 of the
 *   responder; the other's is the Recipient ID. Each direction has an ID Context of its own, which its sender makes at
 *   every start and every message carries: 6 bytes of epoch, the Sender ID, 8 random bytes.
 * - The epoch is milliseconds since 1970, or more: always above the one before, from the store where there is one. The
 *   Partial IV counts up from a block reserved ahead. Under one key no nonce repeats if any of random bytes, store or
 *   clock works. Only copying a process while it runs (a cloned machine) defeats all three.
 * - external_aad: deterministic CBOR of `[1, use identifier, Sender ID, content type or null, bytes it is bound to]`.
 *
 * What is refused as `replayed` follows {@link ReplayLedger}. Without a store the promise is smaller: one `Sealing`
 * delivers nothing twice, nor does one restored from a snapshot anything that was delivered before that snapshot was
 * taken; what came after it could be delivered once more, and without a snapshot a new `Sealing` under an old key knows
 * nothing of the past.
 *
 * @module
 */

import {
  AES_CCM_16_64_128,
  encodeCbor,
  encryptionAlgorithm,
  HMAC_256_256,
  MAXIMUM_PARTIAL_IV,
  oscoreExtract,
} from "../cose/mod.ts";
import { type SecretBytes, secretConcat } from "../crypto/mod.ts";
import { toHex } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";
import type { Platform, Wait } from "../platform.ts";
import type { RecordStore } from "../store.ts";
import type { Lifetime } from "./lifetime.ts";
import { type NumberSource, reservedNumbers, volatileNumbers } from "./numbers.ts";
import type { Role, SealedFor, Sealer } from "./ports.ts";
import { ledgerKey, ReplayLedger } from "./replay_ledger.ts";
import { checkEpoch, createIdContext, deriveDirection, senderIdOf } from "./sealer_context.ts";
import { Encrypt0Form } from "./sealer_encrypt0.ts";
import { KID_LENGTH } from "./sealer_form.ts";
import { Handle, type Sender } from "./sealer_handle.ts";
import { Mac0Form } from "./sealer_mac0.ts";
import { Receiver } from "./sealer_receiver.ts";
import type { PurposeState } from "./snapshot_state.ts";

/** What {@link openSealing} takes. */
export interface SealingOptions extends Wait {
  /** The key of the use, 32 octets. Taken over: disposed with the sealing, or at once when opening it fails. */
  readonly key: SecretBytes;
  /** 8 bytes: the kid of every message. */
  readonly associationId: Uint8Array;
  readonly role: Role;
  /** The 5-octet identifier of the use: of its Ua security protocol. */
  readonly use: Uint8Array;
  readonly lifetime: Pick<Lifetime, "left">;
  readonly platform: Pick<Platform, "clock" | "random">;
  /** Where numbers and what was received survive a crash; borrowed. See the module on what is promised without one. */
  readonly store?: RecordStore | undefined;
  /** COSE number of the one algorithm sent and accepted. Default 10, AES-CCM-16-64-128; 5, HMAC 256/256, encrypts nothing. */
  readonly algorithm?: number | undefined;
  /** Of the snapshot to go on from; its own key and algorithm are `key` and `algorithm` here. */
  readonly state?: Omit<SealingState, "key" | "algorithm"> | undefined;
}

/** What a snapshot keeps of one {@link Sealing}. */
export type SealingState = Omit<PurposeState, "purpose">;

/**
 * Opens one use of an association for sealing: one `Sealing` a use, shared by its handles, for it holds the numbers and
 * the replay windows. Visits the store twice, for the epoch and the first block of numbers. Throws `expired`, `exhausted`,
 * and what the store throws; RangeError for arguments of the wrong length and algorithms that are not offered.
 */
// req: SEC_CF-1.4
export async function openSealing(options: SealingOptions): Promise<Sealing> {
  const { key, associationId, role, use, lifetime, platform, store, state, signal } = options;
  const { algorithm = AES_CCM_16_64_128 } = options;
  const wait = signal ? { signal } : {};
  try {
    if (key.byteLength !== 32) throw new RangeError("the key of a use has 32 octets");
    if (associationId.length !== KID_LENGTH) throw new RangeError(`an association's id has ${KID_LENGTH} bytes`);
    if (use.length !== 5) throw new RangeError("the identifier of a use has 5 octets");
    if (!encryptionAlgorithm(algorithm) && algorithm !== HMAC_256_256) {
      throw new RangeError("an algorithm that is not offered");
    }
    if (lifetime.left <= 0) throw expired();
    const name = `${toHex(associationId)}/${toHex(use)}/${role}`;
    const numbers = store
      ? reservedNumbers({ store, counter: `sealed/${name}`, limit: MAXIMUM_PARTIAL_IV })
      : volatileNumbers({ limit: MAXIMUM_PARTIAL_IV });
    const atLeast = Math.max(0, Math.floor(platform.clock.wall()), (state?.epoch ?? -1) + 1);
    // Before the store learns of it: it would never give a smaller one again.
    checkEpoch(atLeast);
    const epoch = store ? await store.reserve("sealed/epoch", 1, { ...wait, atLeast }) : atLeast;
    checkEpoch(epoch);
    await numbers.ready(wait);
    return new Sealing({ ...options, algorithm }, epoch, numbers, `received/${name}`);
  } catch (error) {
    key[Symbol.dispose]();
    throw error;
  }
}

/** One use of an association, opened for sealing by {@link openSealing}. */
export class Sealing implements Disposable {
  readonly #options: SealingOptions;
  readonly #algorithm: number;
  readonly #epoch: number;
  readonly #prk: SecretBytes;
  readonly #ledgerKey: SecretBytes;
  readonly #sender: Sender;
  readonly #receiver: Receiver;
  #disposed = false;

  /** Not for callers: {@link openSealing} makes it. */
  constructor(
    options: SealingOptions & { readonly algorithm: number },
    epoch: number,
    numbers: NumberSource,
    record: string,
  ) {
    const { key, role, platform: { random }, store, state, lifetime, algorithm } = options;
    this.#options = options;
    this.#algorithm = algorithm;
    this.#epoch = epoch;
    this.#prk = oscoreExtract(key, new Uint8Array(0));
    this.#ledgerKey = ledgerKey(this.#prk);
    const mine = senderIdOf(role);
    const idContext = createIdContext(epoch, mine, random);
    this.#sender = { id: mine, idContext, numbers, keys: deriveDirection(this.#prk, algorithm, mine, idContext) };
    const ledger = store && new ReplayLedger({
      ...{ store, record, random, wrappingKey: this.#ledgerKey, generation: state?.generation },
      ttlSeconds: () => Math.ceil(lifetime.left / 1000) + 1,
    });
    this.#receiver = new Receiver({
      derive: (context) => deriveDirection(this.#prk, algorithm, 1 - mine, context),
      ledger,
      floor: state?.floor ?? 0,
      contexts: state?.contexts ?? [],
    });
  }

  /** A handle for messages of one kind; any number of them, all under the same numbers and replay windows. */
  sealer({ contentType, binding }: SealedFor = {}): Sealer {
    this.#check();
    const { associationId, use, lifetime } = this.#options;
    const aad = (author: number) => externalAad(use, author, contentType, binding);
    const { id } = this.#sender;
    const form = { algorithm: this.#algorithm, associationId, externalAad: { mine: aad(id), theirs: aad(1 - id) } };
    return new Handle({
      form: this.#algorithm === HMAC_256_256 ? new Mac0Form(form) : new Encrypt0Form(form),
      sender: this.#sender,
      receiver: this.#receiver,
      ownKeys: (idContext) => deriveDirection(this.#prk, this.#algorithm, id, idContext),
      check: () => {
        this.#check();
        if (lifetime.left <= 0) throw expired();
      },
    });
  }

  /**
   * What a snapshot keeps: exact until the next message is delivered, which then waits for another visit to the store.
   * The state's key is a copy, the caller's to dispose.
   */
  async state(wait: Wait = {}): Promise<SealingState> {
    this.#check();
    const received = await this.#receiver.state(wait);
    this.#check();
    return { ...received, key: secretConcat(this.#options.key), algorithm: this.#algorithm, epoch: this.#epoch };
  }

  /** Wipes the keys. Every handle throws `state` from now on. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#sender.keys[Symbol.dispose]();
    this.#receiver[Symbol.dispose]();
    for (const secret of [this.#prk, this.#ledgerKey, this.#options.key]) secret[Symbol.dispose]();
  }

  #check(): void {
    if (this.#disposed) throw new SeccfError("state", "the sealer's association is disposed");
  }
}

/** The bytes that bind a message to its place (DESIGN 6), as COSE's external_aad. */
export function externalAad(use: Uint8Array, author: number, contentType?: string, binding?: Uint8Array): Uint8Array {
  return encodeCbor([PROFILE_VERSION, use, author, contentType ?? null, binding ?? new Uint8Array(0)]);
}

/** The id of the association that a sealed message names, 8 bytes, a copy: a claim, to find the keys by. Throws `malformed`. */
export function sealedTo(sealed: Uint8Array): Uint8Array {
  // Behind D0 83 or D1 84 and the protected headers, a byte string of at most 23 bytes: A3 or A2, 04, 48.
  const at = 3 + (sealed[2] ?? 0) - 0x40;
  const kid = sealed.slice(at + 3, at + 3 + KID_LENGTH);
  const good = at > 3 && at < 27 && kid.length === KID_LENGTH && (sealed[0] === 0xd0 || sealed[0] === 0xd1) &&
    (sealed[at] === 0xa3 || sealed[at] === 0xa2) && sealed[at + 1] === 0x04 && sealed[at + 2] === 0x48;
  if (!good) throw new SeccfError("malformed", "not the form of a sealed message");
  return kid;
}

/** `message` sealed, in a new array. Waits for a block of numbers if need be. */
export async function seal(sealer: Sealer, message: Uint8Array, wait: Wait = {}): Promise<Uint8Array> {
  const out = new Uint8Array(message.length + sealer.overhead);
  return await whenReady(sealer, wait, () => out.slice(0, sealer.sealInto(message, out)));
}

/** The message in `sealed`, in a new array. Waits until its delivery is on record if need be. */
export async function open(sealer: Sealer, sealed: Uint8Array, wait: Wait = {}): Promise<Uint8Array> {
  const out = new Uint8Array(sealed.length);
  return await whenReady(sealer, wait, () => out.slice(0, sealer.openInto(sealed, out)));
}

const PROFILE_VERSION = 1;

async function whenReady<T>(sealer: Sealer, wait: Wait, act: () => T): Promise<T> {
  for (let attempt = 0;; attempt++) {
    try {
      return act();
    } catch (error) {
      if (!(error instanceof SeccfError) || error.code !== "exhausted" || attempt >= 3) throw error;
      await sealer.ready(wait);
    }
  }
}

function expired(): SeccfError {
  return new SeccfError("expired", "the association's lifetime is over");
}
