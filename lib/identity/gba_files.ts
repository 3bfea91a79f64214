/** EF_GBABP and EF_GBANL: what a card remembers of bootstrapping (TS 31.102 4.2.79, 4.2.83). @module */

import { concat, Reader } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";
import { readTlvs, tlv } from "./tlv.ts";

/** The contents of EF_GBABP. */
export interface BootstrapParameters {
  /** 16 bytes. */
  readonly rand: Uint8Array;
  /** UTF-8, at most 255 bytes; empty until the terminal has written it. */
  readonly btid: Uint8Array;
  /** The key's lifetime as text, at most 255 bytes; empty until the terminal has written it. */
  readonly lifetime: Uint8Array;
}

/** Three fields, each behind its length of one byte. */
export function encodeBootstrap(parameters: BootstrapParameters): Uint8Array {
  const { rand, btid, lifetime } = parameters;
  for (const field of [rand, btid, lifetime]) {
    if (field.length > 0xff) {
      throw new SeccfError("too-large", "EF_GBABP has no room for this", { clause: "TS 31.102 4.2.79" });
    }
  }
  return concat(
    Uint8Array.of(rand.length),
    rand,
    Uint8Array.of(btid.length),
    btid,
    Uint8Array.of(lifetime.length),
    lifetime,
  );
}

/** The fields of a file; `undefined` for one that was never written. Throws `malformed`. */
export function decodeBootstrap(file: Uint8Array): BootstrapParameters | undefined {
  if (file.length === 0 || file[0] === 0xff) return undefined;
  const reader = new Reader(file);
  const rand = reader.vector8();
  if (rand.length === 0) return undefined;
  if (rand.length !== 16) throw new SeccfError("malformed", "RAND is 16 bytes", { clause: "TS 31.102 4.2.79" });
  return { rand, btid: reader.vector8(), lifetime: reader.vector8() };
}

/** One record of EF_GBANL. */
export interface NafRecord {
  /** FQDN and the 5 bytes of the Ua security protocol identifier (TS 33.220 3.1); tag 80 in the record. */
  readonly nafId: Uint8Array;
  /** UTF-8: of the bootstrapping that this NAF's keys come from; tag 81 in the record. */
  readonly btid: Uint8Array;
}

/** A record of `length` bytes, filled up with FF; `undefined` when it does not fit. */
export function encodeNafRecord(record: NafRecord, length: number): Uint8Array | undefined {
  const objects = concat(tlv(0x80, record.nafId), tlv(0x81, record.btid));
  if (objects.length > length) return undefined;
  const bytes = new Uint8Array(length).fill(0xff);
  bytes.set(objects);
  return bytes;
}

/** The record in `bytes`; `undefined` for an empty one. Throws `malformed`. */
export function decodeNafRecord(bytes: Uint8Array): NafRecord | undefined {
  const objects = readTlvs(bytes);
  const nafId = objects.find(({ tag }) => tag === 0x80)?.value;
  const btid = objects.find(({ tag }) => tag === 0x81)?.value;
  return nafId && btid && { nafId, btid };
}
