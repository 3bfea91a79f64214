/** An identity module in this process's memory: for tests, demos, and devices without a card or a file. @module */

import type { AkaCredentials } from "../aka/mod.ts";
import type { IdentityModule } from "./ports.ts";
import { type ProvisionedKey, ProvisionedKeys } from "./provisioned.ts";
import { softUsim, type SoftUsimOptions } from "./soft_usim.ts";
import { type CardIdentity, type GbaMode, usimIdentity } from "./usim.ts";

/** A subscriber for {@link memoryIdentity}. */
export type MemoryAka = GbaMode & {
  readonly credentials: AkaCredentials;
  /** 6 to 15 digits. */
  readonly imsi: string;
  /** Default: made of the IMSI. */
  readonly impi?: string;
  /** More about the card, such as where its sequence numbers are stored; what they say of the subscriber is ignored. */
  readonly card?: Omit<SoftUsimOptions, "credentials" | "imsi" | "pin">;
};

/** What {@link memoryIdentity} takes: either capability, or both. */
export interface MemoryIdentityOptions {
  /** Makes a soft USIM. Absent: the module has neither `aka` nor `keyManager`. */
  readonly aka?: MemoryAka;
  /** Copied, the secrets too. An identity named twice is a RangeError. */
  readonly provisioned?: readonly ProvisionedKey[];
}

/**
 * A module with copies of the secrets given. Its AKA is a soft USIM behind the same code that drives a card. Without
 * `card.state`, sequence numbers start anew, and what this subscriber accepted before would be accepted again.
 */
// req: SEC_CF-ADM-001
export async function memoryIdentity(options: MemoryIdentityOptions): Promise<IdentityModule> {
  const provisioned = options.provisioned && new ProvisionedKeys(options.provisioned);
  if (!options.aka) return withProvisioned(undefined, provisioned, []);
  const { credentials, imsi, impi, card: more, ...mode } = options.aka;
  const card = softUsim({ ...more, credentials, imsi });
  try {
    const usim = await usimIdentity(card.connect(), { ...mode, ...(impi === undefined ? {} : { impi }) });
    return withProvisioned(usim, provisioned, [usim, card]);
  } catch (error) {
    provisioned?.[Symbol.dispose]();
    await card[Symbol.asyncDispose]();
    throw error;
  }
}

function withProvisioned(
  usim: CardIdentity | undefined,
  provisioned: ProvisionedKeys | undefined,
  owned: readonly AsyncDisposable[],
): IdentityModule {
  return {
    ...(usim ? { aka: usim.aka } : {}),
    ...(provisioned ? { provisioned } : {}),
    // Asked for late: an IMPI of one's own may be no NAI, which matters only to who wants this.
    ...(usim && {
      get keyManager() {
        return usim.keyManager;
      },
    }),
    async [Symbol.asyncDispose]() {
      provisioned?.[Symbol.dispose]();
      for (const part of owned) await part[Symbol.asyncDispose]();
    },
  };
}
