/**
 * A USIM or ISIM behind an `ApduChannel` as an identity module: who it is, answers to challenges, keys of uses (TS 33.220 4
 * and 5). In GBA_ME the bootstrapped Ks lives here, in GBA_U in the card.
 *
 * @module
 */

import { fromUtf8, toUtf8 } from "../bytes/mod.ts";
import type { Clock } from "../clock.ts";
import { hmacSecret, secretBase64, type SecretBytes, secretConcat } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { Wait } from "../platform.ts";
import { APPLICATION_FILES, type ApplicationFiles, type ApplicationKind, hasService } from "./card_application.ts";
import { readSubscriber, type SubscriberOptions } from "./card_subscriber.ts";
import { decodeBootstrap, encodeBootstrap } from "./gba_files.ts";
import { deriveNafKey } from "./naf_key.ts";
import { bsfNameOfImpi } from "./names.ts";
import type { AkaModule, AkaOutcome, ApduChannel, IdentityModule } from "./ports.ts";
import { UsimCard } from "./usim_card.ts";

/** Where Ks lives, and what that takes. */
export type GbaMode =
  /** In this process: the card gives RES, CK and IK to who asks. */
  | { readonly mode?: "gba-me" }
  /** In the card, which gives RES alone. The clock writes the lifetime's end into EF_GBABP. */
  | { readonly mode: "gba-u"; readonly clock: Clock };

/** What {@link usimIdentity} takes. */
export type UsimOptions = SubscriberOptions & GbaMode;

/** A card's subscriber. */
export interface CardIdentity extends IdentityModule {
  /** AUTHENTICATE of the application (TS 31.102 7.1), one operation at a time; always there, unlike with other modules. */
  readonly aka: AkaModule;
  /** Whose keys answer. */
  readonly application: ApplicationKind;
  /** The Key Manager's name that follows from the private identity (TS 23.003 16.2); RangeError if that was set to what is no NAI. */
  readonly keyManager: string;
}

/**
 * Opens the ISIM or USIM behind `channel`, which from here on is the module's to dispose, also when this throws:
 * `pin-required`, `pin-blocked`, `unsupported` for GBA_U on a card without it, `identity-unavailable`, `malformed`,
 * or what the channel throws.
 */
// req: SEC_CF-SEC-001
export async function usimIdentity(channel: ApduChannel, options: UsimOptions = {}): Promise<CardIdentity> {
  try {
    const card = new UsimCard(channel);
    const { application, impi } = await readSubscriber(card, options);
    const keys = options.mode === "gba-u"
      ? await CardKeys.open(card, APPLICATION_FILES[application], impi, options)
      : new TerminalKeys(card, impi);
    return new UsimIdentity(channel, application, new UsimAka(impi, keys));
  } catch (error) {
    await channel[Symbol.asyncDispose]();
    throw error;
  }
}

class UsimIdentity implements CardIdentity {
  readonly aka: UsimAka;
  readonly application: ApplicationKind;
  readonly #channel: ApduChannel;

  constructor(channel: ApduChannel, application: ApplicationKind, aka: UsimAka) {
    this.#channel = channel;
    this.application = application;
    this.aka = aka;
  }

  get keyManager(): string {
    return bsfNameOfImpi(this.aka.impi);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.aka.close();
    await this.#channel[Symbol.asyncDispose]();
  }
}

/** One operation at a time: GET RESPONSE of one must not fetch the answer of another. */
class UsimAka implements AkaModule {
  readonly impi: string;
  readonly #keys: TerminalKeys | CardKeys;
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(impi: string, keys: TerminalKeys | CardKeys) {
    this.impi = impi;
    this.#keys = keys;
  }

  async answer(challenge: Parameters<AkaModule["answer"]>[0], options: Wait = {}): Promise<AkaOutcome> {
    const { scheme } = challenge;
    const [rand, autn] = [new Uint8Array(challenge.rand), new Uint8Array(challenge.autn)];
    if (rand.length !== 16 || autn.length !== 16) throw new RangeError("RAND and AUTN are 16 bytes");
    return await this.#inTurn(() => this.#keys.answer(rand, autn, scheme, options), options);
  }

  keep(bootstrap: Parameters<AkaModule["keep"]>[0], options: Wait = {}): Promise<void> {
    return this.#inTurn(() => this.#keys.keep(bootstrap, options), options);
  }

  derive(naf: Parameters<AkaModule["derive"]>[0], options: Wait = {}): Promise<SecretBytes> {
    const nafId = new Uint8Array(naf.nafId);
    return this.#inTurn(() => this.#keys.derive(naf.btid, nafId, options), options);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
    this.#keys[Symbol.dispose]();
  }

  #inTurn<T>(operation: () => Promise<T>, { signal }: Wait): Promise<T> {
    const mine = this.#last.then(() => {
      if (this.#closed) throw new SeccfError("closed", "the identity module was disposed");
      signal?.throwIfAborted();
      return operation();
    });
    this.#last = mine.catch(() => undefined);
    return mine;
  }
}

/** GBA_ME (TS 33.220 4.5.2): Ks = CK || IK is kept here. */
class TerminalKeys implements Disposable {
  readonly #card: UsimCard;
  readonly #impi: string;
  #pending: { readonly rand: Uint8Array; readonly ks: SecretBytes } | undefined;
  #kept: { readonly btid: string; readonly rand: Uint8Array; readonly ks: SecretBytes } | undefined;

  constructor(card: UsimCard, impi: string) {
    this.#card = card;
    this.#impi = impi;
  }

  async answer(rand: Uint8Array, autn: Uint8Array, scheme: "akav1" | "akav2", options: Wait): Promise<AkaOutcome> {
    this.#pending?.ks[Symbol.dispose]();
    this.#pending = undefined;
    const answer = await blockedIsRefused(() => this.#card.authenticate(rand, autn, options));
    if (answer.kind !== "keys") return refusal(answer);
    const { res, ck, ik } = answer;
    using _ck = ck;
    using _ik = ik;
    this.#pending = { rand, ks: secretConcat(ck, ik) };
    if (scheme === "akav1") return { kind: "answered", password: res };
    using _res = res;
    return { kind: "answered", password: akav2Password(res, ck, ik) };
  }

  keep({ btid }: { readonly btid: string }): Promise<void> {
    if (!this.#pending) throw nothingToKeep();
    this.#kept?.ks[Symbol.dispose]();
    this.#kept = { btid, ...this.#pending };
    this.#pending = undefined;
    return Promise.resolve();
  }

  derive(btid: string, nafId: Uint8Array): Promise<SecretBytes> {
    if (this.#kept?.btid !== btid) throw notKept();
    const { ks, rand } = this.#kept;
    return Promise.resolve(deriveNafKey(ks, { label: "gba-me", rand, impi: this.#impi, nafId }));
  }

  [Symbol.dispose](): void {
    this.#pending?.ks[Symbol.dispose]();
    this.#kept?.ks[Symbol.dispose]();
    this.#pending = this.#kept = undefined;
  }
}

/**
 * GBA_U (TS 33.220 5, G.1, G.2): Ks, CK and IK are the card's. It has room for one Ks, so that what was kept is
 * gone with the next bootstrapping, before that one is kept: `derive` then throws `expired`.
 */
// req: SEC_CF-SEC-002
class CardKeys implements Disposable {
  readonly #card: UsimCard;
  readonly #files: ApplicationFiles;
  readonly #impi: Uint8Array;
  readonly #clock: Clock;
  #pending: Uint8Array | undefined;
  #kept: string | undefined;

  private constructor(
    card: UsimCard,
    files: ApplicationFiles,
    impi: string,
    clock: Clock,
    kept: string | undefined,
  ) {
    this.#card = card;
    this.#files = files;
    this.#impi = toUtf8(impi.normalize("NFKC"));
    this.#clock = clock;
    this.#kept = kept;
  }

  /** What an earlier process left in the card is still good: EF_GBABP says what it was. */
  static async open(
    card: UsimCard,
    files: ApplicationFiles,
    impi: string,
    options: Wait & { readonly clock: Clock },
  ): Promise<CardKeys> {
    const { services, gbaService, gbabp } = files;
    if (!hasService(await card.readBinary(services, options), gbaService)) {
      throw new SeccfError("unsupported", `the card has no GBA (service ${gbaService})`, {
        clause: gbabp === APPLICATION_FILES.isim.gbabp ? "TS 31.103 4.2.7" : "TS 31.102 4.2.8",
      });
    }
    return new CardKeys(card, files, impi, options.clock, keptBtid(await card.readBinary(gbabp, options)));
  }

  async answer(rand: Uint8Array, autn: Uint8Array, scheme: "akav1" | "akav2", options: Wait): Promise<AkaOutcome> {
    if (scheme === "akav2") {
      throw new SeccfError("unsupported", "AKAv2 needs CK and IK, which a card in GBA_U keeps", {
        clause: "RFC 4169 3",
      });
    }
    const kept = this.#kept;
    // Should the answer be lost on its way, the card may have replaced Ks already, and what was kept is not to be
    // trusted any more.
    this.#kept = this.#pending = undefined;
    const answer = await blockedIsRefused(() => this.#card.bootstrap(rand, autn, options));
    if (answer.kind !== "res") {
      this.#kept = kept;
      return refusal(answer);
    }
    this.#pending = rand;
    return { kind: "answered", password: answer.res };
  }

  async keep(
    { btid, lifetimeSeconds }: { readonly btid: string; readonly lifetimeSeconds: number },
    options: Wait,
  ): Promise<void> {
    if (!this.#pending) throw nothingToKeep();
    const end = new Date(this.#clock.wall() + lifetimeSeconds * 1000);
    const lifetime = toUtf8(end.toISOString().replace(/\.\d+Z$/, "Z"));
    const content = encodeBootstrap({ rand: this.#pending, btid: toUtf8(btid), lifetime });
    await this.#card.updateBinary(this.#files.gbabp, content, options);
    this.#kept = btid;
    this.#pending = undefined;
  }

  derive(btid: string, nafId: Uint8Array, options: Wait): Promise<SecretBytes> {
    if (this.#kept !== btid) throw notKept();
    return this.#card.nafKey(nafId, this.#impi, options);
  }

  [Symbol.dispose](): void {
    this.#pending = this.#kept = undefined;
  }
}

/** A PIN that was blocked since the module was opened is an outcome of AKA, not a fault of the call. */
async function blockedIsRefused<A>(ask: () => Promise<A>): Promise<A | { readonly kind: "blocked" }> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof SeccfError && error.code === "pin-blocked") return { kind: "blocked" };
    throw error;
  }
}

/** The B-TID in EF_GBABP; a file that another terminal left half written counts as empty, and must not lock us out. */
function keptBtid(file: Uint8Array): string | undefined {
  try {
    const btid = decodeBootstrap(file)?.btid;
    return btid?.length ? fromUtf8(btid) : undefined;
  } catch (error) {
    if (error instanceof SeccfError && error.code === "malformed") return undefined;
    throw error;
  }
}

function refusal(
  answer: { readonly kind: "stale"; readonly auts: Uint8Array } | { readonly kind: "wrong-mac" | "blocked" },
): AkaOutcome {
  if (answer.kind === "stale") return { kind: "resync", auts: answer.auts };
  return { kind: "refused", reason: answer.kind === "blocked" ? "blocked" : "mac" };
}

/** RFC 4169 3: base64 of HMAC-MD5 under RES || IK || CK. */
function akav2Password(res: SecretBytes, ck: SecretBytes, ik: SecretBytes): SecretBytes {
  using key = secretConcat(res, ik, ck);
  using mac = hmacSecret("md5", key, toUtf8("http-digest-akav2-password"));
  return secretBase64(mac);
}

function nothingToKeep(): SeccfError {
  return new SeccfError("state", "nothing was bootstrapped since the last keep");
}

function notKept(): SeccfError {
  return new SeccfError("expired", "this bootstrapping is not the one kept");
}
