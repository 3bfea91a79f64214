/** Keys for others, made of a session (RFC 5705, RFC 8446 7.5): what holds of every version and transport. @module */

import type { SecretBytes } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { Sequel } from "./handshake.ts";

/** What is asked for. */
export interface ExportedUse {
  readonly label: string;
  readonly context: Uint8Array | undefined;
  /** Bytes. */
  readonly length: number;
}

/** Throws `state` without `sequel`, and RangeError for what no version can make. */
export function exportedBy(sequel: Sequel | undefined, { label, context, length }: ExportedUse): SecretBytes {
  if (!/^[\x20-\x7e]{1,128}$/.test(label) || RESERVED.includes(label)) {
    throw new RangeError("a label is 1 to 128 characters of ASCII, and none that the handshake uses");
  }
  if (!Number.isInteger(length) || length < 1 || length > LONGEST) throw new RangeError(`1 to ${LONGEST} bytes`);
  if (context && context.length > 0xffff) throw new RangeError("a context has at most 65535 bytes");
  if (!sequel) throw new SeccfError("state", "there is no session that exports keys");
  return sequel.exportKey(label, context, length);
}

/** RFC 5705 4 and RFC 7627 6: with these, secrets of the session itself would come out. */
const RESERVED: readonly string[] = [
  "client finished",
  "server finished",
  "master secret",
  "extended master secret",
  "key expansion",
];
/** What HKDF-Expand can make with SHA-256 (RFC 5869 2.3). */
const LONGEST = 8160;
