/** Who a card's subscriber is: ISIM before USIM, the PIN where the card wants it (TS 33.220 4.4.5, TS 31.102 4.2.2, TS 31.103 4.2.2). @module */

import type { SecretBytes } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { Wait } from "../platform.ts";
import type { ApplicationKind, CardApplication } from "./card_application.ts";
import { decodeImpi } from "./isim.ts";
import { decodeImsi, decodeMncLength, impiOf, type MncLength } from "./names.ts";
import { FID, type UsimCard } from "./usim_card.ts";

/** What {@link readSubscriber} takes. */
export interface SubscriberOptions extends Wait {
  /** Default: the ISIM if the card has one that is personalised, else the USIM. */
  readonly application?: ApplicationKind;
  /** 4 to 8 digits in ASCII; the caller's. Needed only if the card wants it. */
  readonly pin?: SecretBytes;
  /** Present the PIN even when it is the card's last try. Default false: a wrong one would block the card. */
  readonly lastTry?: boolean;
  /** For a card whose EF_AD does not say it. */
  readonly mncLength?: MncLength;
  /** The private identity. Default: the ISIM's, or made of the IMSI (TS 23.003 13.3). */
  readonly impi?: string;
}

/** The subscriber, and the application that is selected now. */
export interface Subscriber {
  readonly application: ApplicationKind;
  readonly impi: string;
}

/**
 * Selects an application and reads whose it is. Throws `pin-required`, `pin-blocked`, `identity-unavailable`,
 * `malformed`, or what the channel throws.
 */
export async function readSubscriber(card: UsimCard, options: SubscriberOptions = {}): Promise<Subscriber> {
  const found = await card.applications(options);
  const isim = options.application === "usim" ? undefined : ofKind(found, "isim");
  if (isim) {
    await card.select(isim, options);
    const impi = decodeImpi(await behindPin(card, FID.impi, options));
    if (impi !== undefined) return { application: "isim", impi: options.impi ?? impi };
  }
  const usim = options.application === "isim" ? undefined : ofKind(found, "usim");
  if (!usim) {
    const what = isim ? "an ISIM that says whose it is" : "such application";
    throw new SeccfError("identity-unavailable", `the card has no ${what}`, { clause: "TS 102 221 13.1" });
  }
  await card.select(usim, options);
  const imsi = decodeImsi(await behindPin(card, FID.imsi, options));
  const impi = options.impi ?? impiOf(imsi, options.mncLength ?? await readMncLength(card, options));
  return { application: "usim", impi };
}

function ofKind(found: readonly CardApplication[], kind: ApplicationKind): CardApplication | undefined {
  return found.find((application) => application.kind === kind);
}

/** A file that cards give behind the PIN: only a card that refuses it is asked to take one. */
async function behindPin(card: UsimCard, fid: number, options: SubscriberOptions): Promise<Uint8Array> {
  try {
    return await card.readBinary(fid, options);
  } catch (error) {
    if (!(error instanceof SeccfError && error.code === "pin-required")) throw error;
  }
  await presentPin(card, options);
  return await card.readBinary(fid, options);
}

async function presentPin(card: UsimCard, options: SubscriberOptions): Promise<void> {
  const tries = await card.pinTries(options);
  if (tries === 0) throw new SeccfError("pin-blocked", "the card's PIN is blocked");
  if (!options.pin) throw new SeccfError("pin-required", `the card wants its PIN, ${tries ?? "unknown"} tries left`);
  if (tries === 1 && !options.lastTry) {
    throw new SeccfError("pin-required", "the card's PIN has one try left, which is not taken unasked");
  }
  await card.verifyPin(options.pin, options);
}

async function readMncLength(card: UsimCard, options: Wait): Promise<MncLength> {
  const mncLength = decodeMncLength(await card.readBinary(FID.ad, options));
  if (mncLength !== undefined) return mncLength;
  throw new SeccfError("identity-unavailable", "the card does not say how long its network code is: set mncLength", {
    clause: "TS 31.102 4.2.18",
  });
}
