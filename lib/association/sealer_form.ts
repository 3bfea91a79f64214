/**
 * The one form on the wire that each algorithm has: written in place, and read strictly by position, so that a message has
 * no second encoding. What is written is a COSE message that any COSE library reads.
 *
 * ```
 * D0 83 bstr{1: alg}              A3 04 48 kid 06 bstr(Partial IV) 0A 4F kid-context   bstr(ciphertext || tag)
 * D1 84 bstr{1: 5, 6: Partial IV} A2 04 48 kid                     0A 4F kid-context   bstr(payload) 58 20 tag
 * ```
 *
 * @module
 */

import { SeccfError } from "../error.ts";
import type { DirectionKeys } from "./sealer_context.ts";
import { ID_CONTEXT_LENGTH } from "./sealer_context.ts";

/** The longest message, bytes: what AES-CCM with a nonce of 13 can count, less the longest tag. */
export const LONGEST_MESSAGE: number = 0xffff - 16;

/** Bytes of an association's id. */
export const KID_LENGTH = 8;

/** Where things stand in a message just read. One object, overwritten by each reading. */
export interface Found {
  partialIv: number;
  /** Offset of the ID Context. */
  idContextAt: number;
  /** Offset and bytes of the ciphertext with its tag, or of the payload. */
  contentAt: number;
  contentLength: number;
  /** Bytes that opening will write. */
  messageLength: number;
}

/** One form: how messages of one algorithm are written and read. */
export interface Form {
  /** Bytes added to a message, at most. */
  readonly overhead: number;
  /** Returns bytes written. `idContext` is the author's. */
  write(keys: DirectionKeys, idContext: Uint8Array, partialIv: number, message: Uint8Array, out: Uint8Array): number;
  /** Fills {@link Form.found}. Throws `malformed`, `too-large`, `downgrade`, or `auth-failed` for another association's. */
  read(sealed: Uint8Array): void;
  /** Of the last message read. */
  readonly found: Found;
  /** Opens the message last read, by the peer's keys or (`mine`) as one of ours; -1 when its tag is wrong, and then nothing of it is in `out`. */
  open(keys: DirectionKeys, sealed: Uint8Array, out: Uint8Array, mine: boolean): number;
}

/** What both forms are made from. */
export interface FormOptions {
  readonly algorithm: number;
  /** 8 bytes. */
  readonly associationId: Uint8Array;
  /** external_aad of what we send, and of what the peer sends. */
  readonly externalAad: { readonly mine: Uint8Array; readonly theirs: Uint8Array };
}

export function newFound(): Found {
  return { partialIv: 0, idContextAt: 0, contentAt: 0, contentLength: 0, messageLength: 0 };
}

/** Writes the minimal big-endian bytes of a Partial IV (RFC 8613 6.1; 0 is one byte) and returns the offset behind. */
export function writePartialIv(partialIv: number, out: Uint8Array, at: number): number {
  const length = partialIvLength(partialIv);
  let left = partialIv;
  for (let i = at + length - 1; i >= at; i--) {
    out[i] = left % 0x100;
    left = Math.floor(left / 0x100);
  }
  return at + length;
}

/** 1 to 5 bytes. */
export function partialIvLength(partialIv: number): number {
  if (partialIv < 0x10000) return partialIv < 0x100 ? 1 : 2;
  return partialIv < 0x1000000 ? 3 : partialIv < 0x100000000 ? 4 : 5;
}

/** Reads a minimal Partial IV of `length` bytes. */
export function readPartialIv(sealed: Uint8Array, at: number, length: number): number {
  if (length < 1 || length > 5 || (length > 1 && sealed[at] === 0)) throw malformed();
  let value = 0;
  for (let i = 0; i < length; i++) value = value * 0x100 + sealed[at + i]!;
  return value;
}

/** Copies `part` to `at` and returns the offset behind. A loop: `set` of a view would allocate the view. */
export function copy(part: Uint8Array, out: Uint8Array, at: number): number {
  for (let i = 0; i < part.length; i++) out[at + i] = part[i]!;
  return at + part.length;
}

/** The offset behind `part`, which must stand at `at`. */
export function expectBytes(part: Uint8Array, sealed: Uint8Array, at: number): number {
  if (sealed.length - at < part.length) throw malformed();
  for (let i = 0; i < part.length; i++) if (sealed[at + i] !== part[i]) throw malformed();
  return at + part.length;
}

/** The offset behind the id, which must be ours: otherwise the message is for another association. */
export function expectKid(kid: Uint8Array, sealed: Uint8Array, at: number): number {
  if (sealed.length - at < kid.length) throw malformed();
  for (let i = 0; i < kid.length; i++) {
    if (sealed[at + i] !== kid[i]) throw new SeccfError("auth-failed", "sealed by another association");
  }
  return at + kid.length;
}

/** Reads `0A 4F kid-context` and returns the offset behind. */
export function readIdContext(sealed: Uint8Array, at: number, found: Found): number {
  if (sealed.length - at < 2 + ID_CONTEXT_LENGTH || sealed[at] !== 0x0a) throw malformed();
  if (sealed[at + 1] !== (0x40 | ID_CONTEXT_LENGTH)) throw malformed();
  found.idContextAt = at + 2;
  return at + 2 + ID_CONTEXT_LENGTH;
}

/** Writes `0A 4F kid-context` and returns the offset behind. */
export function writeIdContext(idContext: Uint8Array, out: Uint8Array, at: number): number {
  out[at] = 0x0a;
  out[at + 1] = 0x40 | ID_CONTEXT_LENGTH;
  return copy(idContext, out, at + 2);
}

/** Reads the shortest head of a byte string into {@link Found.contentLength} and `contentAt`; returns the offset of its bytes. */
export function readContentHead(sealed: Uint8Array, at: number, found: Found): number {
  const left = sealed.length - at;
  if (left < 3) throw malformed();
  const head = sealed[at]!;
  let next = at + 1;
  let length: number;
  if (head >= 0x40 && head < 0x58) length = head & 31;
  else if (head === 0x58) length = sealed[next++]!;
  else if (head === 0x59) length = (sealed[next++]! << 8) | sealed[next++]!;
  else throw malformed();
  if ((head === 0x58 && length < 24) || (head === 0x59 && length < 0x100)) throw malformed();
  found.contentAt = next;
  found.contentLength = length;
  return next;
}

export function malformed(): SeccfError {
  return new SeccfError("malformed", "not the form of a sealed message");
}

const SCRATCH_LENGTH = 2048;
const scratch = new Uint8Array(SCRATCH_LENGTH);
const views: Uint8Array[] = [];

/**
 * `length` bytes of shared memory for the time of one synchronous call, or undefined beyond 2048: a view for each length
 * is made once, so that ciphers get arrays of the right length without an allocation per message. Never for plaintext
 * that was encrypted or is to be.
 */
export function scratchOf(length: number): Uint8Array | undefined {
  if (length > SCRATCH_LENGTH) return undefined;
  return views[length] ??= scratch.subarray(0, length);
}
