/**
 * Which data objects a card's PKCS#15 application names, and where they lie: EF(ODF) and EF(DODF) (PKCS#15 v1.1 6.2, 6.7).
 * What else such directories hold, keys and certificates and PINs, is passed over.
 *
 * @module
 */

import { fromHex, fromUtf8 } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";
import { decodeOid, decodeSmallInteger, type DerValue, oneDer, readDer, readDerFile } from "./pkcs15_der.ts";

/** The registered name of the application, by which EF_DIR tells of it. */
export const PKCS15_AID: Uint8Array = fromHex("a000000063504b43532d3135");

/** EF(ODF), where everything begins, beneath the application (6.7). */
export const ODF_PATH: Uint8Array = fromHex("5031");

/** OMA DM bootstrap data (OMA DM Bootstrap, as the open mobile API names it). */
export const DM_BOOTSTRAP_OID = "2.23.43.7.1";

/** LwM2M bootstrap data (OMA LwM2M Appendix G). */
export const LWM2M_BOOTSTRAP_OID = "2.23.43.9.1";

/** Where an object lies. */
export type ObjectPlace =
  | {
    readonly kind: "file";
    /** File identifiers, two bytes each: from the master file if they begin with 3F00, else beneath the application. */
    readonly path: Uint8Array;
    /** A part of the file alone, in bytes. */
    readonly part?: { readonly offset: number; readonly length: number };
  }
  | { readonly kind: "here"; readonly content: Uint8Array }
  /** Enveloped, or behind a URL: not read. */
  | { readonly kind: "other" };

/** What EF(DODF) says of one object. */
export interface DataObject {
  /** For people, at most 255 bytes of UTF-8; `undefined` where the card gives none. */
  readonly label: string | undefined;
  /** The application that the object belongs to, at most 255 bytes of UTF-8; `undefined` where the card names none. */
  readonly applicationName: string | undefined;
  /** Of the kind of the object: its own, or the application's that it belongs to. */
  readonly oid: string | undefined;
  /** Behind a PIN. */
  readonly private: boolean;
  /** The one who holds the PIN may change it: nobody's authority stands behind such an object. */
  readonly modifiable: boolean;
  /** A file or a part of one, the content itself, or a place that is not read. */
  readonly place: ObjectPlace;
}

/** Where EF(ODF) says that directories of data objects are: paths to EF(DODF)s, and objects that stand in EF(ODF) itself. */
export interface ObjectDirectory {
  /** The one to prefer first. */
  readonly files: readonly Uint8Array[];
  /** Listed by EF(ODF) without an EF(DODF): who may change EF(ODF) may change them. */
  readonly objects: readonly DataObject[];
}

/** Reads EF(ODF). Throws `malformed`. */
export function decodeObjectDirectory(file: Uint8Array): ObjectDirectory {
  const files: Uint8Array[] = [];
  const objects: DataObject[] = [];
  for (const { tag, value } of readDerFile(file)) {
    if (tag !== DATA_OBJECTS) continue;
    const [choice, ...others] = readDer(value);
    if (!choice || others.length > 0) throw malformed("a directory that points nowhere, or twice");
    if (choice.tag === SEQUENCE) files.push(decodePath(choice.value).path);
    else if (choice.tag === 0xa0) objects.push(...readDer(choice.value).map(decodeData).filter((found) => !!found));
    if (files.length > MOST_DIRECTORIES) throw malformed("more directories than a card has");
  }
  return { files, objects };
}

/** Reads EF(DODF). Objects of a form that is not known are passed over. Throws `malformed`. */
export function decodeDataDirectory(file: Uint8Array): DataObject[] {
  return readDerFile(file).map(decodeData).filter((found) => found !== undefined);
}

/** CHOICE of opaque, external and OID objects; the module's tags are implicit. */
function decodeData({ tag, value }: DerValue): DataObject | undefined {
  if (tag !== SEQUENCE && tag !== OID_OBJECT) return undefined;
  const [common, kind, ...rest] = readDer(value);
  const type = rest.at(-1);
  const between = rest.slice(0, -1);
  if (common?.tag !== SEQUENCE || kind?.tag !== SEQUENCE || type?.tag !== TYPE_ATTRIBUTES) {
    throw malformed("an object without its three parts");
  }
  if (between.length > 1 || between.some((part) => part.tag !== 0xa0)) throw malformed("a part of an object too many");
  const { applicationName, applicationOid } = decodeKind(readDer(kind.value));
  const attributes = decodeCommon(readDer(common.value));
  if (tag === SEQUENCE) {
    const [place, ...more] = readDer(type.value);
    if (!place || more.length > 0) throw malformed("an object in no place, or in two");
    return { ...attributes, applicationName, oid: applicationOid, place: decodePlace(place) };
  }
  const [id, place, ...more] = readDer(oneDer(type.value, SEQUENCE));
  if (id?.tag !== OID || !place || more.length > 0) throw malformed("an object without its identifier and its value");
  return { ...attributes, applicationName, oid: decodeTwiceEncoded(id.value), place: decodePlace(place) };
}

/** CommonObjectAttributes (6.1.8): label, flags, and what is not looked at. */
function decodeCommon(values: readonly DerValue[]): Pick<DataObject, "label" | "private" | "modifiable"> {
  const at = values[0]?.tag === UTF8_STRING ? 1 : 0;
  const label = at === 1 ? text(values[0]!.value) : undefined;
  const flags = values[at]?.tag === BIT_STRING ? bits(values[at].value) : 0;
  return { label, private: (flags & 0x80) !== 0, modifiable: (flags & 0x40) !== 0 };
}

/** CommonDataObjectAttributes (6.7.1). */
function decodeKind(values: readonly DerValue[]): Record<"applicationName" | "applicationOid", string | undefined> {
  const at = values[0]?.tag === UTF8_STRING ? 1 : 0;
  return {
    applicationName: at === 1 ? text(values[0]!.value) : undefined,
    applicationOid: values[at]?.tag === OID ? decodeTwiceEncoded(values[at].value) : undefined,
  };
}

/** ObjectValue (6.1.5). */
function decodePlace({ tag, value }: DerValue): ObjectPlace {
  if (tag === SEQUENCE) return decodePath(value);
  if (tag === 0xa0 || tag === 0x80) return { kind: "here", content: value.slice() };
  return { kind: "other" };
}

/** Path (6.1.5): two bytes a step, and index and length together or not at all. */
function decodePath(value: Uint8Array): ObjectPlace & { kind: "file" } {
  const [path, index, length, ...more] = readDer(value);
  if (path?.tag !== OCTET_STRING || more.length > 0) throw malformed("a path that is none");
  const { length: size } = path.value;
  if (size < 2 || size > MOST_PATH || size % 2 !== 0) throw malformed("a path of file identifiers");
  if (!index) return { kind: "file", path: path.value.slice() };
  if (index.tag !== INTEGER || length?.tag !== 0x80) throw malformed("an index and a length, or neither");
  const part = { offset: decodeSmallInteger(index.value), length: decodeSmallInteger(length.value) };
  return { kind: "file", path: path.value.slice(), part };
}

/** The example of OMA LwM2M Appendix G puts tag and length into the value once more, and cards were made by it. */
function decodeTwiceEncoded(content: Uint8Array): string {
  const [tag, length] = content;
  return decodeOid(tag === OID && length === content.length - 2 ? content.subarray(2) : content);
}

/** The first eight bits. */
function bits(content: Uint8Array): number {
  const [unused = 8, first = 0] = content;
  if (unused > 7 || content.length > 5 || (content.length === 1 && unused !== 0)) {
    throw malformed("flags that are none");
  }
  return first;
}

function text(value: Uint8Array): string {
  if (value.length > 255) throw malformed("a label of at most 255 bytes");
  return fromUtf8(value);
}

function malformed(message: string): SeccfError {
  return new SeccfError("malformed", message, { clause: "PKCS#15 6" });
}

const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OID = 0x06;
const UTF8_STRING = 0x0c;
const SEQUENCE = 0x30;
const OID_OBJECT = 0xa1;
const TYPE_ATTRIBUTES = 0xa1;
const DATA_OBJECTS = 0xa7;
const MOST_DIRECTORIES = 8;
/** Eight steps. */
const MOST_PATH = 16;
