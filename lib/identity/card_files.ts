/** The files of the soft USIM, and how one is selected and described (TS 102 221 8, 11.1.1). @module */

import { concat, equal } from "../bytes/mod.ts";
import { tlv } from "./tlv.ts";

/** When a command may touch a file. */
export type Access = "always" | "pin" | "never";

/** The record of EF_ARR that tells who may touch a file; told to who asks, while {@link Access} is what is kept to. */
export interface RuleReference {
  /** Identifier of the EF_ARR, two bytes as one number, and the record in it, from 1; told in tag 8B of what SELECT answers. */
  readonly rule?: { readonly fid: number; readonly record: number };
}

/** A sequence of bytes. */
export interface TransparentFile extends RuleReference {
  /** The file has no records: 41 in the descriptor that SELECT answers. */
  readonly kind: "transparent";
  /** The file's identifier, two bytes as one number, such as 0x6fd6. */
  readonly fid: number;
  /** When READ BINARY gives the bytes out. */
  readonly read: Access;
  /** When UPDATE BINARY takes new bytes. */
  readonly update: Access;
  /** Of fixed length; written in place. */
  readonly content: Uint8Array;
}

/** Records of one length, numbered from 1. */
export interface RecordFile extends RuleReference {
  /** Linear fixed: 42 in the descriptor that SELECT answers. */
  readonly kind: "records";
  /** The file's identifier, two bytes as one number, such as 0x6fda. */
  readonly fid: number;
  /** When READ RECORD gives a record out. */
  readonly read: Access;
  /** When UPDATE RECORD takes a new one. */
  readonly update: Access;
  /** Written in place. */
  readonly records: readonly Uint8Array[];
}

/** A file that holds bytes. */
export type ElementaryFile = TransparentFile | RecordFile;

/** The master file, or an application's. */
export interface Directory {
  /** It holds files and no bytes of its own: 78 in the descriptor that SELECT answers. */
  readonly kind: "directory";
  /** The identifier, two bytes as one number: 3F00 of the master file, 7FFF of an application. */
  readonly fid: number;
  /** 5 to 16 bytes, of an application. */
  readonly aid?: Uint8Array;
  /** What lies directly beneath; there are no further directories. */
  readonly files: readonly ElementaryFile[];
}

/** A card with at least one application. */
export interface FileTree {
  readonly mf: Directory;
  readonly applications: readonly [Directory, ...Directory[]];
}

/** What SELECT found: the file, and the directory that is current from then on. */
export interface Selected {
  readonly directory: Directory;
  readonly file: ElementaryFile | undefined;
  /** What 7FFF means: the application selected last, the first one before that. */
  readonly application: Directory;
}

/** After a reset: the master file. */
export function selectNothing(tree: FileTree): Selected {
  return { directory: tree.mf, file: undefined, application: tree.applications[0] };
}

/** The file with this identifier, as seen from `current` (8.4.1); `undefined` if there is none. */
export function selectByFid(tree: FileTree, current: Selected, fid: number): Selected | undefined {
  const { directory, application } = current;
  if (fid === tree.mf.fid) return { directory: tree.mf, file: undefined, application };
  if (fid === application.fid) return { directory: application, file: undefined, application };
  const file = directory.files.find((candidate) => candidate.fid === fid);
  return file && { directory, file, application };
}

/** The file at the end of a path from the master file, two bytes a step (8.4.2); `undefined` if there is none. */
export function selectByPath(tree: FileTree, current: Selected, path: Uint8Array): Selected | undefined {
  let found: Selected | undefined = { ...current, directory: tree.mf, file: undefined };
  for (let at = 0; at + 1 < path.length; at += 2) {
    // Nothing lies beneath a file.
    if (!found || found.file) return undefined;
    found = selectByFid(tree, found, path[at]! * 256 + path[at + 1]!);
  }
  return path.length > 0 && path.length % 2 === 0 ? found : undefined;
}

/** The first application whose AID begins with `name`, at least the 5 bytes of a provider (8.5.1); `undefined` if none does. */
export function selectByAid(tree: FileTree, name: Uint8Array): Selected | undefined {
  const application = tree.applications.find(({ aid = new Uint8Array(0) }) =>
    name.length >= 5 && name.length <= aid.length && equal(aid.subarray(0, name.length), name)
  );
  return application && { directory: application, file: undefined, application };
}

/** The file control parameters of what was selected (11.1.1.3): descriptor, name, size, life cycle. */
export function describe({ directory, file }: Omit<Selected, "application">): Uint8Array {
  const fid = file?.fid ?? directory.fid;
  const identifier = tlv(0x83, Uint8Array.of(fid >> 8, fid & 255));
  const active = tlv(0x8a, Uint8Array.of(0x05));
  if (!file) {
    const name = directory.aid ? tlv(0x84, directory.aid) : new Uint8Array(0);
    return tlv(0x62, tlv(0x82, Uint8Array.of(0x78, 0x21)), identifier, name, active);
  }
  const length = file.kind === "records" ? file.records[0]?.length ?? 0 : 0;
  const descriptor = file.kind === "records"
    ? Uint8Array.of(0x42, 0x21, length >> 8, length & 255, file.records.length)
    : Uint8Array.of(0x41, 0x21);
  const size = file.kind === "records" ? length * file.records.length : file.content.length;
  const { rule } = file;
  const reference = rule ? tlv(0x8b, Uint8Array.of(rule.fid >> 8, rule.fid & 255, rule.record)) : new Uint8Array(0);
  const total = tlv(0x80, Uint8Array.of(size >> 8, size & 255));
  return tlv(0x62, concat(tlv(0x82, descriptor), identifier, active, reference, total));
}
