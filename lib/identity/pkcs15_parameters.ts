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
import type { RecordStore } from "../store.ts";
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
  readonly oid: string;
  readonly label: string | undefined;
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
  readonly slot: CardSlot;
  /** Remembers, over a restart, whose parameters are applied. */
  readonly store: RecordStore;
  /** The record's name. Default `card-parameters`. */
  readonly key?: string;
  /** The device's own name, such as its IMEI. */
  readonly device: Uint8Array;
  /** Default OMA DM bootstrap data. */
  readonly oids?: readonly string[];
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
    const brought = await this.#look();
    const { store, apply } = this.#options;
    let record = await store.get(this.#key, { signal });
    if (record && !(brought && equal(record.value.subarray(0, 32), brought.binding))) {
      // Of another card, or of none: gone before anything else is looked at.
      await apply([], { signal });
      await store.delete(this.#key, { expected: record.version, signal });
      record = undefined;
    }
    if (!brought || (record && equal(record.value.subarray(32), brought.content))) return;
    // The record comes first: whatever was applied when the power goes is known to have come from this card.
    const version = await store.put(this.#key, concat(brought.binding, PENDING), {
      expected: record?.version ?? 0,
      signal,
    });
    if (version === undefined) throw new SeccfError("state", "somebody else follows the same card");
    await apply(brought.parameters, { signal });
    await store.put(this.#key, concat(brought.binding, brought.content), { expected: version, signal });
  }

  /** What the card brings with authority; `undefined` for nothing, whatever the reason. */
  async #look(): Promise<
    | { readonly binding: Uint8Array; readonly content: Uint8Array; readonly parameters: readonly CardParameter[] }
    | undefined
  > {
    const { signal } = this.#stop;
    let channel: ApduChannel | undefined;
    try {
      channel = await this.#options.slot.connect({ signal });
      const binding = await this.#whose(channel);
      const found = await readDataObjects(channel, { oids: this.#options.oids ?? [DM_BOOTSTRAP_OID], signal });
      const parameters: CardParameter[] = [];
      for (const each of found) parameters.push(await this.#authorised(each, binding));
      if (parameters.length === 0) return undefined;
      return { binding: bindingDigest(binding), content: contentDigest(parameters), parameters };
    } catch (error) {
      signal.throwIfAborted();
      this.#refused(error);
      return undefined;
    } finally {
      await channel?.[Symbol.asyncDispose]();
    }
  }

  async #whose(channel: ApduChannel): Promise<CardBinding> {
    const { device, slot: _, store: _store, apply: _apply, ...subscriber } = this.#options;
    const { signal } = this.#stop;
    const card = new UsimCard(channel);
    const iccid = await card.iccid({ signal });
    if (!iccid) throw new SeccfError("identity-unavailable", "the card does not tell which one it is");
    const { impi } = await readSubscriber(card, { ...subscriber, signal });
    return { device, iccid, impi };
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
