/** The header of protected records in DTLS 1.3: as short as what both ends know already lets it be (RFC 9147 4). @module */

/** One record as it stands in a datagram. Views. */
export interface UnifiedRecord {
  /** The two low bits of the epoch. */
  readonly epochBits: number;
  /** What the peer calls the receiver by; `undefined` where the record does not say. */
  readonly connectionId: Uint8Array | undefined;
  /** Where in `whole` the number stands, still hidden. */
  readonly numberAt: number;
  /** Bytes of the number. */
  readonly numberLength: 1 | 2;
  /** Where in `whole` the ciphertext begins. */
  readonly bodyAt: number;
  /** With its header. */
  readonly whole: Uint8Array;
}

/** Whether a record that begins with `first` has this header: 001 in the three high bits. */
export function isUnified(first: number): boolean {
  return first >> 5 === 1;
}

/**
 * The record at `at`, or `undefined` where there is none that ends within the datagram: what follows can not be found
 * either. A Connection ID is of `connectionIdLength` bytes where there is one.
 */
export function unifiedAt(datagram: Uint8Array, at: number, connectionIdLength: number): UnifiedRecord | undefined {
  const first = datagram[at]!;
  const hasId = (first & WITH_ID) !== 0;
  const numberAt = 1 + (hasId ? connectionIdLength : 0);
  const numberLength = (first & LONG_NUMBER) === 0 ? 1 : 2;
  const lengthAt = numberAt + numberLength;
  const hasLength = (first & WITH_LENGTH) !== 0;
  const bodyAt = lengthAt + (hasLength ? 2 : 0);
  if (at + bodyAt > datagram.length) return undefined;
  const bodyLength = (datagram[at + lengthAt]! << 8) | datagram[at + lengthAt + 1]!;
  const end = hasLength ? at + bodyAt + bodyLength : datagram.length;
  if (end > datagram.length) return undefined;
  return {
    epochBits: first & EPOCH_BITS,
    connectionId: hasId ? datagram.subarray(at + 1, at + numberAt) : undefined,
    numberAt,
    numberLength,
    bodyAt,
    whole: datagram.subarray(at, end),
  };
}

/** Bytes of the header that `writeUnifiedHeader` writes. */
export function unifiedHeaderLength(connectionId: Uint8Array): number {
  return 1 + connectionId.length + 4;
}

/** Writes the header with the longer number, in the clear, and with a length: what every receiver takes at any place. */
export function writeUnifiedHeader(
  out: Uint8Array,
  connectionId: Uint8Array,
  { epoch, number, bodyLength }: { readonly epoch: number; readonly number: number; readonly bodyLength: number },
): void {
  out[0] = FIXED_BITS | LONG_NUMBER | WITH_LENGTH | (epoch & EPOCH_BITS) | (connectionId.length > 0 ? WITH_ID : 0);
  out.set(connectionId, 1);
  const at = 1 + connectionId.length;
  // The low bits alone: a number goes beyond what `&` takes.
  const low = number % 0x10000;
  out[at] = low >> 8;
  out[at + 1] = low;
  out[at + 2] = bodyLength >> 8;
  out[at + 3] = bodyLength;
}

/** RFC 9147 4.2.2: the number with these low bits that is nearest to `expected`. */
export function nearestNumber(expected: number, low: number, numberLength: 1 | 2): number {
  const size = numberLength === 1 ? 0x100 : 0x10000;
  const number = expected - (expected % size) + low;
  if (number > expected + size / 2 && number >= size) return number - size;
  return number <= expected - size / 2 ? number + size : number;
}

const FIXED_BITS = 0x20;
const WITH_ID = 0x10;
const LONG_NUMBER = 0x08;
const WITH_LENGTH = 0x04;
const EPOCH_BITS = 0x03;
