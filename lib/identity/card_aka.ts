/** AUTHENTICATE of the soft card: 3G, GSM and GBA contexts over one sequence array (TS 31.102 7.1, TS 33.220 G). @module */

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
import { concat, Reader } from "../bytes/mod.ts";
import { type SecretBytes, secretConcat, wipe } from "../crypto/mod.ts";
// A card's answer holds RES, and outside GBA_U CK and IK, in clear: that is what the interface is (TS 31.102 7.1.2).
import { expose } from "../crypto/secret.ts";
import { SeccfError } from "../error.ts";
import type { Answer } from "./apdu.ts";
import type { CardGba } from "./card_gba.ts";
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
  /** Stores the card's state; false: it could not. */
  readonly save: () => Promise<boolean>;
}

/** The subscriber's secrets and what is made with them. Nothing but answers leaves it. */
export class CardAka implements Disposable {
  readonly #options: CardAkaOptions;
  readonly #algorithm: AkaAlgorithm;
  readonly #sequence: SequenceArray;

  constructor(options: CardAkaOptions) {
    this.#options = options;
    this.#sequence = new SequenceArray(options.sequence, options.state);
    this.#algorithm = akaAlgorithm(options.credentials);
  }

  /** SEQ_MS of each slot. */
  get sequence(): readonly number[] {
    return this.#sequence.state;
  }

  /**
   * The answer to AUTHENTICATE with this P2 in an application whose GBA is `gba`, absent without that service. Throws
   * `malformed` for data that does not fit.
   */
  async authenticate(p2: number, data: Uint8Array, gba: CardGba | undefined): Promise<Answer> {
    const reader = new Reader(data);
    if (p2 === 0x80) {
      const rand = field(reader, 16);
      reader.end();
      return this.#gsm(rand);
    }
    if (p2 === 0x81) return await this.#umts(...challenge(reader));
    if (p2 !== 0x84) return status(SW.wrongP1P2);
    if (!gba) return status(SW.contextNotSupported);
    const mode = reader.u8();
    if (mode === 0xdd) return await this.#bootstrap(gba, ...challenge(reader));
    if (mode !== 0xde) return status(SW.incorrectData);
    const [nafId, impi] = [reader.vector8(), reader.vector8()];
    reader.end();
    const external = await gba.nafKey(nafId, impi, this.#options.save);
    if (typeof external === "number") return status(external);
    using _external = external;
    return { data: concat(Uint8Array.of(0xdb), behindLength(external)), sw: SW.ok };
  }

  [Symbol.dispose](): void {
    this.#algorithm[Symbol.dispose]();
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

  async #bootstrap(gba: CardGba, rand: Uint8Array, autn: Uint8Array): Promise<Answer> {
    using verified = verifyChallenge(this.#algorithm, { rand, autn }, this.#options.gbaUProfile);
    const refused = this.#refusal(rand, verified);
    if (!verified || refused) return refused ?? status(SW.incorrectMac);
    gba.bootstrap(rand, secretConcat(verified.ck, verified.ik));
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
