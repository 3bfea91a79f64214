/** Who a subscriber is and whom to ask, from the IMSI (TS 23.003 2.2, 13.3 and 16; TS 31.102 4.2.2, 4.2.18). @module */

import { SeccfError } from "../error.ts";

/** Digits of the mobile network code within an IMSI. */
export type MncLength = 2 | 3;

/** The private identity of a subscriber without an ISIM: `<IMSI>@ims.mnc<3>.mcc<3>.3gppnetwork.org`. */
export function impiOf(imsi: string, mncLength: MncLength): string {
  return `${imsi}@ims.${networkOf(imsi, mncLength)}.3gppnetwork.org`;
}

/** The Key Manager's name of a subscriber without an ISIM: `bsf.mnc<3>.mcc<3>.pub.3gppnetwork.org`. */
export function bsfNameOf(imsi: string, mncLength: MncLength): string {
  return `bsf.${networkOf(imsi, mncLength)}.pub.3gppnetwork.org`;
}

/**
 * The Key Manager's name for a private identity (TS 23.003 16.2): `bsf.` before its domain; within `3gppnetwork.org`
 * `pub` comes before that, and a leading `ims` goes. RangeError unless `impi` is a NAI.
 */
export function bsfNameOfImpi(impi: string): string {
  const domain = /^[^@]+@([A-Za-z0-9.-]+)$/.exec(impi)?.[1]?.toLowerCase();
  if (domain === undefined) throw new RangeError("a private identity is user@domain");
  const network = /^(?:ims\.)?(.+)\.3gppnetwork\.org$/.exec(domain)?.[1];
  return network === undefined ? `bsf.${domain}` : `bsf.${network.replace(/\.pub$/, "")}.pub.3gppnetwork.org`;
}

/** The digits in EF_IMSI: a length, then nibbles, low one first, the first of them parity. Throws `malformed`. */
export function decodeImsi(file: Uint8Array): string {
  const length = file[0] ?? 0;
  if (length < 1 || length > 8 || file.length < 1 + length) throw malformedImsi();
  let nibbles = "";
  for (const byte of file.subarray(1, 1 + length)) nibbles += (byte & 15).toString(16) + (byte >> 4).toString(16);
  // The parity nibble is 9 for an odd number of digits, 1 for an even one, behind which F fills up.
  const digits = nibbles[0] === "9" ? nibbles.slice(1) : nibbles.slice(1, -1);
  if (!IMSI.test(digits) || !/^(?:9|1.*f$)/.test(nibbles)) throw malformedImsi();
  return digits;
}

/** The 9 bytes of EF_IMSI; RangeError unless `imsi` is 6 to 15 digits. */
export function encodeImsi(imsi: string): Uint8Array {
  if (!IMSI.test(imsi)) throw new RangeError("an IMSI is 6 to 15 digits");
  const odd = imsi.length % 2 === 1;
  const nibbles = (odd ? "9" : "1") + imsi + (odd ? "" : "f");
  const file = new Uint8Array(9).fill(0xff);
  file[0] = nibbles.length / 2;
  for (let i = 0; i < nibbles.length; i += 2) file[1 + i / 2] = Number.parseInt(nibbles[i + 1]! + nibbles[i]!, 16);
  return file;
}

/** The length of the MNC in EF_AD; `undefined` on a card that is too old to tell. */
export function decodeMncLength(file: Uint8Array): MncLength | undefined {
  const length = (file[3] ?? 0) & 15;
  return length === 2 || length === 3 ? length : undefined;
}

function networkOf(imsi: string, mncLength: MncLength): string {
  if (!IMSI.test(imsi)) throw new RangeError("an IMSI is 6 to 15 digits");
  return `mnc${imsi.slice(3, 3 + mncLength).padStart(3, "0")}.mcc${imsi.slice(0, 3)}`;
}

function malformedImsi(): SeccfError {
  return new SeccfError("malformed", "EF_IMSI holds no IMSI", { clause: "TS 31.102 4.2.2" });
}

const IMSI = /^[0-9]{6,15}$/;
