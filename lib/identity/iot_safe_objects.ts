/** What an IoT SAFE applet answers to GET DATA: itself, and the objects in it (GSMA IoT.05; for the sources see `iot_safe.ts`). @module */

import { equal, Reader } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";

/** What the applet says of itself. */
export interface IotSafeApplication {
  /** Of the applet's interface. */
  readonly version: number;
  /** Its maker's name for it, at most 32 bytes. */
  readonly appletId: Uint8Array;
  /** How many files there may be. */
  readonly mostFiles: number;
  /** How many private keys. */
  readonly mostPrivateKeys: number;
  /** How many public keys. */
  readonly mostPublicKeys: number;
  /** How many secret keys. */
  readonly mostSecretKeys: number;
  /** Whether keys can be derived in it at all. */
  readonly canDeriveKeys: boolean;
  /** And how. */
  readonly derivations: IotSafeDerivations;
}

/** How keys can be derived in the applet. */
export interface IotSafeDerivations {
  /** The PRF of TLS 1.2 with SHA-256 (RFC 5246 5). */
  readonly prfSha256: boolean;
  /** RFC 5869. */
  readonly hkdf: boolean;
}

/** What an object in the applet is. */
export type IotSafeKind = "private-key" | "public-key" | "file" | "secret-key";

/** An object in the applet. */
export interface IotSafeObject {
  /** What it is. */
  readonly kind: IotSafeKind;
  /** 1 to 20 bytes. */
  readonly id: Uint8Array;
  /** At most 60 bytes; empty where it has none. */
  readonly label: Uint8Array;
  /** Whether it is there as a whole. */
  readonly activated: boolean;
  /** Whether it may be read from outside. */
  readonly readable: boolean;
  /** As IoT.05 numbers them; A0 is a key for HMAC. Absent for a file. */
  readonly keyType?: number;
  /** What can be derived under it. */
  readonly derivations: IotSafeDerivations;
}

/** The answer to GET DATA, application. Throws `malformed`. */
export function decodeApplication(bytes: Uint8Array): IotSafeApplication {
  const fields = new Map(readFields(bytes));
  const number = (tag: number): number => {
    const value = fields.get(tag);
    // Hashes have two bytes in the standard and one in some applets; only the lower one is ever used.
    if (!value || value.length < 1 || value.length > 2) throw malformed(`no number in ${tag.toString(16)}`);
    return value.at(-1)!;
  };
  return {
    version: number(0x10),
    appletId: (fields.get(0x11) ?? new Uint8Array(0)).slice(),
    mostFiles: number(0xb1),
    mostPrivateKeys: number(0xb2),
    mostPublicKeys: number(0xb3),
    mostSecretKeys: number(0xb4),
    canDeriveKeys: (number(0x90) & 0x08) !== 0,
    derivations: derivationsOf(fields.get(0x94)),
  };
}

/** The answer to GET DATA, object list. Throws `malformed`. */
export function decodeObjects(bytes: Uint8Array): IotSafeObject[] {
  return readFields(bytes).flatMap(([tag, value]) => {
    const list = LISTS[tag];
    return list ? decodeList(list, value) : [];
  });
}

/** One applet puts each object into a list of its own, another all of a kind into one: the next begins with its label or its id. */
function decodeList({ kind, label, id }: List, bytes: Uint8Array): IotSafeObject[] {
  const objects: Map<number, Uint8Array>[] = [];
  for (const [tag, value] of readFields(bytes)) {
    const current = objects.at(-1);
    const begins = tag === label || (tag === id && (!current || current.has(id)));
    if (begins) objects.push(new Map([[tag, value]]));
    else if (!current) throw malformed("an object without a name");
    else if (current.has(tag)) throw malformed("an attribute twice");
    else current.set(tag, value);
  }
  return objects.map((fields) => {
    const type = fields.get(0x4b)?.[0];
    return {
      kind,
      id: named(fields.get(id), 1, 20),
      label: named(fields.get(label) ?? new Uint8Array(0), 0, 60),
      activated: equal(fields.get(0x4a) ?? new Uint8Array(0), Uint8Array.of(1)),
      readable: ((fields.get(0x60)?.[0] ?? 0) & 0x01) !== 0,
      ...(type === undefined ? {} : { keyType: type }),
      derivations: derivationsOf(fields.get(0x94)),
    };
  });
}

/** Tag, length in one byte up to 255, value: not BER, whose lengths above 127 have a byte before them. */
function readFields(bytes: Uint8Array): [number, Uint8Array][] {
  const reader = new Reader(bytes);
  const fields: [number, Uint8Array][] = [];
  while (reader.remaining > 0) fields.push([reader.u8(), reader.vector8()]);
  return fields;
}

function named(value: Uint8Array | undefined, least: number, most: number): Uint8Array {
  if (!value || value.length < least || value.length > most) throw malformed("a name of this length is none");
  return value.slice();
}

function derivationsOf(value: Uint8Array | undefined): IotSafeDerivations {
  const bits = value?.[0] ?? 0;
  return { prfSha256: (bits & 0x01) !== 0, hkdf: (bits & 0x02) !== 0 };
}

function malformed(message: string): SeccfError {
  return new SeccfError("malformed", message, { clause: "GSMA IoT.05" });
}

interface List {
  readonly kind: IotSafeKind;
  readonly label: number;
  readonly id: number;
}

const LISTS: Readonly<Record<number, List>> = {
  0xc1: { kind: "private-key", label: 0x74, id: 0x84 },
  0xc2: { kind: "public-key", label: 0x75, id: 0x85 },
  0xc3: { kind: "file", label: 0x73, id: 0x83 },
  0xc4: { kind: "secret-key", label: 0x76, id: 0x86 },
};
