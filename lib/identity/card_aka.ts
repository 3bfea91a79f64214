/** AUTHENTICATE of the soft USIM: 3G, GSM and GBA contexts over one sequence array (TS 31.102 7.1, TS 33.220 G). @module */

import {
  type AkaAlgorithm,
  akaAlgorithm,
  type AkaCredentials,
  c2,
  c3,
  type GbaUProfile,
  makeAuts,
  SequenceArray,
  type SequenceProfile,
  type VerifiedChallenge,
  verifyChallenge,
} from "../aka/mod.ts";
import { concat, equal, Reader } from "../bytes/mod.ts";
import { type SecretBytes, secretConcat, secretSlice, wipe } from "../crypto/mod.ts";
// A card's answer holds RES, and outside GBA_U CK and IK, in clear: that is what the interface is (TS 31.102 7.1.2).
import { expose } from "../crypto/secret.ts";
import { SeccfError } from "../error.ts";
import type { Answer } from "./apdu.ts";
import { decodeBootstrap, decodeNafRecord, encodeBootstrap, encodeNafRecord } from "./gba_files.ts";
import { deriveNafKey } from "./naf_key.ts";
import { SW } from "./status.ts";

/** What {@link CardAka} takes. */
export interface CardAkaOptions {
  readonly credentials: AkaCredentials;
  readonly sequence: SequenceProfile;
  /** SEQ_MS of each slot, from an earlier life of the card. */
  readonly state: readonly number[] | undefined;
  readonly gbaUProfile: GbaUProfile;
  /** Service 27: Kc follows CK and IK. */
  readonly gsmAccess: boolean;
  /** EF_GBABP and the records of EF_GBANL, written in place; absent without service 68. */
  readonly gba: { readonly gbabp: Uint8Array; readonly gbanl: readonly Uint8Array[] } | undefined;
  /** Stores the card's state; false: it could not. */
  readonly save: () => Promise<boolean>;
}

/** The subscriber's secrets and what is made with them. Nothing but answers leaves it. */
export class CardAka implements Disposable {
  readonly #options: CardAkaOptions;
  readonly #algorithm: AkaAlgorithm;
  readonly #sequence: SequenceArray;
  /** Ks_int_NAF of each record of EF_GBANL, the one last used at the end. */
  readonly #internal = new Map<number, SecretBytes>();
  #bootstrapped: { readonly rand: Uint8Array; readonly ks: SecretBytes } | undefined;

  constructor(options: CardAkaOptions) {
    this.#options = options;
    this.#sequence = new SequenceArray(options.sequence, options.state);
    this.#algorithm = akaAlgorithm(options.credentials);
  }

  /** SEQ_MS of each slot. */
  get sequence(): readonly number[] {
    return this.#sequence.state;
  }

  /** The answer to AUTHENTICATE with this P2. Throws `malformed` for data that does not fit. */
  async authenticate(p2: number, data: Uint8Array): Promise<Answer> {
    const reader = new Reader(data);
    if (p2 === 0x80) {
      const rand = field(reader, 16);
      reader.end();
      return this.#gsm(rand);
    }
    if (p2 === 0x81) return await this.#umts(...challenge(reader));
    if (p2 !== 0x84) return status(SW.wrongP1P2);
    if (!this.#options.gba) return status(SW.contextNotSupported);
    const mode = reader.u8();
    if (mode === 0xdd) return await this.#bootstrap(...challenge(reader));
    if (mode !== 0xde) return status(SW.incorrectData);
    const [nafId, impi] = [reader.vector8(), reader.vector8()];
    reader.end();
    return await this.#nafKey(nafId, impi);
  }

  /** Ks_int_NAF of `nafId`, as an application inside the UICC would get it; the caller's to dispose. No APDU reaches this. */
  internalKey(nafId: Uint8Array): SecretBytes | undefined {
    const index = this.#recordOf(nafId);
    const key = index === undefined ? undefined : this.#internal.get(index);
    return key && secretSlice(key, 0);
  }

  [Symbol.dispose](): void {
    this.#algorithm[Symbol.dispose]();
    this.#bootstrapped?.ks[Symbol.dispose]();
    this.#bootstrapped = undefined;
    for (const key of this.#internal.values()) key[Symbol.dispose]();
    this.#internal.clear();
  }

  #gsm(rand: Uint8Array): Answer {
    const { res, ck, ik, ak } = this.#algorithm.f2345(rand);
    wipe(ak);
    using _res = res;
    using _ck = ck;
    using _ik = ik;
    using sres = c2(res);
    using kc = c3(ck, ik);
    return { data: concat(behindLength(sres), behindLength(kc)), sw: SW.ok };
  }

  async #umts(rand: Uint8Array, autn: Uint8Array): Promise<Answer> {
    using verified = verifyChallenge(this.#algorithm, { rand, autn });
    const refused = this.#refusal(rand, verified);
    if (!verified || refused) return refused ?? status(SW.incorrectMac);
    // Stored before it is answered: a card that loses power in between has used the number up.
    if (!await this.#options.save()) return status(SW.memoryProblem);
    const { res, ck, ik } = verified;
    const answer = concat(Uint8Array.of(0xdb), behindLength(res), behindLength(ck), behindLength(ik));
    if (!this.#options.gsmAccess) return { data: answer, sw: SW.ok };
    using kc = c3(ck, ik);
    return { data: concat(answer, behindLength(kc)), sw: SW.ok };
  }

  async #bootstrap(rand: Uint8Array, autn: Uint8Array): Promise<Answer> {
    using verified = verifyChallenge(this.#algorithm, { rand, autn }, this.#options.gbaUProfile);
    const refused = this.#refusal(rand, verified);
    if (!verified || refused) return refused ?? status(SW.incorrectMac);
    const { gbabp } = this.#options.gba!; // Asked for in `authenticate`.
    this.#bootstrapped?.ks[Symbol.dispose]();
    this.#bootstrapped = { rand: new Uint8Array(rand), ks: secretConcat(verified.ck, verified.ik) };
    // B-TID and lifetime of the Ks that this one replaces go with it (TS 33.220 G.1).
    const none = new Uint8Array(0);
    gbabp.fill(0xff).set(encodeBootstrap({ rand, btid: none, lifetime: none }));
    if (!await this.#options.save()) return status(SW.memoryProblem);
    return { data: concat(Uint8Array.of(0xdb), behindLength(verified.res)), sw: SW.ok };
  }

  /** Why a challenge gets no answer but this; otherwise its SQN is entered. */
  #refusal(rand: Uint8Array, verified: VerifiedChallenge | undefined): Answer | undefined {
    if (!verified) return status(SW.incorrectMac);
    if (this.#sequence.accept(verified.sqn)) return undefined;
    const auts = makeAuts(this.#algorithm, rand, this.#sequence.highest);
    return { data: concat(Uint8Array.of(0xdc, auts.length), auts), sw: SW.ok };
  }

  /** TS 33.220 G.2: Ks_ext_NAF goes out, Ks_int_NAF stays, EF_GBANL tells of both. */
  async #nafKey(nafId: Uint8Array, impi: Uint8Array): Promise<Answer> {
    const { gbabp, gbanl } = this.#options.gba!; // Asked for in `authenticate`.
    const btid = decodeBootstrap(gbabp)?.btid;
    if (!this.#bootstrapped || !btid?.length) return status(SW.conditionsOfUse);
    const index = this.#recordOf(nafId) ?? this.#freeRecord();
    const record = encodeNafRecord({ nafId, btid }, gbanl[index]!.length);
    if (!record) return status(SW.noMemory);
    gbanl[index]!.set(record);
    if (!await this.#options.save()) return status(SW.memoryProblem);
    const { rand, ks } = this.#bootstrapped;
    this.#internal.get(index)?.[Symbol.dispose]();
    this.#internal.delete(index);
    this.#internal.set(index, deriveNafKey(ks, { label: "gba-u", rand, impi, nafId }));
    using external = deriveNafKey(ks, { label: "gba-me", rand, impi, nafId });
    return { data: concat(Uint8Array.of(0xdb), behindLength(external)), sw: SW.ok };
  }

  #recordOf(nafId: Uint8Array): number | undefined {
    const index = (this.#options.gba?.gbanl ?? []).findIndex((record) => {
      const found = decodeNafRecord(record);
      return found !== undefined && equal(found.nafId, nafId);
    });
    return index < 0 ? undefined : index;
  }

  /** An empty record, else one without a key since the card was started, else the one used least recently. */
  #freeRecord(): number {
    const { gbanl } = this.#options.gba!; // Asked for in `authenticate`.
    const empty = gbanl.findIndex((record) => decodeNafRecord(record) === undefined);
    if (empty >= 0) return empty;
    const keyless = gbanl.findIndex((_, index) => !this.#internal.has(index));
    if (keyless >= 0) return keyless;
    return this.#internal.keys().next().value ?? 0;
  }
}

function challenge(reader: Reader): [rand: Uint8Array, autn: Uint8Array] {
  const [rand, autn] = [field(reader, 16), field(reader, 16)];
  reader.end();
  return [rand, autn];
}

function field(reader: Reader, length: number): Uint8Array {
  const value = reader.vector8();
  if (value.length !== length) {
    throw new SeccfError("malformed", `a field of ${length} bytes`, { clause: "TS 31.102 7.1.2.1" });
  }
  return value;
}

function behindLength(secret: SecretBytes): Uint8Array {
  return concat(Uint8Array.of(secret.byteLength), expose(secret));
}

function status(sw: number): Answer {
  return { data: new Uint8Array(0), sw };
}
