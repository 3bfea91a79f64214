/** A soft card with a PKCS#15 application, for the tests of what lies on cards. */
import { readFileSync } from "node:fs";
import { concat, fromHex } from "../../lib/bytes/mod.ts";
import type { SoftUsim, SoftUsimOptions } from "../../lib/identity/mod.ts";
import { tlv } from "../../lib/identity/tlv.ts";
import type { ElementaryFile, TransparentFile } from "../../lib/identity/card_files.ts";
import { card } from "./cards.ts";

export interface Pkcs15Vectors {
  readonly odf: string;
  readonly odfFcp: string;
  readonly applicationFcp: string;
  readonly odfTwo: string;
  readonly odfTwoPath: string;
  readonly dodf: string;
  readonly dodfEmpty: string;
  readonly dodfPath: string;
  readonly objectPath: string;
  readonly oid: string;
  readonly applicationName: string;
  readonly content: string;
  readonly arr: readonly {
    readonly record: string;
    readonly read: string | number;
    readonly update: string | number;
    readonly issuer: boolean;
  }[];
}

export const p15 = JSON.parse(
  readFileSync(new URL("../vectors/identity/pkcs15.json", import.meta.url), "utf8"),
) as Pkcs15Vectors;

export const AID15 = fromHex("a000000063504b43532d3135");

/** EF_ARR of these tests: record 1 gives updates to the PIN, 2 and 3 to the issuer's key. */
export const RULES = { pin: 1, issuer: 2 } as const;
const ARR = 0x6f06;

export function transparent(fid: number, content: Uint8Array, rule?: number): TransparentFile {
  const reference = rule === undefined ? {} : { rule: { fid: ARR, record: rule } };
  return { kind: "transparent", fid, read: "always", update: "always", content, ...reference };
}

function arr(): ElementaryFile {
  const records = p15.arr.slice(0, 2).map(({ record }) => {
    const padded = new Uint8Array(40).fill(0xff);
    padded.set(fromHex(record));
    return padded;
  });
  return { kind: "records", fid: ARR, read: "always", update: "never", records };
}

export const ICCID = "98109909002143658739";

/** A card that has these files in its PKCS#15 application. */
export function cardWith(
  files: readonly ElementaryFile[],
  more: Partial<SoftUsimOptions> & { readonly iccid?: string } = {},
): SoftUsim {
  const { iccid = ICCID, ...rest } = more;
  return card({
    ...rest,
    files: {
      mf: [transparent(0x2fe2, fromHex(iccid))],
      applications: [{ kind: "directory", fid: 0x7fff, aid: AID15, files: [...files, arr()] }],
    },
  });
}

/** EF(DODF) naming one object by its OID, as PKCS#15 6.7.4 has it. */
export function dodfOf(oid: string, path: string, flags = ""): Uint8Array {
  const place = tlv(0x30, tlv(0x04, fromHex(path)));
  const common = tlv(0x30, fromHex(flags));
  return tlv(0xa1, common, tlv(0x30), tlv(0xa1, tlv(0x30, tlv(0x06, fromHex(oid)), place)));
}

/** The files that lead to one object of DM bootstrap data. */
export function bootstrapFiles(
  content: Uint8Array,
  options: { readonly rule?: number; readonly flags?: string } = {},
): TransparentFile[] {
  const { rule = RULES.issuer, flags = "" } = options;
  const padding = new Uint8Array(9).fill(0xff);
  return [
    transparent(0x5031, concat(fromHex(p15.odf), padding), RULES.issuer),
    transparent(0x6430, concat(dodfOf("672b0701", p15.objectPath, flags), padding), RULES.issuer),
    transparent(0x6432, content.slice(), rule),
  ];
}
