/** What a terminal asks of a UICC with a USIM or an ISIM: applications, files, the PIN, AUTHENTICATE (TS 31.102 5 to 7, TS 31.103 7). @module */

import { concat, Reader } from "../bytes/mod.ts";
import { type SecretBytes, secretFrom, wipe } from "../crypto/mod.ts";
// The PIN goes to the card in clear: there is no other way to verify it (TS 102 221 11.1.9).
import { expose } from "../crypto/secret.ts";
import { SeccfError } from "../error.ts";
import type { Wait } from "../platform.ts";
import { type Answer, type Command, exchange } from "./apdu.ts";
import { type CardApplication, decodeDirectoryRecord } from "./card_application.ts";
import type { ApduChannel } from "./ports.ts";
import { statusError, SW, triesLeft } from "./status.ts";

/** File identifiers that do not depend on the application, or exist in one alone (TS 102 221 13, TS 31.102 4.2, TS 31.103 4.2). */
export const FID = {
  mf: 0x3f00,
  iccid: 0x2fe2,
  dir: 0x2f00,
  adf: 0x7fff,
  imsi: 0x6f07,
  ad: 0x6fad,
  impi: 0x6f02,
  domain: 0x6f03,
  impu: 0x6f04,
} as const;

/** What AUTHENTICATE in the 3G context answers. The secrets are the caller's. */
export type UmtsAnswer =
  | { readonly kind: "keys"; readonly res: SecretBytes; readonly ck: SecretBytes; readonly ik: SecretBytes }
  | { readonly kind: "stale"; readonly auts: Uint8Array }
  | { readonly kind: "wrong-mac" };

/** What AUTHENTICATE in the bootstrapping mode of GBA answers: CK and IK stay in the card. */
export type BootstrapAnswer =
  | { readonly kind: "res"; readonly res: SecretBytes }
  | { readonly kind: "stale"; readonly auts: Uint8Array }
  | { readonly kind: "wrong-mac" };

/** Commands to one card over one channel. Every method throws what the channel throws, and `malformed`. */
export class UsimCard {
  readonly #channel: ApduChannel;

  constructor(channel: ApduChannel) {
    this.#channel = channel;
  }

  /** What EF_DIR names, in its order. Empty and unreadable records are passed over. */
  async applications(options?: Wait): Promise<CardApplication[]> {
    await this.#select(0x00, fidBytes(FID.mf), "SELECT MF", options);
    const records = await this.readRecords(FID.dir, options);
    return records.map(decodeDirectoryRecord).filter((application) => application !== undefined);
  }

  /** Makes an application the current one. */
  async select({ aid }: CardApplication, options?: Wait): Promise<void> {
    await this.#select(0x04, aid, "SELECT of the application", options);
  }

  /** EF_ICCID, which names the card itself and is open to everybody; `undefined` on a card without it. Selects the master file. */
  async iccid(options?: Wait): Promise<Uint8Array | undefined> {
    await this.#select(0x00, fidBytes(FID.mf), "SELECT MF", options);
    const { sw } = await this.#send({ ins: 0xa4, p1: 0, p2: 0x04, data: fidBytes(FID.iccid), le: 256 }, options);
    if (sw === SW.fileNotFound) return undefined;
    return await this.readBinary(FID.iccid, options);
  }

  /** All records of a linear file beneath the current directory, {@link MOST_RECORDS} at most. */
  async readRecords(fid: number, options?: Wait): Promise<Uint8Array[]> {
    await this.#select(0x00, fidBytes(fid), "SELECT of a file", options);
    const records: Uint8Array[] = [];
    for (let record = 1; record <= MOST_RECORDS; record++) {
      const { data, sw } = await this.#send({ ins: 0xb2, p1: record, p2: 0x04, le: 256 }, options);
      if (sw === SW.recordNotFound) break;
      if (sw !== SW.ok) throw statusError(sw, "READ RECORD");
      records.push(data);
    }
    return records;
  }

  /** The whole of a transparent file of the selected application, up to 256 bytes of it. */
  async readBinary(fid: number, options?: Wait): Promise<Uint8Array> {
    await this.#select(0x00, fidBytes(fid), "SELECT of a file", options);
    const { data, sw } = await this.#send({ ins: 0xb0, p1: 0, p2: 0, le: 256 }, options);
    if (sw !== SW.ok) throw statusError(sw, "READ BINARY");
    return data;
  }

  /** Writes `content` to the beginning of a transparent file. More than 255 bytes go in several commands. */
  async updateBinary(fid: number, content: Uint8Array, options?: Wait): Promise<void> {
    await this.#select(0x00, fidBytes(fid), "SELECT of a file", options);
    for (let at = 0; at < content.length; at += 255) {
      const data = content.subarray(at, at + 255);
      const { sw } = await this.#send({ ins: 0xd6, p1: at >> 8, p2: at & 255, data }, options);
      if (sw !== SW.ok) throw statusError(sw, "UPDATE BINARY");
    }
  }

  /** How often the application PIN may still be tried; `undefined` when the card takes it as verified. */
  async pinTries(options?: Wait): Promise<number | undefined> {
    const { sw } = await this.#send({ ins: 0x20, p1: 0, p2: APPLICATION_PIN }, options);
    if (sw === SW.ok) return undefined;
    if (sw === SW.pinBlocked) return 0;
    const tries = triesLeft(sw);
    if (tries === undefined) throw statusError(sw, "VERIFY");
    return tries;
  }

  /** Presents the application PIN, 4 to 8 digits. Throws `pin-required` when it is wrong, `pin-blocked` when it was the last. */
  async verifyPin(pin: SecretBytes, options?: Wait): Promise<void> {
    if (pin.byteLength < 4 || pin.byteLength > 8) throw new RangeError("a PIN is 4 to 8 digits");
    const data = new Uint8Array(8).fill(0xff);
    data.set(expose(pin));
    try {
      const { sw } = await this.#send({ ins: 0x20, p1: 0, p2: APPLICATION_PIN, data }, options);
      if (sw !== SW.ok) throw statusError(sw, "VERIFY");
    } finally {
      wipe(data);
    }
  }

  /** AUTHENTICATE in the 3G context. */
  async authenticate(rand: Uint8Array, autn: Uint8Array, options?: Wait): Promise<UmtsAnswer> {
    const data = concat(Uint8Array.of(16), rand, Uint8Array.of(16), autn);
    return await this.#challenge(0x81, data, (reader) => {
      const [res, ck, ik] = [reader.vector8(), reader.vector8(), reader.vector8()];
      // Kc may follow, where service 27 is available: it is of no use here.
      requireRes(res);
      if (ck.length !== 16 || ik.length !== 16) throw malformedAnswer("CK and IK are 16 bytes");
      return { kind: "keys", res: secretFrom(res), ck: secretFrom(ck), ik: secretFrom(ik) };
    }, options);
  }

  /** AUTHENTICATE in the GBA context, bootstrapping mode. */
  async bootstrap(rand: Uint8Array, autn: Uint8Array, options?: Wait): Promise<BootstrapAnswer> {
    const data = concat(Uint8Array.of(0xdd, 16), rand, Uint8Array.of(16), autn);
    return await this.#challenge(0x84, data, (reader) => {
      const res = reader.vector8();
      requireRes(res);
      return { kind: "res", res: secretFrom(res) };
    }, options);
  }

  /** AUTHENTICATE in the GBA context, NAF derivation mode: Ks_ext_NAF. Throws `expired` when the card has no Ks. */
  async nafKey(nafId: Uint8Array, impi: Uint8Array, options?: Wait): Promise<SecretBytes> {
    const length = 3 + nafId.length + impi.length;
    if (length > 255) throw new SeccfError("too-large", "NAF_Id and IMPI do not fit one command");
    const data = concat(Uint8Array.of(0xde, nafId.length), nafId, Uint8Array.of(impi.length), impi);
    const answer = await this.#send({ ins: 0x88, p1: 0, p2: 0x84, data, le: 256 }, options);
    try {
      if (answer.sw === SW.conditionsOfUse) throw new SeccfError("expired", "the card holds no bootstrapped key");
      if (answer.sw !== SW.ok) throw statusError(answer.sw, "AUTHENTICATE");
      const reader = new Reader(answer.data);
      const key = reader.u8() === SUCCESS ? reader.vector8() : undefined;
      if (key?.length !== 32) throw malformedAnswer("Ks_ext_NAF is 32 bytes");
      return secretFrom(key);
    } finally {
      wipe(answer.data);
    }
  }

  async #challenge<Good>(
    p2: number,
    data: Uint8Array,
    good: (reader: Reader) => Good,
    options?: Wait,
  ): Promise<Good | { readonly kind: "stale"; readonly auts: Uint8Array } | { readonly kind: "wrong-mac" }> {
    const answer = await this.#send({ ins: 0x88, p1: 0, p2, data, le: 256 }, options);
    try {
      if (answer.sw === SW.incorrectMac) return { kind: "wrong-mac" };
      if (answer.sw !== SW.ok) throw statusError(answer.sw, "AUTHENTICATE");
      const reader = new Reader(answer.data);
      const tag = reader.u8();
      if (tag === SUCCESS) return good(reader);
      const auts = tag === STALE ? reader.vector8() : undefined;
      if (auts?.length !== 14) throw malformedAnswer("AUTS is 14 bytes");
      return { kind: "stale", auts: auts.slice() };
    } finally {
      wipe(answer.data);
    }
  }

  /** P2 04 asks for the file's description, which all cards allow; it is not looked at. */
  async #select(p1: number, data: Uint8Array, action: string, options?: Wait): Promise<void> {
    const { sw } = await this.#send({ ins: 0xa4, p1, p2: 0x04, data, le: 256 }, options);
    if (sw !== SW.ok) throw statusError(sw, action);
  }

  #send(command: Command, options?: Wait): Promise<Answer> {
    return exchange(this.#channel, command, options);
  }
}

function requireRes(res: Uint8Array): void {
  if (res.length < 4 || res.length > 16) throw malformedAnswer("RES is 4 to 16 bytes");
}

function malformedAnswer(message: string): SeccfError {
  return new SeccfError("malformed", message, { clause: "TS 31.102 7.1.2.1" });
}

function fidBytes(fid: number): Uint8Array {
  return Uint8Array.of(fid >> 8, fid & 255);
}

const APPLICATION_PIN = 0x01;
const SUCCESS = 0xdb;
const STALE = 0xdc;
/** Records that are looked at: files have a few, those of a hostile card might have no end. */
const MOST_RECORDS = 32;
