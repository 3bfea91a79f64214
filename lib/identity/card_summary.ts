/** What a card tells of itself without giving a secret away: for people who ask which card is in which reader. @module */

import { SeccfError } from "../error.ts";
import type { Wait } from "../platform.ts";
import type { ApplicationKind, CardApplication } from "./card_application.ts";
import { readSubscriber, type SubscriberOptions } from "./card_subscriber.ts";
import { decodeDomain, decodeImpu } from "./isim.ts";
import { bsfNameOfImpi } from "./names.ts";
import type { ApduChannel } from "./ports.ts";
import { FID, UsimCard } from "./usim_card.ts";

/** What {@link readCard} found. */
export interface CardSummary {
  /** What EF_DIR names. */
  readonly applications: readonly CardApplication[];
  /** Tries left for the application PIN; `"open"` when it is disabled or verified. */
  readonly pin: number | "open" | undefined;
  /** Whose card it is; absent when the card does not tell, and then {@link CardSummary.refused} says why. */
  readonly subscriber?: {
    readonly application: ApplicationKind;
    readonly impi: string;
    readonly keyManager: string;
    /** The public identities and the home network's domain, which an ISIM tells. */
    readonly impus?: readonly string[];
    readonly domain?: string;
  };
  /** Why no subscriber was read: `pin-required`, `pin-blocked` or `identity-unavailable`. */
  readonly refused?: SeccfError;
}

/**
 * Looks at the card behind `channel`, which stays the caller's. A PIN that the card does not need is not presented, one
 * that is missing or wrong is not thrown but told. Throws `malformed`, or what the channel throws.
 */
export async function readCard(channel: ApduChannel, options: SubscriberOptions = {}): Promise<CardSummary> {
  const card = new UsimCard(channel);
  const applications = await card.applications(options);
  let found: Pick<CardSummary, "subscriber" | "refused">;
  try {
    const { application, impi } = await readSubscriber(card, options);
    const more = application === "isim" ? await isimNames(card, options) : {};
    found = { subscriber: { application, impi, keyManager: bsfNameOfImpi(impi), ...more } };
  } catch (error) {
    if (!(error instanceof SeccfError && TOLD.includes(error.code))) throw error;
    found = { refused: error };
  }
  const application = applications.find(({ kind }) => kind !== undefined);
  return { applications, pin: application && await pinState(card, options), ...found };
}

/** EF_IMPU and EF_DOMAIN of the ISIM that is selected; what it has not is left out. */
async function isimNames(card: UsimCard, wait: Wait): Promise<{ impus?: readonly string[]; domain?: string }> {
  const impus = await ifThere(async () => {
    const records = await card.readRecords(FID.impu, wait);
    return records.map(decodeImpu).filter((impu) => impu !== undefined);
  });
  const domain = await ifThere(async () => decodeDomain(await card.readBinary(FID.domain, wait)));
  return { ...(impus && { impus }), ...(domain !== undefined && { domain }) };
}

/** A file that is missing or of another form hides nothing else. */
async function ifThere<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof SeccfError && (TOLD.includes(error.code) || error.code === "malformed")) return undefined;
    throw error;
  }
}

async function pinState(card: UsimCard, options: SubscriberOptions): Promise<number | "open" | undefined> {
  try {
    return await card.pinTries(options) ?? "open";
  } catch (error) {
    // A card without this PIN (6A88, 6984) is no error of the one who asks.
    if (error instanceof SeccfError && error.code === "identity-unavailable") return undefined;
    throw error;
  }
}

const TOLD: readonly string[] = ["pin-required", "pin-blocked", "identity-unavailable"];
