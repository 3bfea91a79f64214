/** The applications of a UICC that this room knows: how EF_DIR names them, where their files are (TS 101 220, TS 102 221 13.1). @module */

import { equal, fromHex } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";
import { readTlvs } from "./tlv.ts";

/** USIM (TS 31.102) or ISIM (TS 31.103). */
export type ApplicationKind = "usim" | "isim";

/** One entry of EF_DIR. */
export interface CardApplication {
  /** `undefined` for an application that is neither. */
  readonly kind: ApplicationKind | undefined;
  /** 5 to 16 bytes. */
  readonly aid: Uint8Array;
  /** As the maker wrote it, in whatever alphabet; for people. */
  readonly label: Uint8Array;
}

/** Where an application keeps what GBA needs. */
export interface ApplicationFiles {
  /** 3GPP's registered identifier and the application's code; the rest of an AID differs from card to card. */
  readonly prefix: Uint8Array;
  /** EF_UST or EF_IST. */
  readonly services: number;
  /** The number of the service that is GBA. */
  readonly gbaService: number;
  readonly gbabp: number;
  readonly gbanl: number;
}

/** Identifiers by application: TS 31.102 4.2.8, 4.2.79, 4.2.83; TS 31.103 4.2.7, 4.2.9, 4.2.11. */
export const APPLICATION_FILES: Readonly<Record<ApplicationKind, ApplicationFiles>> = {
  usim: { prefix: fromHex("a0000000871002"), services: 0x6f38, gbaService: 68, gbabp: 0x6fd6, gbanl: 0x6fda },
  isim: { prefix: fromHex("a0000000871004"), services: 0x6f07, gbaService: 2, gbabp: 0x6fd5, gbanl: 0x6fd7 },
};

/** The application in a record of EF_DIR; `undefined` for an empty record, or one that cannot be read. */
export function decodeDirectoryRecord(record: Uint8Array): CardApplication | undefined {
  try {
    const template = readTlvs(record).find(({ tag }) => tag === 0x61);
    const objects = template ? readTlvs(template.value) : [];
    const aid = objects.find(({ tag }) => tag === 0x4f)?.value;
    if (!aid || aid.length < 5 || aid.length > 16) return undefined;
    const label = objects.find(({ tag }) => tag === 0x50)?.value ?? new Uint8Array(0);
    return { kind: kindOf(aid), aid: aid.slice(), label: label.slice() };
  } catch (error) {
    // One record that some maker filled in its own way must not hide the others.
    if (error instanceof SeccfError) return undefined;
    throw error;
  }
}

/** Whether service `number` is on in EF_UST or EF_IST: bit (n - 1) mod 8 of byte (n - 1) / 8. */
export function hasService(table: Uint8Array, number: number): boolean {
  return ((table[(number - 1) >> 3] ?? 0) >> ((number - 1) & 7) & 1) === 1;
}

function kindOf(aid: Uint8Array): ApplicationKind | undefined {
  for (const kind of ["usim", "isim"] as const) {
    const { prefix } = APPLICATION_FILES[kind];
    if (equal(aid.subarray(0, prefix.length), prefix)) return kind;
  }
  return undefined;
}
