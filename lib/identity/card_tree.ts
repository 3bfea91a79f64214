/** The files that the soft card has: EF_DIR, and those of its applications (TS 102 221 13, TS 31.102 4.2, TS 31.103 4.2). @module */

import { fromHex, toUtf8 } from "../bytes/mod.ts";
import { APPLICATION_FILES } from "./card_application.ts";
import type { Directory, ElementaryFile, FileTree, RecordFile, TransparentFile } from "./card_files.ts";
import type { CardGba } from "./card_gba.ts";
import { encodeName } from "./isim.ts";
import { encodeImsi, type MncLength } from "./names.ts";
import { tlv } from "./tlv.ts";
import { FID } from "./usim_card.ts";

/** What {@link cardTree} takes of the USIM. */
export interface UsimTreeOptions {
  readonly imsi: string;
  readonly mncLength: MncLength;
  /** Numbers of the services in EF_UST. */
  readonly services: readonly number[];
  /** Its arrays become the contents of EF_GBABP and EF_GBANL; absent without GBA. */
  readonly gba: CardGba | undefined;
}

/** What an ISIM says of the subscriber. */
export interface IsimProfile {
  /** The private identity. Absent: an ISIM that was never personalised. */
  readonly impi?: string;
  /** Public identities, SIP URIs. Default none. */
  readonly impus?: readonly string[];
  /** The home network's domain. */
  readonly domain?: string;
  /** Numbers of the services in EF_IST (TS 31.103 4.2.7). Default 2 (GBA). */
  readonly services?: readonly number[];
}

/** What {@link cardTree} takes of the ISIM. */
export type IsimTreeOptions = Omit<IsimProfile, "services"> & Pick<UsimTreeOptions, "services" | "gba">;

/** What a card holds besides its USIM and ISIM. */
export interface FurtherFiles {
  /** Beneath the master file, such as EF_ICCID. */
  readonly mf?: readonly ElementaryFile[];
  /** Named in EF_DIR. Their file identifier is 7FFF. */
  readonly applications?: readonly Directory[];
}

/** A card with a USIM, an ISIM if it is given, and further files. RangeError for an IMSI, a name or a service that there can not be. */
export function cardTree(usim: UsimTreeOptions, isim?: IsimTreeOptions, further: FurtherFiles = {}): FileTree {
  const applications: [Directory, ...Directory[]] = [usimDirectory(usim)];
  const records = [directoryRecord(USIM_AID, "USIM")];
  if (isim) {
    applications.push(isimDirectory(isim));
    records.push(directoryRecord(ISIM_AID, "ISIM"));
  }
  for (const directory of further.applications ?? []) {
    applications.push(directory);
    const record = new Uint8Array(records[0]!.length).fill(0xff); // All records are as long as the USIM's.
    record.set(tlv(0x61, tlv(0x4f, directory.aid ?? new Uint8Array(0))));
    records.push(record);
  }
  const dir = { kind: "records", fid: FID.dir, read: "always", update: "never", records } as const;
  return { mf: { kind: "directory", fid: FID.mf, files: [dir, ...further.mf ?? []] }, applications };
}

function usimDirectory({ imsi, mncLength, services, gba }: UsimTreeOptions): Directory {
  const files = [
    secret(FID.imsi, encodeImsi(imsi)),
    open(FID.ad, Uint8Array.of(0, 0, 0, mncLength)),
    secret(APPLICATION_FILES.usim.services, serviceTable(services, 17)),
    ...gbaFiles("usim", gba),
  ];
  return { kind: "directory", fid: FID.adf, aid: USIM_AID, files };
}

function isimDirectory({ impi, impus = [], domain, services, gba }: IsimTreeOptions): Directory {
  const name = (text: string | undefined) =>
    text === undefined ? EMPTY_NAME.slice() : encodeName(text, EMPTY_NAME.length);
  const files = [
    secret(FID.impi, name(impi)),
    secret(FID.domain, name(domain)),
    records(FID.impu, impus.length > 0 ? impus.map(name) : [name(undefined)]),
    secret(APPLICATION_FILES.isim.services, serviceTable(services, 3)),
    ...gbaFiles("isim", gba),
  ];
  return { kind: "directory", fid: FID.adf, aid: ISIM_AID, files };
}

function gbaFiles(kind: keyof typeof APPLICATION_FILES, gba: CardGba | undefined): ElementaryFile[] {
  if (!gba) return [];
  const { gbabp, gbanl } = APPLICATION_FILES[kind];
  return [{ ...secret(gbabp, gba.gbabp), update: "pin" }, records(gbanl, gba.gbanl)];
}

/** Read by everybody, written by nobody. */
function open(fid: number, content: Uint8Array): TransparentFile {
  return { kind: "transparent", fid, read: "always", update: "never", content };
}

/** Read behind the PIN, written by nobody. */
function secret(fid: number, content: Uint8Array): TransparentFile {
  return { kind: "transparent", fid, read: "pin", update: "never", content };
}

function records(fid: number, content: readonly Uint8Array[]): RecordFile {
  return { kind: "records", fid, read: "pin", update: "never", records: content };
}

function directoryRecord(aid: Uint8Array, label: string): Uint8Array {
  return tlv(0x61, tlv(0x4f, aid), tlv(0x50, toUtf8(label)));
}

/** Service n is bit (n - 1) mod 8 of byte (n - 1) / 8 (TS 31.102 4.2.8, TS 31.103 4.2.7). */
function serviceTable(services: readonly number[], length: number): Uint8Array {
  const table = new Uint8Array(length);
  for (const service of services) {
    if (!Number.isInteger(service) || service < 1 || service > 8 * length) {
      throw new RangeError(`a service from 1 to ${8 * length}`);
    }
    table[(service - 1) >> 3]! |= 1 << ((service - 1) & 7);
  }
  return table;
}

/** The registered part of an application (TS 101 220), then a number of ours. */
const USIM_AID = fromHex("a0000000871002ffffffff8900000100");
const ISIM_AID = fromHex("a0000000871004ffffffff8900000100");
/** Room for a name of 125 bytes. */
const EMPTY_NAME: Uint8Array = new Uint8Array(127).fill(0xff);
