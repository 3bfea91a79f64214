/**
 * The authentication centre: who knows the subscribers' K. Behind this port stands the one built in here, or later
 * an operator's HSS.
 *
 * @module
 */

import { toHex, toUtf8 } from "../bytes/mod.ts";
import { digest, secretRandom } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { Random, Wait } from "../platform.ts";
import type { RecordStore } from "../store.ts";
import { akaAlgorithm, type AkaCredentials } from "./credentials.ts";
import { gbaUFromMemory, type GbaUProfile } from "./gba_u.ts";
import { SequenceIssuer } from "./issuer.ts";
import { requireLength } from "./octets.ts";
import { openAuts } from "./resync.ts";
import type { SequenceProfile } from "./sequence.ts";
import { type AuthenticationVector, makeVector } from "./vector.ts";

/** What a Key Manager asks for. */
export interface VectorRequest extends Wait {
  /**
   * The USIM found the AUTN of this RAND stale and answered AUTS. That the RAND is the one just issued, and that an
   * AUTS is heard once, is for the caller to see to (TS 33.102 6.3.5).
   */
  readonly resync?: { readonly rand: Uint8Array; readonly auts: Uint8Array };
  /** For a UICC in GBA_U. Default false. */
  readonly gbaU?: boolean;
}

/** Gives out authentication vectors. */
export interface AuthenticationCentre {
  /**
   * A fresh vector, the caller's to dispose; `undefined` for a subscriber it does not know, after the same work.
   * Throws `auth-failed` at an AUTS that no USIM of this subscriber made, `malformed` at one of a wrong length.
   */
  vector(impi: string, request?: VectorRequest): Promise<AuthenticationVector | undefined>;
}

/** One subscriber. The secrets stay the owner's; the centre copies what it needs and wipes it. */
export interface Subscriber {
  /** What the card has too. */
  readonly credentials: AkaCredentials;
  /** 2 bytes, the first bit of which is 0: 1 is for EPS and 5G alone (TS 33.102 Annex H). Default zeros. */
  readonly amf?: Uint8Array;
}

/** What {@link createAuthenticationCentre} takes. */
export interface CentreOptions extends SequenceProfile {
  /** The subscriber of an IMPI. It should take as long for one that it does not find. */
  readonly subscribers: (impi: string, options: Wait) => Subscriber | undefined | Promise<Subscriber | undefined>;
  /** Keeps the sequence numbers, one counter a subscriber. */
  readonly store: RecordStore;
  /** Where RANDs come from. */
  readonly random: Random;
  /**
   * Sequence numbers taken from the store at a time, 1 to as many as IND has values. Default 1: every vector, of a
   * known subscriber or not, costs one write, so the time tells nothing. More spares a store that waits for its
   * disk, and lets the first vector of a known subscriber be told by its time.
   */
  readonly blockSize?: number;
  /** The rules of GBA_U. Default {@link gbaUFromMemory}. */
  readonly gbaUProfile?: GbaUProfile;
}

/** The authentication centre in this process: Milenage and TUAK, SQNs that are never issued twice. */
export function createAuthenticationCentre(options: CentreOptions): AuthenticationCentre {
  const { subscribers, random } = options;
  const issuer = new SequenceIssuer(options);
  const nobody: Subscriber = { credentials: { k: secretRandom(16, random), opc: secretRandom(16, random) } };
  return {
    async vector(impi, request = {}) {
      const wait: Wait = request.signal ? { signal: request.signal } : {};
      const found = await subscribers(impi, wait);
      // For a stranger all is computed and one number of a counter shared by all strangers is taken, so that his
      // answer comes when a subscriber's would, and the store stays as it was.
      const { credentials, amf = NO_AMF } = found ?? nobody;
      requireGbaAmf(amf);
      const counter = counterOf(impi);
      using algorithm = akaAlgorithm(credentials);
      let sqnMs: number | undefined;
      if (request.resync) {
        requireLength("RAND", request.resync.rand, 16);
        sqnMs = openAuts(algorithm, request.resync.rand, request.resync.auts);
        if (sqnMs === undefined) {
          if (!found) return undefined;
          throw new SeccfError("auth-failed", "AUTS is not this subscriber's", { clause: "TS 33.102 6.3.5" });
        }
      }
      const used = found ? counter : NOBODY;
      const sqn = await (sqnMs === undefined ? issuer.next(used, wait) : issuer.resync(used, sqnMs, wait));
      const rand = new Uint8Array(16);
      random(rand);
      const gbaU = request.gbaU ? { gbaU: options.gbaUProfile ?? gbaUFromMemory } : {};
      const vector = makeVector(algorithm, { rand, sqn, amf, ...gbaU });
      if (found) return vector;
      vector[Symbol.dispose]();
      return undefined;
    },
  };
}

function requireGbaAmf(amf: Uint8Array): void {
  requireLength("AMF", amf, 2);
  if (amf[0]! & 0x80) throw new RangeError("the separation bit of AMF is 0 but for EPS and 5G (TS 33.102 Annex H)");
}

/** A digest: IMPIs are of any length and alphabet, and need not be readable in the store. */
function counterOf(impi: string): string {
  return `aka/sqn/${toHex(digest("sha-256", toUtf8(impi)))}`;
}

const NO_AMF = new Uint8Array(2);
const NOBODY = "aka/sqn/nobody";
