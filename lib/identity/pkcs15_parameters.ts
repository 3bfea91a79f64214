/**
 * Security parameters that a card brings along (use case 5.6, alternative flow): taken while the card is there, on the word
 * of whoever has authority over them, bound to this device and this card, and gone when the card goes or is exchanged
 * (OMA DM bootstrap 3.1.3.5).
 *
 * @module
 */

import { concat, equal, toUtf8, Writer } from "../bytes/mod.ts";
import { digest } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { Wait } from "../platform.ts";
import type { RecordStore, StoredRecord } from "../store.ts";
import { readSubscriber, type SubscriberOptions } from "./card_subscriber.ts";
import { DM_BOOTSTRAP_OID } from "./pkcs15.ts";
import { type FoundObject, readDataObjects } from "./pkcs15_card.ts";
import type { ApduChannel } from "./ports.ts";
import { UsimCard } from "./usim_card.ts";

/** Where a card is put in and taken out. */
export interface CardSlot {
  /** Whether a card is there: now, then at each change. Another card in its place is false, then true. */
  presence(options?: Wait): AsyncIterable<boolean>;
  /** A fresh channel to the card; throws `identity-unavailable` where there is none. */
  connect(options?: Wait): Promise<ApduChannel>;
}

/** What parameters are bound to. */
export interface CardBinding {
  /** The device's own name, such as its IMEI. */
  readonly device: Uint8Array;
  /** EF_ICCID, the card's. */
  readonly iccid: Uint8Array;
  /** The subscriber's private identity, which follows the IMSI. */
  readonly impi: string;
}

/** One object that a card brought. */
export interface CardParameter {
  /** Of the object's kind, dotted: one of those that were asked for. */
  readonly oid: string;
  /** As the card's directory has it, and not covered by a function's authority; `undefined` where there is none. */
  readonly label: string | undefined;
  /** The bytes to apply: the object's own under `"issuer"`, else what the function gave. */
  readonly content: Uint8Array;
}

/**
 * Who has authority over what a card brings:
 * - `"issuer"`: the card says that its issuer alone could have written the object and what led to it, and the object is not
 *   marked as modifiable. The card is taken at its word: who can put in a card of his own making can say so too.
 * - a function that looks at the bytes, a MAC or a signature, and gives those to apply, or `undefined` to refuse.
 */
export type CardAuthority =
  | "issuer"
  | ((found: FoundObject, binding: CardBinding) => Uint8Array | undefined | Promise<Uint8Array | undefined>);

/** What {@link CardParameters} takes. */
export interface CardParametersOptions extends Omit<SubscriberOptions, "signal"> {
  /** Asked for a fresh channel at each look at the card, which is disposed when the look is over. */
  readonly slot: CardSlot;
  /** Remembers, over a restart, whose parameters are applied. */
  readonly store: RecordStore;
  /** The record's name. Default `card-parameters`. */
  readonly key?: string;
  /** The device's own name, such as its IMEI. */
  readonly device: Uint8Array;
  /** Default OMA DM bootstrap data. */
  readonly oids?: readonly string[];
  /** Who must stand behind each object. One that is refused refuses all that the card brought. */
  readonly authority: CardAuthority;
  /**
   * Puts these in the place of all that an earlier call applied; none: removes them. After a crash it is called again, also with
   * the same: it must not mind.
   */
  readonly apply: (parameters: readonly CardParameter[], options?: Wait) => Promise<void>;
  /** Why a card's parameters were not taken. */
  readonly onRefused?: (error: unknown) => void;
}

// req: SEC_CF-ADM-001
/** Keeps what is applied in step with the card in the slot. Disposing ends the watch; what is applied stays until the next start. */
export class CardParameters implements AsyncDisposable {
  readonly #options: CardParametersOptions;
  readonly #key: string;
  readonly #stop: AbortController = new AbortController();
  #last: Promise<void> = Promise.resolve();
  #watch: Promise<void> | undefined;

  /** Touches neither the slot nor the store: `start` and `settle` do. */
  constructor(options: CardParametersOptions) {
    this.#options = options;
    this.#key = options.key ?? "card-parameters";
  }

  /** Follows the slot until disposed. What `apply` or the store throw goes to `onRefused`, and the next change tries again. */
  start(): void {
    this.#watch ??= this.#follow().catch((error: unknown) => this.#refused(error));
  }

  /**
   * Looks at the card now, as after a REFRESH or when its PIN has been verified. A card that is not there, cannot be read, is
   * of nobody with authority or changed: what it brought is removed. Throws what `apply` and the store throw.
   */
  settle(): Promise<void> {
    const mine = this.#last.then(() => this.#settle());
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  /** Ends the watch, and resolves when a look at the card that is under way is over. What is applied stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new SeccfError("closed", "the watch over the card was ended"));
    await this.#watch;
    await this.#last;
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    try {
      for await (const _ of this.#options.slot.presence({ signal })) {
        await this.settle().catch((error: unknown) => this.#refused(error));
        if (signal.aborted) return;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #settle(): Promise<void> {
    const { signal } = this.#stop;
    signal.throwIfAborted();
    await using card = await this.#present();
    const binding = card && bindingDigest(card.binding);
    const record = await this.#options.store.get(this.#key, { signal });
    const same = record && binding && equal(record.value.subarray(0, 32), binding) ? record : undefined;
    // Of another card, or of none: gone before it is looked at what this one brings.
    if (record && !same) await this.#remove(record);
    if (!card || !binding) return;
    const parameters = await this.#brought(card.channel, card.binding);
    if (parameters.length === 0) return same && await this.#remove(same);
    const content = contentDigest(parameters);
    if (same && equal(same.value.subarray(32), content)) return;
    // The record comes first: whatever was applied when the power goes is known to have come from this card.
    const version = await this.#write(concat(binding, PENDING), same?.version ?? 0);
    await this.#options.apply(parameters, { signal });
    await this.#write(concat(binding, content), version);
  }

  async #remove({ version }: StoredRecord): Promise<void> {
    const { signal } = this.#stop;
    await this.#options.apply([], { signal });
    if (!await this.#options.store.delete(this.#key, { expected: version, signal })) throw followed();
  }

  async #write(record: Uint8Array, expected: number): Promise<number> {
    const version = await this.#options.store.put(this.#key, record, { expected, signal: this.#stop.signal });
    if (version === undefined) throw followed();
    return version;
  }

  /** The card that is there; `undefined` also for one that does not tell which it is and whose. */
  async #present(): Promise<PresentCard | undefined> {
    const { signal } = this.#stop;
    let channel: ApduChannel | undefined;
    try {
      channel = await this.#options.slot.connect({ signal });
      const card = new UsimCard(channel);
      const iccid = await card.iccid({ signal });
      if (!iccid) throw new SeccfError("identity-unavailable", "the card does not tell which one it is");
      const { impi } = await readSubscriber(card, { ...this.#options, signal });
      const open = channel;
      return {
        channel,
        binding: { device: this.#options.device, iccid, impi },
        [Symbol.asyncDispose]: () => Promise.resolve(open[Symbol.asyncDispose]()),
      };
    } catch (error) {
      await channel?.[Symbol.asyncDispose]();
      signal.throwIfAborted();
      this.#refused(error);
      return undefined;
    }
  }

  /** What the card brings with authority: all of it, or nothing. */
  async #brought(channel: ApduChannel, binding: CardBinding): Promise<CardParameter[]> {
    const { signal } = this.#stop;
    try {
      const found = await readDataObjects(channel, { oids: this.#options.oids ?? [DM_BOOTSTRAP_OID], signal });
      const parameters: CardParameter[] = [];
      for (const each of found) parameters.push(await this.#authorised(each, binding));
      return parameters;
    } catch (error) {
      signal.throwIfAborted();
      this.#refused(error);
      return [];
    }
  }

  async #authorised(found: FoundObject, binding: CardBinding): Promise<CardParameter> {
    const { authority } = this.#options;
    const content = authority !== "issuer"
      ? await authority(found, binding)
      : found.issuerOnly && !found.object.modifiable
      ? found.content
      : undefined;
    if (!content) throw new SeccfError("auth-failed", "nobody with authority stands behind the card's parameters");
    return { oid: found.object.oid!, label: found.object.label, content }; // Found by its identifier.
  }

  #refused(error: unknown): void {
    this.#options.onRefused?.(error);
  }
}

interface PresentCard extends AsyncDisposable {
  readonly channel: ApduChannel;
  readonly binding: CardBinding;
}

function followed(): SeccfError {
  return new SeccfError("state", "somebody else follows the same card");
}

/** SHA-256 of what parameters are bound to. */
export function bindingDigest({ device, iccid, impi }: CardBinding): Uint8Array {
  const bound = new Writer().vector16(device).vector16(iccid).vector16(toUtf8(impi)).done();
  return digest("sha-256", toUtf8("seccf-card-binding"), bound);
}

function contentDigest(parameters: readonly CardParameter[]): Uint8Array {
  const writer = new Writer();
  for (const { oid, content } of parameters) writer.vector16(toUtf8(oid)).vector16(content);
  return digest("sha-256", writer.done());
}

/** In the place of the digest of what is being applied: equal to none. */
const PENDING = new Uint8Array(1);
