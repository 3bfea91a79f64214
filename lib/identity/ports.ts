/** Where a device's secrets live: operations, never keys. Types only. @module */

import type { SecretBytes } from "../crypto/mod.ts";
import type { Wait } from "../platform.ts";

/** Each capability is present or it is not; none returns K, Ks or a private key. */
export interface IdentityModule extends AsyncDisposable {
  /** What bootstrapping needs. */
  readonly aka?: AkaModule;
  /** Keys that were put there. */
  readonly provisioned?: ProvisionedModule;
  /** The name of the Key Manager that follows from who this is (TS 23.003 16.2). */
  readonly keyManager?: string;
}

/** A subscriber's module for AKA: USIM, ISIM, or one in memory. */
export interface AkaModule {
  /** The private identity, a NAI (TS 23.003 13.3). */
  readonly impi: string;
  /**
   * AUTHENTICATE. AKAv2's password needs CK and IK, so the module makes the password, not the caller.
   * What was bootstrapped is pending until {@link AkaModule.keep}; the one kept before stays usable meanwhile.
   */
  answer(
    challenge: {
      /** 16 bytes. */
      readonly rand: Uint8Array;
      /** 16 bytes. */
      readonly autn: Uint8Array;
      readonly scheme: "akav1" | "akav2";
    },
    options?: Wait,
  ): Promise<AkaOutcome>;
  /** After the Key Manager's 200 OK: keep what the last `answer` bootstrapped, under this B-TID (EF_GBABP on a card). */
  keep(bootstrap: { readonly btid: string; readonly lifetimeSeconds: number }, options?: Wait): Promise<void>;
  /** Ks_NAF, or Ks_ext_NAF from a card in GBA_U: 32 bytes. `expired` when `btid` is not the one kept. Ks_int_NAF never leaves the card. */
  derive(naf: { readonly btid: string; readonly nafId: Uint8Array }, options?: Wait): Promise<SecretBytes>;
}

/** What a card answers to a challenge. */
export type AkaOutcome =
  | { readonly kind: "answered"; readonly password: SecretBytes }
  | { readonly kind: "resync"; readonly auts: Uint8Array }
  | { readonly kind: "refused"; readonly reason: "mac" | "blocked" };

/** Keys that were put there, by a factory or by device management. */
export interface ProvisionedModule {
  /** The names of its keys. */
  readonly identities: readonly Uint8Array[];
  /** 32 bytes, derived from the key of `identity` for `label`. */
  derive(identity: Uint8Array, label: Uint8Array, options?: Wait): Promise<SecretBytes>;
}

/** One logical channel to a card. Commands are answered in order; GET RESPONSE is the caller's. */
export interface ApduChannel extends AsyncDisposable {
  /** Data and the two status bytes, 2..258 bytes. */
  transmit(command: Uint8Array, options?: Wait): Promise<Uint8Array>;
}
