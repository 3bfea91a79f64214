/** How the records of one epoch are written on datagrams: in the clear, and under the keys of DTLS 1.2. @module */

import { CONTENT, DATAGRAM_HEADER_LENGTH, DTLS_1_2 } from "./content_type.ts";
import { type Epoch, headerOf, writeNumber } from "./datagram_header.ts";
import type { Protection } from "./protection.ts";

/** One form of records. Lengths are bytes. */
export interface Sealer extends Disposable {
  /** How many records it may write: their numbers count from 0. */
  readonly most: number;
  /** What of the longest plaintext is not for the content. */
  readonly inside: number;
  /** How long a record with so much content is, header and all. */
  lengthOf(contentLength: number): number;
  /** Writes one record and returns its length; `out` has `lengthOf` bytes of room and lies apart from `content`. */
  sealInto(out: Uint8Array, type: number, number: number, content: Uint8Array): number;
}

/** Epoch 0, the same in all versions. */
export class ClearSealer implements Sealer {
  readonly most: number = 2 ** 48;
  readonly inside = 0;

  lengthOf(contentLength: number): number {
    return DATAGRAM_HEADER_LENGTH + contentLength;
  }

  sealInto(out: Uint8Array, type: number, number: number, content: Uint8Array): number {
    writeHeader(out, type, 0, number);
    out.set(content, DATAGRAM_HEADER_LENGTH);
    out[11] = content.length >> 8;
    out[12] = content.length;
    return DATAGRAM_HEADER_LENGTH + content.length;
  }

  [Symbol.dispose](): void {}
}

/** Epoch 1 of DTLS 1.2; with a Connection ID the type is inside, behind the content (RFC 9146 4). */
export class Sealer12 implements Sealer {
  readonly most: number = 2 ** 48;
  readonly inside: 0 | 1;
  readonly #protection: Protection;
  readonly #connectionId: Uint8Array;

  /** `protection` is this sealer's to dispose; `connectionId` is what the receiver chose, none where it is empty. */
  constructor(protection: Protection, connectionId: Uint8Array) {
    this.#protection = protection;
    this.#connectionId = connectionId;
    this.inside = connectionId.length > 0 ? 1 : 0;
  }

  lengthOf(contentLength: number): number {
    const inner = contentLength + this.inside;
    return DATAGRAM_HEADER_LENGTH + this.#connectionId.length + this.#protection.sealedLength(inner);
  }

  sealInto(out: Uint8Array, type: number, number: number, content: Uint8Array): number {
    const bodyAt = DATAGRAM_HEADER_LENGTH + this.#connectionId.length;
    const length = this.#sealBody(type, number, content, out.subarray(bodyAt));
    writeHeader(out, this.inside === 1 ? CONTENT.connectionId : type, 1, number);
    out.set(this.#connectionId, 11);
    out[bodyAt - 2] = length >> 8;
    out[bodyAt - 1] = length;
    return bodyAt + length;
  }

  [Symbol.dispose](): void {
    this.#protection[Symbol.dispose]();
  }

  #sealBody(type: number, number: number, content: Uint8Array, out: Uint8Array): number {
    const header = headerOf(this.#connectionId, type, number);
    if (this.inside === 0) return this.#protection.sealInto(header, content, out);
    const inner = new Uint8Array(content.length + 1);
    inner.set(content);
    inner[content.length] = type;
    const length = this.#protection.sealInto(header, inner, out);
    inner.fill(0);
    return length;
  }
}

function writeHeader(out: Uint8Array, type: number, epoch: Epoch, number: number): void {
  out[0] = type;
  out[1] = DTLS_1_2 >> 8;
  out[2] = DTLS_1_2 & 0xff;
  writeNumber(out, 3, epoch, number);
}
