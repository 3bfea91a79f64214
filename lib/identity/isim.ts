/** What an ISIM says of its subscriber: EF_IMPI, EF_DOMAIN and the records of EF_IMPU (TS 31.103 4.2.2 to 4.2.4). @module */

import { fromUtf8, toUtf8 } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";
import { readTlvs, tlv } from "./tlv.ts";

/** The private identity in EF_IMPI, a NAI; `undefined` on an ISIM that was never personalised. Throws `malformed`. */
export function decodeImpi(file: Uint8Array): string | undefined {
  const impi = decodeName(file);
  if (impi !== undefined && !NAI.test(impi)) throw malformedName("EF_IMPI holds no private identity");
  return impi;
}

/** The home network's domain in EF_DOMAIN; `undefined` for an empty file. Throws `malformed`. */
export function decodeDomain(file: Uint8Array): string | undefined {
  const domain = decodeName(file);
  if (domain !== undefined && !DOMAIN.test(domain)) throw malformedName("EF_DOMAIN holds no domain name");
  return domain;
}

/** The public identity in a record of EF_IMPU, a SIP URI; `undefined` for an empty record. Throws `malformed`. */
export function decodeImpu(record: Uint8Array): string | undefined {
  const impu = decodeName(record);
  if (impu !== undefined && !PRINTABLE.test(impu)) throw malformedName("EF_IMPU holds no public identity");
  return impu;
}

/** A name as the three files hold it, filled up with FF to `length` bytes; RangeError when it does not fit. */
export function encodeName(name: string, length: number): Uint8Array {
  const object = tlv(NAME, toUtf8(name));
  if (object.length > length) throw new RangeError(`a name that fits ${length} bytes`);
  const file = new Uint8Array(length).fill(0xff);
  file.set(object);
  return file;
}

function decodeName(file: Uint8Array): string | undefined {
  const value = readTlvs(file).find(({ tag }) => tag === NAME)?.value;
  return value?.length ? fromUtf8(value) : undefined;
}

function malformedName(message: string): SeccfError {
  return new SeccfError("malformed", message, { clause: "TS 31.103 4.2" });
}

/** The tag of "NAI TLV data object", "URI" alike. */
const NAME = 0x80;
/** RFC 4282 2.1, loosely: what could break a header field or a line is kept out. */
const NAI = /^[!-?A-~]{1,191}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$/;
const DOMAIN = /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$/;
const PRINTABLE = /^[!-~]{1,252}$/;
