/** Where a record's type stands that is inside of it (RFC 8446 5.4, RFC 9146 4, RFC 9147 4). @module */

/** Behind the content, before the padding: the last byte from `from` up to `to` that is not 0; -1 where there is none. */
export function typeAt(bytes: Uint8Array, from: number, to: number): number {
  for (let at = to - 1; at >= from; at--) if (bytes[at] !== 0) return at;
  return -1;
}
