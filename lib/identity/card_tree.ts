/** The files that the soft USIM has: EF_DIR, and the USIM's own (TS 102 221 13, TS 31.102 4.2). @module */

import { fromHex, toUtf8 } from "../bytes/mod.ts";
import type { ElementaryFile, FileTree } from "./card_files.ts";
import { encodeImsi, type MncLength } from "./names.ts";
import { tlv } from "./tlv.ts";
import { FID } from "./usim_card.ts";

/** What {@link usimTree} takes. */
export interface TreeOptions {
  readonly imsi: string;
  readonly mncLength: MncLength;
  /** Numbers of the services in EF_UST. */
  readonly services: readonly number[];
  /** EF_GBABP and the records of EF_GBANL, which become the files' contents; absent without GBA. */
  readonly gba: { readonly gbabp: Uint8Array; readonly gbanl: readonly Uint8Array[] } | undefined;
}

/** A card with a USIM. RangeError for an IMSI or a service that there is not. */
export function usimTree({ imsi, mncLength, services, gba }: TreeOptions): FileTree {
  const label = tlv(0x50, toUtf8("USIM"));
  const entry = tlv(0x61, tlv(0x4f, AID), label);
  const dir = { kind: "records", fid: FID.dir, read: "always", update: "never", records: [entry] } as const;
  const files: ElementaryFile[] = [
    { kind: "transparent", fid: FID.imsi, read: "pin", update: "never", content: encodeImsi(imsi) },
    { kind: "transparent", fid: FID.ad, read: "always", update: "never", content: Uint8Array.of(0, 0, 0, mncLength) },
    { kind: "transparent", fid: FID.ust, read: "pin", update: "never", content: serviceTable(services) },
  ];
  if (gba) {
    files.push(
      { kind: "transparent", fid: FID.gbabp, read: "pin", update: "pin", content: gba.gbabp },
      { kind: "records", fid: FID.gbanl, read: "pin", update: "never", records: gba.gbanl },
    );
  }
  return {
    mf: { kind: "directory", fid: FID.mf, files: [dir] },
    adf: { kind: "directory", fid: FID.adf, aid: AID, files },
  };
}

/** Service n is bit (n - 1) mod 8 of byte (n - 1) / 8 (TS 31.102 4.2.8). */
function serviceTable(services: readonly number[]): Uint8Array {
  const table = new Uint8Array(17);
  for (const service of services) {
    if (!Number.isInteger(service) || service < 1 || service > 8 * table.length) {
      throw new RangeError("a service from 1 to 136");
    }
    table[(service - 1) >> 3]! |= 1 << ((service - 1) & 7);
  }
  return table;
}

/** The USIM's registered part (TS 101 220), then a number of ours. */
const AID = fromHex("a0000000871002ffffffff8900000100");
