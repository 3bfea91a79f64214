/** How much one record holds, where the two ends agree on less than the most (RFC 8449, RFC 6066 4). Of all versions. @module */

import { TlsFailure } from "./alert.ts";
import type { ClientHello } from "./handshake/client_hello.ts";
import { MAX_PLAINTEXT } from "./limits.ts";
import { isVersion13, type Policy } from "./options.ts";

/** Bytes of content, the type and padding that some records have inside apart. */
export interface RecordSizes {
  /** What this end puts into a record at most. */
  readonly sent: number;
  /** What it takes of a protected one. */
  readonly received: number;
}

/** The two extensions as either side says them. */
export type SizeExtensions = Pick<ClientHello, "recordSizeLimit" | "maxFragmentLength">;

/** What a client's hello says: both, because many servers know only the older one, which has four sizes. */
export function offerSizes({ recordSizeLimit }: Policy): SizeExtensions {
  if (recordSizeLimit === undefined) return {};
  const code = Math.min(Math.floor(Math.log2(recordSizeLimit / SMALLEST_FRAGMENT)) + 1, 4);
  return { recordSizeLimit, ...(code >= 1 && { maxFragmentLength: code }) };
}

/** The server's answer, and what comes of it; `undefined` where the client asks for nothing. */
export function chooseSizes(
  hello: ClientHello,
  policy: Policy,
  version: number,
): { readonly sizes: RecordSizes; readonly answer: SizeExtensions } | undefined {
  const { recordSizeLimit: theirs, maxFragmentLength: code } = hello;
  // RFC 8449 5: the older one does not count beside the newer.
  if (theirs !== undefined) {
    const ours = policy.recordSizeLimit ?? MAX_PLAINTEXT + inside(version);
    return { sizes: sizesOf(ours, theirs, version), answer: { recordSizeLimit: ours } };
  }
  if (code === undefined) return undefined;
  return { sizes: sizesOfCode(code), answer: { maxFragmentLength: code } };
}

/** The client's check; `undefined` where the server leaves it at the most. That it was asked is checked elsewhere. Throws `malformed`. */
export function checkSizes(offer: SizeExtensions, answer: SizeExtensions, version: number): RecordSizes | undefined {
  const { recordSizeLimit: theirs, maxFragmentLength: code } = answer;
  if (theirs !== undefined && code !== undefined) throw illegal("two limits for one record", "RFC 8449 5");
  if (theirs !== undefined) return sizesOf(offer.recordSizeLimit ?? MAX_PLAINTEXT, theirs, version);
  if (code === undefined) return undefined;
  if (code !== offer.maxFragmentLength) throw illegal("another fragment length than was asked for", "RFC 6066 4");
  return sizesOfCode(code);
}

/** RFC 8449 4: in version 1.3 the limit counts the type with the content. */
function sizesOf(ours: number, theirs: number, version: number): RecordSizes {
  const most = (limit: number): number => Math.min(limit - inside(version), MAX_PLAINTEXT);
  return { sent: most(theirs), received: most(ours) };
}

function sizesOfCode(code: number): RecordSizes {
  const size = SMALLEST_FRAGMENT * 2 ** (code - 1);
  return { sent: size, received: size };
}

function inside(version: number): 0 | 1 {
  return isVersion13(version) ? 1 : 0;
}

function illegal(message: string, clause: string): TlsFailure {
  return new TlsFailure("illegal_parameter", "malformed", message, { clause });
}

/** RFC 6066 4: code 1. */
const SMALLEST_FRAGMENT = 512;
