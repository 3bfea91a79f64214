/** ACK: which records with handshake messages have come (RFC 9147 7). @module */

import { Reader, Writer } from "../../bytes/mod.ts";
import { MAX_RECORDS } from "../limits.ts";

/** One record of one direction. */
export interface RecordNumber {
  readonly epoch: number;
  /** 0 to 2^48 - 1. */
  readonly number: number;
}

/** Bytes of one record's entry: epoch (8), number (8). */
export const RECORD_NUMBER_LENGTH = 16;

/** The record's content. The order is by epoch and number, as RFC 9147 7 asks. */
export function encodeAck(records: readonly RecordNumber[]): Uint8Array {
  const list = new Writer();
  const sorted = [...records].sort((a, b) => a.epoch - b.epoch || a.number - b.number);
  for (const { epoch, number } of sorted) writeU64(writeU64(list, epoch), number);
  return new Writer().vector16(list.done()).done();
}

/** What is acknowledged; throws `malformed`. Numbers that no record here can have are passed over. */
export function decodeAck(payload: Uint8Array): RecordNumber[] {
  const reader = new Reader(payload);
  const list = new Reader(reader.vector16());
  reader.end();
  const records: RecordNumber[] = [];
  while (list.remaining > 0) {
    const epoch = readU64(list);
    const number = readU64(list);
    if (epoch < MAX_RECORDS && number < MAX_RECORDS) records.push({ epoch, number });
  }
  return records;
}

function writeU64(writer: Writer, value: number): Writer {
  return writer.u32(Math.floor(value / 2 ** 32)).u32(value % 2 ** 32);
}

/** Exact below 2^53, and above it at least not below. */
function readU64(reader: Reader): number {
  const high = reader.u32();
  return high * 2 ** 32 + reader.u32();
}
